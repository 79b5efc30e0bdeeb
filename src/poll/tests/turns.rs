//! Turns, whatever comes: fairness, isolation, and an even spread of what is asked for seldom.

use std::collections::BTreeMap;
use std::time::Duration;

use elements_api::Reason;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::poll::Timing;
use crate::poll::schedule::{Asked, Candidate, Due, Schedule};
use crate::store::{Now, Target};
use crate::testing::{cases, target};

const INTERVAL: Duration = Duration::from_mins(15);

const TIMING: Timing = Timing {
    interval: INTERVAL,
    stale_after: Duration::from_mins(45),
    absent_interval: Duration::from_hours(6),
    told_absent_interval: Duration::from_hours(6),
    subscriptions: None,
    tenants: Duration::from_hours(6),
};

/// What always comes of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Answers,
    Hangs,
    Fails(Reason),
}

fn nature() -> impl Strategy<Value = Nature> {
    use Reason::{Auth, BadRequest, BadResponse, Forbidden, Network, ServerError, Throttled, Timeout};
    let fails =
        prop::sample::select(vec![Auth, Forbidden, BadRequest, Throttled, ServerError, Timeout, Network, BadResponse]);
    prop_oneof![4 => Just(Nature::Answers), 1 => Just(Nature::Hangs), 2 => fails.prop_map(Nature::Fails)]
}

/// A poller that makes so many requests in a cycle, one after the other, and how often each target had its turn.
struct Poller {
    schedule: Schedule,
    started: Now,
    natures: BTreeMap<Target, Nature>,
    room: usize,
    /// Whether nobody lists them by name, and they have no seats.
    dormant: bool,
    turns: BTreeMap<Target, Vec<u32>>,
}

impl Poller {
    fn new(natures: &[Nature], room: usize, dormant: bool) -> Self {
        let started = Now::read();
        let natures: BTreeMap<_, _> =
            natures.iter().enumerate().map(|(nth, nature)| (target(&format!("c{nth:03}"), 4), *nature)).collect();
        let mut schedule = Schedule::new(started);
        let candidates = natures.keys().map(|target| Candidate { target: target.clone(), dormant, probable: false });
        schedule.set_targets(candidates);
        Self { schedule, started, natures, room, dormant, turns: BTreeMap::new() }
    }

    fn cycle(&mut self, nth: u32) {
        let cycle = self.started.monotonic + INTERVAL * nth;
        self.schedule.cycle_began();
        let Due { targets, slow } = self.schedule.due(cycle, TIMING);
        for (begun, target) in (0..).zip(targets.into_iter().chain(slow).take(self.room)) {
            let asked = Asked { cycle, began: cycle + Duration::from_secs(begun) };
            let (hangs, reason) = match self.natures[&target] {
                Nature::Answers => {
                    self.schedule.answered(&target, asked, self.dormant);
                    self.turns.entry(target).or_default().push(nth);
                    continue;
                }
                Nature::Hangs => (true, Reason::Timeout),
                Nature::Fails(reason) => (false, reason),
            };
            self.schedule.failed(&target, asked, (reason, hangs), (asked.began, INTERVAL));
            self.turns.entry(target).or_default().push(nth);
        }
    }

    fn run(&mut self, cycles: u32) {
        (0..cycles).for_each(|nth| self.cycle(nth));
    }

    fn turns_of(&self, target: &Target) -> &[u32] {
        self.turns.get(target).map_or(&[], Vec::as_slice)
    }

    fn of(&self, is: impl Fn(Nature) -> bool) -> impl Iterator<Item = &Target> {
        self.natures.iter().filter(move |(_, nature)| is(**nature)).map(|(target, _)| target)
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn the_turns_of_any_two_that_answer_differ_by_at_most_one(all in 1_usize..40, room in 1_usize..40, cycles in 1_u32..30) {
        let mut poller = Poller::new(&vec![Nature::Answers; all], room, false);
        poller.run(cycles);
        let turns: Vec<_> = poller.of(|_| true).map(|target| poller.turns_of(target).len()).collect();
        let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{turns:?}");
        let made = usize::try_from(cycles).unwrap() * room.min(all);
        prop_assert_eq!(turns.iter().sum::<usize>(), made, "no room is left while somebody is due");
    }

    #[test]
    fn who_hangs_takes_no_turn_of_another(natures in vec(nature(), 1..40), cycles in 3_u32..20) {
        // Room for all but those that hang.
        let room = natures.iter().filter(|nature| **nature != Nature::Hangs).count();
        let mut poller = Poller::new(&natures, room, false);
        poller.run(cycles);
        for target in poller.of(|nature| nature != Nature::Hangs) {
            // In the first cycle nobody is known to hang.
            let late: Vec<_> = poller.turns_of(target).iter().filter(|nth| **nth > 0).collect();
            let due = usize::try_from(cycles - 1).unwrap();
            prop_assert!(late.len() >= due.saturating_sub(1), "{target:?}: {late:?} of {due}");
        }
    }

    #[test]
    fn whatever_others_come_to_nobody_starves(natures in vec(nature(), 2..40), room in 1_usize..20, cycles in 20_u32..60) {
        let throttled = natures.iter().filter(|nature| **nature == Nature::Fails(Reason::Throttled)).count();
        let others = natures.iter().filter(|nature| **nature != Nature::Hangs).count();
        // Where a quota leaves no room at all, nobody can be asked.
        let room = room + throttled;
        let mut poller = Poller::new(&natures, room, false);
        poller.run(cycles);
        let longest = u32::try_from(others.div_ceil(room - throttled) + natures.len().div_ceil(room) + 2).unwrap();
        for target in poller.of(|nature| nature == Nature::Answers) {
            let turns = poller.turns_of(target);
            let ends: Vec<_> = [0].iter().chain(turns).chain([&cycles]).copied().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[1] - pair[0] <= longest), "{target:?} {turns:?}");
            // Who is refused for himself leads a second time at most.
            for refused in poller.of(|nature| nature == Nature::Fails(Reason::Throttled)) {
                prop_assert!(poller.turns_of(refused).len() <= 2 * turns.len() + 2, "{refused:?} beside {target:?}");
            }
        }
    }

    #[test]
    fn what_was_never_purchased_is_asked_once_an_absent_interval_and_not_all_at_once(all in 1_usize..200, days in 1_u32..4) {
        let mut poller = Poller::new(&vec![Nature::Answers; all], all, true);
        let cycles = days * 96;
        poller.run(cycles);
        let mut in_cycle = vec![0_usize; usize::try_from(cycles).unwrap()];
        for target in poller.of(|_| true) {
            let turns = poller.turns_of(target);
            let rounds = usize::try_from(days * 4).unwrap();
            // The first pass asks all.
            prop_assert!((rounds..=rounds + 1).contains(&turns.len()), "{turns:?}");
            for nth in turns {
                in_cycle[usize::try_from(*nth).unwrap()] += 1;
            }
        }
        let most = in_cycle[1..].iter().max().unwrap();
        // 24 cycles share them. What ids come to is even on the whole only.
        prop_assert!(*most <= all / 24 * 2 + 12, "{most} of {all}: {in_cycle:?}");
    }
}
