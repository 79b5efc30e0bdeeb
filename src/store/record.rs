//! What is known of one target.

use std::time::{Duration, SystemTime};

use elements_api::{Answer, Reason, Seats};

/// An answer may be this far ahead of the clock, which is set back a little now and then.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

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
    /// For a product that the customer does not have, and which is asked for less often.
    pub absent_stale_after: Duration,
}

impl Freshness {
    const fn limit(self, answer: Answer) -> Duration {
        match answer {
            Answer::Seats(_) => self.stale_after,
            Answer::NotApplicable | Answer::NotFound => self.absent_stale_after,
        }
    }
}

/// How a target is. The text is a label value, and so part of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetState {
    /// Its number is known and fresh.
    Ok,
    /// That there is no number is known and fresh.
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
    /// Takes what a poll at `now` came to.
    pub fn take(&mut self, outcome: Result<Answer, Reason>, now: SystemTime) {
        match outcome {
            Ok(answer) => {
                if let Some(seats) = answer.seats() {
                    let previous = self.last_seats.replace(seats);
                    if let Some(previous) = previous.filter(|previous| *previous != seats) {
                        self.change = Some(Change { previous, at: now });
                    }
                }
                self.answer = Some(Answered { answer, at: now });
                self.failure = None;
            }
            Err(reason) => self.failure = Some(reason),
        }
    }

    /// The number to show at `now`: as last answered, until it is stale.
    pub fn seats(&self, now: SystemTime, freshness: Freshness) -> Option<Seats> {
        self.fresh_answer(now, freshness)?.seats()
    }

    pub fn state(&self, now: SystemTime, freshness: Freshness) -> TargetState {
        if self.failure.is_some() {
            return TargetState::Failing;
        }
        match (self.answer, self.fresh_answer(now, freshness)) {
            (None, _) => TargetState::Pending,
            (Some(_), None) => TargetState::Failing,
            (Some(_), Some(Answer::Seats(_))) => TargetState::Ok,
            (Some(_), Some(Answer::NotApplicable | Answer::NotFound)) => TargetState::Absent,
        }
    }

    /// The last moment at which the last answer still counts. `None` without an answer, or where the answer counts
    /// for longer than the clock can tell.
    pub fn fresh_until(&self, freshness: Freshness) -> Option<SystemTime> {
        let Answered { answer, at } = self.answer?;
        at.checked_add(freshness.limit(answer))
    }

    fn fresh_answer(&self, now: SystemTime, freshness: Freshness) -> Option<Answer> {
        let Answered { answer, at } = self.answer?;
        let is_fresh = match now.duration_since(at) {
            Ok(age) => age <= freshness.limit(answer),
            // The clock was set back since: by more than a little, and the true age is unknown.
            Err(ahead) => ahead.duration() <= CLOCK_TOLERANCE,
        };
        is_fresh.then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::answer;

    const FRESHNESS: Freshness =
        Freshness { stale_after: Duration::from_secs(100), absent_stale_after: Duration::from_secs(1000) };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn number(seats: u64) -> Seats {
        Seats::new(seats).unwrap()
    }

    #[test]
    fn the_first_number_is_no_change() {
        let mut record = Record::default();
        record.take(Ok(answer(5)), at(1));
        record.take(Ok(answer(5)), at(2));
        assert_eq!(record.change, None);
    }

    #[test]
    fn a_change_is_seen_over_failure_staleness_and_absence() {
        let mut record = Record::default();
        record.take(Ok(answer(5)), at(1));
        record.take(Err(Reason::Timeout), at(2));
        record.take(Ok(Answer::NotFound), at(5_000));
        record.take(Ok(answer(0)), at(90_000));
        assert_eq!(record.change, Some(Change { previous: number(5), at: at(90_000) }));
        record.take(Ok(answer(0)), at(90_100));
        assert_eq!(record.change, Some(Change { previous: number(5), at: at(90_000) }));
    }

    #[test]
    fn a_failure_keeps_the_number_until_it_is_stale() {
        let mut record = Record::default();
        record.take(Ok(answer(5)), at(0));
        record.take(Err(Reason::Network), at(50));
        assert_eq!(record.seats(at(100), FRESHNESS), Some(number(5)));
        assert_eq!(record.state(at(100), FRESHNESS), TargetState::Failing);
        assert_eq!(record.seats(at(101), FRESHNESS), None);
    }

    #[test]
    fn an_answer_that_nobody_renewed_is_failing_once_stale() {
        let mut record = Record::default();
        assert_eq!(record.state(at(0), FRESHNESS), TargetState::Pending);
        record.take(Ok(answer(5)), at(0));
        assert_eq!(record.state(at(100), FRESHNESS), TargetState::Ok);
        assert_eq!(record.state(at(101), FRESHNESS), TargetState::Failing);
    }

    #[test]
    fn an_answer_from_the_future_is_not_fresh_until_then() {
        let mut record = Record::default();
        record.take(Ok(answer(5)), at(7_200));
        assert_eq!(record.seats(at(7_140), FRESHNESS), Some(number(5)));
        assert_eq!(record.seats(at(7_139), FRESHNESS), None);
        assert_eq!(record.state(at(0), FRESHNESS), TargetState::Failing);
    }

    #[test]
    fn absence_shows_no_number_and_counts_longer() {
        for absent in [Answer::NotFound, Answer::NotApplicable] {
            let mut record = Record::default();
            record.take(Ok(answer(5)), at(0));
            record.take(Ok(absent), at(1));
            assert_eq!(record.seats(at(1), FRESHNESS), None);
            assert_eq!(record.state(at(1_001), FRESHNESS), TargetState::Absent);
            assert_eq!(record.state(at(1_002), FRESHNESS), TargetState::Failing);
        }
    }
}
