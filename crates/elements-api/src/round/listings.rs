//! The listings: page after page, complete or none.

use std::time::Duration;

use tokio::time::Instant;

use super::{CUSTOMERS, Call, Round, always, unusable};
use crate::error::{BadResponse, Error};
use crate::listing::{CustomerListing, Listing, PAGE_SIZE, Page, Row};
use crate::model::CustomerId;
use crate::observer::Operation;
use crate::subscription::{Platform, SubscriptionListing, TenantListing};
use crate::wire;

/// The body that asks a listing for everything.
const ALL: &str = "{}";

impl Round {
    /// Every customer that the credentials can see, but those whose rows name none.
    ///
    /// # Errors
    ///
    /// A page failed or contradicts another, or more than half of the rows name no customer: part of a listing is none.
    pub async fn customers(&self) -> Result<CustomerListing, Error> {
        let url = self.url(&format!("{CUSTOMERS}/batch"));
        let call = Call { operation: Operation::Customers, url, json: Some(ALL.to_owned()), about: None, way: &always };
        let (customers, lost) = self.list(call, wire::customers_page).await?.finish();
        Ok(CustomerListing { customers, lost })
    }

    /// What each of these customers has bought, or with `None` each customer that the credentials can see.
    ///
    /// # Errors
    ///
    /// As of [`Round::customers`]. That one of the customers may not be seen refuses all that were named with it.
    pub async fn subscriptions(&self, customers: Option<&[CustomerId]>) -> Result<SubscriptionListing, Error> {
        let json = customers.map_or_else(
            || ALL.to_owned(),
            |customers| {
                let ids: Vec<_> = customers.iter().map(CustomerId::as_str).collect();
                serde_json::json!({ "customerIds": ids }).to_string()
            },
        );
        let url = self.url(&format!("{CUSTOMERS}/services/batch"));
        let call = Call { operation: Operation::Subscriptions, url, json: Some(json), about: None, way: &always };
        let mut unreadable = Vec::new();
        let listing = self.list(call, |body| wire::subscriptions_page(body, &mut unreadable)).await?;
        let (customers, lost) = listing.finish();
        Ok(SubscriptionListing { customers, lost, unreadable })
    }

    /// The tenants that a customer has of a platform; none, where the vendor knows of none (404).
    ///
    /// # Errors
    ///
    /// As of [`Round::customers`], of rows that name no tenant.
    pub async fn tenants(&self, customer: &CustomerId, platform: Platform) -> Result<TenantListing, Error> {
        let number = platform.number();
        let url = self.url(&format!("{CUSTOMERS}/{customer}/3rd-party-products/type/{number}/tenants/batch"));
        let (operation, about) = (Operation::Tenants, Some(customer.clone()));
        let call = Call { operation, url, json: Some(ALL.to_owned()), about, way: &always };
        match self.list(call, wire::tenants_page).await {
            Err(Error::Status { operation: Operation::Tenants, status: 404, .. }) => Ok(TenantListing::default()),
            listing => {
                let (tenants, lost) = listing?.finish();
                Ok(TenantListing { tenants, lost })
            }
        }
    }

    /// Asks for page after page of a listing. Where a page is too large to be read, all are asked for again in smaller ones.
    async fn list<R: Row>(
        &self,
        mut call: Call<'_>,
        mut read: impl FnMut(&[u8]) -> Result<Page<R>, BadResponse>,
    ) -> Result<Listing<R>, Error> {
        let mut listing = Listing::with_pages_of(PAGE_SIZE);
        let (mut page_size, began) = (PAGE_SIZE, Instant::now());
        loop {
            call.url
                .query_pairs_mut()
                .clear()
                .extend_pairs([("pageIndex", listing.next_page().to_string()), ("pageSize", page_size.to_string())]);
            let outcome = match self.slot().await {
                Some(slot) => self.authorized(&call, slot).await,
                None => Err(Error::NotBegun),
            };
            let response = match outcome {
                // It has begun, and part of a listing is none.
                Err(Error::NotBegun) if listing.next_page() > 1 => {
                    let after = Duration::from_secs(began.elapsed().as_secs().max(1));
                    return Err(Error::Timeout { operation: call.operation, after });
                }
                Err(Error::BadResponse { problem: BadResponse::TooLarge, .. }) if page_size > 1 => {
                    page_size /= 2;
                    listing = Listing::with_pages_of(page_size);
                    continue;
                }
                outcome => outcome?,
            };
            let complete = read(&response.body)
                .and_then(|page| listing.add(page))
                .map_err(unusable(call.operation, response.request_id))?;
            if complete {
                return Ok(listing);
            }
        }
    }
}
