//! One cycle: the listings and the sweep over the targets that are due, side by side.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use elements_api::{CustomerListing, Error, Reason, Round};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::agenda::{Agenda, Listed, Polled};
use super::subscriptions::{self, Subscribed};
use super::sweep::Sweep;
use super::tenants::Asking;
use super::{LOOK_AROUND, Plan};
use crate::status::CycleTargets;
use crate::store::Target;

/// Why a cycle runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The interval is over.
    Full,
    /// Before that, what failed is tried again, and subscriptions are listed.
    Early,
    /// A reload left something to ask for. What that comes to says nothing of the rest.
    Part,
}

impl Kind {
    /// What the log says at its end.
    pub(super) const fn ended(self) -> &'static str {
        match self {
            Self::Full => "cycle ended",
            Self::Early => "early cycle ended",
            Self::Part => "cycle after a reload ended",
        }
    }
}

/// A cycle on its way. It asks what the agenda says is due, and hands the agenda what comes of it.
#[derive(Debug)]
pub(super) struct Cycle {
    kind: Kind,
    start: Instant,
    deadline: Instant,
    sweep: Sweep,
    swept: bool,
    /// At most one.
    listing: JoinSet<Result<CustomerListing, Error>>,
    /// At most one.
    subscriptions: JoinSet<Subscribed>,
    /// They wait until no target does.
    tenants: Asking,
    tally: Tally,
}

/// What a cycle has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) seats: usize,
    pub(super) absent: usize,
    /// And why. Whoever is answered later in the cycle has not failed.
    failed: BTreeMap<Target, Reason>,
    /// Not asked for in time: they lead the next cycle. Those that had timed out before are not among them.
    pub(super) left: usize,
    listings: usize,
    failed_listings: usize,
    failed_others: usize,
}

impl Tally {
    pub(super) fn targets(&self) -> CycleTargets {
        CycleTargets { answered: self.seats + self.absent, failed: self.failed(), left: self.left }
    }

    pub(super) fn failed(&self) -> usize {
        self.failed.len()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = Reason> {
        self.failed.values().copied()
    }

    /// Whether the API answered anything; `None` where nothing was asked.
    pub(super) fn api_up(&self) -> Option<bool> {
        let answered = self.seats + self.absent + self.listings;
        let failed = self.failed() + self.failed_listings + self.failed_others;
        (answered + failed > 0).then_some(answered > 0)
    }

    /// Whether any target was answered; `None` where none was asked, unless nobody knows whom to ask.
    pub(super) fn answered(&self) -> Option<bool> {
        let answered = self.seats + self.absent;
        (answered + self.failed() + self.failed_listings > 0).then_some(answered > 0)
    }

    fn count_target(&mut self, target: Target, polled: Polled) {
        self.failed.remove(&target);
        match polled {
            Polled::Seats => self.seats += 1,
            Polled::Absent => self.absent += 1,
            Polled::Failed(reason) => _ = self.failed.insert(target, reason),
        }
    }

    const fn count_listing(&mut self, listed: Listed) {
        match listed {
            Listed::Answered => self.listings += 1,
            Listed::Failed => self.failed_listings += 1,
            Listed::NotPermitted => {}
        }
    }

    /// Of subscriptions or tenants.
    const fn count_other(&mut self, listed: Listed) {
        match listed {
            Listed::Answered => self.listings += 1,
            Listed::Failed | Listed::NotPermitted => self.failed_others += 1,
        }
    }
}

impl Cycle {
    /// A cycle that begins at `start`, and begins no request at `deadline` or later.
    pub(super) fn begin(kind: Kind, agenda: &Agenda, start: Instant, deadline: Instant) -> Self {
        let mut cycle = Self {
            kind,
            start,
            deadline,
            sweep: Sweep::new(Round::begin(agenda.client(), deadline), agenda.patience()),
            swept: false,
            listing: JoinSet::new(),
            subscriptions: JoinSet::new(),
            tenants: Asking::default(),
            tally: Tally::default(),
        };
        cycle.line_up(agenda);
        cycle
    }

    /// Runs to the end; each of `plans` takes effect at once.
    pub(super) async fn run(mut self, agenda: &mut Agenda, plans: &mut watch::Receiver<Plan>) {
        let mut looks = interval_at(Instant::now() + LOOK_AROUND, LOOK_AROUND);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.may_go_on(agenda) {
                agenda.woke();
            }
            if self.swept {
                self.tenants.begin(&self.sweep.round());
            }
            if self.swept && self.listing.is_empty() && self.subscriptions.is_empty() && self.tenants.is_done() {
                break;
            }
            tokio::select! {
                biased;
                Ok(()) = plans.changed() => {
                    let plan = plans.borrow_and_update().clone();
                    self.adopt(plan, agenda);
                }
                Some(listed) = self.listing.join_next() => {
                    // A panic ends the process.
                    let Ok(listed) = listed else { return pending().await };
                    if let Some(listed) = agenda.take_listing(listed) {
                        self.tally.count_listing(listed);
                        self.line_up(agenda);
                    }
                }
                Some(subscribed) = self.subscriptions.join_next() => {
                    let Ok(subscribed) = subscribed else { return pending().await };
                    if let Some(listed) = agenda.take_subscriptions(subscribed) {
                        self.tally.count_other(listed);
                        self.line_up(agenda);
                    }
                }
                Some(outcome) = self.tenants.next(), if self.tenants.is_on_its_way() => {
                    if let Some(listed) = agenda.take_tenants(outcome) {
                        self.tally.count_other(listed);
                    }
                }
                // A cycle may be long, and what failed at its beginning may be answered by now.
                _ = looks.tick() => {
                    agenda.look_around().await;
                    self.line_up(agenda);
                }
                polled = self.sweep.next(), if !self.swept => match polled {
                    Some(outcome) => {
                        if let Some((target, polled)) = agenda.take_answer(outcome) {
                            self.tally.count_target(target, polled);
                        }
                    }
                    None => self.swept = true,
                },
            }
        }
        self.tally.left = agenda.due(self.start).targets.len();
        agenda.cycle_ended(self.kind, &self.tally, self.start.elapsed());
    }

    /// Whether it has reason to: no request begins after the deadline, and none takes longer than its timeout. A cycle that
    /// goes on all the same hangs, and does not count as awake.
    fn may_go_on(&self, agenda: &Agenda) -> bool {
        Instant::now() <= self.deadline + agenda.client().settings().timeout + LEEWAY
    }

    /// Asks for what is due and not on its way.
    fn line_up(&mut self, agenda: &Agenda) {
        let now = Instant::now();
        self.sweep.wait_for(agenda.due(now));
        self.swept = false;
        if self.listing.is_empty() && agenda.listing_is_due(now) {
            let round = self.sweep.round();
            self.listing.spawn(async move { round.customers().await });
        }
        self.tenants.wait_for(agenda.tenants_due(now));
        if self.subscriptions.is_empty()
            && let Some(wanted) = agenda.subscriptions_due(now)
        {
            self.subscriptions.spawn(subscriptions::ask(self.sweep.round(), wanted));
        }
    }

    /// Requests of targets that stay go on; with another client, their targets are asked for again by that.
    fn adopt(&mut self, plan: Plan, agenda: &mut Agenda) {
        let change = agenda.adopt(plan);
        if change.other_interval {
            self.deadline = agenda.next_cycle().max(Instant::now());
        }
        let round = Round::begin(agenda.client(), self.deadline);
        if change.other_client {
            self.sweep = Sweep::new(round, agenda.patience());
            self.listing = JoinSet::new();
            self.subscriptions = JoinSet::new();
            self.tenants = Asking::default();
        } else {
            self.sweep.continue_in(round);
        }
        self.line_up(agenda);
    }
}

/// By how much a busy machine may be late.
const LEEWAY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use elements_api::testing::{Reply, Vendor, settings};
    use tokio::time::sleep;

    use super::*;
    use crate::poll::{ProductList, Selection, Timing};
    use crate::store::saved::Saved;
    use crate::testing::{INTERVAL, clock, status};

    #[tokio::test(start_paused = true)]
    async fn a_cycle_that_goes_on_when_nothing_can_be_on_its_way_does_not_count_as_awake() {
        let selection =
            Selection { customers: Vec::new(), discovery: None, products: ProductList::All, platforms: Vec::new() };
        let client = Vendor::new(|_| Reply::status(500)).client(|_| {});
        let plan = Plan { client, selection: selection.into(), timing: Timing::every(INTERVAL), expected: None };
        let (_sender, mut plans) = watch::channel(plan.clone());
        let status = Arc::new(status());
        let mut agenda = Agenda::new(plan, &Saved::default(), status.clone(), clock());
        let start = agenda.cycle_began(Kind::Full);
        let mut cycle = Cycle::begin(Kind::Full, &agenda, start, start + INTERVAL);
        cycle.subscriptions.spawn(pending());
        tokio::spawn(async move { cycle.run(&mut agenda, &mut plans).await });
        sleep(INTERVAL + settings().timeout).await;
        assert!(status.poller_has_woken());
        sleep(LEEWAY + Duration::from_secs(1)).await;
        status.poller_has_woken();
        sleep(INTERVAL).await;
        assert!(!status.poller_has_woken());
    }
}
