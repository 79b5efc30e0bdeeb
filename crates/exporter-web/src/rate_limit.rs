//! How often may be asked.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::config::RateLimit;

/// A token bucket, kept as the moment at which it would be full again.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    full: Mutex<Option<Instant>>,
}

impl Bucket {
    /// Takes one token. `false`: there is none.
    pub(crate) fn take(&self, RateLimit { interval, burst }: RateLimit) -> bool {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // The limit may have been another one before.
        let missing =
            full.map_or_else(Default::default, |full| full.saturating_duration_since(now)).min(interval * burst);
        let has_token = missing <= interval * (burst - 1);
        if has_token {
            *full = Some(now + missing + interval);
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_holds_a_burst_and_gets_one_more_each_interval() {
        let limit = RateLimit { interval: Duration::from_secs(2), burst: 3 };
        let bucket = Bucket::default();
        let taken = || (0..10).filter(|_| bucket.take(limit)).count();
        assert_eq!(taken(), 3);
        tokio::time::advance(Duration::from_millis(1999)).await;
        assert_eq!(taken(), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(taken(), 1);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(taken(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_lifted_holds_back_nobody() {
        let bucket = Bucket::default();
        assert!(bucket.take(RateLimit { interval: Duration::from_hours(24), burst: 1 }));
        assert!(!bucket.take(RateLimit { interval: Duration::from_secs(1), burst: 1 }));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!bucket.take(RateLimit { interval: Duration::from_secs(1), burst: 1 }), "as it holds now");
    }
}
