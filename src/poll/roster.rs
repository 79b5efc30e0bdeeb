//! The customers that discovery told, and how far it is believed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::store::DiscoveryStatus;
use elements_api::Error;
use elements_api::{CustomerId, ListedCustomer};

/// From this many customers on, a sudden loss of more than half of them looks like the vendor's mistake.
const SUSPICIOUS_FROM: usize = 10;

/// The last complete listing that is believed. Incomplete ones change nothing.
#[derive(Debug, Default)]
pub(super) struct Roster {
    listing: Option<Arc<[ListedCustomer]>>,
    /// How many customers the listing before had lost, which was not believed.
    held_back: Option<usize>,
    asked: Option<Instant>,
    success: Option<bool>,
    last_success: Option<SystemTime>,
}

/// What became of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Believed(Arc<[ListedCustomer]>),
    /// It lost more than half of the customers at once: the next one is believed if it has not lost more.
    HeldBack {
        before: usize,
        lost: usize,
    },
    Failed(Error),
    /// It was not asked for.
    NotAsked,
}

impl Roster {
    /// Begins with a listing from an earlier run, if there is one.
    pub(super) fn new(listing: Option<Arc<[ListedCustomer]>>) -> Self {
        Self { listing, ..Self::default() }
    }

    pub(super) fn listing(&self) -> &[ListedCustomer] {
        self.listing.as_deref().unwrap_or_default()
    }

    pub(super) fn is_due(&self, now: Instant, interval: Duration) -> bool {
        self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= interval)
    }

    /// Another client may see other customers.
    pub(super) fn ask_again(&mut self) {
        self.asked = None;
        self.held_back = None;
    }

    /// Takes what became of the listing that the cycle which began at `cycle` asked for.
    pub(super) fn take(
        &mut self,
        outcome: Result<Vec<ListedCustomer>, Error>,
        cycle: Instant,
        now: SystemTime,
    ) -> Verdict {
        match outcome {
            Err(Error::NotBegun) => Verdict::NotAsked,
            Err(error) => {
                self.asked = Some(cycle);
                self.success = Some(false);
                Verdict::Failed(error)
            }
            Ok(listing) => {
                self.asked = Some(cycle);
                self.success = Some(true);
                self.last_success = Some(now);
                let (before, lost) = (self.listing().len(), self.lost(&listing));
                let lost_before = self.held_back.take().unwrap_or_default();
                if before >= SUSPICIOUS_FROM && lost > before / 2 && lost > lost_before {
                    self.held_back = Some(lost);
                    return Verdict::HeldBack { before, lost };
                }
                let listing: Arc<[_]> = listing.into();
                self.listing = Some(listing.clone());
                Verdict::Believed(listing)
            }
        }
    }

    pub(super) fn status(&self) -> DiscoveryStatus {
        DiscoveryStatus {
            success: self.success,
            last_success: self.last_success,
            customers: self.listing.as_ref().map(|listing| listing.len()),
        }
    }

    fn lost(&self, listing: &[ListedCustomer]) -> usize {
        let listed: HashSet<&CustomerId> = listing.iter().map(|customer| &customer.id).collect();
        self.listing().iter().filter(|customer| !listed.contains(&customer.id)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elements_api::Operation;

    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn listing(ids: std::ops::Range<u32>) -> Vec<ListedCustomer> {
        ids.map(|id| ListedCustomer { id: CustomerId::parse(&id.to_string()).unwrap(), organization: None }).collect()
    }

    fn take(roster: &mut Roster, ids: std::ops::Range<u32>) -> bool {
        matches!(roster.take(Ok(listing(ids)), Instant::now(), WALL), Verdict::Believed(_))
    }

    #[test]
    fn a_sudden_loss_is_held_back_once_and_then_believed() {
        let mut roster = Roster::default();
        assert!(take(&mut roster, 0..20));
        let verdict = roster.take(Ok(listing(0..9)), Instant::now(), WALL);
        assert_eq!(verdict, Verdict::HeldBack { before: 20, lost: 11 });
        assert_eq!(roster.status().customers, Some(20));
        assert!(take(&mut roster, 0..9));
        assert_eq!(roster.status().customers, Some(9));
    }

    #[test]
    fn a_loss_that_was_a_mistake_leaves_no_trace() {
        let mut roster = Roster::default();
        assert!(take(&mut roster, 0..20));
        assert!(!take(&mut roster, 0..0));
        assert!(take(&mut roster, 0..20));
        assert!(!take(&mut roster, 0..0), "the next loss is held back again");
    }

    #[test]
    fn a_loss_that_grows_is_held_back_again() {
        let mut roster = Roster::default();
        assert!(take(&mut roster, 0..20));
        assert!(!take(&mut roster, 0..8));
        assert!(!take(&mut roster, 0..0));
        assert!(take(&mut roster, 0..0));
    }

    #[test]
    fn half_of_many_and_all_of_few_are_believed_at_once() {
        let mut roster = Roster::default();
        assert!(take(&mut roster, 0..20));
        assert!(take(&mut roster, 10..20));
        assert!(take(&mut roster, 10..19));
        assert!(take(&mut roster, 0..0));
    }

    #[test]
    fn a_failed_listing_changes_nothing_but_the_status() {
        let mut roster = Roster::default();
        assert!(take(&mut roster, 0..20));
        let failure = Error::Timeout { operation: Operation::Customers, after: Duration::from_secs(1) };
        roster.take(Err(failure), Instant::now(), WALL + Duration::from_secs(9));
        assert_eq!(roster.listing().len(), 20);
        let expected = DiscoveryStatus { success: Some(false), last_success: Some(WALL), customers: Some(20) };
        assert_eq!(roster.status(), expected);
    }

    #[test]
    fn a_listing_that_was_not_asked_for_stays_due() {
        let mut roster = Roster::default();
        assert_eq!(roster.take(Err(Error::NotBegun), Instant::now(), WALL), Verdict::NotAsked);
        assert!(roster.is_due(Instant::now(), Duration::from_mins(1)));
        assert_eq!(roster.status(), DiscoveryStatus::default());
    }
}
