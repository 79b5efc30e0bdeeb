//! What the unit tests share: times, customers, answers, and a scene in which everything has something to say.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use tokio::time::Instant;

use elements_api::{
    Answer, Code, CustomerId, Error, ListedCustomer, Observer as _, Operation, Platform, ProductType, Reason, Seats,
    SubscribedCustomer, Subscription, Tenant,
};

use crate::status::{Cycle, CycleTargets, Status};
use crate::store::{Clock, Customer, ExpectedFile, Freshness, Label, Now, StoreWriter, Target, WatchedCustomer};

/// For a property that must hold whatever comes: the same cases in each run, or others with the variable `PROPTEST_CASES`.
pub(crate) fn cases(number: u32) -> ProptestConfig {
    let fixed = ProptestConfig { cases: number, rng_seed: RngSeed::Fixed(2048), ..ProptestConfig::default() };
    let config = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default() } else { fixed };
    ProptestConfig { failure_persistence: None, ..config }
}

pub(crate) const INTERVAL: Duration = Duration::from_mins(15);

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

/// The same moment by both clocks.
pub(crate) fn now(seconds: u64) -> Now {
    Now { wall: at(seconds), monotonic: *STARTED + Duration::from_secs(seconds) }
}

static STARTED: LazyLock<Instant> = LazyLock::new(|| std::time::Instant::now().into());

/// A clock whose wall clock goes on as the monotonic one does, paused or not.
pub(crate) fn clock() -> Clock {
    let started = *STARTED;
    Clock::with(move || at(0) + Instant::now().saturating_duration_since(started))
}

/// What is logged meanwhile, a line each.
pub(crate) fn logged(run: impl FnOnce()) -> String {
    let (mut lines, log) = io::pipe().unwrap();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(log)).finish();
    tracing::subscriber::with_default(log, run);
    let mut told = String::new();
    lines.read_to_string(&mut told).unwrap();
    told
}

pub(crate) fn freshness() -> Freshness {
    Freshness {
        stale_after: Duration::from_mins(45),
        dormant_stale_after: Duration::from_hours(12),
        subscriptions: Duration::from_mins(50),
        tenants: Duration::from_hours(12),
    }
}

/// A store that knows nothing.
pub(crate) fn store() -> StoreWriter {
    StoreWriter::new(freshness())
}

/// Of an exporter that was started at `at(0)`.
pub(crate) fn status() -> Status {
    Status::new(INTERVAL, at(0), None)
}

pub(crate) fn customer_id(text: &str) -> CustomerId {
    CustomerId::parse(text).unwrap()
}

pub(crate) fn product(number: u32) -> ProductType {
    ProductType::new(number).unwrap()
}

pub(crate) fn target(id: &str, number: u32) -> Target {
    Target { customer: customer_id(id), product: product(number) }
}

pub(crate) fn watched(id: &str, label: &str, name: &str, products: &[u32]) -> WatchedCustomer {
    let customer = Customer { id: customer_id(id), label: Label::from(label), name: Label::from(name) };
    WatchedCustomer {
        customer,
        products: products.iter().copied().map(product).collect(),
        listed: true,
        expected: BTreeMap::new(),
    }
}

pub(crate) fn listed(id: &str, organization: Option<&str>) -> ListedCustomer {
    ListedCustomer { id: customer_id(id), organization: organization.map(str::to_owned) }
}

/// A row in which every field has something, of a service that ends at that second.
pub(crate) fn subscription(service: &str, ends: u64) -> Subscription {
    let text = |text: &str| Some(text.to_owned());
    Subscription {
        service: text(service),
        name: text("Cloud Backup Yearly"),
        package: text("Enterprise"),
        source: text("Individual"),
        model: text("User"),
        payment_type: text("Upfront"),
        storage: text("AvePoint Storage"),
        retention: text("Unlimited"),
        purchased_user_seats: Seats::new(30),
        purchased_units: Seats::new(2),
        microsoft_licenses_assigned: Seats::new(28),
        microsoft_licenses_available: Seats::new(4),
        pooled_change: Some(-3),
        purchased_capacity_bytes: Some(1_000_000_000),
        consumed_storage_bytes: Some(250_000_000),
        expiration: Some(at(ends)),
        contract_end: Some(at(ends + 86_400)),
    }
}

pub(crate) fn subscribed(id: &str, subscriptions: Vec<Subscription>) -> SubscribedCustomer {
    SubscribedCustomer { id: customer_id(id), organization: None, subscriptions }
}

pub(crate) fn answer(seats: u64) -> Answer {
    Answer::Seats(Seats::new(seats).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "the outcome of a poll, which may be a failure")]
pub(crate) fn seats(number: u64) -> Result<Answer, Reason> {
    Ok(answer(number))
}

/// A store and a status of which every family has something to say, as of `at(1_000)`.
pub(crate) fn scene() -> (StoreWriter, Arc<Status>) {
    let store = store();
    store.set_platforms(vec![Platform::Microsoft365]);
    store.set_listing([listed("11111111-aaaa", None)].into(), at(5));
    store.set_listing(["11111111-aaaa", "22222222-bbbb"].map(|id| listed(id, None)).into(), at(10));
    let contoso = watched("11111111-aaaa", "contoso", "Contoso \"East\" \\ Söhne\nGmbH", &[2048, 16_777_216]);
    let expected = BTreeMap::from([(product(2048), Seats::new(25)), (product(16_777_216), Some(Seats::ZERO))]);
    store.watch(&[
        WatchedCustomer { expected, ..contoso },
        watched("22222222-bbbb", "22222222-bbbb", "22222222-bbbb", &[7, 1, 2048]),
    ]);
    store.set_expected_file(Some(ExpectedFile { success: true, unmatched: Some(3) }));
    store.record(&target("11111111-aaaa", 2048), seats(25), now(100));
    store.record(&target("11111111-aaaa", 2048), seats(30), now(1_000));
    store.record(&target("11111111-aaaa", 16_777_216), Ok(Answer::NotFound), now(200));
    store.record(&target("22222222-bbbb", 7), seats(0), now(300));
    store.record(&target("22222222-bbbb", 7), Err(Reason::Throttled), now(900));
    store.record(&target("22222222-bbbb", 1), Err(Reason::Forbidden), now(900));

    let subscriptions = vec![subscription("Cloud Backup for Microsoft 365", 90_000), Subscription::default()];
    store.set_subscriptions(vec![subscribed("11111111-aaaa", subscriptions)], |_| true, now(940));

    let tenant = |id: &str, name: Option<&str>, assigned| Tenant {
        id: id.to_owned(),
        name: name.map(str::to_owned),
        assigned: Seats::new(assigned),
        available: Some(5 - i64::try_from(assigned).unwrap()),
    };
    let tenants = vec![tenant("7a3e", Some("contoso.example"), 33), tenant("91bc", None, 2)];
    store.record_tenants(&(customer_id("11111111-aaaa"), Platform::Microsoft365), Ok(tenants), now(930));
    store.record_tenants(&(customer_id("22222222-bbbb"), Platform::Microsoft365), Err(Reason::Forbidden), now(930));

    let status = status();
    status.cycle_began(at(948));
    let targets = CycleTargets { answered: 3, failed: 2, left: 0 };
    let cycle = Cycle { completed: at(950), duration: Duration::from_millis(1_250), targets };
    status.cycle_ended(Some(cycle), Some(true));
    status.listed(at(10));
    status.listing_failed(Error::ScopeMissing);
    status.subscriptions_listed(at(940));
    status.reload_failed("line 1: no such key".to_owned());
    status.request(Operation::Token, Code::Status(200), Duration::from_millis(30));
    status.request(Operation::Overview, Code::Error, Duration::from_secs(90));
    status.retry(Reason::Timeout);
    status.held_back(at(990));
    status.token_expires(Some(at(3_600)));
    status.certificate_expires(Some(at(86_400)));
    status.poll_failed(Reason::Throttled);
    status.http_handler("/metrics", 200);
    status.http_request("other", 404);
    (store, Arc::new(status))
}
