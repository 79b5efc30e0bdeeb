//! Many pages make one listing: of every row that names somebody, or of none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use crate::error::BadResponse;
use crate::excerpt::Excerpt;
use crate::model::{CustomerId, ListedCustomer};
use crate::subscription::{SubscribedCustomer, Tenant};

/// The most that the API gives on a page.
pub(crate) const PAGE_SIZE: usize = 100;

/// More rows are not read: somebody's paging has no end.
const MOST_ROWS: u64 = 500_000;

/// More of what rows hold is not kept: so much of it has no partner.
const MOST_HELD: usize = 100_000;

/// Every customer that the credentials can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerListing {
    /// In the listing's order, each once.
    pub customers: Vec<ListedCustomer>,
    /// Rows that name no customer; `None` where each row does.
    pub lost: Option<LostRows>,
}

/// Rows of a listing that are of no use, most of them without an id that can be used. They are no more than half of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRows {
    /// How many.
    pub count: usize,
    /// What is wrong with the first one. Of the row it repeats no more than 100 characters, those for control escaped.
    pub first: String,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<R> {
    pub(crate) rows: Vec<R>,
    /// What is wrong with each row that names nobody.
    pub(crate) lost: Vec<String>,
    pub(crate) index: u64,
    /// Of the rows of all pages.
    pub(crate) total: u64,
}

/// A row of a listing.
pub(crate) trait Row: PartialEq + Sized {
    /// Whom it names.
    type Key: Hash + Eq;

    /// What the rows name, for messages.
    const NAMES: &'static str;

    fn key(&self) -> Self::Key;

    /// How much it holds that counts, beside itself.
    fn holds(&self) -> usize {
        0
    }

    /// Takes in another row of the same page, or of a later one, that names the same.
    ///
    /// # Errors
    ///
    /// The two cannot both be true, or a page has come twice and another one not at all.
    fn take_in(&mut self, twin: Self, of_same_page: bool) -> Result<(), String>;
}

impl Row for ListedCustomer {
    type Key = CustomerId;
    const NAMES: &'static str = "customer";

    fn key(&self) -> CustomerId {
        self.id.clone()
    }

    fn take_in(&mut self, twin: Self, _: bool) -> Result<(), String> {
        Err(format!("customer {} is listed twice", twin.id))
    }
}

impl Row for SubscribedCustomer {
    type Key = CustomerId;
    const NAMES: &'static str = "customer";

    fn holds(&self) -> usize {
        self.subscriptions.len()
    }

    fn key(&self) -> CustomerId {
        self.id.clone()
    }

    /// What a customer has bought may stand in several rows. The same once more is a mistake of the list, on another page
    /// one of its paging.
    fn take_in(&mut self, twin: Self, of_same_page: bool) -> Result<(), String> {
        match self.subscriptions == twin.subscriptions {
            true if of_same_page => {}
            true => return Err(format!("customer {} is listed twice, on two pages", twin.id)),
            false => self.subscriptions.extend(twin.subscriptions),
        }
        Ok(())
    }
}

impl Row for Tenant {
    type Key = String;
    const NAMES: &'static str = "tenant";

    fn key(&self) -> String {
        self.id.clone()
    }

    fn take_in(&mut self, twin: Self, of_same_page: bool) -> Result<(), String> {
        if of_same_page && *self == twin { Ok(()) } else { Err(format!("tenant {:?} is listed twice", twin.id)) }
    }
}

/// Pages as they come in, from number 1.
#[derive(Debug)]
pub(crate) struct Listing<R: Row> {
    /// The most rows of a page.
    page_size: usize,
    rows: Vec<R>,
    /// Where each stands in `rows`, and on which page it first came.
    places: HashMap<R::Key, (usize, u64)>,
    lost: Option<LostRows>,
    held: usize,
    listed: u64,
    total: Option<u64>,
    pages: u64,
}

impl<R: Row> Listing<R> {
    pub(crate) fn with_pages_of(page_size: usize) -> Self {
        Self {
            page_size,
            rows: Vec::new(),
            places: HashMap::new(),
            lost: None,
            held: 0,
            listed: 0,
            total: None,
            pages: 0,
        }
    }

    /// The number of the page to ask for next.
    pub(crate) const fn next_page(&self) -> u64 {
        self.pages + 1
    }

    /// Takes the next page; `true` once the listing is complete.
    ///
    /// # Errors
    ///
    /// The page contradicts what was asked for or what came before, so nothing of the listing can be believed: the
    /// vendor's list changed in the middle, or its paging does not work as documented.
    pub(crate) fn add(&mut self, page: Page<R>) -> Result<bool, BadResponse> {
        let asked = self.next_page();
        let contradiction = |problem: String| BadResponse::Listing(Excerpt::of(problem));
        let reject = |problem| Err(contradiction(problem));
        if page.index != asked {
            return reject(format!("page {asked} was asked for, but page {} came", page.index));
        }
        let total = *self.total.get_or_insert(page.total);
        if page.total != total {
            return reject(format!("the total is {} on page {asked}, and was {total} before", page.total));
        }
        if total > MOST_ROWS {
            return reject(format!("the total is {total}, more than the {MOST_ROWS} rows that are read"));
        }
        let rows = page.rows.len() + page.lost.len();
        if rows > self.page_size {
            return reject(format!("page {asked} holds {rows} {}s, more than {}", R::NAMES, self.page_size));
        }
        for row in page.rows {
            self.held += row.holds();
            if self.held > MOST_HELD {
                return reject(format!("up to page {asked} it holds more than {MOST_HELD} rows of its {}s", R::NAMES));
            }
            self.add_row(row, asked).map_err(contradiction)?;
        }
        let lost = page.lost.len();
        if let Some(first) = page.lost.into_iter().next() {
            self.lost.get_or_insert(LostRows { count: 0, first }).count += lost;
        }
        self.pages = asked;
        self.listed += rows as u64;
        let listed = self.listed;
        if listed > total || (rows == 0 && listed < total) {
            return reject(format!("the total is {total}, but {listed} were listed"));
        }
        match &self.lost {
            // So many are no mistakes: rows have another form now.
            Some(LostRows { count, first }) if listed == total && *count as u64 > listed / 2 => {
                reject(format!("{count} of {total} rows name no {}; the first one: {first}", R::NAMES))
            }
            _ => Ok(listed == total),
        }
    }

    fn add_row(&mut self, row: R, page: u64) -> Result<(), String> {
        match self.places.entry(row.key()) {
            Entry::Vacant(entry) => {
                entry.insert((self.rows.len(), page));
                self.rows.push(row);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let (place, first_page) = *entry.get();
                self.rows[place].take_in(row, page == first_page)
            }
        }
    }

    /// All rows, and those that name nobody.
    pub(crate) fn finish(self) -> (Vec<R>, Option<LostRows>) {
        (self.rows, self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(index: u64, total: u64, ids: std::ops::Range<u32>) -> Page<ListedCustomer> {
        let customers = ids
            .map(|id| ListedCustomer { id: CustomerId::parse(&format!("c-{id}")).unwrap(), organization: None })
            .collect();
        Page { rows: customers, lost: Vec::new(), index, total }
    }

    /// A page of which these rows name no customer.
    fn page_with_lost(
        index: u64,
        total: u64,
        ids: std::ops::Range<u32>,
        lost: std::ops::Range<u32>,
    ) -> Page<ListedCustomer> {
        let lost = lost.map(|row| format!("row {row} of page {index} has no id")).collect();
        Page { lost, ..page(index, total, ids) }
    }

    fn rejected(pages: impl IntoIterator<Item = Page<ListedCustomer>>) -> String {
        let mut listing = Listing::with_pages_of(PAGE_SIZE);
        let outcome = pages.into_iter().try_for_each(|page| listing.add(page).map(drop));
        outcome.expect_err("the listing must be rejected").to_string()
    }

    #[test]
    fn pages_add_up_to_a_listing() {
        let mut listing = Listing::with_pages_of(PAGE_SIZE);
        assert_eq!(listing.add(page(1, 150, 0..100)), Ok(false));
        assert_eq!(listing.next_page(), 2);
        assert_eq!(listing.add(page(2, 150, 100..150)), Ok(true));
        assert_eq!(listing.finish().0.len(), 150);
    }

    #[test]
    fn rows_that_name_no_customer_are_counted_and_the_first_is_told() {
        let mut listing = Listing::with_pages_of(PAGE_SIZE);
        assert_eq!(listing.add(page(1, 250, 0..100)), Ok(false));
        assert_eq!(listing.add(page_with_lost(2, 250, 100..150, 50..100)), Ok(false));
        assert_eq!(listing.add(page_with_lost(3, 250, 150..198, 48..50)), Ok(true));
        let (customers, lost) = listing.finish();
        assert_eq!(customers.len(), 198);
        assert_eq!(lost, Some(LostRows { count: 52, first: "row 50 of page 2 has no id".to_owned() }));
    }

    #[test]
    fn a_page_whose_rows_are_all_lost_does_not_end_the_listing() {
        let mut listing = Listing::with_pages_of(PAGE_SIZE);
        assert_eq!(listing.add(page_with_lost(1, 200, 0..0, 0..100)), Ok(false));
        assert_eq!(listing.add(page(2, 200, 0..100)), Ok(true), "half of all is not more than half");
    }

    #[test]
    fn a_listing_of_which_most_rows_name_no_customer_is_rejected() {
        let most = rejected([page_with_lost(1, 5, 0..2, 2..5)]);
        assert_eq!(most, "3 of 5 rows name no customer; the first one: row 2 of page 1 has no id");
        assert!(rejected([page_with_lost(1, 1, 0..0, 1..2)]).starts_with("1 of 1 rows name no customer"));
        assert_eq!(rejected([page_with_lost(1, 5, 0..4, 4..6)]), "the total is 5, but 6 were listed");
    }

    #[test]
    fn pages_without_an_end_are_not_read() {
        let error = rejected([page(1, 500_001, 0..100)]);
        assert_eq!(error, "the total is 500001, more than the 500000 rows that are read");
        assert_eq!(Listing::with_pages_of(PAGE_SIZE).add(page(1, 500_000, 0..100)), Ok(false));
    }

    #[test]
    fn an_empty_listing_is_complete_at_once() {
        assert_eq!(Listing::with_pages_of(PAGE_SIZE).add(page(1, 0, 0..0)), Ok(true));
    }

    #[test]
    fn a_page_that_repeats_rejects_the_listing() {
        let error = rejected([page(1, 200, 0..100), page(2, 200, 99..199)]);
        assert_eq!(error, "customer c-99 is listed twice");
        assert_eq!(rejected([page(1, 200, 0..100), page(1, 200, 0..100)]), "page 2 was asked for, but page 1 came");
    }

    #[test]
    fn a_listing_that_shrinks_or_grows_meanwhile_is_rejected() {
        let shrunk = rejected([page(1, 200, 0..100), page(2, 199, 100..199)]);
        assert_eq!(shrunk, "the total is 199 on page 2, and was 200 before");
        let early = rejected([page(1, 200, 0..100), page(2, 200, 0..0)]);
        assert_eq!(early, "the total is 200, but 100 were listed");
        assert_eq!(rejected([page(1, 5, 0..7)]), "the total is 5, but 7 were listed");
        assert_eq!(rejected([page(1, 500, 0..101)]), "page 1 holds 101 customers, more than 100");
    }

    #[test]
    fn a_listing_of_more_subscriptions_than_anybody_has_is_not_kept() {
        let page = |index| {
            let id = CustomerId::parse(&format!("c-{index}")).unwrap();
            let subscriptions = vec![crate::Subscription::default(); MOST_HELD / 2];
            let customer = SubscribedCustomer { id, organization: None, subscriptions };
            Page { rows: vec![customer], lost: Vec::new(), index, total: 500_000 }
        };
        let mut listing = Listing::with_pages_of(PAGE_SIZE);
        assert_eq!(listing.add(page(1)), Ok(false));
        assert_eq!(listing.add(page(2)), Ok(false));
        let refused = listing.add(page(3)).unwrap_err().to_string();
        assert!(refused.contains("holds more than 100000 rows"), "{refused}");
    }
}
