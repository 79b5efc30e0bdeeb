//! What is logged of listings.

use elements_api::{CustomerId, Error, ListedCustomer, LostRows, UnreadableValue};
use tracing::{debug, info, warn};

use super::{PollLog, SOME_NAMES};
use crate::names::SomeOf;
use crate::poll::discovery::{Verdict, missing};
use crate::poll::subscriptions::Failed;
use crate::poll::tenants::Key;
use crate::store::Label;

/// What rows may be left out of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::poll) enum Listing {
    Customers,
    Subscriptions,
    Tenants(Key),
}

impl PollLog {
    /// Rows of a listing that are left out, in each of its parts, are logged once, until there are more or fewer.
    pub(in crate::poll) fn lost_rows<'a>(
        &mut self,
        listing: Listing,
        mut lost: impl Iterator<Item = &'a LostRows> + Clone,
    ) {
        let rows = lost.clone().map(|lost| lost.count).sum();
        let Some(LostRows { first, .. }) = lost.next() else {
            self.lost_rows.remove(&listing);
            return;
        };
        if self.lost_rows.get(&listing) != Some(&rows) {
            match &listing {
                Listing::Customers => {
                    warn!(rows, first, "the listing has rows that name no customer: they are left out");
                }
                Listing::Subscriptions => {
                    warn!(
                        rows,
                        first, "the listing of subscriptions has rows that name no customer: they are left out"
                    );
                }
                Listing::Tenants((customer_id, platform)) => {
                    warn!(
                        %customer_id, %platform, rows, first,
                        "the list of tenants has rows that cannot be read: they are left out"
                    );
                }
            }
        }
        self.lost_rows.insert(listing, rows);
    }

    /// A listing of subscriptions came in which these could not be read: each field is logged once.
    pub(in crate::poll) fn unreadable(&mut self, values: &[UnreadableValue]) {
        for UnreadableValue { field, value } in values {
            if self.unreadable.insert(field) {
                warn!(field, value, "a field of subscriptions has a value that cannot be read: it is left out");
            }
        }
    }

    /// Subscriptions were asked for, and those of somebody did not come, or all came. Some may have come before.
    pub(in crate::poll) fn subscriptions_failed(&mut self, failed: Option<&Failed>, any_are_known: bool) {
        match failed {
            Some(Failed { error, named }) if !self.subscriptions_failed => {
                let asked = (!named.is_empty()).then(|| SomeOf(named, SOME_NAMES).to_string());
                if any_are_known {
                    warn!(asked, %error, "subscriptions could not be listed: those of before count until they are stale");
                } else {
                    warn!(asked, %error, "subscriptions could not be listed: none were listed before");
                }
            }
            Some(Failed { error, .. }) => debug!(%error, "subscriptions could not be listed again"),
            None if self.subscriptions_failed => info!("subscriptions are listed again"),
            None => {}
        }
        self.subscriptions_failed = failed.is_some();
    }

    /// Asking for tenants came to this; whether the attempt before it failed, too.
    pub(in crate::poll) fn tenants(&mut self, (customer, platform): &Key, failed_before: bool, error: Option<Error>) {
        if let Some(error) = &error {
            debug!(customer_id = %customer, %platform, %error, "tenants could not be listed");
        }
        match (error, failed_before) {
            (Some(error), false) => self.tenant_changes.failing.push((customer.clone(), error)),
            (None, true) => self.tenant_changes.recovered.push(customer.clone()),
            _ => {}
        }
    }

    /// A customer has bought something else than before.
    pub(in crate::poll) fn purchases_changed(&mut self, customer: CustomerId) {
        self.purchases_changed.push(customer);
    }

    /// What became of a listing, where `before` was the last one.
    pub(in crate::poll) fn listing(&mut self, verdict: &Verdict, before: Option<&[ListedCustomer]>) {
        let failed = matches!(verdict, Verdict::Failed(_));
        match verdict {
            Verdict::Failed(error) if !self.discovery_failed && before.is_none() => {
                warn!(%error, "discovery failed: no listing came before, and nobody is discovered");
            }
            Verdict::Failed(error) if !self.discovery_failed => {
                warn!(%error, "discovery failed: the customers stay as they were");
            }
            Verdict::Failed(error) => debug!(%error, "discovery failed again"),
            Verdict::HeldBack { before, lost } => {
                warn!(before, lost, "a listing that lacks more than half of the customers is held back for one cycle");
            }
            Verdict::Believed(listing) if listing.is_empty() && !self.lists_nobody => {
                warn!("the listing has no customer: these credentials may belong to another account");
            }
            Verdict::Believed(listing) if self.discovery_failed => {
                info!(customers = listing.len(), "discovery works again");
            }
            Verdict::Believed(_) | Verdict::NotAsked => {}
        }
        if let Verdict::Believed(listing) = verdict {
            self.lists_nobody = listing.is_empty();
            if let Some(before) = before {
                log_who_came_and_went(before, listing);
            }
        }
        if *verdict != Verdict::NotAsked {
            self.discovery_failed = failed;
        }
    }
}

fn log_who_came_and_went(before: &[ListedCustomer], now: &[ListedCustomer]) {
    let (came, went) = (missing(now, before), missing(before, now));
    if !(came.is_empty() && went.is_empty()) {
        let name = |ListedCustomer { id, organization }: &ListedCustomer| match organization {
            Some(organization) => format!("{} ({id})", Label::from(organization.as_str())),
            None => id.to_string(),
        };
        let names = |customers: &[&ListedCustomer]| {
            let names: Vec<_> = customers.iter().copied().map(name).collect();
            (!names.is_empty()).then(|| SomeOf(&names, SOME_NAMES).to_string())
        };
        let (new, gone) = (names(&came), names(&went));
        info!(came = came.len(), went = went.len(), new, gone, "the listing has other customers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::logged;

    #[test]
    fn rows_that_are_left_out_are_told_again_when_all_parts_together_have_others() {
        let lost = |count| LostRows { count, first: "row 1 has no id".to_owned() };
        let mut log = PollLog::default();
        let mut told = |parts: &[LostRows]| {
            let lines = logged(|| log.lost_rows(Listing::Subscriptions, parts.iter()));
            lines.lines().map(|line| line.contains("rows=3 first=")).collect::<Vec<_>>()
        };
        assert_eq!(told(&[lost(1), lost(2)]), [true]);
        assert_eq!(told(&[lost(1), lost(2)]), [false; 0]);
        assert_eq!(told(&[lost(1)]), [false], "there are fewer");
        assert_eq!(told(&[]), [false; 0]);
        assert_eq!(told(&[lost(3)]), [true], "there are some again");
    }
}
