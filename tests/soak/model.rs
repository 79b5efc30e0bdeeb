//! What every scrape may show.
//!
//! Each number of seats is given out once in a run. So a number that is shown says of which target it is, and from when
//! to when the API answered it: nothing else has to be known of what was asked, and what became of the answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use super::exposition::{Key, Scrape, Shown, whole};

/// The configured one.
pub const STALE_AFTER: f64 = 10.0;

/// An answer may be under way for a request's timeout, and a busy or stopped process takes it later than that.
const UNDER_WAY: f64 = 20.0;

/// Times are shown in milliseconds, rounded down.
const ROUNDED: f64 = 0.001;

/// A scrape may share bytes that another one has begun to make.
const SHARED: f64 = 1.0;

/// What a scrape shows is in the state file when so many more cycles have ended: the second of them is wholly behind it,
/// and the save after that one may take as long as a cycle.
const SAVED_AFTER: u64 = 3;

/// What the API answers for a target, and between which moments.
#[derive(Debug, Clone, Copy)]
struct Version {
    seats: Option<u64>,
    from: f64,
    until: f64,
}

/// What scrapes have shown of a target.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    seats: Option<u64>,
    change: Option<(u64, f64)>,
}

type Knowledge = BTreeMap<Key, Known>;

#[derive(Debug, Default)]
pub struct Model {
    targets: BTreeMap<Key, Vec<Version>>,
    last_number: u64,
    /// Customers that the API has no more.
    leaving: BTreeSet<String>,
    /// Those of them that a scrape no longer had.
    gone: BTreeSet<String>,
    known: Knowledge,
    /// What was shown at the end of which cycle and may not be in the state file yet.
    unsaved: VecDeque<(u64, Knowledge)>,
    /// What must outlive a kill.
    saved: Knowledge,
    /// Whether saves fail.
    disk_is_full: bool,
    /// By how much the process' clock was ever ahead.
    clocks: Vec<f64>,
    pub numbers_checked: u64,
}

pub fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

impl Model {
    pub fn new() -> Self {
        Self { clocks: vec![0.0], ..Self::default() }
    }

    /// A number that was never given out.
    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// From now on the API answers this for the target, as `tell` has it do.
    pub fn answers(&mut self, key: &Key, seats: Option<u64>, tell: impl FnOnce()) {
        let from = now();
        tell();
        let versions = self.targets.entry(key.clone()).or_default();
        if let Some(last) = versions.last_mut() {
            last.until = now();
        }
        versions.push(Version { seats, from, until: f64::INFINITY });
    }

    /// Nobody answers for the customer any more but that it does not exist, as `tell` has it.
    pub fn leaves(&mut self, customer: &str, tell: impl FnOnce()) {
        self.leaving.insert(customer.to_owned());
        tell();
        let until = now();
        for (_, versions) in self.targets.iter_mut().filter(|((other, _), _)| other == customer) {
            if let Some(last) = versions.last_mut() {
                last.until = until;
            }
            versions.push(Version { seats: None, from: until, until: f64::INFINITY });
        }
    }

    /// No scrape may have the customer from now on.
    pub fn those_who_left_are_gone(&mut self) {
        self.gone.clone_from(&self.leaving);
    }

    /// The process' clock is ahead by so many seconds from now on.
    pub fn clock_is_ahead(&mut self, seconds: f64) {
        self.clocks.push(seconds);
    }

    pub fn disk_is_full(&mut self, is_full: bool) {
        self.disk_is_full = is_full;
        self.unsaved.clear();
    }

    /// The process has ended by itself, and saved what it knew if it could.
    pub fn stopped(&mut self) {
        if self.disk_is_full {
            self.killed();
        } else {
            self.saved.clone_from(&self.known);
            self.unsaved.clear();
        }
    }

    /// What was not saved may be forgotten.
    pub fn killed(&mut self) {
        self.known.clone_from(&self.saved);
        self.unsaved.clear();
    }

    /// Holds a scrape that began at that time against all that is known.
    pub fn check(&mut self, scrape: &Scrape, begun: f64) -> Result<(), String> {
        for (key, shown) in &scrape.targets {
            let known = self.known.get(key).copied().unwrap_or_default();
            let next = self.check_target(key, shown, known, begun).map_err(|wrong| {
                let versions =
                    self.targets.get(key).map_or(&[][..], |versions| &versions[versions.len().saturating_sub(4)..]);
                format!("{key:?}: {wrong}\nat {begun}\n{shown:?}\n{known:?}\nthe last answers: {versions:?}")
            })?;
            self.known.insert(key.clone(), next);
            self.numbers_checked += u64::from(shown.seats.is_some());
        }
        let is_told = |(key, known): &(&Key, &Known)| known.change.is_none() || scrape.targets.contains_key(*key);
        if let Some((key, known)) =
            self.known.iter().find(|entry| !self.leaving.contains(&entry.0.0) && !is_told(entry))
        {
            return Err(format!("{key:?}: nothing is told of it any more, and it has changed: {known:?}"));
        }
        if !self.disk_is_full {
            if self.unsaved.back().is_none_or(|(cycle, _)| *cycle < scrape.cycles) {
                self.unsaved.push_back((scrape.cycles, self.known.clone()));
            }
            while self.unsaved.front().is_some_and(|(cycle, _)| cycle + SAVED_AFTER <= scrape.cycles) {
                self.saved = self.unsaved.pop_front().unwrap_or_default().1;
            }
        }
        Ok(())
    }

    fn check_target(&self, key: &Key, shown: &Shown, known: Known, begun: f64) -> Result<Known, String> {
        let versions = self.targets.get(key).ok_or("nobody answered for it, and it has series")?;
        if self.gone.contains(&key.0) {
            return Err("the customer is gone, and it has series".to_owned());
        }
        let number = |value: Option<f64>| value.map(|value| whole(value).ok_or(format!("{value} seats"))).transpose();
        let (seats, previous) = (number(shown.seats)?, number(shown.previous)?);

        if let Some(seats) = seats {
            let answered = shown.answered.ok_or("there is a number, and not when it was answered")?;
            self.was_answered(versions, seats, answered)?;
            let clock = self.clocks.last().copied().unwrap_or_default();
            let age = begun + clock - answered;
            if age > STALE_AFTER + SHARED {
                return Err(format!("{seats} was answered {age} s ago"));
            }
            let until = versions.iter().rev().find(|version| version.seats == Some(seats)).map(|version| version.until);
            if until.is_none_or(|until| begun - until > STALE_AFTER + UNDER_WAY) {
                return Err(format!("{seats} was last answered until {until:?}"));
            }
        }

        let change = match (previous, shown.changed) {
            (Some(previous), Some(at)) => Some((previous, at)),
            (None, None) => None,
            _ => return Err("a change has a number before it and a time, or none".to_owned()),
        };
        match (known.change, change) {
            (before, after) if before == after => {
                if seats.is_some() && known.seats.is_some() && seats != known.seats {
                    return Err("the number has changed, and the change is not told".to_owned());
                }
            }
            (Some(_), None) => return Err("the last change is no longer told".to_owned()),
            (before, Some((previous, at))) => {
                if before.is_some_and(|(_, before)| before == at) {
                    return Err("the last change has another number before it than it had".to_owned());
                }
                self.check_change(versions, known, seats, previous, at)?;
            }
            (None, None) => {}
        }
        Ok(Known { seats: seats.or(known.seats), change })
    }

    /// A change that the scrapes before did not show.
    fn check_change(
        &self,
        versions: &[Version],
        known: Known,
        seats: Option<u64>,
        previous: u64,
        at: f64,
    ) -> Result<(), String> {
        if let Some(seats) = seats {
            self.was_answered(versions, seats, at).map_err(|wrong| format!("the change has another time: {wrong}"))?;
        }
        if seats == Some(previous) {
            return Err(format!("the change is from {previous} to the same"));
        }
        // Only 0 is answered more than once.
        if seats.is_some_and(|seats| seats > 0) && seats == known.seats {
            return Err("the change is told twice".to_owned());
        }
        let last = |number: u64| versions.iter().rposition(|version| version.seats == Some(number));
        let first = |number: u64| versions.iter().position(|version| version.seats == Some(number));
        // Nothing is 0 before the first number.
        let before = last(previous).or((previous == 0).then_some(0)).ok_or("nobody answered what was there before")?;
        if known.seats.is_some_and(|known| first(known).is_some_and(|known| before < known)) {
            return Err(format!("{:?} was there in between", known.seats));
        }
        Ok(())
    }

    /// Whether the API answered the number then, by any time that the process' clock has told.
    fn was_answered(&self, versions: &[Version], seats: u64, at: f64) -> Result<(), String> {
        let with_number: Vec<_> = versions.iter().filter(|version| version.seats == Some(seats)).collect();
        if with_number.is_empty() {
            return Err(format!("nobody answered {seats}"));
        }
        let is_then = |clock: &f64| {
            let at = at - clock;
            with_number.iter().any(|version| version.from <= at + ROUNDED && at <= version.until + UNDER_WAY)
        };
        if self.clocks.iter().any(is_then) {
            return Ok(());
        }
        Err(format!("{seats} was not answered at {at}, but {with_number:?}"))
    }

    /// What a scrape does not show yet, of all that the API answers and nothing keeps from the exporter.
    pub fn missing(&self, scrape: &Scrape) -> Option<String> {
        let wrong = self.targets.iter().find_map(|(key, versions)| {
            let now = versions.last()?.seats;
            let shown = scrape.targets.get(key).and_then(|shown| shown.seats).and_then(whole);
            let had_seats = versions.iter().any(|version| version.seats > Some(0));
            // What never had a seat has no series; of a number that came and went, nobody may have asked.
            let is_as_answered =
                if had_seats { shown == now || (now == Some(0) && shown.is_none()) } else { shown.is_none() };
            (!is_as_answered).then(|| format!("{key:?} shows {shown:?} where the API answers {now:?}"))
        });
        wrong
    }

    /// A customer that a scrape has series of, where it should have none.
    pub fn lingers(&self, scrape: &Scrape) -> Option<String> {
        let lingers = scrape.targets.keys().find(|(customer, _)| self.leaving.contains(customer));
        lingers.map(|(customer, _)| format!("{customer} has left, and has series"))
    }
}
