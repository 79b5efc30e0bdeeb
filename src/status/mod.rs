//! How the exporter itself does: its cycles, the API, discovery, reloads, what it has counted, and its build.
//!
//! Whoever does something says so here: the poller, the client of the API, who loads the configuration, and who answers
//! requests. Metrics and pages read it.

mod build;
mod counts;
mod lines_dropped;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

pub use build::Build;
pub use counts::{Counts, Histogram};
pub use lines_dropped::LinesDropped;

use elements_api::{Code, Error, Observer, Operation, Reason};

/// How the exporter does, for all who change it and all who show it.
#[derive(Debug)]
pub struct Status {
    /// Copied where it changes while somebody looks at it: most scrapes find it as the one before did.
    now: Mutex<Arc<StatusSnapshot>>,
    /// Every scrape changes them.
    http_requests: Mutex<HttpRequests>,
    cycle_end: Notify,
    poller_woke: AtomicBool,
    /// The log counts for itself.
    log_lines_dropped: Option<LinesDropped>,
}

/// Requests to this exporter, by route and status.
pub type HttpRequests = BTreeMap<(&'static str, u16), u64>;

/// How the exporter did at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSnapshot {
    /// Between the starts of two cycles, as configured.
    pub interval: Duration,
    pub cycle: Option<Cycle>,
    /// When the interval last began a cycle. Cycles that a reload began do not count: they do not shift the schedule.
    pub cycle_began: Option<SystemTime>,
    /// Whether the last cycle that asked anything got any answer. Early cycles count, too.
    pub api_up: Option<bool>,
    /// Until when the vendor asked for no requests; it may be over.
    pub held_until: Option<SystemTime>,
    /// `None` where discovery is off.
    pub discovery: Option<ListingStatus>,
    /// `None` where subscriptions are not listed.
    pub subscriptions: Option<ListingStatus>,
    pub reload: ReloadStatus,
    pub counts: Counts,
}

/// The last cycle that ended, of those that the interval began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    pub completed: SystemTime,
    pub duration: Duration,
    pub targets: CycleTargets,
}

/// How many targets a cycle asked for, and with what success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CycleTargets {
    pub answered: usize,
    pub failed: usize,
    /// Not asked for in time: they lead the next cycle. Those that had timed out before are not among them.
    pub left: usize,
}

/// How the listings of one kind went. What they listed is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingStatus {
    /// What the last attempt came to; `None` before the first.
    pub last: Option<Result<(), Error>>,
    pub last_success: Option<SystemTime>,
}

impl ListingStatus {
    /// Whether the last attempt succeeded; `None` before the first.
    pub fn success(&self) -> Option<bool> {
        self.last.as_ref().map(Result::is_ok)
    }

    /// Why the last attempt failed, if it did.
    pub fn failure(&self) -> Option<&Error> {
        self.last.as_ref()?.as_ref().err()
    }
}

/// How the last reload of the configuration went. The first load counts as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Of `exporter.yaml`.
    pub last_success: SystemTime,
    /// Why the last change of `exporter.yaml` was refused, if it was.
    refused: Option<String>,
    /// Whether the last change of the web configuration file was.
    web_refused: bool,
}

impl ReloadStatus {
    /// Whether both files are in force as they are now. One that is right says nothing about the other.
    pub const fn is_successful(&self) -> bool {
        self.refused.is_none() && !self.web_refused
    }

    /// Why the last change of `exporter.yaml` was refused, if it was.
    pub fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether the last change of the web configuration file was refused.
    pub const fn is_web_refused(&self) -> bool {
        self.web_refused
    }
}

impl StatusSnapshot {
    /// Until when no requests are made because the vendor asked for that; `None` where it does not.
    pub fn held_until(&self, now: SystemTime) -> Option<SystemTime> {
        self.held_until.filter(|until| *until > now)
    }

    /// About when the next cycle begins: an interval after the last one began.
    pub fn next_cycle(&self) -> Option<SystemTime> {
        self.cycle_began?.checked_add(self.interval)
    }

    /// Since when a cycle runs that the interval began; `None` between two.
    pub fn cycle_runs_since(&self) -> Option<SystemTime> {
        let ended = self.cycle.map(|cycle| cycle.completed);
        self.cycle_began.filter(|began| ended.is_none_or(|ended| ended < *began))
    }
}

impl Status {
    /// Of an exporter whose configuration was loaded at `now`, and has this interval. The log counts the lines that it
    /// drops, where there is a log.
    pub fn new(interval: Duration, now: SystemTime, log_lines_dropped: Option<LinesDropped>) -> Self {
        let now = StatusSnapshot {
            interval,
            cycle: None,
            cycle_began: None,
            api_up: None,
            held_until: None,
            discovery: None,
            subscriptions: None,
            reload: ReloadStatus { last_success: now, refused: None, web_refused: false },
            counts: Counts::default(),
        };
        Self {
            now: Mutex::new(now.into()),
            http_requests: Mutex::default(),
            cycle_end: Notify::new(),
            poller_woke: AtomicBool::new(false),
            log_lines_dropped,
        }
    }

    /// How the exporter does now.
    pub fn snapshot(&self) -> Arc<StatusSnapshot> {
        lock(&self.now).clone()
    }

    /// The requests to this exporter up to now.
    pub fn http_requests(&self) -> HttpRequests {
        lock(&self.http_requests).clone()
    }

    /// Lines of the log that nobody took in time.
    pub fn log_lines_dropped(&self) -> u64 {
        self.log_lines_dropped.as_ref().map_or(0, LinesDropped::get)
    }

    /// A cycle begins now because the interval is over.
    pub fn cycle_began(&self, now: SystemTime) {
        self.change(|status| status.cycle_began = Some(now));
    }

    /// A cycle has ended: `full`, where the interval began it. `api_up` is whether the API answered anything, or `None`
    /// where that cannot be said.
    pub fn cycle_ended(&self, full: Option<Cycle>, api_up: Option<bool>) {
        self.change(|now| {
            now.api_up = api_up.or(now.api_up);
            if full.is_some() {
                now.cycle = full;
                now.counts.poll_cycles += 1;
            }
        });
        self.cycle_end.notify_one();
    }

    /// Waits for the end of a cycle that was not waited for yet.
    pub async fn cycle_end(&self) {
        self.cycle_end.notified().await;
    }

    /// The poller goes on, or looks around while it waits.
    pub fn poller_woke(&self) {
        self.poller_woke.store(true, Ordering::Relaxed);
    }

    /// Whether the poller has woken since this was asked last.
    pub fn poller_has_woken(&self) -> bool {
        self.poller_woke.swap(false, Ordering::Relaxed)
    }

    /// The vendor is another one, or sees another account: this is what it asked of that one. What cycles came to before
    /// says nothing of it.
    pub fn begin_account(&self, held_until: Option<SystemTime>) {
        self.change(|now| (now.held_until, now.api_up, now.cycle) = (held_until, None, None));
    }

    /// A target has ended a cycle without an answer.
    pub fn poll_failed(&self, reason: Reason) {
        self.change(|now| *now.counts.poll_failures.entry(reason).or_default() += 1);
    }

    /// From now on discovery is on, or off; off, what it came to is forgotten.
    pub fn set_discovery(&self, on: bool) {
        self.change(|now| now.discovery = on.then(|| now.discovery.take().unwrap_or_default()));
    }

    /// A complete listing of customers came at `now`.
    pub fn listed(&self, now: SystemTime) {
        let discovery = ListingStatus { last: Some(Ok(())), last_success: Some(now) };
        self.change(|now| now.discovery = Some(discovery));
    }

    /// A listing of customers was asked for, and did not come completely.
    pub fn listing_failed(&self, why: Error) {
        self.change(|now| now.discovery.get_or_insert_default().last = Some(Err(why)));
    }

    /// From now on subscriptions are listed, or not; if not, what it came to is forgotten.
    pub fn set_subscriptions(&self, on: bool) {
        self.change(|now| now.subscriptions = on.then(|| now.subscriptions.take().unwrap_or_default()));
    }

    /// An earlier run was told of subscriptions at that time.
    pub fn subscriptions_restored(&self, at: SystemTime) {
        self.change(|now| now.subscriptions = Some(ListingStatus { last: None, last_success: Some(at) }));
    }

    /// The subscriptions of everybody came at `now`.
    pub fn subscriptions_listed(&self, now: SystemTime) {
        let subscriptions = ListingStatus { last: Some(Ok(())), last_success: Some(now) };
        self.change(|now| now.subscriptions = Some(subscriptions));
    }

    /// Subscriptions were asked for, and those of somebody did not come.
    pub fn subscriptions_failed(&self, why: Error) {
        self.change(|now| now.subscriptions.get_or_insert_default().last = Some(Err(why)));
    }

    /// The configuration was loaded again at `now`, and has this interval.
    pub fn reloaded(&self, interval: Duration, now: SystemTime) {
        self.change(|status| {
            status.interval = interval;
            status.reload.last_success = now;
            status.reload.refused = None;
        });
    }

    /// The configuration could not be loaded again, and the previous one stays in effect.
    pub fn reload_failed(&self, why: String) {
        self.change(|now| now.reload.refused = Some(why));
    }

    /// The web configuration has changed, and the change is in force or was refused.
    pub fn web_reloaded(&self, successful: bool) {
        self.change(|now| now.reload.web_refused = !successful);
    }

    /// `handler` may answer requests with `code`: that counter starts at 0, so that its first increase is seen.
    pub fn http_handler(&self, handler: &'static str, code: u16) {
        lock(&self.http_requests).entry((handler, code)).or_default();
    }

    /// This exporter has answered a request.
    pub fn http_request(&self, handler: &'static str, code: u16) {
        *lock(&self.http_requests).entry((handler, code)).or_default() += 1;
    }

    fn change(&self, change: impl FnOnce(&mut StatusSnapshot)) {
        change(Arc::make_mut(&mut lock(&self.now)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each method leaves what it locks whole, so a panic elsewhere meanwhile spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Status {
    fn request(&self, operation: Operation, code: Code, duration: Duration) {
        self.change(|now| {
            *now.counts.api_requests.entry((operation, code)).or_default() += 1;
            now.counts.api_durations.entry(operation).or_default().observe(duration);
        });
    }

    fn retry(&self, reason: Reason) {
        self.change(|now| *now.counts.api_retries.entry(reason).or_default() += 1);
    }

    fn held_back(&self, until: SystemTime) {
        self.change(|now| now.held_until = now.held_until.max(Some(until)));
    }

    fn token_expires(&self, at: Option<SystemTime>) {
        self.change(|now| now.counts.token_expiry = at);
    }

    fn certificate_expires(&self, at: Option<SystemTime>) {
        self.change(|now| now.counts.client_certificate_expiry = at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const INTERVAL: Duration = Duration::from_secs(10);

    fn status() -> Status {
        Status::new(INTERVAL, NOW, None)
    }

    fn cycle(completed: SystemTime) -> Cycle {
        Cycle { completed, duration: Duration::ZERO, targets: CycleTargets::default() }
    }

    #[test]
    fn a_cycle_that_asked_nothing_leaves_the_api_as_it_was() {
        let status = status();
        status.cycle_ended(Some(cycle(NOW)), None);
        assert_eq!(status.snapshot().api_up, None);
        status.cycle_ended(Some(cycle(NOW)), Some(false));
        status.cycle_ended(Some(cycle(NOW)), None);
        assert_eq!(status.snapshot().api_up, Some(false));
    }

    #[test]
    fn an_early_cycle_says_whether_the_api_answers_and_no_more() {
        let status = status();
        status.cycle_ended(Some(cycle(NOW)), Some(false));
        status.cycle_ended(None, Some(true));
        let now = status.snapshot();
        assert_eq!((now.api_up, now.cycle, now.counts.poll_cycles), (Some(true), Some(cycle(NOW)), 1));
    }

    #[test]
    fn a_reload_is_successful_while_neither_file_is_refused() {
        let status = status();
        let is_successful = || status.snapshot().reload.is_successful();
        status.web_reloaded(false);
        assert!(!is_successful());
        status.reloaded(INTERVAL, NOW);
        assert!(!is_successful(), "the web configuration is still refused");
        status.reload_failed("no".to_owned());
        assert_eq!(status.snapshot().reload.refusal(), Some("no"));
        status.web_reloaded(true);
        assert!(!is_successful(), "now it is the other file");
        status.reloaded(INTERVAL, NOW);
        assert!(is_successful());
    }

    #[test]
    fn the_next_cycle_comes_an_interval_after_the_last_began() {
        let status = status();
        assert_eq!((status.snapshot().next_cycle(), status.snapshot().cycle_runs_since()), (None, None));
        let began = NOW + Duration::from_secs(1);
        status.cycle_began(began);
        assert_eq!(status.snapshot().next_cycle(), Some(NOW + Duration::from_secs(11)));
        assert_eq!(status.snapshot().cycle_runs_since(), Some(began));
        status.cycle_ended(Some(cycle(began)), None);
        assert_eq!(status.snapshot().cycle_runs_since(), None);
    }

    #[test]
    fn a_failed_listing_leaves_when_the_last_one_came() {
        let status = status();
        assert_eq!(status.snapshot().discovery, None);
        status.set_discovery(true);
        assert_eq!(status.snapshot().discovery, Some(ListingStatus::default()));
        status.listed(NOW);
        status.listing_failed(Error::ScopeMissing);
        status.set_discovery(true);
        let failed = ListingStatus { last: Some(Err(Error::ScopeMissing)), last_success: Some(NOW) };
        assert_eq!(status.snapshot().discovery, Some(failed));
        status.set_discovery(false);
        assert_eq!(status.snapshot().discovery, None);
    }

    #[test]
    fn buckets_are_cumulative_and_bounds_are_inclusive() {
        let status = status();
        status.request(Operation::Overview, Code::Status(200), Duration::from_millis(100));
        status.request(Operation::Overview, Code::Error, Duration::from_hours(1));
        let histogram = status.snapshot().counts.api_durations[&Operation::Overview];
        assert_eq!(histogram.buckets, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(histogram.count, 2);
        assert_eq!(histogram.sum, Duration::from_millis(3_600_100));
    }
}
