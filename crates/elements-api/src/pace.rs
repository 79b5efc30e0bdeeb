//! How fast requests may begin.
//!
//! It lives on tokio's clock, so that a test can pause it; the well-known rate limiters sleep on one of their own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets requests begin at an even rate, and none while the vendor asks to be left alone.
#[derive(Debug)]
pub(crate) struct Pace {
    spacing: Duration,
    /// No request waits for the end of a longer hold.
    longest_hold: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// The first moment that no request has taken yet.
    next: Instant,
    /// Before this nothing begins.
    held_until: Instant,
}

impl Pace {
    /// At most `per_second` requests begin in a second, evenly spaced, from the first one on.
    pub(crate) fn new(per_second: u32) -> Self {
        let now = Instant::now();
        Self {
            spacing: Duration::from_secs(1) / per_second.max(1),
            longest_hold: Duration::MAX,
            state: Mutex::new(State { next: now, held_until: now }),
        }
    }

    /// With no request that waits for the end of a longer hold: it has no turn, then.
    pub(crate) const fn with_holds_up_to(self, longest_hold: Duration) -> Self {
        Self { longest_hold, ..self }
    }

    /// Waits for this request's turn. `false`: its turn would come at `deadline` or later, so it must not begin.
    pub(crate) async fn wait_for_turn(&self, deadline: Instant) -> bool {
        while let Some(turn) = self.reserve(deadline) {
            // Even a sleep until now lasts until tokio's timer ticks, a millisecond or two later.
            if turn > Instant::now() {
                tokio::time::sleep_until(turn).await;
            }
            // The hold may have come, or grown, while this request slept towards its turn.
            if turn >= self.lock().held_until {
                return true;
            }
        }
        false
    }

    /// Nothing begins before `until`; an earlier hold that lasts longer stays.
    pub(crate) fn hold(&self, until: Instant) {
        let mut state = self.lock();
        state.held_until = state.held_until.max(until);
    }

    /// When the last hold ends; in the past where there is none.
    pub(crate) fn held_until(&self) -> Instant {
        self.lock().held_until
    }

    /// Whether a hold until then is longer than a request waits.
    pub(crate) fn is_too_long(&self, until: Instant) -> bool {
        until.saturating_duration_since(Instant::now()) > self.longest_hold
    }

    fn reserve(&self, deadline: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let turn = state.next.max(state.held_until).max(Instant::now());
        if turn >= deadline || self.is_too_long(state.held_until) {
            return None;
        }
        state.next = turn + self.spacing;
        Some(turn)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A state is two moments, written whole: a panic elsewhere cannot have spoilt it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use tokio::task::JoinSet;

    use super::*;

    async fn begin(pace: &Arc<Pace>, requests: usize, deadline: Instant) -> Vec<Duration> {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..requests {
            let pace = pace.clone();
            tasks.spawn(async move { pace.wait_for_turn(deadline).await.then(|| start.elapsed()) });
        }
        let mut begun: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        begun.sort();
        begun
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_hours(24)
    }

    /// When each of some requests begins that come at these milliseconds, beside holds that begin and end at those.
    fn begun(per_second: u32, come: &[u64], holds: &[(u64, u64)]) -> Vec<Duration> {
        let ms = Duration::from_millis;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (pace, start) = (Arc::new(Pace::new(per_second)), Instant::now());
            let mut tasks = JoinSet::new();
            for at in come.iter().copied() {
                let pace = pace.clone();
                tasks.spawn(async move {
                    tokio::time::sleep_until(start + ms(at)).await;
                    pace.wait_for_turn(start + Duration::from_hours(1)).await.then(|| start.elapsed())
                });
            }
            for (begins, ends) in holds.iter().copied() {
                let pace = pace.clone();
                tasks.spawn(async move {
                    tokio::time::sleep_until(start + ms(begins)).await;
                    pace.hold(start + ms(ends));
                    None
                });
            }
            let mut begun: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
            begun.sort();
            begun
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(2048), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn requests_keep_their_distance_and_none_begins_in_a_hold(
            per_second in 1_u32..60,
            come in vec(0_u64..3_000, 0..60),
            holds in vec((0_u64..3_000, 0_u64..2_000), 0..4),
        ) {
            let holds: Vec<_> = holds.into_iter().map(|(begins, length)| (begins, begins + length)).collect();
            let begun = begun(per_second, &come, &holds);
            prop_assert_eq!(begun.len(), come.len(), "each has its turn");
            // Tokio's timer ticks in milliseconds.
            let tick = Duration::from_millis(2);
            let spacing = Duration::from_secs(1) / per_second;
            for pair in begun.windows(2) {
                prop_assert!(pair[1] + tick >= pair[0] + spacing, "{:?} at {per_second} a second", pair);
            }
            for (begins, ends) in holds.iter().map(|(begins, ends)| (Duration::from_millis(*begins), Duration::from_millis(*ends))) {
                prop_assert!(!begun.iter().any(|at| *at > begins + tick && *at + tick < ends), "{begins:?} {ends:?} {begun:?}");
            }
            // From when all have come and nothing holds them, they need no more than their distances.
            let free = come.iter().chain(holds.iter().map(|(_, ends)| ends)).max();
            let last = free.map(|free| Duration::from_millis(*free) + (spacing + tick) * u32::try_from(come.len()).unwrap());
            prop_assert!(begun.iter().all(|at| Some(*at) <= last), "{begun:?} end after {last:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_begin_evenly_from_the_first_second_on() {
        let begun = begin(&Arc::new(Pace::new(10)), 30, far()).await;
        for (index, moment) in (0..).zip(&begun) {
            assert_eq!(*moment, Duration::from_millis(100) * index);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_turn_has_come_does_not_wait_for_the_timer_to_tick() {
        let pace = Pace::new(10);
        tokio::time::advance(Duration::from_micros(500)).await;
        let start = Instant::now();
        assert!(pace.wait_for_turn(far()).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_not_saved_up_for_a_burst() {
        let pace = Arc::new(Pace::new(10));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let begun = begin(&pace, 3, far()).await;
        assert_eq!(begun, [0, 100, 200].map(Duration::from_millis));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_stops_those_already_waiting_and_they_go_on_evenly() {
        let pace = Arc::new(Pace::new(10));
        let waiting = tokio::spawn({
            let pace = pace.clone();
            async move { begin(&pace, 3, far()).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        pace.hold(Instant::now() + Duration::from_millis(4_950));
        pace.hold(Instant::now() + Duration::from_millis(10));
        assert_eq!(waiting.await.unwrap(), [0, 5_000, 5_100].map(Duration::from_millis));
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_begin_at_the_deadline_does_not_begin_and_takes_no_turn() {
        let pace = Arc::new(Pace::new(1));
        let deadline = Instant::now() + Duration::from_secs(2);
        assert_eq!(begin(&pace, 5, deadline).await, [0, 1].map(Duration::from_secs));
        assert_eq!(begin(&pace, 1, far()).await, [Duration::from_secs(1)]);
    }
}
