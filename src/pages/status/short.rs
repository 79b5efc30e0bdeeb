//! Where more people have seats than were purchased.

use std::cmp::Reverse;

use elements_api::{Platform, Seats};

use crate::names::count;
use crate::pages::found::first_few;
use crate::pages::status::Query;
use crate::store::{KnownCustomer, Label, Now, Snapshot, TargetState};

/// Whose people exceed the seats, the most people first.
#[derive(Debug)]
pub(super) struct Shortages {
    pub(super) rows: Vec<Shortage>,
    /// What else there is to say.
    pub(super) note: Option<String>,
}

#[derive(Debug)]
pub(super) struct Shortage {
    pub(super) customer: Label,
    /// To its targets.
    pub(super) link: String,
    pub(super) platform: Platform,
    assigned: u64,
    purchased: u64,
}

/// So many are shown.
const MOST: usize = 5;

/// `None` where tenants are not asked for.
pub(super) fn shortages(known: &Snapshot, now: Now) -> Option<Shortages> {
    if known.platforms.is_empty() {
        return None;
    }
    let mut rows: Vec<_> = known.customers.values().flat_map(|customer| of_customer(customer, known, now)).collect();
    rows.sort_by_cached_key(|row| (Reverse(row.missing()), row.customer.clone(), row.platform));
    let note = first_few(&mut rows, MOST, "Nobody has more people than seats, as far as tenants are known.");
    Some(Shortages { rows, note })
}

/// As the shipped alert has it: the seats assigned in all tenants of a platform, above those of the product that backs it
/// up, where any were purchased.
fn of_customer<'a>(known: &'a KnownCustomer, snapshot: &'a Snapshot, now: Now) -> impl Iterator<Item = Shortage> + 'a {
    known.tenants.iter().filter_map(move |(platform, tenants)| {
        let target = known.products.get(&platform.backup())?;
        let is_fresh = target.state(now, snapshot.freshness) == TargetState::Ok;
        let purchased = target.seats(now, snapshot.freshness).filter(|_| is_fresh).map_or(0, Seats::get);
        let seats = tenants.by_label(now, snapshot.freshness);
        let assigned = seats.filter_map(|(_, seats)| seats.assigned).fold(0, u64::saturating_add);
        (purchased > 0 && assigned > purchased).then(|| Shortage {
            customer: known.customer.label.clone(),
            link: Query::search(known.customer.label.as_str()).link(),
            platform: *platform,
            assigned,
            purchased,
        })
    })
}

impl Shortage {
    /// How many seats are missing.
    pub(super) const fn missing(&self) -> u64 {
        self.assigned.saturating_sub(self.purchased)
    }

    /// Both numbers.
    pub(super) fn numbers(&self) -> String {
        let purchased = count(usize::try_from(self.purchased).unwrap_or(usize::MAX), "seat");
        format!("{} assigned, {purchased} purchased", self.assigned)
    }
}

#[cfg(test)]
mod tests {
    use elements_api::{Reason, Tenant};

    use super::*;
    use crate::testing::{self, customer_id, now, seats, target, watched};

    fn tenants(assigned: &[u64]) -> Vec<Tenant> {
        let tenant = |(nth, assigned): (usize, &u64)| Tenant {
            id: nth.to_string(),
            name: None,
            assigned: Seats::new(*assigned),
            available: None,
        };
        assigned.iter().enumerate().map(tenant).collect()
    }

    #[test]
    fn the_people_of_all_tenants_are_held_against_the_seats_of_the_backup() {
        let store = testing::store();
        assert!(shortages(&store.snapshot(), now(0)).is_none());
        store.set_platforms(vec![Platform::Microsoft365]);
        store.watch(&["a", "b", "c", "d"].map(|id| watched(id, id, id, &[2048, 4])));
        // In c nothing was purchased, and of d nobody knows the people.
        for (id, purchased, assigned) in [("a", 30, &[20, 13][..]), ("b", 30, &[30]), ("c", 0, &[9])] {
            store.record(&target(id, 2048), seats(purchased), now(0));
            store.record_tenants(&(customer_id(id), Platform::Microsoft365), Ok(tenants(assigned)), now(0));
        }
        store.record(&target("d", 2048), seats(1), now(0));
        store.record_tenants(&(customer_id("d"), Platform::Microsoft365), Err(Reason::Timeout), now(0));
        let found = shortages(&store.snapshot(), now(1)).unwrap();
        let rows: Vec<_> = found.rows.iter().map(|row| (row.customer.as_str(), row.missing(), row.numbers())).collect();
        assert_eq!(rows, [("a", 3, "33 assigned, 30 seats purchased".to_owned())]);
        assert_eq!(found.note, None);
    }
}
