//! Asking for the listings of subscriptions, and what they tell the poll.

use std::collections::HashSet;
use std::sync::Arc;

use elements_api::{CustomerId, Error, ProductType, Round, SubscriptionListing};

use crate::store::{KnownSubscriptions, Now, StoreWriter};

/// As many customers as one request may name.
const MOST_NAMED: usize = 100;

/// Whom to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Everybody that the credentials can see.
    pub(super) all: bool,
    /// Who is asked for by name, unless the listing of all has them.
    pub(super) named: Vec<CustomerId>,
}

/// What asking came to.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) answered: Vec<Part>,
    /// The first part that failed; the others cost their own customers alone.
    pub(super) failed: Option<Failed>,
}

/// A part that did not come.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    /// Who was asked for by name.
    pub(super) named: Vec<CustomerId>,
}

/// One listing, which is complete.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) asked: Asked,
    pub(super) listing: SubscriptionListing,
}

/// Who a listing is of.
#[derive(Debug)]
pub(super) enum Asked {
    /// Everybody but these, who are asked for by name.
    AllBut(HashSet<CustomerId>),
    These(HashSet<CustomerId>),
}

impl Asked {
    fn has(&self, customer: &CustomerId) -> bool {
        match self {
            Self::AllBut(others) => !others.contains(customer),
            Self::These(these) => these.contains(customer),
        }
    }
}

impl Part {
    /// Takes it to the store. Returns whose purchases are others than before.
    pub(super) fn take_to(self, store: &StoreWriter, now: Now) -> Vec<CustomerId> {
        let Self { asked, listing: SubscriptionListing { customers, lost, .. } } = self;
        if lost.is_some() {
            let listed: HashSet<_> = customers.iter().map(|customer| customer.id.clone()).collect();
            // A row that names nobody may be that of somebody who is missing.
            return store.set_subscriptions(customers, |id| listed.contains(id), now);
        }
        store.set_subscriptions(customers, |id| asked.has(id), now)
    }
}

/// Asks for all that is `wanted`.
pub(super) async fn ask(round: Arc<Round>, wanted: Wanted) -> Subscribed {
    let mut subscribed = Subscribed { answered: Vec::new(), failed: None };
    let mut named = wanted.named;
    if wanted.all {
        match round.subscriptions(None).await {
            Ok(listing) => {
                let listed: HashSet<_> = listing.customers.iter().map(|customer| &customer.id).collect();
                named.retain(|id| !listed.contains(id));
                subscribed.answered.push(Part { asked: Asked::AllBut(named.iter().cloned().collect()), listing });
            }
            Err(error) => subscribed.failed = Some(Failed { error, named: Vec::new() }),
        }
    }
    for some in named.chunks(MOST_NAMED) {
        match round.subscriptions(Some(some)).await {
            Ok(listing) => {
                subscribed.answered.push(Part { asked: Asked::These(some.iter().cloned().collect()), listing });
            }
            Err(error) => _ = subscribed.failed.get_or_insert_with(|| Failed { error, named: some.to_vec() }),
        }
    }
    subscribed
}

/// Whether a customer probably has this product: a service is called as it is, and maybe more.
pub(super) fn is_probable(product: ProductType, known: &KnownSubscriptions) -> bool {
    let product = product.label();
    let begins =
        |service: &str| service.get(..product.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(&product));
    known.listed.subscriptions.iter().filter_map(|row| row.service.as_deref()).any(begins)
}
