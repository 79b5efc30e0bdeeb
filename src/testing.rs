//! What the unit tests share: times, customers, answers, and a scene in which everything has something to say.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use elements_api::{Answer, Code, CustomerId, ListedCustomer, Observer as _, Operation, ProductType, Reason, Seats};

use crate::status::{Cycle, CycleTargets, Status};
use crate::store::{Customer, Freshness, Label, StoreWriter, Target, WatchedCustomer};

pub(crate) const INTERVAL: Duration = Duration::from_mins(15);

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub(crate) fn freshness() -> Freshness {
    Freshness { stale_after: Duration::from_mins(45), absent_stale_after: Duration::from_hours(12) }
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
    WatchedCustomer { customer, products: products.iter().copied().map(product).collect() }
}

pub(crate) fn listed(id: &str, organization: Option<&str>) -> ListedCustomer {
    ListedCustomer { id: customer_id(id), organization: organization.map(str::to_owned) }
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
    store.watch(&[
        watched("11111111-aaaa", "contoso", "Contoso \"East\" \\ Söhne\nGmbH", &[2048, 16_777_216]),
        watched("22222222-bbbb", "22222222-bbbb", "22222222-bbbb", &[7, 1, 2048]),
    ]);
    store.record(&target("11111111-aaaa", 2048), seats(25), at(100));
    store.record(&target("11111111-aaaa", 2048), seats(30), at(1_000));
    store.record(&target("11111111-aaaa", 16_777_216), Ok(Answer::NotFound), at(200));
    store.record(&target("22222222-bbbb", 7), seats(0), at(300));
    store.record(&target("22222222-bbbb", 7), Err(Reason::Throttled), at(900));
    store.record(&target("22222222-bbbb", 1), Err(Reason::Forbidden), at(900));
    store.set_listing(["11111111-aaaa", "22222222-bbbb"].map(|id| listed(id, None)).into());

    let status = status();
    status.cycle_began(at(948));
    let targets = CycleTargets { answered: 3, failed: 2, left: 0 };
    status.cycle_ended(Cycle { completed: at(950), duration: Duration::from_millis(1_250), targets }, Some(true));
    status.listed(at(10));
    status.listing_failed();
    status.reload_failed();
    status.request(Operation::Token, Code::Status(200), Duration::from_millis(30));
    status.request(Operation::Overview, Code::Error, Duration::from_secs(90));
    status.retry(Reason::Timeout);
    status.token_expires(Some(at(3_600)));
    status.certificate_expires(Some(at(86_400)));
    status.poll_failed(Reason::Throttled);
    status.http_handler("/metrics", 200);
    status.http_request("other", 404);
    (store, Arc::new(status))
}
