//! The rest of what a visitor may want to know, as names and values.

use std::collections::BTreeSet;
use std::time::SystemTime;

use humantime::format_duration;

use super::headline::Scene;
use super::outage::Outage;
use crate::names::count;
use crate::pages::format::{Moment, span};
use crate::status::{Build, Cycle, CycleTargets, ListingStatus, StatusSnapshot};
use crate::store::{Freshness, Snapshot};

/// Facts under one heading.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) facts: Vec<Fact>,
}

/// "`text` `at`", as in "expires in 5 min".
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) at: Option<Moment>,
}

impl Fact {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into(), at: None }
    }

    fn with(self, at: Moment) -> Self {
        Self { at: Some(at), ..self }
    }
}

pub(super) fn facts(scene: &Scene<'_>) -> [Group; 4] {
    [
        Group { title: "Polling", facts: polling(scene) },
        Group { title: "AvePoint’s API", facts: api(scene) },
        Group { title: "Configuration", facts: configuration(scene) },
        Group { title: "Build", facts: build() },
    ]
}

fn polling(scene: &Scene<'_>) -> Vec<Fact> {
    let status = scene.status;
    let last = match status.cycle {
        Some(cycle) => {
            Fact::new("Last cycle", format!("took {}, ended", span(cycle.duration))).with(scene.moment(cycle.completed))
        }
        None => Fact::new("Last cycle", "none has ended yet"),
    };
    let next = match (status.cycle_runs_since(), status.next_cycle()) {
        (Some(since), _) => Fact::new("Next cycle", "runs now, began").with(scene.moment(since)),
        // A late one begins when the one before it ends.
        (None, Some(next)) => Fact::new("Next cycle", "about").with(scene.moment(next.max(scene.now.wall))),
        (None, None) => Fact::new("Next cycle", "at once"),
    };
    let outcome = status.cycle.map(outcome);
    [Some(last), outcome, Some(next)].into_iter().flatten().collect()
}

fn outcome(Cycle { targets, .. }: Cycle) -> Fact {
    let CycleTargets { answered, failed, left } = targets;
    let left = if left > 0 { format!(", {left} left for the next cycle") } else { String::new() };
    Fact::new("Came to", format!("{answered} answered, {failed} failed{left}"))
}

fn api(scene: &Scene<'_>) -> Vec<Fact> {
    let StatusSnapshot { api_up, counts, .. } = scene.status;
    let answers = match api_up {
        Some(true) => "answers",
        Some(false) => Outage::of(scene).state,
        None => "not asked yet",
    };
    let token = match counts.token_expiry {
        Some(expiry) => expires("Token", expiry, scene),
        None => Fact::new("Token", "none in hand"),
    };
    let certificate = counts.client_certificate_expiry.map(|expiry| expires("Certificate", expiry, scene));
    let facts = [
        Some(Fact::new("State", answers)),
        Some(token),
        certificate,
        Some(discovery(scene)),
        Some(subscriptions(scene)),
    ];
    facts.into_iter().flatten().collect()
}

fn expires(name: &'static str, expiry: SystemTime, scene: &Scene<'_>) -> Fact {
    let text = if expiry < scene.now.wall { "expired" } else { "expires" };
    Fact::new(name, text).with(scene.moment(expiry))
}

fn discovery(scene: &Scene<'_>) -> Fact {
    let listed = scene.known.listing.as_ref().map(|listing| listing.len());
    listing("Discovery", scene.status.discovery.as_ref(), listed, scene)
}

fn subscriptions(scene: &Scene<'_>) -> Fact {
    let listed = scene.known.subscriptions.as_ref().map(|listed| listed.len());
    listing("Subscriptions", scene.status.subscriptions.as_ref(), listed, scene)
}

/// What came of asking for a listing, and of how many customers one is known.
fn listing(name: &'static str, status: Option<&ListingStatus>, listed: Option<usize>, scene: &Scene<'_>) -> Fact {
    let fact = |text: String| Fact::new(name, text);
    let Some(status @ ListingStatus { last_success, .. }) = status else {
        return fact("off".to_owned());
    };
    let found = listed.map(|listed| count(listed, "customer"));
    let text = match (status.failure(), found) {
        (None, found) => found.unwrap_or_else(|| "no listing yet".to_owned()),
        (Some(_), None) => "failed; none came before".to_owned(),
        (Some(_), Some(found)) => format!("failed; {found} before"),
    };
    match last_success {
        Some(at) => fact(format!("{text}, listed")).with(scene.moment(*at)),
        None => fact(text),
    }
}

fn configuration(scene: &Scene<'_>) -> Vec<Fact> {
    let Snapshot { customers, freshness, .. } = scene.known;
    let StatusSnapshot { interval, reload, .. } = scene.status;
    let products: BTreeSet<_> = customers.values().flat_map(|known| known.products.keys()).collect();
    let counted =
        [count(customers.len(), "customer"), count(products.len(), "product"), count(scene.targets(), "target")];
    let loaded = if reload.is_successful() { "" } else { "the last reload was refused; in force is that of" };
    let Freshness { stale_after, dormant_stale_after, .. } = *freshness;
    let mut stale = format_duration(stale_after).to_string();
    if dormant_stale_after != stale_after {
        stale = format!("{stale}, what was never purchased after {}", format_duration(dormant_stale_after));
    }
    vec![
        Fact::new("Watched", counted.join(", ")),
        Fact::new("Interval", format_duration(*interval).to_string()),
        Fact::new("Stale after", stale),
        Fact::new("Loaded", loaded).with(scene.moment(reload.last_success)),
    ]
}

fn build() -> Vec<Fact> {
    let Build { version, revision, rustversion } = Build::THIS;
    // So many digits are what git shows, and what it takes.
    let revision = revision.get(..12).unwrap_or(revision);
    vec![Fact::new("Version", version), Fact::new("Revision", revision), Fact::new("Rust", rustversion)]
}

#[cfg(test)]
mod tests {
    use elements_api::{Error, Observer as _};

    use super::*;
    use crate::status::Status;
    use crate::store::Store;
    use crate::testing::{INTERVAL, at, now, scene, store};

    fn text(store: &Store, status: &Status) -> String {
        let (known, status, now) = (store.snapshot(), status.snapshot(), now(1_000));
        let by_state = known.states(now);
        let scene = Scene { known: &known, status: &status, by_state: &by_state, not_ready: None, now };
        let line = |fact: &Fact| {
            let at = fact.at.as_ref().map(|at| at.relative.as_str()).unwrap_or_default();
            format!("{}: {} {at}\n", fact.name, fact.text)
        };
        facts(&scene)[..3].iter().flat_map(|group| group.facts.iter().map(line)).collect()
    }

    #[test]
    fn the_facts_tell_the_last_cycle_and_the_next_and_what_is_configured() {
        let (store, status) = scene();
        status.token_expires(Some(at(4_600)));
        let text = text(&store, &status);
        for fact in [
            "Last cycle: took 1.2 s, ended 50 s ago",
            "Came to: 3 answered, 2 failed",
            "Next cycle: about in 14 min",
            "State: answers",
            "Token: expires in 1 h",
            "Discovery: failed; 2 customers before, listed 16 min ago",
            "Watched: 2 customers, 4 products, 5 targets",
            "Interval: 15m",
            "Stale after: 45m, what was never purchased after 12h",
            "Loaded: the last reload was refused; in force is that of 16 min ago",
        ] {
            assert!(text.contains(fact), "{fact}\n{text}");
        }
    }

    #[test]
    fn at_the_start_nothing_is_made_up() {
        let (store, status) = (store(), Status::new(INTERVAL, at(1_000), None));
        let before = text(&store, &status);
        for fact in ["Last cycle: none has ended yet", "Next cycle: at once", "Token: none", "Discovery: off"] {
            assert!(before.contains(fact), "{fact}\n{before}");
        }
        status.listing_failed(Error::ScopeMissing);
        assert!(text(&store, &status).contains("Discovery: failed; none came before"));
        status.cycle_began(at(700));
        status.token_expires(Some(at(990)));
        assert!(text(&store, &status).contains("Next cycle: runs now, began 5 min ago"));
    }

    #[test]
    fn a_next_cycle_that_is_late_is_not_in_the_past() {
        let (store, status) = scene();
        let (known, status, now) = (store.snapshot(), status.snapshot(), now(9_000));
        let by_state = known.states(now);
        let scene = Scene { known: &known, status: &status, by_state: &by_state, not_ready: None, now };
        assert_eq!(polling(&scene)[2].at.as_ref().unwrap().relative, "now");
    }
}
