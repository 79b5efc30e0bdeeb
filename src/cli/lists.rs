//! `customers`, `subscriptions`, `tenants` and `products`.

use std::collections::HashMap;
use std::io::{Write, stdout};

use anyhow::{Result, anyhow, bail};
use elements_api::{
    CATALOG, CustomerId, CustomerListing, Error, LostRows, Platform, SubscribedCustomer, SubscriptionListing,
    TenantListing, UnreadableValue,
};
use tokio::task::JoinSet;
use tracing::warn;

use super::args::{CustomersOutput, Output};
use super::entries::entries;
use super::hold::Hold;
use super::output::write;
use super::{Outcome, round};
use crate::app::Source;
use crate::poll::Selection;
use crate::table::Cell;

/// Lists the customers that the credentials can see.
pub(super) async fn customers(source: &Source, output: CustomersOutput) -> Result<Outcome> {
    let mut config = source.load()?;
    // The token must allow it, whether the configuration wants discovery or not.
    config.api.discovery = true;
    let (round, hold) = round(&config)?;
    let listing = listed(CUSTOMERS, round.customers().await, &hold)?;
    let CustomerListing { customers, lost } = listing;
    warn_of_lost(lost);
    if customers.is_empty() && matches!(output, CustomersOutput::Table | CustomersOutput::Yaml) {
        bail!("the credentials can see no customer");
    }
    let output = match output {
        CustomersOutput::Table => Output::Table,
        CustomersOutput::Csv => Output::Csv,
        CustomersOutput::Json => Output::Json,
        CustomersOutput::Yaml => {
            let yaml = serde_yaml::to_string(&entries(&customers, &config.selection))?;
            stdout().lock().write_all(yaml.as_bytes())?;
            return Ok(Outcome::Done);
        }
    };
    let rows = customers.into_iter().map(|customer| [Cell::from(customer.id.as_str()), customer.organization.into()]);
    write(&mut stdout().lock(), output, ["id", "organization"], rows)?;
    Ok(Outcome::Done)
}

/// Lists what the customers that the credentials can see have subscribed to: what ends first on top.
pub(super) async fn subscriptions(source: &Source, output: Output) -> Result<Outcome> {
    let config = source.load()?;
    let (round, hold) = round(&config)?;
    let listing = listed("subscriptions cannot be listed", round.subscriptions(None).await, &hold)?;
    let SubscriptionListing { customers, lost, unreadable } = listing;
    warn_of_lost(lost);
    for UnreadableValue { field, value } in unreadable {
        warn!(field, value, "a field has a value that cannot be read: it is left out");
    }
    let labels = labels(&config.selection);
    let subscriptions = |customer: SubscribedCustomer| {
        let SubscribedCustomer { id, organization, subscriptions } = customer;
        let label = labels.get(&id).cloned().unwrap_or_else(|| id.as_str().to_owned());
        subscriptions.into_iter().map(move |subscription| (label.clone(), organization.clone(), subscription))
    };
    let mut rows: Vec<_> = customers.into_iter().flat_map(subscriptions).collect();
    rows.sort_by_cached_key(|(label, _, row)| (row.ends().is_none(), row.ends(), label.clone()));
    let rows = rows.into_iter().map(|(label, organization, row)| {
        [
            row.ends().into(),
            label.into(),
            organization.into(),
            row.service.into(),
            row.name.into(),
            row.package.into(),
            row.source.into(),
            row.payment_type.into(),
            row.purchased_user_seats.into(),
            row.purchased_units.into(),
            row.expiration.into(),
            row.contract_end.into(),
        ]
    });
    let columns = [
        "ends",
        "customer",
        "organization",
        "subscribed_service",
        "subscription",
        "package",
        "source",
        "payment_type",
        "user_seats",
        "units",
        "expiration",
        "contract_end",
    ];
    write(&mut stdout().lock(), output, columns, rows)?;
    Ok(Outcome::Done)
}

/// Lists the tenants of every customer that is watched, with their seats.
pub(super) async fn tenants(source: &Source, output: Output) -> Result<Outcome> {
    let config = source.load()?;
    let (round, hold) = round(&config)?;
    let listing = match &config.selection.discovery {
        Some(_) => listed(CUSTOMERS, round.customers().await, &hold)?.customers,
        None => Vec::new(),
    };
    let configured = &config.selection.platforms;
    let platforms = if configured.is_empty() { Platform::ALL.as_slice() } else { configured };
    let mut asking = JoinSet::new();
    for (nth, watched) in config.selection.watch_list(&listing, |_| None).customers.into_iter().enumerate() {
        for platform in platforms.iter().copied() {
            let (round, customer) = (round.clone(), watched.customer.clone());
            asking.spawn(async move {
                let tenants = round.tenants(&customer.id, platform).await;
                (nth, customer.label, platform, tenants)
            });
        }
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(nth, _, platform, _)| (*nth, *platform));
    let (mut rows, mut left, mut outcome) = (Vec::new(), 0, Outcome::Done);
    for (_, label, platform, tenants) in answers {
        match tenants {
            Ok(TenantListing { tenants, lost }) => {
                if let Some(LostRows { count: rows, first }) = lost {
                    let (customer, platform) = (label.as_str(), platform.as_str());
                    warn!(
                        customer,
                        platform, rows, first, "a list of tenants has rows that cannot be read: they are left out"
                    );
                }
                rows.extend(tenants.into_iter().map(|tenant| {
                    [
                        Cell::from(label.as_str()),
                        platform.as_str().into(),
                        tenant.id.into(),
                        tenant.name.into(),
                        tenant.assigned.into(),
                        tenant.available.into(),
                    ]
                }));
            }
            Err(Error::NotBegun) => left += 1,
            Err(error) => {
                outcome = Outcome::Failed;
                warn!(customer = label.as_str(), platform = platform.as_str(), %error, "tenants cannot be listed");
            }
        }
    }
    let columns = [
        "customer",
        "platform",
        "customer_tenant_id",
        "customer_tenant",
        "assigned_user_seats",
        "available_user_seats",
    ];
    write(&mut stdout().lock(), output, columns, rows)?;
    hold.all_were_made(left)?;
    Ok(outcome)
}

const CUSTOMERS: &str = "customers cannot be listed";

/// The listing, or why there is none.
fn listed<T>(failed: &str, listing: Result<T, Error>, hold: &Hold) -> Result<T> {
    listing.map_err(|error| anyhow!("{failed}: {error}{}", hold.after_failure()))
}

/// The names that the configuration gives to customers.
fn labels(selection: &Selection) -> HashMap<&CustomerId, String> {
    let named = selection.customers.iter().filter_map(|entry| Some((&entry.id, entry.name.clone()?)));
    named.collect()
}

fn warn_of_lost(lost: Option<LostRows>) {
    if let Some(LostRows { count: rows, first }) = lost {
        warn!(rows, first, "the listing has rows that name no customer: they are left out");
    }
}

/// Lists the catalogue.
pub(super) fn products(output: Output) -> Result<Outcome> {
    let rows =
        CATALOG.iter().map(|product| [Cell::Number(product.product_type.number().into()), Cell::from(product.name)]);
    write(&mut stdout().lock(), output, ["product_type", "product"], rows)?;
    Ok(Outcome::Done)
}
