//! The poller against a scripted vendor, on a paused clock.

mod early;
mod order;
mod subscriptions;
mod tenants;
mod turns;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use elements_api::testing::{Reply, Vendor};
use elements_api::{CustomerId, Reason, Seats};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::*;
use crate::status::CycleTargets;
use crate::store::{Now, Record, TargetState};
use crate::testing::{INTERVAL, answer, clock, customer_id, product, target};

const DAY: Duration = Duration::from_hours(24);

fn timing() -> Timing {
    Timing { absent_interval: INTERVAL, ..Timing::every(INTERVAL) }
}

fn selection(customers: usize) -> Selection {
    let id = |number| customer_id(&format!("c{number:04}"));
    let customer = |number| ConfiguredCustomer { id: id(number), name: None, products: None };
    Selection {
        customers: (0..customers).map(customer).collect(),
        discovery: None,
        products: ProductList::Listed(vec![product(4)]),
        platforms: Vec::new(),
    }
}

/// A running poller and what can be seen of it.
struct Running {
    store: Arc<Store>,
    status: Arc<Status>,
    clock: Clock,
    plans: watch::Sender<Plan>,
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Running {
    fn start(client: Arc<Client>, selection: Selection, timing: Timing) -> Self {
        Self::start_with(client, selection, timing, &Saved::default())
    }

    fn start_with(client: Arc<Client>, selection: Selection, timing: Timing, saved: &Saved) -> Self {
        Self::start_at(client, selection, timing, saved, clock())
    }

    fn start_at(client: Arc<Client>, selection: Selection, timing: Timing, saved: &Saved, clock: Clock) -> Self {
        let status = Arc::new(Status::new(timing.interval, clock.now().wall, None));
        Self::observed(client, selection, timing, saved, clock, status)
    }

    /// Where the client tells `status` what it does.
    fn observed(
        client: Arc<Client>,
        selection: Selection,
        timing: Timing,
        saved: &Saved,
        clock: Clock,
        status: Arc<Status>,
    ) -> Self {
        let (plans, receiver) = watch::channel(Plan { client, selection: Arc::new(selection), timing, expected: None });
        let poller = Poller::new(receiver, saved, status.clone(), clock.clone());
        let (store, shutdown) = (poller.store(), CancellationToken::new());
        let task = tokio::spawn(poller.run(shutdown.clone()));
        Self { store, status, clock, plans, task, shutdown }
    }

    fn change_plan(&self, change: impl FnOnce(&mut Plan)) {
        self.plans.send_modify(change);
    }

    fn record(&self, customer: &str) -> Record {
        let snapshot = self.store.snapshot();
        snapshot.customers[&customer_id(customer)].products[&product(4)].record
    }

    fn cycles(&self) -> u64 {
        self.status.snapshot().counts.poll_cycles
    }

    fn failures(&self, reason: Reason) -> u64 {
        self.status.snapshot().counts.poll_failures[&reason]
    }
}

/// The first page of a listing, which has no other.
fn listing(ids: &[&str]) -> Reply {
    let data: Vec<_> = ids.iter().map(|id| format!(r#"{{"id": "{id}"}}"#)).collect();
    let (data, total) = (data.join(","), ids.len());
    let metadata = format!(r#"{{"pageIndex": 1, "pageSize": 100, "totalCount": {total}}}"#);
    Reply::json(format!(r#"{{"data": [{data}], "metadata": {metadata}}}"#))
}

fn healthy() -> Vendor {
    Vendor::new(|what| if what == "token" { Reply::token() } else { Reply::seats("4", 7) })
}

#[tokio::test(start_paused = true)]
async fn a_cycle_begins_at_once_and_then_every_interval() {
    let vendor = healthy();
    let running = Running::start(vendor.client(|_| {}), selection(3), timing());
    sleep(INTERVAL * 3 + Duration::from_secs(1)).await;
    assert_eq!(running.cycles(), 4);
    assert_eq!(vendor.whats().len(), 12);
    for (index, asked) in vendor.asked().iter().filter(|asked| asked.what == "c0000/4").enumerate() {
        assert_eq!(asked.at.as_secs(), index as u64 * 900);
    }
    let status = running.status.snapshot();
    assert_eq!(status.api_up, Some(true));
    assert_eq!(status.cycle.unwrap().targets, CycleTargets { answered: 3, ..CycleTargets::default() });
    assert_eq!(status.next_cycle(), Some(status.cycle_began.unwrap() + INTERVAL));
}

#[tokio::test(start_paused = true)]
async fn results_are_published_as_they_arrive_and_one_bad_target_spoils_nothing() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "c0000/4" => Reply::seats("4", 1).after(DAY),
        "c0001/4" => Reply::json("<html>"),
        "c0002/4" => Reply::status(403),
        _ => Reply::seats("4", 7),
    });
    let running = Running::start(vendor.client(|settings| settings.max_retries = 0), selection(6), timing());
    sleep(Duration::from_secs(1)).await;
    for customer in ["c0003", "c0004", "c0005"] {
        assert_eq!(running.record(customer).last_seats, Seats::new(7));
    }
    assert_eq!(running.cycles(), 0, "the first target still hangs");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(running.cycles(), 1);
    for (customer, reason) in [("c0000", Reason::Timeout), ("c0001", Reason::BadResponse), ("c0002", Reason::Forbidden)]
    {
        assert_eq!(running.record(customer).failure, Some(reason));
        assert_eq!(running.failures(reason), 1);
    }
    let targets = running.status.snapshot().cycle.unwrap().targets;
    assert_eq!(targets, CycleTargets { answered: 3, failed: 3, left: 0 });
}

#[tokio::test(start_paused = true)]
async fn with_more_targets_than_fit_every_one_is_polled_in_turn() {
    let vendor = healthy();
    let client = vendor.client(|settings| settings.requests_per_second = NonZeroU32::new(1).unwrap());
    let running = Running::start(client, selection(2000), timing());
    sleep(INTERVAL * 8 + Duration::from_secs(899)).await;
    assert_eq!(running.cycles(), 8);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for what in vendor.whats() {
        *asked.entry(what).or_default() += 1;
    }
    assert_eq!(asked.len(), 2000);
    let (fewest, most) = (asked.values().min().unwrap(), asked.values().max().unwrap());
    assert!(*fewest >= 3 && *most <= 5, "{fewest} to {most} polls of a target");
    assert!(Reason::ALL.iter().all(|reason| running.failures(*reason) == 0), "what is left is no failure");
}

#[tokio::test(start_paused = true)]
async fn cycles_end_in_bounded_time_however_the_api_behaves() {
    for reply in [
        Reply::seats("4", 7).after(DAY),
        Reply::status(503),
        Reply::status(429).retry_after(3600),
        Reply::status(429),
        Reply::status(408).after(Duration::from_secs(29)),
    ] {
        let vendor = Vendor::new(move |what| if what == "token" { Reply::token() } else { reply.clone() });
        let running = Running::start(vendor.client(|_| {}), selection(500), timing());
        for cycle in 1..=3 {
            sleep(INTERVAL + Duration::from_secs(31)).await;
            assert!(running.cycles() >= cycle, "{} cycles instead of {cycle}", running.cycles());
        }
        assert_eq!(running.status.snapshot().api_up, Some(false));
    }
}

#[tokio::test(start_paused = true)]
async fn cycles_never_overlap_and_a_late_one_delays_the_next() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        _ => Reply::seats("4", 7).after(Duration::from_secs(29)),
    });
    let client = vendor.client(|settings| settings.max_in_flight = 1.try_into().unwrap());
    let running = Running::start(client, selection(50), timing());
    sleep(DAY).await;
    assert_eq!(vendor.most_in_flight(), 1);
    assert!(running.cycles() > 80, "{}", running.cycles());
}

/// The overview of what was asked for, with so many seats.
fn overview(what: &str, seats: u64) -> Reply {
    Reply::seats(what.split('/').nth(1).unwrap(), seats)
}

#[tokio::test(start_paused = true)]
async fn what_was_never_purchased_is_asked_for_once_in_an_absent_interval() {
    for nothing in
        [Reply::status(404), Reply::json(r#"{"productType": 4, "purchasedUserSeat": "N/A"}"#), Reply::seats("4", 0)]
    {
        let vendor = Vendor::new(move |what| match what {
            "token" => Reply::token(),
            "c0000/4" => nothing.clone(),
            _ if what.ends_with("/2048") => overview(what, 7),
            _ => overview(what, 0),
        });
        let selection = Selection { products: ProductList::All, ..selection(2) };
        let timing = Timing { absent_interval: INTERVAL * 24, ..timing() };
        let running = Running::start(vendor.client(|_| {}), selection, timing);
        sleep(INTERVAL * 48 + Duration::from_secs(1)).await;
        let asked = |wanted: &str| vendor.whats().iter().filter(|what| *what == wanted).count();
        assert_eq!((asked("c0000/4"), asked("c0001/2048")), (3, 49));
        let dormant =
            vendor.asked().into_iter().filter(|asked| !asked.what.ends_with("/2048") && asked.what != "token");
        let later: Vec<_> = dormant.skip(42).map(|asked| asked.at.as_secs() / 900).collect();
        assert_eq!(later.len(), 84, "42 targets, twice");
        let most = later.chunk_by(|a, b| a == b).map(<[u64]>::len).max();
        // Those of a customer lie more than half a cycle apart: of each at most two fall into one.
        assert!(most <= Some(4), "they never fall due together: {later:?}");
        let states = running.store.snapshot().states(clock().now());
        assert_eq!((states[&TargetState::Absent], states[&TargetState::Ok]), (42, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_purchase_is_a_change_and_is_asked_for_every_interval_from_then_on() {
    let purchased = Arc::new(Mutex::new(0));
    let vendor = Vendor::new({
        let purchased = purchased.clone();
        move |what| if what == "token" { Reply::token() } else { overview(what, *purchased.lock().unwrap()) }
    });
    let selection = Selection { products: ProductList::All, ..selection(1) };
    let timing = Timing { absent_interval: INTERVAL * 4, ..timing() };
    let running = Running::start(vendor.client(|_| {}), selection, timing);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(running.record("c0000").change, None);
    *purchased.lock().unwrap() = 25;
    sleep(INTERVAL * 4).await;
    let change = running.record("c0000").change.unwrap();
    assert_eq!((change.previous, running.record("c0000").last_seats), (Seats::ZERO, Seats::new(25)));
    let before = vendor.whats().len();
    sleep(INTERVAL).await;
    assert_eq!(vendor.whats().len() - before, 22);
}

#[tokio::test(start_paused = true)]
async fn while_credentials_are_refused_a_cycle_costs_one_token_request_and_recovers_by_itself() {
    let refused = Arc::new(Mutex::new(true));
    let vendor = Vendor::new({
        let refused = refused.clone();
        move |what| match what {
            "token" if *refused.lock().unwrap() => {
                Reply { status: 400, ..Reply::json(r#"{"error": "invalid_client"}"#) }
            }
            "token" => Reply::token(),
            _ => Reply::seats("4", 7),
        }
    });
    let running = Running::start(vendor.client(|_| {}), selection(100), timing());
    sleep(INTERVAL + Duration::from_secs(1)).await;
    let tokens: Vec<_> = vendor.asked().iter().map(|asked| asked.at.as_secs()).collect();
    assert_eq!(tokens, [0, 30, 90, 210, 450, 900], "early cycles come ever later");
    assert_eq!((running.cycles(), running.failures(Reason::Auth)), (2, 200), "and do not count");
    *refused.lock().unwrap() = false;
    sleep(INTERVAL).await;
    assert_eq!(running.record("c0000").last_seats, Seats::new(7));
}

#[tokio::test(start_paused = true)]
async fn restored_targets_that_are_young_are_not_due() {
    let vendor = healthy();
    let records = [("c0000", INTERVAL / 2), ("c0001", INTERVAL * 2)].map(|(customer, age)| {
        let mut record = Record::default();
        let now = clock().now();
        record.take(Ok(answer(5)), Now { wall: now.wall - age, ..now });
        (target(customer, 4), record.lasting())
    });
    let saved = Saved { records: BTreeMap::from(records), ..Saved::default() };
    let running = Running::start_with(vendor.client(|_| {}), selection(3), timing(), &saved);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(vendor.whats(), ["c0002/4", "c0001/4"]);
    assert_eq!(running.record("c0000").last_seats, Seats::new(5));
    assert_eq!(running.record("c0001").change.unwrap().previous, Seats::new(5).unwrap());
}

#[tokio::test(start_paused = true)]
async fn after_a_reload_only_new_targets_are_due() {
    let vendor = healthy();
    let running = Running::start(vendor.client(|_| {}), selection(3), timing());
    sleep(Duration::from_mins(1)).await;
    running.change_plan(|plan| plan.selection = Arc::new(selection(5)));
    sleep(Duration::from_mins(1)).await;
    assert_eq!(vendor.whats()[3..], ["c0003/4", "c0004/4"]);
    running.change_plan(|plan| plan.selection = Arc::new(selection(1)));
    sleep(Duration::from_mins(1)).await;
    assert_eq!(vendor.whats().len(), 5);
    assert_eq!(running.store.snapshot().customers.len(), 1);
    sleep(INTERVAL).await;
    assert_eq!(vendor.whats()[5..], ["c0000/4"]);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_takes_effect_without_a_second_cycle() {
    let vendor = healthy();
    let running = Running::start(vendor.client(|_| {}), selection(3), timing());
    sleep(Duration::from_mins(1)).await;
    running.change_plan(|plan| plan.timing.interval = Duration::from_secs(90));
    sleep(Duration::from_secs(29)).await;
    assert_eq!(running.cycles(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!((running.cycles(), vendor.whats().len()), (2, 6));
    running.change_plan(|plan| plan.timing.interval = Duration::from_secs(1));
    sleep(Duration::from_millis(500)).await;
    assert_eq!((running.cycles(), vendor.whats().len()), (3, 9), "the next cycle is overdue, and begins at once");
}

#[tokio::test(start_paused = true)]
async fn another_account_is_no_loss_of_customers() {
    let listing = |customers: usize| {
        let data: Vec<_> = (0..customers).map(|id| format!(r#"{{"id": "of-{customers}-{id}"}}"#)).collect();
        let data = data.join(",");
        let metadata = format!(r#"{{"pageIndex": 1, "pageSize": 100, "totalCount": {customers}}}"#);
        Reply::json(format!(r#"{{"data": [{data}], "metadata": {metadata}}}"#))
    };
    let account = |customers| {
        Vendor::new(move |what| match what {
            "token" => Reply::token(),
            "customers/1" => listing(customers),
            _ => Reply::seats("4", 7),
        })
    };
    let selection = Selection { discovery: Some(Discovery::default()), ..selection(0) };
    let running = Running::start(account(20).client(|settings| settings.discovery = true), selection, timing());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(running.store.snapshot().customers.len(), 20);
    let other = account(2).client(|settings| {
        settings.discovery = true;
        settings.client_id = "other".to_owned();
    });
    running.change_plan(|plan| plan.client = other);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(running.store.snapshot().customers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reload_during_a_cycle_neither_waits_for_a_hanging_request_nor_doubles_work() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "c0000/4" => Reply::seats("4", 1).after(Duration::from_secs(25)),
        _ => Reply::seats("4", 7),
    });
    let running = Running::start(vendor.client(|_| {}), selection(3), timing());
    sleep(Duration::from_secs(1)).await;
    running.change_plan(|plan| plan.selection = Arc::new(selection(4)));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(running.record("c0003").last_seats, Seats::new(7), "the new target did not wait");
    sleep(Duration::from_mins(1)).await;
    let mut asked = vendor.whats();
    asked.sort();
    assert_eq!(asked, ["c0000/4", "c0001/4", "c0002/4", "c0003/4"], "each was asked for once");
    assert_eq!(running.record("c0000").last_seats, Seats::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_reload_with_another_client_drops_the_requests_of_the_one_before() {
    let hanging = Vendor::new(|what| match what {
        "token" => Reply::token(),
        _ => Reply::seats("4", 1).after(DAY),
    });
    let running = Running::start(hanging.client(|_| {}), selection(3), timing());
    sleep(Duration::from_secs(1)).await;
    let vendor = healthy();
    running.change_plan(|plan| plan.client = vendor.client(|_| {}));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(vendor.whats().len(), 3);
    assert_eq!(running.cycles(), 1);
    assert_eq!(running.record("c0000").last_seats, Seats::new(7));
}

#[tokio::test(start_paused = true)]
async fn discovered_customers_are_polled_in_the_same_cycle_and_those_gone_lose_their_series() {
    let ids = Arc::new(Mutex::new(vec!["a", "b"]));
    let vendor = Vendor::new({
        let ids = ids.clone();
        move |what| match what {
            "token" => Reply::token(),
            "customers/1" => listing(&ids.lock().unwrap()),
            _ => Reply::seats("4", 7),
        }
    });
    let selection = Selection { discovery: Some(Discovery::default()), ..selection(1) };
    let running = Running::start(vendor.client(|settings| settings.discovery = true), selection, timing());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(running.cycles(), 1);
    assert_eq!(running.record("b").last_seats, Seats::new(7));
    *ids.lock().unwrap() = vec!["b", "c"];
    sleep(INTERVAL).await;
    let snapshot = running.store.snapshot();
    let watched: Vec<_> = snapshot.customers.keys().map(CustomerId::as_str).collect();
    assert_eq!(watched, ["b", "c", "c0000"]);
    assert_eq!(running.record("c").last_seats, Seats::new(7));
    assert_eq!(snapshot.listing.unwrap().len(), 2);
    assert_eq!(running.status.snapshot().discovery.as_ref().unwrap().success(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_listing_whose_turn_does_not_come_ends_the_cycle_all_the_same() {
    let vendor =
        Vendor::new(|what| if what == "token" { Reply::token() } else { Reply::status(429).retry_after(3600) });
    let selection = Selection { discovery: Some(Discovery::default()), ..selection(2) };
    let running = Running::start(vendor.client(|settings| settings.discovery = true), selection, timing());
    let cycles = tokio::time::timeout(INTERVAL * 3, async {
        while running.cycles() < 3 {
            sleep(Duration::from_secs(1)).await;
        }
    });
    cycles.await.expect("cycles end while nothing may be asked");
    assert!(vendor.whats().len() <= 3, "what began before the hold, and nothing after: {:?}", vendor.whats());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_drops_what_is_on_its_way() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        _ => Reply::seats("4", 1).after(DAY),
    });
    let running = Running::start(vendor.client(|_| {}), selection(3), timing());
    sleep(Duration::from_secs(1)).await;
    running.shutdown.cancel();
    advance(Duration::from_millis(1)).await;
    running.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_poller_wakes_every_few_seconds_while_an_answer_is_waited_for_a_hold_lasts_or_cycles_chase_each_other() {
    let hangs = Reply::seats("4", 1).after(DAY);
    let replies = [hangs, Reply::status(429).retry_after(3_600), Reply::seats("4", 7).after(Duration::from_secs(2))];
    for (case, (reply, interval)) in replies.into_iter().zip([900, 900, 1]).enumerate() {
        let vendor = Vendor::new(move |what| if what == "token" { Reply::token() } else { reply.clone() });
        let timing = Timing { absent_interval: INTERVAL, ..Timing::every(Duration::from_secs(interval)) };
        let running = Running::start(vendor.client(|settings| settings.timeout = DAY), selection(3), timing);
        for look in 0..60 {
            sleep(LOOK_AROUND + Duration::from_secs(1)).await;
            assert!(running.status.poller_has_woken(), "case {case}, after {look} looks");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_poller_that_hangs_does_not_wake() {
    let vendor = healthy();
    let running = Running::start(vendor.client(|_| {}), selection(1), timing());
    sleep(Duration::from_secs(1)).await;
    running.task.abort();
    sleep(Duration::from_secs(1)).await;
    assert!(running.status.poller_has_woken());
    sleep(INTERVAL * 2).await;
    assert!(!running.status.poller_has_woken());
}
