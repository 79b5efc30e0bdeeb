//! What happens in the demo: first a story that shows everything within two minutes, then one chance after another.

use std::convert::Infallible;
use std::time::Duration;

use hyper::StatusCode;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{Rng, RngExt, SeedableRng};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::{CUSTOMERS, FLY, Line, M365_BACKUP, NEWCOMER, customer, id};
use crate::{Control, Customer, Effect, Operation, Rule, World};

/// Lets things happen to the account of [`world`](super::world) and to its API, until it is dropped: about one per `pace`,
/// which should be the interval of whoever polls it. They are the same for the same seed.
pub async fn live(control: Control, pace: Duration, seed: u64) -> Infallible {
    let begin = Instant::now();
    for (paces, event) in STORY {
        sleep_until(begin + pace.mul_f64(paces)).await;
        event.happen(&control);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut trouble_left = 0;
    loop {
        sleep(pace.mul_f64(rng.random_range(0.5..1.5))).await;
        control.change(|world| trade(world, &mut rng));
        trouble_left -= 1;
        if trouble_left <= 0 {
            control.clear_faults();
        }
        if trouble_left <= 0 && rng.random_bool(TROUBLE_PROBABILITY) {
            control.inject(trouble(&control, &mut rng));
            trouble_left = rng.random_range(2..=4);
        }
    }
}

/// Whoever asks every pace for what was purchased, and every fourth for the rest, has seen all of it after eight paces.
const STORY: [(f64, Event); 7] = [
    (0.5, Event::Has { organization: "Fabrikam", product: M365_BACKUP, seats: 1215 }),
    (1.5, Event::Has { organization: "Northwind Traders", product: M365_BACKUP, seats: 260 }),
    (1.5, Event::Has { organization: "Alpine Ski House", product: FLY, seats: 45 }),
    (2.5, Event::Fails { organization: "Tailspin Toys" }),
    (3.5, Event::Arrives(NEWCOMER)),
    (5.5, Event::AllIsWell),
    (6.5, Event::Throttles),
];

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Seats rise, fall, or are the first that the customer purchases of this product.
    Has { organization: &'static str, product: u32, seats: u64 },
    /// Nothing about this customer is answered until all is well again.
    Fails { organization: &'static str },
    /// A customer is there that was not.
    Arrives(Line),
    /// The next few requests are too many.
    Throttles,
    /// What failed does so no longer.
    AllIsWell,
}

impl Event {
    fn happen(self, control: &Control) {
        match self {
            Self::Has { organization, product, seats } => control.set_seats(&id_of(organization), product, seats),
            Self::Fails { organization } => {
                control.inject(failure(StatusCode::SERVICE_UNAVAILABLE, id_of(organization)));
            }
            Self::Arrives(line) => control.change(|world| world.customers.insert(customer(&line, CUSTOMERS.len() + 1))),
            Self::Throttles => control.inject(throttling()),
            Self::AllIsWell => control.clear_faults(),
        }
    }
}

fn id_of(organization: &str) -> String {
    let index = CUSTOMERS.iter().position(|(name, ..)| *name == organization);
    id(index.map_or(0, |index| index + 1))
}

/// However often it is tried again: what strikes one request alone is never seen.
fn failure(status: StatusCode, customer: String) -> Rule {
    Rule::on(Operation::Overview, Effect::status(status)).customer(customer)
}

/// Few enough to be tried again with success, and a visible pause for all.
fn throttling() -> Rule {
    Rule::on(Operation::Overview, Effect::throttled(2)).times(3)
}

/// That something begins to fail, where nothing does.
const TROUBLE_PROBABILITY: f64 = 0.25;

fn trouble(control: &Control, rng: &mut impl Rng) -> Rule {
    const FAILURES: [StatusCode; 3] =
        [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FORBIDDEN];
    let customer = control.change(|world| world.customers.iter().choose(rng).map(|customer| customer.id.clone()));
    match (FAILURES.choose(rng), customer) {
        (Some(status), Some(customer)) if rng.random_bool(0.75) => failure(*status, customer),
        _ => throttling(),
    }
}

/// How often seats move for every product that is taken up or given up.
const MOVES: u32 = 5;

/// Seats move, mostly; or a customer takes up a product, or gives one up.
fn trade(world: &mut World, rng: &mut impl Rng) {
    if rng.random_ratio(MOVES, MOVES + 1) {
        move_seats(world, rng);
    } else if let Some(customer) = world.customers.iter_mut().choose(rng) {
        take_up_or_give_up(customer, rng);
    }
}

/// Seats stay within the range that the customers began with.
const FEWEST: u64 = 5;
const MOST: u64 = 2500;

/// Some customer buys or returns up to a tenth of some product's seats.
fn move_seats(world: &mut World, rng: &mut impl Rng) {
    let numbers = world.customers.iter_mut().flat_map(|customer| customer.seats.values_mut());
    let Some(seats) = numbers.filter(|seats| seats.as_u64() > Some(0)).choose(rng) else { return };
    let now = seats.as_u64().unwrap_or_default();
    let step = rng.random_range(1..=(now / 10).max(1));
    let grows = now <= FEWEST || (now < MOST && rng.random_bool(0.6));
    let then = if grows { now + step } else { now.saturating_sub(step) };
    *seats = then.clamp(FEWEST, MOST).into();
}

/// A customer keeps to between one product and six, and rather takes up what others have.
fn take_up_or_give_up(customer: &mut Customer, rng: &mut impl Rng) {
    let number = |product| customer.seats.get(product).map_or(Some(0), Value::as_u64);
    let sold = || CUSTOMERS.iter().flat_map(|(.., seats)| seats.iter().map(|(product, _)| product));
    let owned = customer.seats.values().filter(|seats| seats.as_u64() > Some(0)).count();
    let takes = owned < 2 || (owned < 6 && rng.random_bool(0.5));
    let product = if takes {
        sold().filter(|product| number(product) == Some(0)).choose(rng)
    } else {
        sold().filter(|product| number(product) > Some(0)).choose(rng)
    };
    let seats = if takes { rng.random_range(FEWEST..=200) } else { 0 };
    if let Some(product) = product {
        customer.seats.insert(*product, seats.into());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use bytes::Bytes;
    use hyper::Request;

    use super::super::world;
    use super::*;
    use crate::fault::Asked;

    const PACE: Duration = Duration::from_secs(15);

    /// What a poll finds of one product of a customer.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Found {
        /// No such customer.
        Nobody,
        /// No answer, although it is tried three times more.
        Failure,
        Seats(u64),
    }

    use Found::{Failure, Nobody, Seats};

    /// What one poll of everything that was ever sold finds, and how many of its requests were throttled.
    #[derive(Debug, PartialEq)]
    struct Poll {
        found: BTreeMap<(String, u32), Found>,
        throttled: usize,
    }

    impl Poll {
        fn failures(&self) -> usize {
            self.found.values().filter(|found| **found == Failure).count()
        }
    }

    fn poll(control: &Control) -> Poll {
        let customers: Vec<_> = control.change(|world| world.customers.iter().cloned().collect());
        let products: BTreeSet<_> =
            CUSTOMERS.iter().flat_map(|(.., seats)| seats.iter().map(|seats| seats.0)).collect();
        let mut throttled = 0;
        let mut found = BTreeMap::new();
        for (customer, &product) in customers.iter().flat_map(|customer| products.iter().map(move |p| (customer, p))) {
            let about = Asked::about(Operation::Overview);
            let asked = Asked { customer: Some(&customer.id), product: Some(product), ..about };
            let mut is_refused = || {
                let effect = control.arrive(&asked, Arc::new(Request::new(Bytes::new())), Instant::now()).effect;
                throttled += usize::from(is_throttling(effect.as_ref()));
                effect.is_some()
            };
            let failed = (0..4).all(|_| is_refused());
            let number = customer.seats.get(&product).and_then(Value::as_u64).unwrap_or_default();
            found.insert((customer.organization.clone(), product), if failed { Failure } else { Seats(number) });
        }
        Poll { found, throttled }
    }

    fn is_throttling(effect: Option<&Effect>) -> bool {
        matches!(effect, Some(Effect::Answer(response)) if response.status() == StatusCode::TOO_MANY_REQUESTS)
    }

    /// What a poll at once and one every pace find.
    async fn watch(seed: u64, paces: usize) -> Vec<Poll> {
        let control = Control::new(world(), String::new());
        let living = tokio::spawn(live(control.clone(), PACE, seed));
        let mut polls = Vec::new();
        for _ in 0..=paces {
            polls.push(poll(&control));
            sleep(PACE).await;
        }
        living.abort();
        polls
    }

    type Step = fn(Found, Found) -> bool;

    const RISES: Step = |before, now| matches!((before, now), (Seats(before @ 1..), Seats(now)) if now > before);
    const FALLS: Step = |before, now| matches!((before, now), (Seats(before), Seats(now)) if now < before);
    const IS_PURCHASED: Step = |before, now| matches!((before, now), (Seats(0), Seats(1..)));
    const FAILS: Step = |before, now| matches!((before, now), (Seats(_), Failure));
    const GOES_ON_FAILING: Step = |before, now| matches!((before, now), (Failure, Failure));
    const RECOVERS: Step = |before, now| matches!((before, now), (Failure, Seats(_)));
    const ARRIVES: Step = |before, now| matches!((before, now), (Nobody, Seats(1..)));

    /// How often a customer's product makes this step from one poll to the next.
    fn count(step: Step, polls: &[Poll]) -> usize {
        let before = |poll: &Poll, target| poll.found.get(target).copied().unwrap_or(Nobody);
        let steps = polls
            .windows(2)
            .flat_map(|pair| pair[1].found.iter().map(move |(target, now)| (before(&pair[0], target), *now)));
        steps.filter(|(before, now)| step(*before, *now)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_seen_within_two_minutes() {
        let polls = watch(1, 8).await;
        assert_eq!(polls[0].failures(), 0, "all is well at first");
        // What was never purchased is asked for every fourth pace only.
        assert_eq!(count(IS_PURCHASED, &polls[..5]), 1);
        assert!(count(RISES, &polls) >= 1 && count(FALLS, &polls) >= 1);
        let failing = count(FAILS, &polls);
        assert!(failing >= 1 && count(RECOVERS, &polls) == failing);
        assert_eq!(count(GOES_ON_FAILING, &polls), 2 * failing, "for three cycles");
        assert_eq!(count(ARRIVES, &polls), 2, "a customer with two products");
        assert_eq!(polls.iter().map(|poll| poll.throttled).sum::<usize>(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_for_ever_by_chance_and_stays_believable() {
        let polls = &watch(1, 600).await[9..];
        for (nth, step) in [RISES, FALLS, IS_PURCHASED, FAILS, RECOVERS].into_iter().enumerate() {
            let seen = count(step, polls);
            assert!((10..5_000).contains(&seen), "{nth}: {seen} times");
        }
        assert!(polls.iter().any(|poll| poll.throttled > 0));
        for Poll { found, .. } in polls {
            let believable = |found: &Found| matches!(found, Failure | Seats(0 | FEWEST..=MOST));
            assert!(found.values().all(believable), "{found:?}");
            let owned = found.values().filter(|found| matches!(found, Seats(1..))).count();
            assert!((10..=90).contains(&owned), "{owned} products");
        }
        let healthy = polls.iter().filter(|poll| poll.failures() == 0).count();
        assert!(healthy > polls.len() / 3 && healthy < polls.len(), "all is well in {healthy} of {}", polls.len());
    }

    #[tokio::test(start_paused = true)]
    async fn it_repeats_for_its_seed() {
        let once = watch(7, 100).await;
        assert_eq!(once, watch(7, 100).await);
        assert_ne!(once, watch(8, 100).await);
    }
}
