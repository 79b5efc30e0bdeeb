//! How a change of a file is found by looking at it again and again.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often to look. Files are compared by their contents: that sees every way of changing them, also Kubernetes' swap
/// of a symlink two folders above.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When to look.
pub(crate) fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// What is known, and what is seen instead of it.
///
/// A file that is just being written may be read cut off, and be valid all the same. So a change counts at the second
/// look in a row that finds the same.
#[derive(Debug)]
pub(crate) struct Settling<T> {
    known: T,
    /// What the last look found, where that was something else.
    changing: Option<T>,
}

impl<T: PartialEq> Settling<T> {
    pub(crate) fn new(known: T) -> Self {
        Self { known, changing: None }
    }

    pub(crate) fn known(&self) -> &T {
        &self.known
    }

    /// Takes what a look found; tells it where it is a change that has settled, until another is known.
    pub(crate) fn look(&mut self, now: T) -> Option<&T> {
        let has_settled = self.changing.as_ref() == Some(&now);
        self.changing = (now != self.known).then_some(now);
        self.changing.as_ref().filter(|_| has_settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_two_looks_in_a_row_have_found_it() {
        let mut settling = Settling::new("old");
        let looks = ["old", "ne", "new", "old", "new", "new", "", "new", "", ""];
        let settled: Vec<_> = looks.map(|now| settling.look(now).copied()).into();
        assert_eq!(settled, [None, None, None, None, None, Some("new"), None, None, None, Some("")]);
        assert_eq!(Settling::new("").look(""), None, "what is known is no change");
    }
}
