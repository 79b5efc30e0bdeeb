//! Targets that are asked for, as many at a time as there are slots.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use elements_api::{Answer, Error, GivesWay, Operation, Reason, Round};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::schedule::Due;
use crate::store::Target;

/// Turns targets into requests, and yields their outcomes. Dropping it cancels the requests.
///
/// Whoever did not answer in time before comes last, and while others wait has a quarter of the slots: as many as that can
/// hang without holding up anybody. Whoever does not answer soon now is asked again when nobody else waits, and has all its
/// time then.
#[derive(Debug)]
pub(super) struct Sweep {
    round: Arc<Round>,
    /// How long others wait for an answer to one.
    patience: Duration,
    queue: VecDeque<Target>,
    slow_queue: VecDeque<Target>,
    /// They timed out, and are worth another try before that counts.
    again: VecDeque<Outcome>,
    /// Each with whether it is slow.
    on_their_way: BTreeMap<Target, bool>,
    /// Whether anything is in a queue.
    somebody_waits: Arc<AtomicBool>,
    polls: JoinSet<Outcome>,
    last_began: Option<Instant>,
    slow_has_begun: bool,
}

/// A target, and what asking for it came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) target: Target,
    pub(super) began: Instant,
    /// It did not answer in time, now or before in this sweep.
    pub(super) hung: bool,
    pub(super) answer: Result<Answer, Error>,
}

/// How a request gives way to the targets in the queues.
struct Way {
    hung_before: bool,
    patience: Duration,
    somebody_waits: Arc<AtomicBool>,
}

impl GivesWay for Way {
    /// Who hangs once may hang again: that can wait until nobody else does.
    fn may_retry(&self, reason: Reason) -> bool {
        let in_haste = self.hung_before || reason == Reason::Timeout;
        !(in_haste && self.somebody_waits.load(Ordering::Relaxed))
    }

    /// Who is asked again has its time: until then nobody else waits, or it has no more than a quarter of the slots.
    fn gives_up(&self, waited: Duration) -> bool {
        !self.hung_before && waited >= self.patience && self.somebody_waits.load(Ordering::Relaxed)
    }
}

/// Who is asked next.
struct Next {
    target: Target,
    /// Before this sweep, or in it.
    hung_before: bool,
    /// What came of a try before in this sweep.
    before: Option<Outcome>,
}

impl Sweep {
    /// A sweep in `round`, in which a request that others wait for has so much `patience`.
    pub(super) fn new(round: Arc<Round>, patience: Duration) -> Self {
        // Without retries, whoever is given up would have failed.
        let patience = if round.retries() { patience } else { Duration::MAX };
        Self {
            round,
            patience,
            queue: VecDeque::new(),
            slow_queue: VecDeque::new(),
            again: VecDeque::new(),
            on_their_way: BTreeMap::new(),
            somebody_waits: Arc::default(),
            polls: JoinSet::new(),
            last_began: None,
            slow_has_begun: false,
        }
    }

    /// The round that requests begin in.
    pub(super) fn round(&self) -> Arc<Round> {
        self.round.clone()
    }

    /// From now on requests begin in `round`. Those on their way stay where they are.
    pub(super) fn continue_in(&mut self, round: Arc<Round>) {
        self.round = round;
    }

    /// Replaces the queues, leaving out targets whose requests are on their way.
    pub(super) fn wait_for(&mut self, due: Due) {
        let again: BTreeSet<_> = self.again.iter().map(|outcome| &outcome.target).collect();
        let waits = |target: &Target| !self.on_their_way.contains_key(target) && !again.contains(target);
        self.queue = due.targets.into_iter().filter(waits).collect();
        self.slow_queue = due.slow.into_iter().filter(waits).collect();
        self.note_who_waits();
    }

    /// The next outcome, in the order in which they come; `None` once nothing is on its way, and nothing waits or the
    /// round is over. It may be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Outcome> {
        let mut round_is_over = false;
        loop {
            tokio::select! {
                biased;
                Some(polled) = self.polls.join_next() => {
                    // A panic ends the process.
                    let Ok(mut outcome) = polled else { return pending().await };
                    let hung_before = self.on_their_way.remove(&outcome.target).unwrap_or_default();
                    let timed_out = matches!(outcome.answer, Err(Error::Timeout { operation: Operation::Overview, .. }));
                    outcome.hung |= timed_out;
                    if timed_out && !hung_before && self.round.retries() && self.somebody_waits() {
                        self.again.push_back(outcome);
                    } else {
                        return Some(outcome);
                    }
                }
                slot = self.round.slot(), if !round_is_over && self.somebody_waits() => {
                    let Some(slot) = slot else {
                        round_is_over = true;
                        continue;
                    };
                    let Some(Next { target, hung_before, before }) = self.pop() else { continue };
                    let (round, somebody_waits) = (self.round.clone(), self.somebody_waits.clone());
                    let way = Way { hung_before, patience: self.patience, somebody_waits };
                    let began = self.begin();
                    self.polls.spawn(async move {
                        let answer = round.overview(&target.customer, target.product, slot, way).await;
                        match (answer, before) {
                            // What came of the try before is all that there is.
                            (Err(Error::NotBegun), Some(before)) => before,
                            (answer, before) => Outcome { target, began, hung: before.is_some(), answer },
                        }
                    });
                }
                else => return self.again.pop_front(),
            }
        }
    }

    fn pop(&mut self) -> Option<Next> {
        let slow_on_their_way = self.on_their_way.values().filter(|slow| **slow).count();
        let slow_slots = match self.round.slots() {
            // The only slot there is belongs to those who answer, save once.
            1 => usize::from(!self.slow_has_begun),
            slots => (slots / 4).max(1),
        };
        let slow = self.queue.is_empty() || slow_on_their_way < slow_slots;
        let next = |hung_before| move |target| Next { target, hung_before, before: None };
        let next = if slow { self.slow_queue.pop_front().map(next(true)) } else { None }
            .or_else(|| self.queue.pop_front().map(next(false)))
            .or_else(|| {
                let before = self.again.pop_front()?;
                Some(Next { target: before.target.clone(), hung_before: true, before: Some(before) })
            });
        self.slow_has_begun |= next.as_ref().is_some_and(|next| next.hung_before);
        self.on_their_way.extend(next.iter().map(|next| (next.target.clone(), next.hung_before)));
        self.note_who_waits();
        next
    }

    /// The moment, and no two have the same: by it the order is kept.
    fn begin(&mut self) -> Instant {
        let after_the_last = self.last_began.map(|last| last + Duration::from_nanos(1));
        *self.last_began.insert(after_the_last.into_iter().fold(Instant::now(), Instant::max))
    }

    fn somebody_waits(&self) -> bool {
        self.somebody_waits.load(Ordering::Relaxed)
    }

    fn note_who_waits(&self) {
        let nobody_waits = self.queue.is_empty() && self.slow_queue.is_empty() && self.again.is_empty();
        self.somebody_waits.store(!nobody_waits, Ordering::Relaxed);
    }
}
