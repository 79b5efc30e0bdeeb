//! What is known of one target.

use std::time::{Duration, SystemTime};

use elements_api::{Answer, Reason, Seats};
use tokio::time::Instant;

use super::Now;

/// A restored answer may be this far ahead of the clock, which is set back a little now and then.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// A target that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownTarget {
    /// Somebody listed its product by name or number, and did not write `all`; or expects seats of it.
    pub listed: bool,
    /// A bill names it, or did so when it could last be read.
    pub billed: bool,
    /// So many seats are expected, by who bills them.
    pub expected: Option<Seats>,
    pub record: Record,
}

/// The last answer of a target, its last change, and whether its last poll failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Record {
    /// The last answer, however many polls have failed since.
    pub answer: Option<Answered>,
    /// The last answered number, however many answers without a number came since.
    pub last_seats: Option<Seats>,
    pub change: Option<Change>,
    /// Why the last poll had no answer; `None` where it had one, or was never made.
    pub failure: Option<Reason>,
}

/// An answer, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Answered {
    pub answer: Answer,
    pub at: SystemTime,
    /// The same moment by the monotonic clock; `None` for what an earlier run has saved.
    pub came: Option<Instant>,
}

/// The last time that an answered number differed from the one answered before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    pub previous: Seats,
    pub at: SystemTime,
}

/// How long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    pub stale_after: Duration,
    /// For a dormant target, which is asked for less often.
    pub dormant_stale_after: Duration,
    /// For a listing of subscriptions.
    pub subscriptions: Duration,
    /// For the tenants of a customer.
    pub tenants: Duration,
}

/// How a target is. The text is a label value, and so part of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetState {
    /// What it has is known and fresh.
    Ok,
    /// That it never had a seat is known and fresh.
    Absent,
    /// The last poll had no answer, or no poll was made for too long.
    Failing,
    /// Not yet polled.
    Pending,
}

impl TargetState {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Absent, Self::Failing, Self::Pending];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Failing => "failing",
            Self::Pending => "pending",
        }
    }
}

impl Record {
    /// Takes what a poll came to now.
    pub fn take(&mut self, outcome: Result<Answer, Reason>, now: Now) {
        match outcome {
            Ok(answer) => {
                if let Some(seats) = answer.seats() {
                    // All answers before had no number: that was nothing, and nothing is 0.
                    let before = self.last_seats.or(self.answer.map(|_| Seats::ZERO));
                    if let Some(previous) = before.filter(|before| *before != seats) {
                        self.change = Some(Change { previous, at: now.wall });
                    }
                    self.last_seats = Some(seats);
                }
                self.answer = Some(Answered { answer, at: now.wall, came: Some(now.monotonic) });
                self.failure = None;
            }
            Err(reason) => self.failure = Some(reason),
        }
    }

    /// What outlives the process.
    #[must_use]
    pub fn lasting(self) -> Self {
        let answer = self.answer.map(|answered| Answered { came: None, ..answered });
        Self { answer, failure: None, ..self }
    }

    /// Whether any answer ever had more than 0 seats. A change is between two numbers, and one of them is.
    pub fn had_seats(&self) -> bool {
        self.change.is_some() || self.last_seats.is_some_and(|seats| seats > Seats::ZERO)
    }
}

/// How old is what came `at` that time, by the monotonic clock when it `came`: by the clock that says more, since each may
/// miss time. `None` where that is unknown: it was restored, and the clock was set back since.
pub(super) fn age(at: SystemTime, came: Option<Instant>, now: Now) -> Option<Duration> {
    let by_wall = now.wall.duration_since(at);
    match came {
        Some(came) => Some(now.monotonic.saturating_duration_since(came).max(by_wall.unwrap_or_default())),
        None => match by_wall {
            Err(ahead) if ahead.duration() > CLOCK_TOLERANCE => None,
            by_wall => Some(by_wall.unwrap_or_default()),
        },
    }
}

impl KnownTarget {
    /// Whether nobody listed its product by name and it never had a seat: then it is asked for less often, and has no
    /// series of its own.
    pub fn is_dormant(&self) -> bool {
        !self.listed && !self.record.had_seats()
    }

    /// The number to show now: as last answered, until it is stale.
    pub fn seats(&self, now: Now, freshness: Freshness) -> Option<Seats> {
        self.fresh_answer(now, freshness)?.seats()
    }

    pub fn state(&self, now: Now, freshness: Freshness) -> TargetState {
        let Record { answer, failure, .. } = self.record;
        match self.fresh_answer(now, freshness) {
            _ if failure.is_some() => TargetState::Failing,
            Some(_) if self.record.had_seats() => TargetState::Ok,
            Some(_) => TargetState::Absent,
            None if answer.is_some() => TargetState::Failing,
            None => TargetState::Pending,
        }
    }

    /// The last answer, as long as it counts.
    pub fn fresh_answer(&self, now: Now, freshness: Freshness) -> Option<Answer> {
        self.counts_for(now, freshness)?;
        Some(self.record.answer?.answer)
    }

    /// For how much longer the last answer counts; `None` if it no longer does, or there was none.
    pub fn counts_for(&self, now: Now, freshness: Freshness) -> Option<Duration> {
        let limit = if self.is_dormant() { freshness.dormant_stale_after } else { freshness.stale_after };
        let Answered { at, came, .. } = self.record.answer?;
        limit.checked_sub(age(at, came, now)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{answer, cases, now};

    const FRESHNESS: Freshness = Freshness {
        stale_after: Duration::from_secs(100),
        dormant_stale_after: Duration::from_secs(1000),
        subscriptions: Duration::ZERO,
        tenants: Duration::ZERO,
    };

    fn number(seats: u64) -> Seats {
        Seats::new(seats).unwrap()
    }

    /// After these answers, which came at those seconds.
    fn record(outcomes: &[(u64, Result<Answer, Reason>)]) -> Record {
        let mut record = Record::default();
        for (at, outcome) in outcomes {
            record.take(*outcome, now(*at));
        }
        record
    }

    fn listed(outcomes: &[(u64, Result<Answer, Reason>)]) -> KnownTarget {
        KnownTarget { listed: true, billed: false, expected: None, record: record(outcomes) }
    }

    fn restored(answer: Answer, at: u64) -> KnownTarget {
        let answer = Some(Answered { answer, at: now(at).wall, came: None });
        KnownTarget {
            listed: true,
            billed: false,
            expected: None,
            record: Record { answer, last_seats: Some(number(5)), ..Record::default() },
        }
    }

    fn outcome() -> impl Strategy<Value = Result<Answer, Reason>> {
        prop_oneof![
            4 => (0_u64..4).prop_map(|seats| Ok(answer(seats))),
            1 => Just(Ok(Answer::NotFound)),
            2 => Just(Err(Reason::Timeout)),
        ]
    }

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn the_last_change_is_between_the_last_two_numbers_that_differ(
            outcomes in vec((0_u64..90, outcome(), any::<bool>()), 0..24),
        ) {
            let mut record = Record::default();
            let mut second = 0;
            // When each number was answered. Answers without one, before the first of them, were nothing, and nothing is 0.
            let mut numbers: Vec<(u64, u64)> = Vec::new();
            let mut last: Option<(u64, Option<u64>)> = None;
            for (wait, outcome, restarts) in outcomes {
                second += wait;
                record.take(outcome, now(second));
                if let Ok(answer) = outcome {
                    let seats = answer.seats().map(Seats::get);
                    last = Some((second, seats));
                    if numbers.is_empty() && seats.is_none() {
                        numbers.push((0, second));
                    }
                    numbers.extend(seats.map(|seats| (seats, second)));
                }
                if restarts {
                    record = record.lasting();
                }
            }
            let mut changes = numbers.windows(2).filter(|pair| pair[0].0 != pair[1].0);
            let change = changes.next_back().map(|pair| (pair[0].0, now(pair[1].1).wall));
            prop_assert_eq!(record.change.map(|change| (change.previous.get(), change.at)), change);
            prop_assert_eq!(record.had_seats(), numbers.iter().any(|(seats, _)| *seats > 0));

            // A number is shown while it is fresh and the last answer has it, and never else.
            let target = KnownTarget { listed: true, billed: false, expected: None, record };
            for later in [0, 100, 101] {
                let shown = target.seats(now(second + later), FRESHNESS).map(Seats::get);
                let fresh = last.filter(|(at, _)| second + later - at <= 100);
                prop_assert_eq!(shown, fresh.and_then(|(_, seats)| seats));
            }
        }
    }

    #[test]
    fn the_first_number_is_no_change() {
        assert_eq!(record(&[(1, Ok(answer(5))), (2, Ok(answer(5)))]).change, None);
        assert_eq!(record(&[(1, Err(Reason::Timeout)), (2, Ok(answer(5)))]).change, None);
    }

    #[test]
    fn a_first_purchase_is_a_change_from_0() {
        for nothing in [Answer::NotFound, Answer::NotApplicable, answer(0)] {
            let bought = record(&[(1, Ok(nothing)), (2, Err(Reason::Network)), (3, Ok(answer(25)))]);
            assert_eq!(bought.change, Some(Change { previous: number(0), at: now(3).wall }), "{nothing:?}");
            assert_eq!(record(&[(1, Ok(nothing)), (2, Ok(answer(0)))]).change, None, "{nothing:?}");
        }
    }

    #[test]
    fn a_change_is_seen_over_failure_staleness_and_absence() {
        let mut record = record(&[
            (1, Ok(answer(5))),
            (2, Err(Reason::Timeout)),
            (5_000, Ok(Answer::NotFound)),
            (90_000, Ok(answer(0))),
        ]);
        let change = Some(Change { previous: number(5), at: now(90_000).wall });
        assert_eq!(record.change, change);
        record.take(Ok(answer(0)), now(90_100));
        assert_eq!(record.change, change);
    }

    #[test]
    fn what_had_seats_once_is_never_dormant_again() {
        let dormant = |outcomes: &[_]| {
            KnownTarget { listed: false, billed: false, expected: None, record: record(outcomes) }.is_dormant()
        };
        assert!(dormant(&[]));
        assert!(dormant(&[(1, Ok(answer(0))), (2, Ok(Answer::NotFound)), (3, Err(Reason::Forbidden))]));
        assert!(!dormant(&[(1, Ok(answer(5)))]));
        assert!(!dormant(&[(1, Ok(answer(5))), (2, Ok(answer(0))), (3, Ok(answer(0)))]));
        assert!(!dormant(&[(1, Ok(answer(5))), (2, Ok(Answer::NotFound))]));
        assert!(!listed(&[]).is_dormant());
    }

    #[test]
    fn a_failure_keeps_the_number_until_it_is_stale() {
        let target = listed(&[(0, Ok(answer(5))), (50, Err(Reason::Network))]);
        assert_eq!(target.seats(now(100), FRESHNESS), Some(number(5)));
        assert_eq!(target.state(now(100), FRESHNESS), TargetState::Failing);
        assert_eq!(target.seats(now(101), FRESHNESS), None);
    }

    #[test]
    fn an_answer_that_nobody_renewed_is_failing_once_stale() {
        assert_eq!(listed(&[]).state(now(0), FRESHNESS), TargetState::Pending);
        let target = listed(&[(0, Ok(answer(5)))]);
        assert_eq!(target.state(now(100), FRESHNESS), TargetState::Ok);
        assert_eq!(target.state(now(101), FRESHNESS), TargetState::Failing);
    }

    #[test]
    fn what_never_had_a_seat_is_absent_and_counts_longer_unless_it_is_listed() {
        for nothing in [Answer::NotFound, Answer::NotApplicable, answer(0)] {
            let listed = listed(&[(0, Ok(nothing))]);
            let dormant = KnownTarget { listed: false, ..listed };
            assert_eq!(dormant.state(now(1_000), FRESHNESS), TargetState::Absent);
            assert_eq!(dormant.state(now(1_001), FRESHNESS), TargetState::Failing);
            assert_eq!(listed.state(now(100), FRESHNESS), TargetState::Absent);
            assert_eq!(listed.state(now(101), FRESHNESS), TargetState::Failing);
        }
    }

    #[test]
    fn a_404_for_what_had_seats_is_an_answer_without_a_number() {
        let target = listed(&[(0, Ok(answer(5))), (1, Ok(Answer::NotFound))]);
        assert_eq!(target.seats(now(1), FRESHNESS), None);
        assert_eq!(target.state(now(1), FRESHNESS), TargetState::Ok);
    }

    #[test]
    fn a_clock_that_is_set_makes_no_answer_younger() {
        let target = listed(&[(100_000, Ok(answer(5)))]);
        let state = |wall, monotonic| {
            let now = Now { wall: now(wall).wall, monotonic: now(monotonic).monotonic };
            target.state(now, FRESHNESS)
        };
        assert_eq!(state(100_100, 100_100), TargetState::Ok);
        // Set back, by a little or by a day.
        assert_eq!(state(99_900, 100_100), TargetState::Ok);
        assert_eq!(state(13_600, 100_100), TargetState::Ok);
        assert_eq!(state(13_600, 100_101), TargetState::Failing);
        // Set forward, or the machine has slept.
        assert_eq!(state(100_101, 100_001), TargetState::Failing);
    }

    #[test]
    fn a_restored_answer_from_the_future_is_not_fresh() {
        let target = restored(answer(5), 7_200);
        assert_eq!(target.seats(now(7_140), FRESHNESS), Some(number(5)));
        assert_eq!(target.seats(now(7_139), FRESHNESS), None);
        assert_eq!(target.state(now(0), FRESHNESS), TargetState::Failing);
    }
}
