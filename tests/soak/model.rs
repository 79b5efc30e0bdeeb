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

/// The API may have begun to answer before it was gone.
const BEGUN: f64 = 4.0;

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
    /// When the number was answered, by the machine's clock.
    answered: f64,
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
    /// By how much the process' clock was ever ahead, and by how much it is now.
    clocks: Vec<f64>,
    clock: f64,
    /// Since when that is so.
    clock_since: f64,
    /// Since when the API answers nothing at all, if it does not.
    gone_since: Option<f64>,
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

    /// The process' clock is about to be ahead by so many seconds: its times may be of that clock from now on.
    pub fn clock_may_be_ahead(&mut self, seconds: f64) {
        self.clocks.push(seconds);
        self.clock_since = f64::INFINITY;
    }

    /// The process' clock is ahead by so many seconds.
    pub fn clock_is_ahead(&mut self, seconds: f64) {
        self.clock = seconds;
        self.clock_since = now();
    }

    /// The API answers nothing from now on, or something again.
    pub fn api_is_gone(&mut self, is_gone: bool) {
        self.gone_since = is_gone.then(now);
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
        for (key, seats) in &scrape.subscribed {
            self.check_subscribed(key, *seats, begun)
                .map_err(|wrong| format!("the subscription of {key:?}: {wrong}"))?;
            self.numbers_checked += 1;
        }
        for (customer, assigned) in &scrape.assigned {
            if super::id(whole(*assigned).unwrap_or_default().try_into().unwrap_or_default()) != *customer {
                return Err(format!("nobody answered that {customer} has assigned {assigned} seats"));
            }
        }
        if let Some(gone) = scrape.customers.intersection(&self.gone).next() {
            return Err(format!("{gone} is gone, and has series"));
        }
        let is_told = |(key, known): &(&Key, &Known)| known.change.is_none() || scrape.targets.contains_key(*key);
        if let Some((key, known)) =
            self.known.iter().find(|entry| !self.leaving.contains(&entry.0.0) && !is_told(entry))
        {
            return Err(format!("{key:?}: nothing is told of it any more, and it has changed: {known:?}"));
        }
        if let Some((key, known)) = self.known.iter().find(|(key, known)| self.is_lost(key, **known, scrape)) {
            return Err(format!("{key:?}: its number is gone, and still counts: {known:?}"));
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
        let number = |value: Option<f64>| value.map(|value| whole(value).ok_or(format!("{value} seats"))).transpose();
        let (seats, previous) = (number(shown.seats)?, number(shown.previous)?);

        if let Some(seats) = seats {
            let answered = shown.answered.ok_or("there is a number, and not when it was answered")?;
            self.was_answered(versions, seats, answered)?;
            let age = begun + self.clock - answered;
            if age > STALE_AFTER + SHARED {
                return Err(format!("{seats} was answered {age} s ago"));
            }
            if answered - self.clock > now() + SHARED && self.clock_since < begun {
                return Err(format!("{seats} was answered in {} s", -age));
            }
            if self.gone_since.is_some_and(|gone| answered - self.clock > gone + BEGUN) {
                return Err(format!("{seats} was answered while nobody answered anything"));
            }
            is_recent(versions, seats, begun)?;
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
                if before.map(|(_, before)| before) == Some(at) {
                    return Err("the last change has another number before it than it had".to_owned());
                }
                self.check_change(versions, known, seats, previous, at)?;
            }
            (None, None) => {}
        }
        // A change to a number that is no longer fresh says that there is another one, and not which.
        let before = known.seats.filter(|_| change == known.change);
        let answered = shown.answered.filter(|_| seats.is_some()).map_or(known.answered, |at| at - self.clock);
        Ok(Known { seats: seats.or(before), change, answered })
    }

    /// A subscription tells of its product's seats, and counts for as long as an answer does.
    fn check_subscribed(&self, key: &Key, seats: f64, begun: f64) -> Result<(), String> {
        let versions = self.targets.get(key).ok_or("nobody answered for it")?;
        if self.gone_since.is_some_and(|gone| begun > gone + BEGUN + STALE_AFTER + SHARED) {
            return Err("nobody has answered anything for too long".to_owned());
        }
        is_recent(versions, whole(seats).ok_or(format!("{seats} seats"))?, begun)
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
        let last = versions.iter().rposition(|version| version.seats == Some(previous));
        // Before the first number there was nothing, and nothing is 0.
        if last.is_none() && previous > 0 {
            return Err("nobody answered what was there before".to_owned());
        }
        let first = known.seats.and_then(|known| versions.iter().position(|version| version.seats == Some(known)));
        if last < first {
            return Err(format!("{:?} was there in between", known.seats));
        }
        Ok(())
    }

    /// Whether a number that scrapes have shown is not in this one, though it is young enough and nothing came after it.
    fn is_lost(&self, key: &Key, known: Known, scrape: &Scrape) -> bool {
        let counts = known.answered > self.clock_since && now() - known.answered < STALE_AFTER - SHARED;
        let is_shown = || scrape.targets.get(key).is_some_and(|shown| shown.seats.is_some());
        let goes_on = || {
            let mut since = self.targets[key].iter().filter(|version| version.until > known.answered - UNDER_WAY);
            since.all(|version| version.seats > Some(0))
        };
        known.seats > Some(0) && counts && !self.leaving.contains(&key.0) && goes_on() && !is_shown()
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
        self.targets.iter().find_map(|(key, versions)| {
            let now = versions.last()?.seats;
            let series = scrape.targets.get(key);
            let shown = series.and_then(|shown| shown.seats).and_then(whole);
            let had_seats = versions.iter().any(|version| version.seats > Some(0));
            // What never had a seat has no series; of a number that came and went, nobody may have asked.
            let is_as_answered =
                if had_seats { shown == now || (now == Some(0) && shown.is_none()) } else { series.is_none() };
            if !is_as_answered {
                return Some(format!("{key:?} has {series:?} where the API answers {now:?}"));
            }
            if shown.is_some() && series.and_then(|series| series.success) != Some(1.0) {
                return Some(format!("{key:?} has {series:?}, and was answered"));
            }
            let (listed, now) = (scrape.subscribed.get(key).copied().and_then(whole), now.filter(|seats| *seats > 0));
            (listed != now).then(|| format!("{key:?} has a subscription of {listed:?} where the API lists {now:?}"))
        })
    }

    /// A customer that a scrape has series of, where it should have none.
    pub fn lingers(&self, scrape: &Scrape) -> Option<String> {
        let lingers = scrape.customers.intersection(&self.leaving).next();
        lingers.map(|customer| format!("{customer} has left, and has series"))
    }
}

/// Whether the API answered the number at a time that is not too long ago.
fn is_recent(versions: &[Version], seats: u64, begun: f64) -> Result<(), String> {
    let until = versions.iter().rev().find(|version| version.seats == Some(seats)).map(|version| version.until);
    if until.is_none_or(|until| begun - until > STALE_AFTER + UNDER_WAY) {
        return Err(format!("{seats} was last answered until {until:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Key {
        ("c-1".to_owned(), "Fly".to_owned())
    }

    /// Knows that the API answered 5 for a minute until a minute ago, and answers 7 since.
    fn model() -> Model {
        let mut model = Model::new();
        let versions = [(5, now() - 120.0, now() - 60.0), (7, now() - 60.0, f64::INFINITY)];
        let versions = versions.map(|(seats, from, until)| Version { seats: Some(seats), from, until });
        model.targets.insert(target(), versions.to_vec());
        model
    }

    fn scrape(cycles: u64, shown: Shown) -> Scrape {
        Scrape {
            text: String::new(),
            targets: [(target(), shown)].into(),
            subscribed: BTreeMap::new(),
            assigned: BTreeMap::new(),
            customers: [target().0].into(),
            cycles,
        }
    }

    fn shown(seats: f64, answered: f64, change: Option<(f64, f64)>) -> Shown {
        let (previous, changed) = change.unzip();
        Shown { seats: Some(seats), previous, changed, success: Some(1.0), answered: Some(answered) }
    }

    /// What is wrong with the last of these scrapes, of which the ones before are right.
    fn wrong(model: &mut Model, scrapes: &[(f64, Shown)]) -> Option<String> {
        let (last, before) = scrapes.split_last().expect("some");
        for ((at, shown), cycles) in before.iter().zip(1..) {
            model.check(&scrape(cycles, *shown), *at).unwrap();
        }
        model.check(&scrape(before.len() as u64 + 1, last.1), last.0).err()
    }

    #[test]
    fn a_scrape_as_it_should_be_is_right() {
        let (at, change) = (now(), Some((5.0, now() - 59.0)));
        let right = [(at - 61.0, shown(5.0, at - 62.0, None)), (at, shown(7.0, at - 1.0, change))];
        assert_eq!(wrong(&mut model(), &right), None);
    }

    #[test]
    fn numbers_that_nobody_answered_and_old_ones_are_found() {
        let at = now();
        for (shown, why) in [
            (shown(6.0, at, None), "nobody answered 6"),
            (shown(7.5, at, None), "7.5 seats"),
            (shown(5.0, at, None), "5 was not answered"),
            (shown(5.0, at - 61.0, None), "5 was answered 6"),
            (shown(7.0, at - 70.0, None), "7 was not answered"),
            (Shown { answered: None, ..shown(7.0, at, None) }, "and not when"),
            (Shown { changed: None, ..shown(7.0, at, Some((5.0, at))) }, "or none"),
            (shown(7.0, at, Some((6.0, at))), "nobody answered what was there before"),
            (shown(7.0, at, Some((5.0, at - 70.0))), "another time"),
            (shown(7.0, at, Some((7.0, at))), "to the same"),
        ] {
            let wrong = wrong(&mut model(), &[(at, shown)]).expect(why);
            assert!(wrong.contains(why), "{why}: {wrong}");
        }
        let mut model = model();
        model.leaves("c-1", || {});
        model.those_who_left_are_gone();
        assert!(wrong(&mut model, &[(at, shown(7.0, at, None))]).expect("gone").contains("c-1 is gone"));
        model.targets.clear();
        assert!(wrong(&mut model, &[(at, Shown::default())]).expect("unknown").contains("nobody answered for it"));
    }

    #[test]
    fn a_subscription_that_nobody_listed_or_that_is_old_is_found() {
        for (seats, wrong) in [(7.0, None), (6.0, Some("6 was last answered until None")), (5.0, Some("5 was last"))] {
            let subscribed = [(target(), seats)].into();
            let told = model().check(&Scrape { subscribed, ..scrape(1, Shown::default()) }, now()).err();
            assert_eq!(told.is_some(), wrong.is_some(), "{seats}");
            assert!(told.unwrap_or_default().contains(wrong.unwrap_or_default()), "{seats}");
        }
    }

    #[test]
    fn what_is_told_while_the_api_is_gone_is_found() {
        let at = now();
        let mut model = model();
        model.gone_since = Some(at - 8.0);
        assert_eq!(wrong(&mut model, &[(at, shown(7.0, at - 6.0, None))]), None);
        let told = wrong(&mut model, &[(at, shown(7.0, at - 1.0, None))]);
        assert!(told.expect("new").contains("while nobody answered anything"));
        model.gone_since = Some(at - 20.0);
        let subscribed = [(target(), 7.0)].into();
        let told = model.check(&Scrape { subscribed, ..scrape(1, Shown::default()) }, at);
        assert!(told.expect_err("old").contains("for too long"));
    }

    #[test]
    fn a_number_that_is_gone_and_still_counts_is_found() {
        for (age, is_lost) in [(5.0, true), (9.5, false)] {
            let mut model = model();
            model.targets.get_mut(&target()).unwrap().remove(0);
            model.check(&scrape(1, shown(7.0, now() - age, None)), now()).unwrap();
            let told = model.check(&scrape(2, Shown::default()), now()).err().unwrap_or_default();
            assert_eq!(told.contains("its number is gone"), is_lost, "{told}");
        }
    }

    #[test]
    fn seats_of_a_tenant_that_nobody_answered_are_found() {
        for (assigned, is_right) in [(5.0, true), (6.0, false)] {
            let assigned = [(super::super::id(5), assigned)].into();
            let told = model().check(&Scrape { assigned, ..scrape(1, Shown::default()) }, now());
            assert_eq!(told.is_ok(), is_right, "{told:?}");
        }
    }

    #[test]
    fn changes_that_are_lost_or_told_twice_are_found() {
        let at = now();
        let (before, after) = ((at - 61.0, shown(5.0, at - 62.0, None)), shown(7.0, at - 1.0, Some((5.0, at - 59.0))));
        for (scrapes, why) in [
            (vec![before, (at, shown(7.0, at, None))], "the change is not told"),
            (vec![before, (at, after), (at, Shown { changed: Some(at - 50.0), ..after })], "told twice"),
            (vec![before, (at, after), (at, Shown { previous: Some(0.0), ..after })], "another number before it"),
            (vec![before, (at, after), (at, shown(7.0, at, None))], "no longer told"),
            (vec![before, (at, shown(7.0, at, Some((0.0, at - 59.0))))], "was there in between"),
        ] {
            let wrong = wrong(&mut model(), &scrapes).expect(why);
            assert!(wrong.contains(why), "{why}: {wrong}");
        }
        let mut model = model();
        model.check(&scrape(1, after), at).unwrap();
        let empty = Scrape { targets: BTreeMap::new(), ..scrape(1, after) };
        assert!(model.check(&empty, at).unwrap_err().contains("nothing is told of it any more"));
    }

    #[test]
    fn a_change_to_a_number_that_is_no_longer_fresh_is_no_other_when_it_is_asked_for_again() {
        let at = now();
        let (before, after) = (shown(5.0, at - 62.0, None), shown(7.0, at - 1.0, Some((5.0, at - 59.0))));
        let stale = Shown { seats: None, ..after };
        assert_eq!(wrong(&mut model(), &[(at - 61.0, before), (at - 20.0, stale), (at, after)]), None);
    }

    #[test]
    fn a_kill_forgets_what_was_not_saved_and_nothing_else() {
        let at = now();
        let (before, after) = (shown(5.0, at - 62.0, None), shown(7.0, at - 1.0, Some((5.0, at - 59.0))));
        for (cycles, is_forgiven) in [(SAVED_AFTER, true), (SAVED_AFTER + 1, false)] {
            let mut model = model();
            model.check(&scrape(0, before), at - 61.0).unwrap();
            model.check(&scrape(1, after), at).unwrap();
            model.check(&scrape(cycles, after), at).unwrap();
            model.killed();
            // As if 7 was never there, and has come only now.
            let again = shown(7.0, at, Some((5.0, at)));
            assert_eq!(model.check(&scrape(0, again), at).is_ok(), is_forgiven, "{cycles}");
        }
    }
}
