//! Many pages make one listing: of every customer, or of none.

use std::collections::HashSet;

use crate::error::BadResponse;
use crate::model::{CustomerId, ListedCustomer};
use crate::wire::CustomersPage;

/// The most that the API gives on a page.
pub(crate) const PAGE_SIZE: usize = 100;

/// More rows are not read: somebody's paging has no end.
const MOST_ROWS: u64 = 500_000;

/// All customers that the credentials can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customers {
    /// Each once.
    pub customers: Vec<ListedCustomer>,
    /// How many rows of the listing name no customer.
    pub unusable_rows: usize,
    /// Why the first of them does not.
    pub unusable_because: Option<String>,
}

/// Pages as they come in, from number 1.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    listed: Customers,
    seen: HashSet<CustomerId>,
    total: Option<u64>,
    pages: u64,
}

impl Listing {
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
    pub(crate) fn add(&mut self, page: CustomersPage) -> Result<bool, BadResponse> {
        let asked = self.next_page();
        let reject = |problem: String| Err(BadResponse::Listing(problem));
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
        if page.rows.len() > PAGE_SIZE {
            return reject(format!("page {asked} holds {} customers, more than {PAGE_SIZE}", page.rows.len()));
        }
        let ends_early = page.rows.is_empty();
        for row in page.rows {
            match row {
                Ok(customer) => {
                    if !self.seen.insert(customer.id.clone()) {
                        return reject(format!("customer {} is listed twice", customer.id));
                    }
                    self.listed.customers.push(customer);
                }
                Err(because) => {
                    self.listed.unusable_rows += 1;
                    self.listed.unusable_because.get_or_insert(because);
                }
            }
        }
        self.pages = asked;
        let Customers { customers, unusable_rows, unusable_because } = &self.listed;
        let listed = (customers.len() + unusable_rows) as u64;
        if listed > total || (ends_early && listed < total) {
            return reject(format!("the total is {total}, but {listed} were listed"));
        }
        // One row may be broken. If most are, the format is another one.
        if let Some(because) = unusable_because
            && listed == total
            && *unusable_rows > customers.len()
        {
            return reject(format!("{unusable_rows} of {total} rows name no customer: {because}"));
        }
        Ok(listed == total)
    }

    pub(crate) fn into_customers(self) -> Customers {
        self.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(index: u64, total: u64, ids: std::ops::Range<u32>) -> CustomersPage {
        let customer = |id| ListedCustomer { id: CustomerId::parse(&format!("c-{id}")).unwrap(), organization: None };
        CustomersPage { rows: ids.map(|id| Ok(customer(id))).collect(), index, total }
    }

    fn rejected(pages: impl IntoIterator<Item = CustomersPage>) -> String {
        let mut listing = Listing::default();
        let outcome = pages.into_iter().try_for_each(|page| listing.add(page).map(drop));
        outcome.expect_err("the listing must be rejected").to_string()
    }

    #[test]
    fn pages_add_up_to_a_listing() {
        let mut listing = Listing::default();
        assert_eq!(listing.add(page(1, 150, 0..100)), Ok(false));
        assert_eq!(listing.next_page(), 2);
        assert_eq!(listing.add(page(2, 150, 100..150)), Ok(true));
        assert_eq!(listing.into_customers().customers.len(), 150);
    }

    #[test]
    fn an_empty_listing_is_complete_at_once() {
        assert_eq!(Listing::default().add(page(1, 0, 0..0)), Ok(true));
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
    fn a_row_that_names_nobody_is_counted_and_most_that_do_not_are_an_error() {
        let with_unusable = |unusable: usize| {
            let mut broken = page(1, 10, 0..u32::try_from(10 - unusable).unwrap());
            broken.rows.extend((0..unusable).map(|row| Err(format!("reason {row}"))));
            let mut listing = Listing::default();
            listing.add(broken).map(|complete| (complete, listing.into_customers()))
        };
        let (complete, listed) = with_unusable(2).unwrap();
        assert!(complete);
        assert_eq!((listed.customers.len(), listed.unusable_rows), (8, 2));
        assert_eq!(listed.unusable_because.as_deref(), Some("reason 0"));
        assert!(with_unusable(5).is_ok());
        let error = with_unusable(6).unwrap_err().to_string();
        assert_eq!(error, "6 of 10 rows name no customer: reason 0");
    }

    #[test]
    fn pages_without_an_end_are_not_read() {
        let error = rejected([page(1, 500_001, 0..100)]);
        assert_eq!(error, "the total is 500001, more than the 500000 rows that are read");
        assert_eq!(Listing::default().add(page(1, 500_000, 0..100)), Ok(false));
    }
}
