//! Targets that are asked for, as many at a time as there are slots.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::api::{Error, Round};
use crate::model::{Answer, Target};

/// One after the other, targets become requests, and requests outcomes. Dropped, it drops its requests.
#[derive(Debug)]
pub struct Sweep {
    round: Arc<Round>,
    queue: VecDeque<Target>,
    polls: JoinSet<(Target, Result<Answer, Error>)>,
}

impl Sweep {
    pub fn new(round: Arc<Round>, targets: Vec<Target>) -> Self {
        Self { round, queue: targets.into(), polls: JoinSet::new() }
    }

    /// These wait to be asked for from now on, instead of those that waited before.
    pub fn wait_for(&mut self, targets: impl IntoIterator<Item = Target>) {
        self.queue = targets.into_iter().collect();
    }

    /// How many have not been asked for.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The next target with an outcome, in the order of the outcomes; `None` once nothing is on its way, and
    /// nothing waits or the round is over. May be dropped and called again.
    pub async fn next(&mut self) -> Option<(Target, Result<Answer, Error>)> {
        loop {
            tokio::select! {
                biased;
                Some(polled) = self.polls.join_next() => {
                    return Some(polled.unwrap_or_else(|error| resume_unwind(error.into_panic())));
                }
                slot = self.round.slot(), if !self.queue.is_empty() => {
                    let (Some(slot), Some(target)) = (slot, self.queue.pop_front()) else {
                        return self.last().await;
                    };
                    let round = self.round.clone();
                    self.polls.spawn(async move {
                        let outcome = round.overview(&target, slot).await;
                        (target, outcome)
                    });
                }
                else => return None,
            }
        }
    }

    /// The round is over: what waits is left, and what is on its way comes to its end.
    async fn last(&mut self) -> Option<(Target, Result<Answer, Error>)> {
        let polled = self.polls.join_next().await?;
        Some(polled.unwrap_or_else(|error| resume_unwind(error.into_panic())))
    }
}
