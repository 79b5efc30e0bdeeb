//! What a command does and says when AvePoint asks to be left alone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use elements_api::{Code, Observer, Operation, Reason};
use tracing::warn;

use crate::names::count;
use crate::rfc3339;

/// Somebody waits for a command: no request of it waits longer than this.
pub(super) const LONGEST_HOLD: Duration = Duration::from_mins(1);

/// Requests that are refused together tell of holds that end together.
const TOGETHER: Duration = Duration::from_secs(10);

/// Says at once until when nothing may be asked, and remembers it.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<SystemTime>>);

impl Hold {
    /// # Errors
    ///
    /// So many requests were not made, if any.
    pub(super) fn all_were_made(&self, left: usize) -> Result<()> {
        if left == 0 { Ok(()) } else { Err(anyhow!("{}", self.not_made(left))) }
    }

    /// That so many requests were not made, and why.
    pub(super) fn not_made(&self, left: usize) -> String {
        let were = if left == 1 { "was" } else { "were" };
        let left = count(left, "request");
        match self.until() {
            Some(until) => {
                let until = rfc3339::seconds(until);
                format!("AvePoint asked to wait until {until}: {left} {were} not made, try again then")
            }
            None => format!("the time was over: {left} {were} not made"),
        }
    }

    /// What follows the reason for which a listing failed.
    pub(super) fn after_failure(&self) -> String {
        let until = self.until().map(rfc3339::seconds);
        let and =
            |until| format!("; AvePoint asked to wait until {until}: 1 request was not made again, try again then");
        until.map_or_else(String::new, and)
    }

    /// Until when nothing may be asked, as long as that lasts.
    fn until(&self) -> Option<SystemTime> {
        self.lock().filter(|until| *until > SystemTime::now())
    }

    fn lock(&self) -> MutexGuard<'_, Option<SystemTime>> {
        // A moment is written whole: a panic elsewhere cannot have spoilt it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Hold {
    fn held_back(&self, until: SystemTime) {
        let mut known = self.lock();
        let is_new = known.is_none_or(|known| until.duration_since(known).is_ok_and(|later| later > TOGETHER));
        *known = (*known).max(Some(until));
        drop(known);
        if is_new {
            let until = rfc3339::seconds(until);
            warn!(%until, "AvePoint asked to wait (429 with Retry-After): no request is made until then");
        }
    }

    fn request(&self, _: Operation, _: Code, _: Duration) {}
    fn retry(&self, _: Reason) {}
    fn token_expires(&self, _: Option<SystemTime>) {}
    fn certificate_expires(&self, _: Option<SystemTime>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_made_is_counted_with_its_reason() {
        let hold = Hold::default();
        assert!(hold.all_were_made(0).is_ok());
        assert_eq!(
            (hold.not_made(2), hold.after_failure()),
            ("the time was over: 2 requests were not made".into(), String::new())
        );
        hold.held_back(SystemTime::UNIX_EPOCH);
        assert_eq!(hold.after_failure(), "", "it is over");
        let until = SystemTime::now() + Duration::from_hours(1);
        hold.held_back(until);
        hold.held_back(SystemTime::UNIX_EPOCH);
        let until = format!("AvePoint asked to wait until {}: ", rfc3339::seconds(until));
        let error = hold.all_were_made(1).unwrap_err().to_string();
        assert_eq!(error, format!("{until}1 request was not made, try again then"));
        assert_eq!(hold.after_failure(), format!("; {until}1 request was not made again, try again then"));
    }
}
