//! When to ask for the tenants of which customer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use elements_api::{CustomerId, Error, Platform, Round, TenantListing};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::schedule::{backoff, may_pass_soon};
use super::steady::{Place, Steady, SteadyClock, since_epoch};
use crate::store::Now;

/// Whose tenants of what.
pub(super) type Key = (CustomerId, Platform);

/// When each was last asked for, and what came of it.
#[derive(Debug)]
pub(super) struct TenantTurns {
    clock: SteadyClock,
    turns: BTreeMap<Key, Turn>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// Where in every interval it is.
    place: Place,
    /// `None`: it is due.
    asked: Option<Steady>,
    /// Whether the last attempt of this run failed.
    failing: bool,
    /// In a row, for reasons that may pass.
    failures: u32,
    /// When the last failure may have passed.
    retry_at: Option<Instant>,
}

impl TenantTurns {
    pub(super) const fn new(started: Now) -> Self {
        Self { clock: SteadyClock { started }, turns: BTreeMap::new() }
    }

    /// From now on these are asked for; those that stay keep their turn.
    pub(super) fn set(&mut self, keys: impl Iterator<Item = Key>) {
        let mut before = std::mem::take(&mut self.turns);
        let turn = |key: Key| {
            let turn = before.remove(&key).unwrap_or_else(|| Turn { place: Place::first(&key), ..Turn::default() });
            (key, turn)
        };
        self.turns = keys.map(turn).collect();
    }

    /// An earlier run was answered at that time.
    pub(super) fn restored(&mut self, key: &Key, at: SystemTime) {
        if let Some(turn) = self.turns.get_mut(key) {
            turn.asked = Some(since_epoch(at));
        }
    }

    /// An attempt that began at `began` has ended. Whether the one before it failed.
    pub(super) fn asked(&mut self, key: &Key, began: Instant, failed: Option<&Error>, longest: Duration) -> bool {
        let asked = self.clock.at(began);
        let Some(turn) = self.turns.get_mut(key) else { return false };
        turn.asked = Some(asked);
        let failed_before = std::mem::replace(&mut turn.failing, failed.is_some());
        let may_pass = failed.and_then(Error::reason).is_some_and(may_pass_soon);
        turn.failures = if may_pass { turn.failures.saturating_add(1) } else { 0 };
        turn.retry_at = may_pass.then(|| Instant::now() + backoff(turn.failures, longest));
        failed_before
    }

    /// All are due.
    pub(super) fn ask_again(&mut self) {
        self.turns.values_mut().for_each(|turn| turn.asked = None);
    }

    /// What is due at `now`, the longest waiting first.
    pub(super) fn due(&self, now: Instant, interval: Duration) -> Vec<Key> {
        let steady = self.clock.at(now);
        let mut due: Vec<_> = self.turns.iter().filter(|(_, turn)| turn.is_due(now, steady, interval)).collect();
        due.sort_by_key(|(_, turn)| turn.asked);
        due.into_iter().map(|(key, _)| key.clone()).collect()
    }
}

impl Turn {
    fn is_due(&self, now: Instant, steady: Steady, interval: Duration) -> bool {
        let turns = |until| self.place.turns_until(until, interval);
        self.asked.is_none_or(|asked| turns(steady) > turns(asked)) || self.retry_at.is_some_and(|at| at <= now)
    }
}

/// Attempts on their way, and who comes next.
#[derive(Debug, Default)]
pub(super) struct Asking {
    queue: Vec<Key>,
    on_their_way: JoinSet<Outcome>,
}

/// What asking came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) key: Key,
    pub(super) began: Instant,
    pub(super) answer: Result<TenantListing, Error>,
}

impl Asking {
    /// Replaces those who come next, unless some are on their way.
    pub(super) fn wait_for(&mut self, due: Vec<Key>) {
        if self.on_their_way.is_empty() {
            self.queue = due;
            self.queue.reverse();
        }
    }

    /// Begins as many as there are slots.
    pub(super) fn begin(&mut self, round: &Arc<Round>) {
        while self.on_their_way.len() < round.slots()
            && let Some(key) = self.queue.pop()
        {
            let (round, began) = (round.clone(), Instant::now());
            self.on_their_way.spawn(async move {
                let answer = round.tenants(&key.0, key.1).await;
                Outcome { key, began, answer }
            });
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.on_their_way.is_empty()
    }

    pub(super) fn is_on_its_way(&self) -> bool {
        !self.on_their_way.is_empty()
    }

    /// The next that ends; `None` where none is on its way. A round that is over begins no other.
    pub(super) async fn next(&mut self) -> Option<Outcome> {
        let outcome = self.on_their_way.join_next().await?;
        // A panic ends the process.
        let Ok(outcome) = outcome else { return std::future::pending().await };
        if outcome.answer == Err(Error::NotBegun) {
            self.queue.clear();
        }
        Some(outcome)
    }
}
