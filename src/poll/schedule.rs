//! Which targets are due, and in which order.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use elements_api::{CustomerId, Reason};
use tokio::time::Instant;

use super::Timing;
use super::steady::{Place, Steady, SteadyClock, since_epoch};
use crate::store::{Now, Target};

/// When each target was last asked for, and what came of it.
#[derive(Debug)]
pub(super) struct Schedule {
    turns: BTreeMap<Target, Turn>,
    clock: SteadyClock,
    /// Of the cycle that runs: who was told that the vendor has enough, and when the request began; and when the last
    /// request began that was answered.
    throttled: Vec<(Target, Steady)>,
    last_answered: Option<Steady>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// Nobody listed its product by name, and it never had a seat.
    dormant: bool,
    /// A listing of subscriptions says that its customer has it.
    probable: bool,
    /// Where in every absent interval its turn is while it is dormant.
    place: Place,
    /// The start of the full cycle that asked last, or in whose interval it was asked: measured from there, a target is
    /// due in every full cycle, however late in the one before its turn came. `None`: it is due.
    asked: Option<Steady>,
    /// When the request began that settled it last: an answer, or any failure but that the vendor had enough of requests.
    settled: Option<Steady>,
    trouble: Option<Trouble>,
}

/// That the last request had no answer.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// For reasons that may pass, in a row.
    failures: u32,
    hung: bool,
    /// When it may pass before the next full cycle.
    retry_at: Option<Instant>,
}

/// A target that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) target: Target,
    /// Nobody listed its product by name, and it never had a seat.
    pub(super) dormant: bool,
    /// A listing of subscriptions says that its customer has it.
    pub(super) probable: bool,
}

/// What a cycle has to ask for, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) targets: Vec<Target>,
    /// They have not answered in time before, and must not keep the others waiting.
    pub(super) slow: Vec<Target>,
}

/// How many targets there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) targets: usize,
    /// Of these.
    pub(super) dormant: usize,
    /// Those of which nothing is known yet.
    pub(super) unsettled: usize,
}

/// A request for a target that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The start of the full cycle in whose interval it was.
    pub(super) cycle: Instant,
    pub(super) began: Instant,
}

impl Due {
    pub(super) const fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.slow.is_empty()
    }
}

impl Schedule {
    pub(super) const fn new(started: Now) -> Self {
        Self { turns: BTreeMap::new(), clock: SteadyClock { started }, throttled: Vec::new(), last_answered: None }
    }

    /// From now on these are the targets; those that stay keep their turn.
    pub(super) fn set_targets(&mut self, targets: impl Iterator<Item = Candidate>) {
        let mut before = std::mem::take(&mut self.turns);
        let mut last: Option<(CustomerId, Place)> = None;
        let turns = targets.map(|Candidate { target, dormant, probable }| {
            // The products of a customer lie evenly, and begin where its id says: nobody else moves them.
            let place = match &last {
                Some((customer, place)) if *customer == target.customer => place.next(),
                _ => Place::first(&target.customer),
            };
            last = Some((target.customer.clone(), place));
            let (asked_as, mut turn) =
                before.remove_entry(&target).map_or((None, Turn::default()), |(old, turn)| (Some(old), turn));
            // What was asked by another spelling of the id may be answered otherwise by this one.
            if asked_as.is_some_and(|old| old.customer.as_str() != target.customer.as_str()) {
                turn.asked = None;
            }
            (target, Turn { dormant, probable, place, ..turn })
        });
        self.turns = turns.collect();
    }

    /// Another cycle begins.
    pub(super) fn cycle_began(&mut self) {
        self.throttled.clear();
        self.last_answered = None;
    }

    /// `target` was answered, and is dormant or not.
    pub(super) fn answered(&mut self, target: &Target, asked: Asked, dormant: bool) {
        let (cycle, began) = (self.steady(asked.cycle), self.steady(asked.began));
        if let Some(turn) = self.turns.get_mut(target) {
            *turn = Turn { dormant, asked: Some(cycle), settled: Some(began), trouble: None, ..*turn };
        }
        // There was no quota that they came too late for: they are refused by themselves.
        self.last_answered = self.last_answered.max(Some(began));
        for (target, earlier) in self.throttled.extract_if(.., |(_, earlier)| *earlier < began) {
            if let Some(turn) = self.turns.get_mut(&target) {
                turn.settled = Some(earlier);
            }
        }
    }

    /// `target` had no answer by now.
    pub(super) fn failed(
        &mut self,
        target: &Target,
        asked: Asked,
        (reason, hung): (Reason, bool),
        (now, interval): (Instant, Duration),
    ) {
        let (cycle, began) = (self.steady(asked.cycle), self.steady(asked.began));
        let was_others_turn = self.last_answered.is_some_and(|answered| began < answered);
        let Some(turn) = self.turns.get_mut(target) else { return };
        let may_pass = may_pass_soon(reason);
        let failures = turn.trouble.map_or(0, |trouble| trouble.failures) + u32::from(may_pass);
        let retry_at = may_pass.then(|| now + backoff(failures, interval));
        turn.asked = Some(cycle);
        turn.trouble = Some(Trouble { failures, hung, retry_at });
        if reason != Reason::Throttled || was_others_turn {
            turn.settled = Some(began);
        } else {
            self.throttled.push((target.clone(), began));
        }
    }

    /// An earlier run was answered for `target` at that time.
    pub(super) fn restored(&mut self, target: &Target, at: SystemTime, dormant: bool) {
        if let Some(turn) = self.turns.get_mut(target) {
            let at = since_epoch(at);
            *turn = Turn { dormant, asked: Some(at), settled: Some(at), ..*turn };
        }
    }

    /// `target` is due.
    pub(super) fn ask_again(&mut self, target: &Target) {
        if let Some(turn) = self.turns.get_mut(target) {
            turn.asked = None;
        }
    }

    /// All that had no answer is due. Whether there is any.
    pub(super) fn ask_failing_again(&mut self) -> bool {
        let failing = self.turns.values_mut().filter(|turn| turn.trouble.is_some());
        failing.map(|turn| turn.asked = None).count() > 0
    }

    /// What a cycle that begins at `now` has to ask for. First what was never settled, of that what is probable, then what has or had seats or is
    /// listed by name, then the rest; within each, the longest unsettled.
    pub(super) fn due(&self, now: Instant, timing: Timing) -> Due {
        let steady = self.steady(now);
        let mut due: Vec<_> = self.turns.iter().filter(|(_, turn)| turn.is_due(now, steady, timing)).collect();
        due.sort_by_key(|(_, turn)| {
            let is_settled = turn.settled.is_some();
            (is_settled, if is_settled { turn.dormant } else { !turn.probable }, turn.settled)
        });
        let (slow, targets): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, turn)| turn.is_slow());
        let targets_of = |turns: Vec<(&Target, &Turn)>| turns.into_iter().map(|(target, _)| target.clone()).collect();
        Due { targets: targets_of(targets), slow: targets_of(slow) }
    }

    /// The first moment at which something that failed is to be tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.turns.values().filter_map(|turn| turn.trouble?.retry_at).min()
    }

    /// How many there are.
    pub(super) fn count(&self) -> Count {
        let turns = self.turns.values();
        let mut count = Count { targets: self.turns.len(), ..Count::default() };
        for turn in turns {
            count.dormant += usize::from(turn.dormant);
            count.unsettled += usize::from(turn.settled.is_none());
        }
        count
    }

    fn steady(&self, at: Instant) -> Steady {
        self.clock.at(at)
    }
}

impl Turn {
    fn is_due(&self, now: Instant, steady: Steady, timing: Timing) -> bool {
        let Some(asked) = self.asked else { return true };
        match self.trouble {
            Some(Trouble { retry_at: Some(retry_at), .. }) if retry_at <= now => true,
            None if self.dormant => {
                let turns = |until| self.place.turns_until(until, timing.absent_interval);
                turns(steady) > turns(asked)
            }
            _ => steady.saturating_sub(asked) >= timing.interval,
        }
    }

    fn is_slow(&self) -> bool {
        self.trouble.is_some_and(|trouble| trouble.hung)
    }
}

/// How long after a failure the first early try begins.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// How long after that many failures in a row the next try begins: doubling, up to the interval.
pub(super) fn backoff(failures: u32, interval: Duration) -> Duration {
    FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(interval)
}

/// Whether what failed for this reason may be answered soon, without anybody doing anything here.
pub(super) const fn may_pass_soon(reason: Reason) -> bool {
    match reason {
        Reason::Network | Reason::Timeout | Reason::ServerError | Reason::BadResponse => true,
        Reason::Auth | Reason::Forbidden | Reason::BadRequest | Reason::Throttled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const TIMING: Timing = Timing {
        interval: Duration::from_mins(2),
        stale_after: Duration::from_mins(6),
        absent_interval: Duration::from_mins(20),
        told_absent_interval: Duration::from_mins(20),
        subscriptions: None,
        tenants: Duration::from_hours(6),
    };

    fn target(id: &str) -> Target {
        testing::target(id, 1)
    }

    fn candidate(target: Target, dormant: bool) -> Candidate {
        Candidate { target, dormant, probable: false }
    }

    /// A schedule, and the moment from which its tests count seconds.
    struct Scheduled(Schedule, Instant);

    impl Scheduled {
        fn new(ids: &[&str], dormant: bool) -> Self {
            let now = Now::read();
            let mut schedule = Schedule::new(now);
            schedule.set_targets(ids.iter().map(|id| candidate(target(id), dormant)));
            Self(schedule, now.monotonic)
        }

        fn at(&self, seconds: u64) -> Instant {
            self.1 + Duration::from_secs(seconds)
        }

        fn asked(&self, cycle: u64) -> Asked {
            Asked { cycle: self.at(cycle), began: self.at(cycle) }
        }

        fn answered(&mut self, id: &str, cycle: u64) {
            let asked = self.asked(cycle);
            self.0.answered(&target(id), asked, false);
        }

        fn failed(&mut self, id: &str, cycle: u64, reason: Reason) {
            let (asked, now) = (self.asked(cycle), self.at(cycle));
            self.0.failed(&target(id), asked, (reason, reason == Reason::Timeout), (now, TIMING.interval));
        }

        fn due(&self, at: u64) -> Vec<String> {
            let Due { targets, slow } = self.0.due(self.at(at), TIMING);
            let name = |target: Target| target.customer.to_string();
            targets
                .into_iter()
                .map(name)
                .chain(slow.into_iter().map(|target| format!("slow {}", name(target))))
                .collect()
        }
    }

    #[test]
    fn the_longest_unsettled_leads_and_the_never_settled_lead_all() {
        let mut schedule = Scheduled::new(&["a", "b", "c", "d"], false);
        schedule.answered("a", 5);
        schedule.failed("b", 0, Reason::Forbidden);
        schedule.failed("d", 6, Reason::Throttled);
        assert_eq!(schedule.due(200), ["c", "d", "b", "a"]);
    }

    #[test]
    fn the_order_is_that_of_the_requests_and_not_of_the_cycles() {
        let mut schedule = Scheduled::new(&["a", "b"], false);
        for (id, began) in [("b", 1), ("a", 2)] {
            let asked = Asked { cycle: schedule.at(0), began: schedule.at(began) };
            schedule.0.answered(&target(id), asked, false);
        }
        assert_eq!(schedule.due(120), ["b", "a"]);
    }

    #[test]
    fn a_target_is_due_an_interval_after_the_cycle_that_asked() {
        let mut schedule = Scheduled::new(&["a"], false);
        schedule.answered("a", 1);
        assert!(schedule.due(120).is_empty());
        assert_eq!(schedule.due(121), ["a"]);
    }

    #[test]
    fn dormant_targets_have_one_turn_in_each_absent_interval_and_not_all_at_once() {
        let now = Now::read();
        let mut schedule = Scheduled(Schedule::new(now), now.monotonic);
        let targets: Vec<_> = (0..20)
            .flat_map(|customer| (1..=10).map(move |product| testing::target(&format!("c{customer}"), product)))
            .collect();
        schedule.0.set_targets(targets.iter().map(|target| candidate(target.clone(), true)));
        let mut asked = [0; 40];
        for (cycle, count) in (0_u64..).zip(&mut asked) {
            let start = cycle * 120;
            for target in schedule.0.due(schedule.at(start), TIMING).targets {
                let mark = schedule.asked(start);
                schedule.0.answered(&target, mark, true);
                *count += 1;
            }
        }
        assert_eq!(asked[0], 200);
        for turns in asked[1..].windows(10) {
            assert_eq!(turns.iter().sum::<usize>(), 200, "one turn each in 20 minutes: {asked:?}");
        }
        assert!(asked[1..].iter().all(|count| (12..=28).contains(count)), "{asked:?}");
    }

    #[test]
    fn a_restart_falls_in_step_with_the_turns_before_it() {
        let now = Now::read();
        let customers = (0..10).flat_map(|id| (1..=10).map(move |product| testing::target(&format!("c{id}"), product)));
        let ids: Vec<_> = customers.collect();
        let mut schedule = Schedule::new(now);
        schedule.set_targets(ids.iter().map(|id| candidate(id.clone(), true)));
        let age = |minutes| now.wall - Duration::from_mins(minutes);
        for id in &ids {
            schedule.restored(id, age(1), true);
        }
        let due = schedule.due(now.monotonic, TIMING).targets.len();
        assert!((2..=9).contains(&due), "{due} of 100, whose turns come in 20 minutes, were due in one minute");
        for id in &ids {
            schedule.restored(id, age(20), true);
        }
        assert_eq!(schedule.due(now.monotonic, TIMING).targets.len(), 100);
    }

    #[test]
    fn a_dormant_target_that_fails_is_asked_every_interval_until_it_is_answered() {
        let mut schedule = Scheduled::new(&["a"], true);
        schedule.failed("a", 0, Reason::Forbidden);
        assert_eq!(schedule.due(120), ["a"]);
    }

    #[test]
    fn what_may_pass_is_tried_early_and_then_ever_later() {
        let mut schedule = Scheduled::new(&["a", "b"], false);
        schedule.failed("a", 0, Reason::ServerError);
        schedule.failed("b", 0, Reason::Forbidden);
        assert_eq!(schedule.0.next_retry(), Some(schedule.at(30)));
        assert_eq!((schedule.due(29).len(), schedule.due(30)), (0, vec!["a".to_owned()]));
        schedule.failed("a", 30, Reason::Network);
        assert_eq!(schedule.0.next_retry(), Some(schedule.at(90)));
        schedule.answered("a", 90);
        assert_eq!(schedule.0.next_retry(), None);
        assert_eq!([1, 2, 3, 4, 40].map(|n| backoff(n, TIMING.interval).as_secs()), [30, 60, 120, 120, 120]);
    }

    #[test]
    fn what_timed_out_waits_for_all_others_until_it_is_answered() {
        let mut schedule = Scheduled::new(&["a", "b"], false);
        schedule.failed("a", 0, Reason::Timeout);
        schedule.answered("b", 10);
        assert_eq!(schedule.due(130), ["b", "slow a"]);
        schedule.answered("a", 130);
        assert_eq!(schedule.due(260), ["b", "a"]);
    }

    #[test]
    fn what_failed_can_be_due_again_at_once() {
        let mut schedule = Scheduled::new(&["a", "b"], false);
        assert!(!schedule.0.ask_failing_again());
        schedule.failed("a", 0, Reason::Auth);
        schedule.answered("b", 0);
        assert!(schedule.0.ask_failing_again());
        assert_eq!(schedule.due(1), ["a"]);
        schedule.0.ask_again(&target("b"));
        assert_eq!(schedule.due(1), ["a", "b"]);
    }

    #[test]
    fn targets_that_stay_keep_their_turn_and_new_ones_are_due_at_once() {
        let mut schedule = Scheduled::new(&["a", "b"], false);
        schedule.answered("a", 0);
        schedule.0.set_targets(["a", "c"].map(|id| candidate(target(id), false)).into_iter());
        assert_eq!(schedule.due(0), ["c"]);
        assert_eq!(schedule.0.count(), Count { targets: 2, dormant: 0, unsettled: 1 });
    }

    #[test]
    fn whoever_comes_or_goes_moves_nobody_elses_turn() {
        let places = |ids: &[&str]| {
            let Scheduled(schedule, _) = Scheduled::new(ids, true);
            schedule.turns.into_iter().map(|(target, turn)| (target, turn.place)).collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (places(&["b", "d"]), places(&["a", "B", "c", "d"]));
        assert!(before.iter().all(|(target, place)| after[target] == *place));
    }

    #[test]
    fn what_was_asked_by_another_spelling_is_due() {
        let mut schedule = Scheduled::new(&["A", "b"], true);
        schedule.answered("A", 0);
        schedule.answered("b", 0);
        schedule.0.set_targets(["a", "b"].map(|id| candidate(target(id), true)).into_iter());
        assert_eq!(schedule.due(1), ["a"]);
    }

    #[test]
    fn whoever_is_refused_while_others_are_answered_leads_nobody() {
        for late in [false, true] {
            let mut schedule = Scheduled::new(&["a", "b", "c"], false);
            let asked = |schedule: &Scheduled, began| Asked { cycle: schedule.at(0), began: schedule.at(began) };
            let (first, second, third) = (asked(&schedule, 1), asked(&schedule, 2), asked(&schedule, 3));
            if late {
                schedule.0.answered(&target("b"), second, false);
            }
            let now = (schedule.at(5), TIMING.interval);
            schedule.0.failed(&target("a"), first, (Reason::Throttled, false), now);
            schedule.0.failed(&target("c"), third, (Reason::Throttled, false), now);
            if !late {
                schedule.0.answered(&target("b"), second, false);
            }
            assert_eq!(schedule.due(120), ["c", "a", "b"], "c came too late for a quota, perhaps");
        }
    }

    #[test]
    fn what_was_before_the_schedule_was_is_as_long_ago_as_it_was() {
        let now = Now::read();
        let mut schedule = Schedule::new(now + Duration::from_mins(1));
        schedule.set_targets([candidate(target("a"), false)].into_iter());
        schedule.answered(&target("a"), Asked { cycle: now.monotonic, began: now.monotonic }, false);
        assert!(!schedule.due(now.monotonic + TIMING.interval, TIMING).is_empty());
    }

    #[test]
    fn of_what_nobody_asked_for_yet_what_was_probably_bought_leads() {
        let mut schedule = Scheduled::new(&[], false);
        let candidates = ["a", "b", "c"].map(|id| Candidate { probable: id == "c", ..candidate(target(id), true) });
        schedule.0.set_targets(candidates.into_iter());
        assert_eq!(schedule.due(0), ["c", "a", "b"]);
    }
}
