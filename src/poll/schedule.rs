//! Which targets are due, and in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use elements_api::Answer;
use tokio::time::Instant;

use crate::store::Target;

/// When each target was last asked for.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeMap<Target, Option<Asked>>);

#[derive(Debug, Clone, Copy)]
struct Asked {
    /// The start of the cycle that asked: measured from there, a target is due in every cycle, however late in the
    /// cycle before its turn came.
    cycle: Instant,
    absent: bool,
}

impl Schedule {
    /// From now on these are the targets; those that stay keep their turn.
    pub(super) fn set_targets(&mut self, targets: impl Iterator<Item = Target>) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = targets
            .map(|target| {
                let asked = before.remove(&target).flatten();
                (target, asked)
            })
            .collect();
    }

    /// `target` was asked for in the cycle that began at `cycle`, and `answer` came, if any.
    pub(super) fn asked(&mut self, target: &Target, cycle: Instant, answer: Option<Answer>) {
        if let Some(asked) = self.0.get_mut(target) {
            let absent = answer.is_some_and(|answer| answer.seats().is_none());
            *asked = Some(Asked { cycle, absent });
        }
    }

    /// What a cycle that begins at `now` has to ask for, longest-unpolled first.
    pub(super) fn due(&self, now: Instant, interval: Duration, absent_interval: Duration) -> Vec<Target> {
        let mut due: Vec<_> = self
            .0
            .iter()
            .filter(|(_, asked)| {
                asked.is_none_or(|Asked { cycle, absent }| {
                    now.saturating_duration_since(cycle) >= if absent { absent_interval } else { interval }
                })
            })
            .collect();
        due.sort_by_key(|(_, asked)| asked.map(|asked| asked.cycle));
        due.into_iter().map(|(target, _)| target.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, answer};

    const INTERVAL: Duration = Duration::from_secs(10);
    const ABSENT_INTERVAL: Duration = Duration::from_mins(1);

    fn target(id: &str) -> Target {
        testing::target(id, 1)
    }

    fn schedule(ids: &[&str]) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.set_targets(ids.iter().copied().map(target));
        schedule
    }

    fn due(schedule: &Schedule, now: Instant) -> Vec<String> {
        let due = schedule.due(now, INTERVAL, ABSENT_INTERVAL);
        due.into_iter().map(|target| target.customer.to_string()).collect()
    }

    #[test]
    fn the_longest_unpolled_leads_and_the_never_polled_lead_all() {
        let start = Instant::now();
        let mut schedule = schedule(&["a", "b", "c"]);
        schedule.asked(&target("a"), start + Duration::from_secs(5), None);
        schedule.asked(&target("b"), start, None);
        assert_eq!(due(&schedule, start + Duration::from_secs(20)), ["c", "b", "a"]);
    }

    #[test]
    fn a_target_is_due_an_interval_after_the_cycle_that_asked() {
        let start = Instant::now();
        let mut schedule = schedule(&["a"]);
        schedule.asked(&target("a"), start, None);
        assert!(due(&schedule, start + INTERVAL - Duration::from_nanos(1)).is_empty());
        assert_eq!(due(&schedule, start + INTERVAL), ["a"]);
    }

    #[test]
    fn an_absent_product_is_due_less_often_until_a_poll_of_it_fails() {
        let start = Instant::now();
        let mut schedule = schedule(&["a", "b"]);
        schedule.asked(&target("a"), start, Some(Answer::NotFound));
        schedule.asked(&target("b"), start, Some(answer(0)));
        assert_eq!(due(&schedule, start + INTERVAL), ["b"]);
        assert_eq!(due(&schedule, start + ABSENT_INTERVAL), ["a", "b"]);
        schedule.asked(&target("a"), start + ABSENT_INTERVAL, None);
        assert_eq!(due(&schedule, start + ABSENT_INTERVAL + INTERVAL), ["b", "a"]);
    }

    #[test]
    fn targets_that_stay_keep_their_turn_and_new_ones_are_due_at_once() {
        let start = Instant::now();
        let mut schedule = schedule(&["a", "b"]);
        schedule.asked(&target("a"), start, None);
        schedule.set_targets(["A", "c"].map(target).into_iter());
        assert_eq!(due(&schedule, start), ["c"]);
        assert_eq!(schedule.len(), 2);
    }
}
