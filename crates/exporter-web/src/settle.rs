//! How a change of a file is found by looking at it again and again, and when it counts.
//!
//! The web configuration file is followed in this way, and an exporter may follow its own configuration so:
//!
//! ```no_run
//! use exporter_web::settle::{Settling, looks};
//!
//! # async fn follow(reload: impl Fn(&[u8])) {
//! let read = || std::fs::read("exporter.yaml").unwrap_or_default();
//! let mut settling = Settling::new(read());
//! let mut looks = looks();
//! loop {
//!     looks.tick().await;
//!     if let Some(text) = settling.look(read()).cloned() {
//!         reload(&text);
//!         settling = Settling::new(text);
//!     }
//! }
//! # }
//! ```

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often to look. Files are compared by their contents: that sees every way of changing them, also Kubernetes' swap
/// of a symlink two folders above.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When to look: at once, and then every 500 ms.
pub fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// What is known, and what is seen instead of it.
///
/// A file that is just being written may be read cut off, and be valid all the same. So a change counts at the second
/// look in a row that finds the same.
#[derive(Debug)]
pub struct Settling<T> {
    known: T,
    /// What the last look found, where that was something else.
    changing: Option<T>,
}

impl<T: PartialEq> Settling<T> {
    /// Begins with what is known.
    pub fn new(known: T) -> Self {
        Self { known, changing: None }
    }

    /// What was known at the beginning.
    pub fn known(&self) -> &T {
        &self.known
    }

    /// Takes what a look found. Returns a change that two looks in a row have found, then and at every later look.
    pub fn look(&mut self, now: T) -> Option<&T> {
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
