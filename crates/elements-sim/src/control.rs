//! The handle on a running simulator, and the state behind it.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fault::{Asked, Effect, Faults, Rule};
use crate::record::{Exchange, Operation, Record};
use crate::world::World;

/// Changes a simulator while it runs, and shows what it was asked. Clones work on the same simulator.
#[derive(Debug, Clone)]
pub struct Control(Arc<Shared>);

impl Control {
    /// Changes the account, from the next answer on.
    pub fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        change(&mut self.state().world)
    }

    /// Sets what one product's `purchasedUserSeat` says; see [`Customer::seats`](crate::Customer::seats).
    ///
    /// # Panics
    ///
    /// There is no such customer: a typing error in a test must not pass for an answer.
    #[expect(clippy::panic, reason = "for tests, see above; the demo changes only customers that it has just read")]
    pub fn set_seats(&self, customer: &str, product: u32, seats: impl Into<Value>) {
        match self.state().world.customers.get_mut(customer) {
            Some(customer) => customer.seats.insert(product, seats.into()),
            None => panic!("the simulated account has no customer {customer:?}"),
        };
    }

    /// Removes a product, so that it is answered as if it had never been bought; see [`World::never_bought`].
    pub fn remove_product(&self, customer: &str, product: u32) {
        if let Some(customer) = self.state().world.customers.get_mut(customer) {
            customer.seats.remove(&product);
        }
    }

    /// Revokes every token that was issued: their next use is answered 401.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Adds a rule behind those that are in force.
    pub fn inject(&self, rule: Rule) {
        self.state().faults.add(rule);
    }

    /// Ends every rule. What already went wrong stays wrong.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The newest exchanges, in the order in which their requests came.
    pub fn record(&self) -> Vec<Exchange> {
        self.state().record.exchanges()
    }

    /// How many requests of this operation came since the start or [`Control::clear_record`].
    pub fn count(&self, operation: Operation) -> u64 {
        self.state().record.count(operation)
    }

    /// The most requests that waited for their answer at one time.
    pub fn max_in_flight(&self) -> usize {
        self.state().record.max_in_flight()
    }

    /// Forgets exchanges and counts.
    pub fn clear_record(&self) {
        self.state().record.clear();
    }

    /// Returns when [`Control::count`] is at least `count`.
    pub async fn reached(&self, operation: Operation, count: u64) {
        loop {
            let arrival = self.0.arrivals.notified();
            if self.count(operation) >= count {
                return;
            }
            arrival.await;
        }
    }

    pub(crate) fn new(world: World, token_url: String) -> Self {
        let state = State {
            world,
            token_url,
            tokens: HashMap::new(),
            assertions: HashMap::new(),
            faults: Faults::default(),
            record: Record::default(),
            requests: 0,
            tokens_issued: 0,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), arrivals: Notify::new() }))
    }

    /// The state. Never held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked in `change` should see its own panic, and not that of every later caller.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request: records it, and decides what will happen to it.
    pub(crate) fn arrive(&self, asked: &Asked<'_>, request: Arc<Request<Bytes>>, arrived: Instant) -> Arrival {
        let mut state = self.state();
        let limit = state.world.record_limit;
        let (number, sent) = state.record.arrived(asked.operation, request, arrived, limit);
        let effect = state.faults.strike(asked);
        state.requests += 1;
        let latency = state.world.latency.of_request(asked.operation, state.requests);
        let request_id = format!("51a1a70f-0000-4000-8000-{:012x}", state.requests);
        drop(state);
        self.0.arrivals.notify_waiters();
        Arrival { effect, latency, request_id, sent, in_flight: InFlight { control: self.clone(), number } }
    }
}

/// A request that was taken.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) effect: Option<Effect>,
    pub(crate) latency: Duration,
    pub(crate) request_id: String,
    pub(crate) sent: Arc<AtomicU64>,
    pub(crate) in_flight: InFlight,
}

/// Counts a request as in flight until it is dropped, even if the client goes away.
#[derive(Debug)]
pub(crate) struct InFlight {
    control: Control,
    number: u64,
}

impl InFlight {
    pub(crate) fn answered(self, status: StatusCode) {
        self.control.state().record.answered(self.number, status);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.control.state().record.ended();
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    arrivals: Notify,
}

/// Everything that changes while a simulator runs.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) token_url: String,
    pub(crate) tokens: HashMap<String, Token>,
    /// The `jti` of every assertion that was accepted, with its `exp`.
    pub(crate) assertions: HashMap<String, u64>,
    pub(crate) tokens_issued: u64,
    faults: Faults,
    record: Record,
    requests: u64,
}

impl State {
    /// The server's clock.
    pub(crate) fn now(&self) -> SystemTime {
        let skew = Duration::from_secs(self.world.clock_skew.unsigned_abs());
        let now = SystemTime::now();
        let skewed = if self.world.clock_skew < 0 { now.checked_sub(skew) } else { now.checked_add(skew) };
        skewed.unwrap_or(now)
    }
}

/// What a bearer token stands for.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) expires: Instant,
}
