//! `check` and `check --live`.

use std::collections::{BTreeMap, HashSet};
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use elements_api::{Answer, Client, CustomerListing, Error, ListedCustomer, LostRows, Round, check_credential};
use exporter_web::WebConfig;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::hold::Hold;
use super::{Options, Outcome, client};
use crate::app::{LoadError, Source};
use crate::config::{Config, Summary};
use crate::names::{SomeOf, count};
use crate::poll::{Capacity, ExpectedSeatsFile, TYPICAL_LATENCY, WatchList};
use crate::rfc3339;
use crate::store::{CLOCK_TOLERANCE, WatchedCustomer};

/// So many customers stand for all that have one problem.
const MOST_NAMES: usize = 10;

/// Says whether the configuration is right, without a network.
pub(super) fn offline(source: &Source, options: &Options) -> Result<Outcome> {
    let Loaded { config, web_config, doubts, expected, .. } = load(source, options)?;
    say(&format!("ok: {}", counted(summary(&config, expected.as_ref()))))?;
    say_web(web_config.as_ref())?;
    doubts.iter().try_for_each(|doubt| warn(doubt))?;
    let mut watched = config.selection.watch_list(&[], |_| None);
    expect(expected.as_ref(), &mut watched, config.selection.discovery.is_none())?;
    warn_of_capacity(&config, &watched)?;
    Ok(Outcome::Done)
}

/// Gets a token as well, lists the customers where discovery is on, and asks for one overview per customer.
pub(super) async fn live(source: &Source, options: &Options) -> Result<Outcome> {
    let Loaded { config, client, hold, web_config, doubts, expected } = load(source, options)?;
    say(&format!("ok: configuration: {}", counted(summary(&config, expected.as_ref()))))?;
    say_web(web_config.as_ref())?;
    doubts.iter().try_for_each(|doubt| warn(doubt))?;
    let round = Round::begin(&client, Instant::now() + Duration::from_hours(1));
    let mut problems = 0;
    let mut report = |outcome: Result<String, String>| match outcome {
        Ok(good) => say(&format!("ok: {good}")),
        Err(problem) => {
            problems += 1;
            say(&format!("failed: {problem}"))
        }
    };

    let signed_in = round.sign_in().await;
    // A clock that is wrong by more makes assertions fail, and timestamps lie.
    let is_wrong = |skew: &i64| skew.unsigned_abs() > CLOCK_TOLERANCE.as_secs();
    if let Some(skew) = client.clock_skew_seconds().filter(is_wrong) {
        let direction = if skew > 0 { "behind" } else { "ahead of" };
        let problem = format!("clock: this machine's clock is {} s {direction} the vendor's", skew.unsigned_abs());
        report(Err(problem))?;
    }
    if let Err(error) = signed_in {
        report(Err(format!("token: {error}{}", hold.after_failure())))?;
        return Ok(Outcome::Failed);
    }
    report(Ok("token: the credentials are accepted".to_owned()))?;

    let mut listing = Vec::new();
    if config.selection.discovery.is_some() {
        let listed = round.customers().await;
        report(match &listed {
            Ok(listed) => {
                Ok(format!("discovery: the credentials can see {}", count(listed.customers.len(), "customer")))
            }
            Err(error) => Err(format!("discovery: {error}{}", hold.after_failure())),
        })?;
        let CustomerListing { customers, lost } = listed.unwrap_or_default();
        if let Some(LostRows { count: rows, first }) = lost {
            report(Err(format!("discovery: {} that name no customer: {first}", count(rows, "row"))))?;
        }
        listing = customers;
    }
    let mut watched = config.selection.watch_list(&listing, |_| None);
    expect(expected.as_ref(), &mut watched, true)?;
    for id in &watched.hidden {
        report(Err(format!("customer {id} was discovered, but its id is another customer's name: rename that one")))?;
    }
    let (outcomes, left) = ask_each(&round, &watched.customers, &listing).await;
    if !left.is_empty() {
        let names = SomeOf(&left, MOST_NAMES);
        report(Err(format!("overview of {names}: {}", hold.not_made(left.len()))))?;
    }
    for (problem, customers) in outcomes {
        report(match problem {
            None if customers.len() == 1 => Ok("overview: 1 customer answers".to_owned()),
            None => Ok(format!("overview: {} customers answer", customers.len())),
            Some(problem) => Err(format!("overview of {}: {problem}", SomeOf(&customers, MOST_NAMES))),
        })?;
    }
    warn_of_capacity(&config, &watched)?;
    Ok(if problems == 0 { Outcome::Done } else { Outcome::Failed })
}

/// What was found to be right.
struct Loaded {
    config: Config,
    client: Arc<Client>,
    hold: Arc<Hold>,
    web_config: Option<WebConfig>,
    /// What is legal and probably wrong.
    doubts: Vec<String>,
    expected: Option<ExpectedSeatsFile>,
}

/// # Errors
///
/// All that is wrong with the two configurations.
fn load(source: &Source, options: &Options) -> Result<Loaded> {
    let web_config = options.web_config_file.as_deref().map(WebConfig::load).transpose();
    match (load_config(source), web_config) {
        (Ok(loaded), Ok(web_config)) => Ok(Loaded { web_config, ..loaded }),
        (Err(error), Ok(_)) => Err(error),
        (Ok(_), Err(error)) => Err(error.into()),
        (Err(error), Err(web_error)) => bail!("{error:#}\n{web_error}"),
    }
}

/// Unlike the daemon, which goes on without, it refuses a certificate that is out of its time.
fn load_config(source: &Source) -> Result<Loaded> {
    let (config, mut doubts) = source.load_with_doubts()?;
    let now = SystemTime::now();
    let expires = check_credential(&config.api, now).map_err(LoadError::Credential)?;
    doubts.extend(expires.and_then(|expires| expires_soon(expires, now)));
    let (client, hold) = client(&config)?;
    let expected = config.expected_seats_file.as_deref().map(ExpectedSeatsFile::read);
    Ok(Loaded { config, client, hold, web_config: None, doubts, expected })
}

/// Time enough to have a certificate renewed, as the shipped alert has it.
const SOON: Duration = Duration::from_hours(30 * 24);

fn expires_soon(expires: SystemTime, now: SystemTime) -> Option<String> {
    let left = expires.duration_since(now).unwrap_or_default();
    let days = count(usize::try_from(left.as_secs() / 86_400).unwrap_or(usize::MAX), "day");
    let at = rfc3339::seconds(expires);
    (left < SOON)
        .then(|| format!("api.certificate: expires in {days}, at {at}: upload its successor to the Elements portal"))
}

fn say_web(web_config: Option<&WebConfig>) -> Result<()> {
    web_config.map_or(Ok(()), |config| say(&format!("ok: web configuration: {}", config.summary())))
}

/// Each problem with the customers that have it; `None` is none. And those that were not asked for.
async fn ask_each(
    round: &Arc<Round>,
    customers: &[WatchedCustomer],
    listing: &[ListedCustomer],
) -> (BTreeMap<Option<String>, Vec<String>>, Vec<String>) {
    let listed: HashSet<_> = listing.iter().map(|listed| &listed.id).collect();
    let mut asking = JoinSet::new();
    for watched in customers {
        let (round, mut watched) = (round.clone(), watched.clone());
        let is_listed = listed.contains(&watched.customer.id);
        if is_listed {
            // There is such a customer: whatever the first product comes to is an answer.
            watched.products.truncate(1);
        }
        asking.spawn(async move {
            let label = watched.customer.label.to_string();
            match ask(&round, &watched).await {
                Err(Error::NotBegun) => Err(label),
                Err(error) => Ok((Some(error.without_request_id().to_string()), label)),
                Ok(Answer::NotFound) if !is_listed => Ok((Some(not_found(watched.products.len())), label)),
                Ok(_) => Ok((None, label)),
            }
        });
    }
    let (mut outcomes, mut left): (BTreeMap<_, Vec<_>>, _) = (BTreeMap::new(), Vec::new());
    for asked in asking.join_all().await {
        match asked {
            Ok((problem, label)) => outcomes.entry(problem).or_default().push(label),
            Err(label) => left.push(label),
        }
    }
    for labels in outcomes.values_mut() {
        labels.sort();
    }
    left.sort();
    (outcomes, left)
}

/// Asks for one overview. As the vendor does not tell an unknown customer from a product that it never bought, a 404 is
/// followed by asking for the customer's next product.
async fn ask(round: &Round, watched: &WatchedCustomer) -> Result<Answer, Error> {
    for product in &watched.products {
        let slot = round.slot().await.ok_or(Error::NotBegun)?;
        match round.overview(&watched.customer.id, *product, slot, |_| true).await? {
            Answer::NotFound => {}
            answer => return Ok(answer),
        }
    }
    Ok(Answer::NotFound)
}

fn not_found(products: usize) -> String {
    let missing = match products {
        1 => "its only product does not exist".to_owned(),
        products => format!("none of its {products} products exists"),
    };
    format!(
        "customer not found: {missing}; is the id right? (the command `customers` lists those that the credentials can \
         see)"
    )
}

/// What is watched, as far as it is known without a listing: what cannot be expected is warned of later.
fn summary(config: &Config, expected: Option<&ExpectedSeatsFile>) -> Summary {
    let rows = expected.and_then(|file| file.rows().ok());
    config.summary(rows.map_or(&[], AsRef::as_ref))
}

fn counted(summary: Summary) -> String {
    let Summary { customers, products, targets, discovery } = summary;
    let more = if discovery { ", and what discovery adds" } else { "" };
    let counted = [count(customers, "customer"), count(products, "product"), count(targets, "target")];
    format!("{}{more}", counted.join(", "))
}

/// Expects what the expected seats file says, and warns where that is nothing: the exporter runs all the same.
fn expect(expected: Option<&ExpectedSeatsFile>, watched: &mut WatchList, all_customers_are_known: bool) -> Result<()> {
    let Some(file) = expected else { return Ok(()) };
    match file.rows() {
        Err(error) => warn(&format!("expected_seats_file: {error}")),
        Ok(rows) => {
            let unmatched = watched.expect(rows);
            if unmatched.rows == 0 || !all_customers_are_known {
                return Ok(());
            }
            let (rows, names) = (count(unmatched.rows, "row"), Vec::from_iter(&unmatched.names));
            let names = SomeOf(&names, MOST_NAMES);
            warn(&format!("expected_seats_file: ignores {rows} of unknown customers or products: {names}"))
        }
    }
}

fn warn_of_capacity(config: &Config, watched: &WatchList) -> Result<()> {
    let capacity =
        Capacity::new(watched.targets(), watched.dormant_targets(), watched.targets(), &config.api, config.poll);
    capacity.advice(TYPICAL_LATENCY).iter().try_for_each(|advice| warn(advice))
}

/// Of what is no failure.
fn warn(what: &str) -> Result<()> {
    say(&format!("warning: {what}"))
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(stdout().lock(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_is_singular() {
        let one = Summary { customers: 1, products: 1, targets: 1, discovery: true };
        assert_eq!(counted(one), "1 customer, 1 product, 1 target, and what discovery adds");
        let more = Summary { customers: 0, products: 2, targets: 3, discovery: false };
        assert_eq!(counted(more), "0 customers, 2 products, 3 targets");
        assert!(not_found(1).starts_with("customer not found: its only product does not exist; is"));
        assert!(not_found(2).starts_with("customer not found: none of its 2 products exists; is"));
    }
}
