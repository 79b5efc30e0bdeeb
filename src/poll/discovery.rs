//! How far the listing of customers is believed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use elements_api::{CustomerId, CustomerListing, Error, ListedCustomer};

use super::periodic::Periodic;

/// From this many customers on, a sudden loss of more than half of them looks like the vendor's mistake.
const SUSPICIOUS_FROM: usize = 10;

/// When the last listing was asked for, and what of it was not believed. What was believed is in the store.
#[derive(Debug, Default)]
pub(super) struct Listings {
    turn: Periodic,
    /// How many customers the last listing had lost, where it was not believed.
    held_back: Option<usize>,
}

/// What becomes of a listing.
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

impl Listings {
    pub(super) fn is_due(&self, now: Instant, interval: Duration) -> bool {
        self.turn.is_due(now, interval)
    }

    /// When a listing that failed is to be asked for again.
    pub(super) const fn next_retry(&self) -> Option<Instant> {
        self.turn.next_retry()
    }

    /// If the last listing failed, one is due. Whether it did.
    pub(super) fn try_again(&mut self) -> bool {
        self.turn.try_again()
    }

    /// Another client may see other customers.
    pub(super) fn ask_again(&mut self) {
        *self = Self::default();
    }

    /// Judges now what became of a listing that was asked for in the interval of the full cycle which began at `cycle`, by
    /// the one `before` it. Incomplete listings are errors, and change nothing.
    pub(super) fn judge(
        &mut self,
        before: &[ListedCustomer],
        outcome: Result<Vec<ListedCustomer>, Error>,
        cycle: Instant,
        (now, interval): (Instant, Duration),
    ) -> Verdict {
        if outcome == Err(Error::NotBegun) {
            return Verdict::NotAsked;
        }
        let listing = match outcome {
            Ok(listing) => listing,
            Err(error) => {
                self.turn.failed(&error, cycle, (now, interval));
                return Verdict::Failed(error);
            }
        };
        self.turn.answered(cycle);
        let lost = missing(before, &listing).len();
        let lost_before = self.held_back.take().unwrap_or_default();
        if before.len() >= SUSPICIOUS_FROM && lost > before.len() / 2 && lost > lost_before {
            self.held_back = Some(lost);
            return Verdict::HeldBack { before: before.len(), lost };
        }
        Verdict::Believed(listing.into())
    }
}

/// Who of `customers` is not in `listing`.
pub(super) fn missing<'a>(customers: &'a [ListedCustomer], listing: &[ListedCustomer]) -> Vec<&'a ListedCustomer> {
    let listed: HashSet<&CustomerId> = listing.iter().map(|customer| &customer.id).collect();
    customers.iter().filter(|customer| !listed.contains(&customer.id)).collect()
}

/// A row that names nobody may be that of a customer who was listed before: as many as there are such rows stay.
pub(super) fn with_whom_it_may_have_lost(listed: CustomerListing, before: &[ListedCustomer]) -> Vec<ListedCustomer> {
    let CustomerListing { mut customers, lost } = listed;
    let rows = lost.map_or(0, |lost| lost.count);
    let missing = missing(before, &customers);
    if missing.len() <= rows {
        customers.extend(missing.into_iter().cloned());
    }
    customers
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use elements_api::Operation;

    use super::*;
    use crate::testing::listed;

    /// The listings, and the last one that was believed.
    #[derive(Default)]
    struct Discovered {
        listings: Listings,
        believed: Arc<[ListedCustomer]>,
    }

    impl Discovered {
        fn take(&mut self, outcome: Result<Range<u32>, Error>) -> Verdict {
            let outcome = outcome.map(|ids| ids.map(|id| listed(&id.to_string(), None)).collect());
            let verdict =
                self.listings.judge(&self.believed, outcome, Instant::now(), (Instant::now(), Duration::from_mins(15)));
            if let Verdict::Believed(listing) = &verdict {
                self.believed = listing.clone();
            }
            verdict
        }

        fn believes(&mut self, ids: Range<u32>) -> bool {
            matches!(self.take(Ok(ids)), Verdict::Believed(_))
        }
    }

    #[test]
    fn a_sudden_loss_is_held_back_once_and_then_believed() {
        let mut discovered = Discovered::default();
        assert!(discovered.believes(0..20));
        assert_eq!(discovered.take(Ok(0..9)), Verdict::HeldBack { before: 20, lost: 11 });
        assert_eq!(discovered.believed.len(), 20);
        assert!(discovered.believes(0..9));
        assert_eq!(discovered.believed.len(), 9);
    }

    #[test]
    fn a_loss_that_was_a_mistake_leaves_no_trace() {
        let mut discovered = Discovered::default();
        assert!(discovered.believes(0..20));
        assert!(!discovered.believes(0..0));
        assert!(discovered.believes(0..20));
        assert!(!discovered.believes(0..0), "the next loss is held back again");
    }

    #[test]
    fn a_loss_that_grows_is_held_back_again() {
        let mut discovered = Discovered::default();
        assert!(discovered.believes(0..20));
        assert!(!discovered.believes(0..8));
        assert!(!discovered.believes(0..0));
        assert!(discovered.believes(0..0));
    }

    #[test]
    fn half_of_many_and_all_of_few_are_believed_at_once() {
        let mut discovered = Discovered::default();
        assert!(discovered.believes(0..20));
        assert!(discovered.believes(10..20));
        assert!(discovered.believes(10..19));
        assert!(discovered.believes(0..0));
    }

    #[test]
    fn a_failed_listing_changes_nothing() {
        let mut discovered = Discovered::default();
        assert!(discovered.believes(0..20));
        assert!(!discovered.believes(0..8));
        let failure = Error::Timeout { operation: Operation::Customers, after: Duration::from_secs(1) };
        assert_eq!(discovered.take(Err(failure.clone())), Verdict::Failed(failure));
        assert_eq!(discovered.believed.len(), 20);
        assert!(discovered.believes(0..8), "what was held back before it is believed");
    }

    #[test]
    fn a_listing_that_was_not_asked_for_stays_due() {
        let mut discovered = Discovered::default();
        assert_eq!(discovered.take(Err(Error::NotBegun)), Verdict::NotAsked);
        assert!(discovered.listings.is_due(Instant::now(), Duration::from_mins(1)));
    }
}
