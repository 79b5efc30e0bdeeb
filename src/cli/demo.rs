//! `demo`: the whole exporter on a simulated API.

use std::io::{self, Write, stdout};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use elements_api::{Credential, CustomerId, Platform, Secret, SecretSource};
use elements_sim::{Simulator, World, demo};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::args::Options;
use super::logging::Log;
use super::{Outcome, bind, on_hang_up, on_stop};
use crate::app::Source;
use crate::config::{Config, USER_AGENT};
use crate::poll::{self, ConfiguredCustomer, Discovery, ProductList, Selection};

/// Nobody but the person who tries it.
const DEFAULT_ADDRESS: &str = "127.0.0.1:10878";

/// Short enough that something happens while a person watches.
const INTERVAL: Duration = Duration::from_secs(15);

/// Everybody sees the same.
const SEED: u64 = 1;

/// Runs the exporter against the simulator until a signal stops it.
pub(super) async fn run(options: &Options, log: &Log) -> Result<Outcome> {
    let (shutdown, reload) = (on_stop()?, on_hang_up()?);
    let world = demo::world();
    let simulator = Simulator::start(world.clone()).await.context("the simulated API cannot be started")?;
    // A container may have no temporary folder.
    let bill =
        bill().inspect_err(|error| warn!(%error, "the demo has no expected seats: no temporary file can be made")).ok();
    let config = config(&simulator, world, bill.as_ref().map(|file| file.path().into()))?;
    let source = Source::Fixed(Box::new(config));
    let Some(app) = bind(options, source, DEFAULT_ADDRESS, log, &shutdown).await? else { return Ok(Outcome::Done) };
    let Some(address) = app.addresses().first() else { return Ok(Outcome::Failed) };
    // Every interface is an address to listen on, and none that a browser takes.
    let port = address.port();
    let place = if address.ip().is_unspecified() { format!("localhost:{port}") } else { address.to_string() };
    let (url, path) = (format!("{}://{place}", app.scheme()), &options.telemetry_path);
    let greeting =
        format!("A demo on a simulated API; stop it with Ctrl-C.\n  metrics:     {url}{path}\n  status page: {url}/");
    // Nobody need read it: a full pipe holds up neither the exporter nor its end.
    spawn_blocking(move || writeln!(stdout().lock(), "{greeting}"));
    tokio::select! {
        outcome = app.run(shutdown, reload) => outcome?,
        never = demo::live(simulator.control(), INTERVAL, SEED) => match never {},
    }
    Ok(Outcome::Done)
}

/// What a billing system might have exported; it is gone at the end.
fn bill() -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("avepoint-exporter-demo-").suffix(".csv").tempfile()?;
    file.write_all(include_bytes!("demo.csv"))?;
    Ok(file)
}

/// As a partner would write it: discovery finds the customers, and those with a short name get one.
fn config(simulator: &Simulator, world: World, expected_seats_file: Option<PathBuf>) -> Result<Config> {
    let api = elements_api::Settings {
        user_agent: USER_AGENT,
        base_url: simulator.base_url().parse()?,
        token_url: simulator.token_url().parse()?,
        client_id: world.client_id,
        credential: Credential::Secret(SecretSource::Inline(Secret::new(world.client_secret.unwrap_or_default()))),
        ca_file: None,
        timeout: Duration::from_secs(5),
        max_in_flight: NonZeroUsize::MIN.saturating_add(15),
        requests_per_second: NonZeroU32::MIN.saturating_add(199),
        max_retries: 3,
        discovery: true,
    };
    let poll =
        poll::Timing { absent_interval: INTERVAL * 4, subscriptions: Some(INTERVAL), ..poll::Timing::every(INTERVAL) };
    let customers = world.customers.iter().filter_map(|customer| {
        let name = customer.organization.to_lowercase().replace(' ', "-");
        Some(ConfiguredCustomer { id: CustomerId::parse(&customer.id)?, name: Some(name), products: None })
    });
    let products = ProductList::All;
    let (customers, discovery) = (customers.collect(), Some(Discovery::default()));
    let selection = Selection { customers, discovery, products, platforms: vec![Platform::Microsoft365] };
    Ok(Config { api, poll, state_file: None, selection, expected_seats_file })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exporter_web::ServerConfig;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::{App, Launch};

    /// The series of one page of metrics, with their values.
    type Scrape = BTreeMap<String, f64>;

    fn scrape(metrics: &str) -> Scrape {
        let series = metrics.lines().filter_map(|line| line.rsplit_once(' '));
        series.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
    }

    /// What a Prometheus sees in the first two minutes, if it scrapes every second.
    async fn first_two_minutes() -> Vec<Scrape> {
        let world = demo::world();
        let simulator = Simulator::start(world.clone()).await.unwrap();
        let app = App::bind(Launch {
            source: Source::Fixed(Box::new(config(&simulator, world, None).unwrap())),
            auto_reload: false,
            web: ServerConfig { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ServerConfig::default() },
            telemetry_path: "/metrics".parse().unwrap(),
            enable_lifecycle: false,
            log_lines_dropped: None,
            notify_socket: None,
        });
        let app = app.await.unwrap();
        let url = format!("http://{}/metrics", app.addresses()[0]);
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let (_reload, reloads) = mpsc::channel(1);
        let watching = async {
            let (begin, mut scrapes) = (Instant::now(), Vec::new());
            while begin.elapsed() < Duration::from_mins(2) {
                let metrics = http.get(&url).send().await.unwrap().text().await.unwrap();
                scrapes.push(scrape(&metrics));
                sleep(Duration::from_secs(1)).await;
            }
            scrapes
        };
        tokio::select! {
            scrapes = watching => scrapes,
            ended = app.run(CancellationToken::new(), reloads) => panic!("it ended: {ended:?}"),
            never = demo::live(simulator.control(), INTERVAL, SEED) => match never {},
        }
    }

    fn seats(customer: &str, product: &str) -> String {
        format!("avepoint_purchased_user_seats{{customer=\"{customer}\",product=\"{product}\"}}")
    }

    #[tokio::test(start_paused = true)]
    async fn two_minutes_show_changes_and_failures() {
        const M365: &str = "Cloud Backup for Microsoft 365";
        let scrapes = first_two_minutes().await;
        let last = scrapes.last().unwrap();
        let now = |series: &str| last.get(series).copied();
        let ever = |series: &str, value: f64| scrapes.iter().any(|scrape| scrape.get(series) == Some(&value));

        assert!(ever(&seats("fabrikam", M365), 1180.0) && now(&seats("fabrikam", M365)) == Some(1215.0), "a rise");
        assert!(ever(&seats("northwind-traders", M365), 275.0), "before the fall");
        assert_eq!(now(&seats("northwind-traders", M365)), Some(260.0), "a fall");
        let before = scrapes[20].get(&seats("alpine-ski-house", "Fly"));
        assert!([None, Some(&0.0)].contains(&before), "it had none before: {before:?}");
        assert_eq!(now(&seats("alpine-ski-house", "Fly")), Some(45.0), "a first purchase");

        let answered = "avepoint_poll_success{customer=\"tailspin-toys\",product=\"Cloud Backup for Microsoft 365\"}";
        let failing = scrapes.iter().filter(|scrape| scrape.get(answered) == Some(&0.0)).count();
        assert!((30..60).contains(&failing), "it fails for a few cycles: {failing} s");
        assert_eq!(now(answered), Some(1.0), "and recovers");

        let newcomer = seats("de300000-0000-4000-8000-000000000013", M365);
        assert!(!scrapes[30].contains_key(&newcomer));
        assert_eq!(now(&newcomer), Some(95.0), "it was discovered");
        assert!(now("avepoint_api_retries_total{reason=\"throttled\"}") > Some(0.0), "a throttling");

        let longest = scrapes.iter().filter_map(|scrape| scrape.get("avepoint_poll_cycle_duration_seconds")).copied();
        let (shortest, longest) =
            longest.fold((f64::MAX, 0.0), |(least, most): (f64, f64), took| (least.min(took), most.max(took)));
        assert!(shortest > 0.3 && longest < INTERVAL.as_secs_f64() * 0.8, "cycles take {shortest} to {longest} s");
    }
}
