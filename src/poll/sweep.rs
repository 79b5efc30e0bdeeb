//! Targets that are asked for, as many at a time as there are slots.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;

use elements_api::{Answer, Error, Round};
use tokio::task::JoinSet;

use crate::store::Target;

/// Turns targets into requests, and yields their outcomes. Dropping it cancels the requests.
#[derive(Debug)]
pub(super) struct Sweep {
    round: Arc<Round>,
    queue: VecDeque<Target>,
    on_their_way: BTreeSet<Target>,
    polls: JoinSet<Outcome>,
}

/// A target, and what asking for it came to.
pub(super) type Outcome = (Target, Result<Answer, Error>);

impl Sweep {
    pub(super) fn new(round: Arc<Round>) -> Self {
        Self { round, queue: VecDeque::new(), on_their_way: BTreeSet::new(), polls: JoinSet::new() }
    }

    /// The round that requests begin in.
    pub(super) fn round(&self) -> Arc<Round> {
        self.round.clone()
    }

    /// From now on requests begin in `round`. Those on their way stay where they are.
    pub(super) fn continue_in(&mut self, round: Arc<Round>) {
        self.round = round;
    }

    /// Replaces the queue, leaving out targets whose requests are on their way.
    pub(super) fn wait_for(&mut self, targets: impl IntoIterator<Item = Target>) {
        self.queue = targets.into_iter().filter(|target| !self.on_their_way.contains(target)).collect();
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
                    let Ok((target, outcome)) = polled else { return pending().await };
                    self.on_their_way.remove(&target);
                    return Some((target, outcome));
                }
                slot = self.round.slot(), if !round_is_over && !self.queue.is_empty() => {
                    let Some(slot) = slot else {
                        round_is_over = true;
                        continue;
                    };
                    if let Some(target) = self.queue.pop_front() {
                        self.on_their_way.insert(target.clone());
                        let round = self.round.clone();
                        self.polls.spawn(async move {
                            let outcome = round.overview(&target.customer, target.product, slot).await;
                            (target, outcome)
                        });
                    }
                }
                else => return None,
            }
        }
    }
}
