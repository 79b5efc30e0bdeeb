//! In one look: is it well?

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use elements_api::Reason;

use super::outage::Outage;
use crate::names::count;
use crate::pages::finding::{Finding, Headline, Mood, customers_failed, subscriptions_failed};
use crate::pages::format::{Moment, sentence, why};
use crate::status::{ListingStatus, StatusSnapshot};
use crate::store::{Now, Snapshot, TargetState};

/// A client certificate that expires within this is worth a warning: renewing one takes people.
const CERTIFICATE_NOTICE: Duration = Duration::from_hours(14 * 24);

/// What the page is about, at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) known: &'a Snapshot,
    pub(super) status: &'a StatusSnapshot,
    pub(super) by_state: &'a BTreeMap<TargetState, usize>,
    pub(super) not_ready: Option<&'a str>,
    pub(super) now: Now,
}

impl Scene<'_> {
    pub(super) fn number(&self, state: TargetState) -> usize {
        self.by_state.get(&state).copied().unwrap_or_default()
    }

    pub(super) fn targets(&self) -> usize {
        self.by_state.values().sum()
    }

    /// Whether any target was ever answered.
    fn was_answered(&self) -> bool {
        self.known.targets().any(|(_, _, target)| target.record.answer.is_some())
    }

    /// Why targets fail, and how many for each, the most frequent first. `None`: they were not asked for too long.
    pub(super) fn failures(&self) -> Vec<(Option<Reason>, usize)> {
        let mut failures: BTreeMap<Option<Reason>, usize> = BTreeMap::new();
        for (_, _, target) in self.known.targets() {
            if target.state(self.now, self.known.freshness) == TargetState::Failing {
                *failures.entry(target.record.failure).or_default() += 1;
            }
        }
        let mut failures: Vec<_> = failures.into_iter().collect();
        failures.sort_by_key(|(_, targets)| Reverse(*targets));
        failures
    }

    pub(super) fn moment(&self, at: SystemTime) -> Moment {
        Moment::new(at, self.now.wall)
    }
}

/// Whether all is well, or what is not.
pub(super) fn headline(scene: &Scene<'_>) -> Headline {
    Headline { causes: causes(scene), ..Headline::of(findings(scene), || well(scene)) }
}

/// What is not well, the worst first.
fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let Scene { status, now: Now { wall: now, .. }, .. } = scene;
    let (failing, pending, targets) =
        (scene.number(TargetState::Failing), scene.number(TargetState::Pending), scene.targets());
    let mut findings = Vec::new();
    let mut find = |mood, title: String, detail: String| findings.push(Finding { mood, title, detail });
    if status.api_up == Some(false) {
        let Outage { title, detail, .. } = Outage::of(scene);
        let shown = if scene.was_answered() {
            "What is shown is what was answered before."
        } else {
            "Nothing was answered yet."
        };
        find(Mood::Bad, title.to_owned(), format!("{detail} {shown}"));
    }
    if let Some(until) = status.held_until(*now) {
        let title = format!("AvePoint asked for no requests, until {}", scene.moment(until).relative);
        let numbers = if scene.was_answered() {
            "Numbers stay as they are until then, or until they are stale."
        } else {
            "Nothing was answered yet."
        };
        find(Mood::Warning, title, format!("It answered 429 with Retry-After. {numbers}"));
    }
    if let Some(reason) = scene.not_ready {
        let mood = if failing > 0 { Mood::Warning } else { Mood::Waiting };
        find(mood, "Not ready".to_owned(), sentence(reason));
    }
    if failing > 0 {
        let title =
            format!("{failing} of {} {}", count(targets, "target"), if failing == 1 { "fails" } else { "fail" });
        find(
            Mood::Warning,
            title,
            "A failing target keeps its last number, if it has one, until that is stale.".to_owned(),
        );
    }
    if let Some(why) = status.discovery.as_ref().and_then(ListingStatus::failure) {
        findings.push(customers_failed(scene.known, why));
    }
    if let Some(why) = status.subscriptions.as_ref().and_then(ListingStatus::failure) {
        findings.push(subscriptions_failed(scene.known, why));
    }
    let mut find = |mood, title: String, detail: String| findings.push(Finding { mood, title, detail });
    if scene.known.expected_file.is_some_and(|file| !file.success) {
        let detail = "What it said before still counts, if it said anything; the log says what is wrong with it.";
        find(Mood::Warning, "The expected seats file cannot be used".to_owned(), detail.to_owned());
    }
    if !status.reload.is_successful() {
        let detail = "The previous configuration stays in effect; the log says what is wrong with the new one.";
        find(Mood::Warning, "The last reload was refused".to_owned(), detail.to_owned());
    }
    if let Some(expiry) = status.counts.client_certificate_expiry.filter(|expiry| *expiry < *now + CERTIFICATE_NOTICE) {
        let expires = if expiry < *now { "expired" } else { "expires" };
        let title = format!("The client certificate {expires} {}", scene.moment(expiry).relative);
        find(Mood::Warning, title, "Renew it in the app registration.".to_owned());
    }
    if pending > 0 && scene.not_ready.is_none() {
        let title = format!("{} not polled yet", count(pending, "target"));
        find(Mood::Waiting, title, "They follow in this cycle or the next.".to_owned());
    }
    findings
}

fn well(scene: &Scene<'_>) -> Finding {
    let detail = match scene.targets() {
        0 => "There is no target to watch.".to_owned(),
        1 => "The only target is answered.".to_owned(),
        targets => format!("All {targets} targets are answered."),
    };
    Finding { mood: Mood::Well, title: "All is well".to_owned(), detail }
}

fn causes(scene: &Scene<'_>) -> Vec<(usize, &'static str)> {
    scene.failures().into_iter().map(|(failure, targets)| (targets, why(failure))).collect()
}

#[cfg(test)]
mod tests {
    use elements_api::{Error, Observer as _};

    use super::*;
    use crate::status::{Cycle, CycleTargets, Status};
    use crate::store::{ExpectedFile, Store, StoreWriter};
    use crate::testing::{self, at, now, seats, status, target, watched};

    fn headline_of(store: &Store, status: &Status, not_ready: Option<&str>) -> Headline {
        let (known, status, now) = (store.snapshot(), status.snapshot(), now(1_000));
        let by_state = known.states(now);
        headline(&Scene { known: &known, status: &status, by_state: &by_state, not_ready, now })
    }

    fn titles(headline: &Headline) -> Vec<&str> {
        std::iter::once(&headline.first).chain(&headline.others).map(|finding| finding.title.as_str()).collect()
    }

    fn store() -> StoreWriter {
        let store = testing::store();
        store.watch(&[watched("a", "a", "a", &[1, 4])]);
        store
    }

    fn ended(api_up: bool) -> Status {
        let (status, targets) = (status(), CycleTargets::default());
        status.cycle_ended(Some(Cycle { completed: at(950), duration: Duration::ZERO, targets }), Some(api_up));
        status
    }

    #[test]
    fn all_is_well_when_every_target_is_answered() {
        let store = store();
        store.record(&target("a", 1), seats(1), now(900));
        store.record(&target("a", 4), seats(1), now(900));
        let headline = headline_of(&store, &ended(true), None);
        assert_eq!((headline.first.mood, titles(&headline)), (Mood::Well, vec!["All is well"]));
        assert_eq!(headline.first.detail, "All 2 targets are answered.");
    }

    #[test]
    fn before_the_first_answer_it_waits_and_says_for_what() {
        let headline = headline_of(&store(), &status(), Some("no answer yet: 2 targets are not polled yet"));
        assert_eq!((headline.first.mood, titles(&headline)), (Mood::Waiting, vec!["Not ready"]));
        assert_eq!(headline.first.detail, "No answer yet: 2 targets are not polled yet.");
    }

    #[test]
    fn an_api_that_does_not_answer_comes_before_its_consequences() {
        let store = store();
        store.record(&target("a", 1), Err(Reason::Auth), now(900));
        store.record(&target("a", 4), Err(Reason::Auth), now(900));
        let headline = headline_of(&store, &ended(false), Some("no answer yet"));
        assert_eq!(headline.first.mood, Mood::Bad);
        assert_eq!(titles(&headline), ["The credentials do not work", "Not ready", "2 of 2 targets fail"]);
        assert!(headline.first.detail.contains("api.client_id"), "what to do: {}", headline.first.detail);
        assert!(headline.first.detail.ends_with("Nothing was answered yet."), "{}", headline.first.detail);
        assert_eq!(headline.causes, [(2, why(Some(Reason::Auth)))]);
    }

    #[test]
    fn what_keeps_answers_away_is_called_by_its_name() {
        for (reason, title) in [
            (Reason::Network, "The API does not answer"),
            (Reason::Forbidden, "The API permits nothing"),
            (Reason::ServerError, "The API answers with errors alone"),
        ] {
            let store = store();
            store.record(&target("a", 1), seats(1), now(900));
            store.record(&target("a", 4), Err(reason), now(900));
            let headline = headline_of(&store, &ended(false), None);
            assert_eq!(headline.first.title, title);
            assert!(headline.first.detail.ends_with("What is shown is what was answered before."));
        }
        let status = ended(false);
        status.listing_failed(Error::ScopeMissing);
        let headline = headline_of(&testing::store(), &status, None);
        assert_eq!(titles(&headline), ["The API permits nothing", "The last listing of customers failed"]);
        let why = &headline.others[0].detail;
        assert!(why.ends_with("grant the app registration elements.customers.read.all."), "{why}");
    }

    #[test]
    fn what_is_as_frequent_as_another_cause_does_not_stand_for_it() {
        let title = |reasons: &[Reason]| {
            let store = testing::store();
            store.watch(&[watched("a", "a", "a", &[1, 4, 7, 32])]);
            for (product, reason) in [1, 4, 7, 32].into_iter().zip(reasons) {
                store.record(&target("a", product), Err(*reason), now(900));
            }
            headline_of(&store, &ended(false), None).first.title
        };
        let mixed = "Nothing is answered, for more than one reason";
        assert_eq!(title(&[Reason::Auth, Reason::Network]), mixed);
        assert_eq!(title(&[Reason::Network, Reason::Auth]), mixed);
        assert_eq!(title(&[Reason::Network, Reason::Timeout]), "The API does not answer");
        let errors = [Reason::BadRequest, Reason::Forbidden, Reason::Forbidden, Reason::ServerError];
        assert_eq!(title(&errors), mixed);
        assert_eq!(title(&errors[..2]), mixed);
        assert_eq!(
            title(&[Reason::BadRequest, Reason::ServerError, Reason::Auth]),
            "The API answers with errors alone"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_listed() {
        let store = store();
        store.record(&target("a", 1), Err(Reason::Timeout), now(900));
        store.set_expected_file(Some(ExpectedFile { success: false, unmatched: None }));
        let status = status();
        status.listing_failed(Error::ScopeMissing);
        status.subscriptions_failed(Error::ScopeMissing);
        status.reload_failed("line 1: no such key".to_owned());
        status.certificate_expires(Some(at(1_000 + 86_400)));
        let headline = headline_of(&store, &status, None);
        let expected = [
            "1 of 2 targets fails",
            "The last listing of customers failed",
            "The last listing of subscriptions failed",
            "The expected seats file cannot be used",
            "The last reload was refused",
            "The client certificate expires in 24 h",
            "1 target not polled yet",
        ];
        assert_eq!(titles(&headline), expected);
        assert_eq!(headline.first.mood, Mood::Warning);
    }

    #[test]
    fn the_most_frequent_cause_comes_first_and_staleness_is_one() {
        let store = testing::store();
        store.watch(&[watched("a", "a", "a", &[1, 4, 32])]);
        store.record(&target("a", 1), seats(1), Now { wall: at(0) - Duration::from_hours(1), ..now(0) });
        for product in [4, 32] {
            store.record(&target("a", product), Err(Reason::Throttled), now(900));
        }
        let causes = headline_of(&store, &status(), None).causes;
        assert_eq!(causes, [(2, why(Some(Reason::Throttled))), (1, why(None))]);
    }
}
