//! What the simulator was asked, and what it answered.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::{Request, StatusCode};
use tokio::time::Instant;

/// What a request is about, by its path alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The identity service's token endpoint.
    Token,
    /// The overview of one customer's product.
    Overview,
    /// The listing of customers.
    Customers,
    /// The listing of the customers' subscriptions.
    Subscriptions,
    /// The listing of one customer's tenants on a platform.
    Tenants,
    /// A path that the vendor does not have.
    Other,
}

/// One request, and its answer if it had one.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What it is about.
    pub operation: Operation,
    /// With all headers and the whole body.
    pub request: Arc<Request<Bytes>>,
    /// When the request's head was read.
    pub arrived: Instant,
    /// When the answer's head was written; `None` before that, and for ever if there was no answer.
    pub answered: Option<Instant>,
    /// The answer's status, under the same condition.
    pub status: Option<StatusCode>,
    sent: Arc<AtomicU64>,
}

impl Exchange {
    /// The request's path and query.
    pub fn path(&self) -> &str {
        self.request.uri().path_and_query().map_or("", |both| both.as_str())
    }

    /// A request header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The request's body as text.
    pub fn body(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.request.body())
    }

    /// How many bytes of the answer's body went to the connection so far: what the client has read, and what the buffers
    /// in between hold.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The newest exchanges, and counts of all of them.
#[derive(Debug, Default)]
pub(crate) struct Record {
    exchanges: VecDeque<Exchange>,
    /// The number of the oldest exchange that is kept; numbers are never used twice.
    oldest: u64,
    counts: HashMap<Operation, u64>,
    in_flight: usize,
    max_in_flight: usize,
}

impl Record {
    /// Notes a request. The number identifies it to [`Record::answered`]; the counter is for the bytes of its answer.
    pub(crate) fn arrived(
        &mut self,
        operation: Operation,
        request: Arc<Request<Bytes>>,
        arrived: Instant,
        limit: usize,
    ) -> (u64, Arc<AtomicU64>) {
        *self.counts.entry(operation).or_default() += 1;
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        let sent = Arc::default();
        let number = self.oldest + self.exchanges.len() as u64;
        let exchange = Exchange { operation, request, arrived, answered: None, status: None, sent: Arc::clone(&sent) };
        self.exchanges.push_back(exchange);
        self.forget(self.exchanges.len().saturating_sub(limit));
        (number, sent)
    }

    /// Notes the head of an answer.
    pub(crate) fn answered(&mut self, number: u64, status: StatusCode) {
        let index = number.checked_sub(self.oldest).and_then(|index| usize::try_from(index).ok());
        if let Some(exchange) = index.and_then(|index| self.exchanges.get_mut(index)) {
            exchange.answered = Some(Instant::now());
            exchange.status = Some(status);
        }
    }

    /// Notes that a request is no longer waited for, answered or not.
    pub(crate) fn ended(&mut self) {
        self.in_flight -= 1;
    }

    /// Forgets everything but what is in flight.
    pub(crate) fn clear(&mut self) {
        self.forget(self.exchanges.len());
        self.counts.clear();
        self.max_in_flight = self.in_flight;
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.iter().cloned().collect()
    }

    pub(crate) fn count(&self, operation: Operation) -> u64 {
        self.counts.get(&operation).copied().unwrap_or_default()
    }

    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    fn forget(&mut self, oldest: usize) {
        self.exchanges.drain(..oldest);
        self.oldest += oldest as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(record: &mut Record, path: &'static str, limit: usize) -> u64 {
        let request = Request::builder().uri(path).body(Bytes::new()).expect("valid");
        record.arrived(Operation::Overview, Arc::new(request), Instant::now(), limit).0
    }

    #[test]
    fn the_oldest_exchanges_make_room_and_stay_counted() {
        let mut record = Record::default();
        for path in ["/1", "/2", "/3"] {
            arrive(&mut record, path, 2);
        }
        let kept: Vec<_> = record.exchanges().iter().map(|exchange| exchange.path().to_owned()).collect();
        assert_eq!(kept, ["/2", "/3"]);
        assert_eq!(record.count(Operation::Overview), 3);
    }

    #[test]
    fn a_late_answer_to_a_forgotten_request_touches_no_other() {
        let mut record = Record::default();
        let forgotten = arrive(&mut record, "/1", 9);
        record.clear();
        let kept = arrive(&mut record, "/2", 9);
        record.answered(forgotten, StatusCode::OK);
        assert_eq!(record.exchanges()[0].status, None);
        record.answered(kept, StatusCode::NOT_FOUND);
        assert_eq!(record.exchanges()[0].status, Some(StatusCode::NOT_FOUND));
    }

    #[test]
    fn a_cleared_record_still_knows_what_is_in_flight() {
        let mut record = Record::default();
        arrive(&mut record, "/1", 9);
        arrive(&mut record, "/2", 9);
        record.ended();
        record.clear();
        assert_eq!(record.max_in_flight(), 1);
        assert_eq!(record.count(Operation::Overview), 0);
    }
}
