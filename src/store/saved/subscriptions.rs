//! How the listings of subscriptions are written to the state file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use elements_api::{CustomerId, Object, Seats, SubscribedCustomer, Subscription};
use serde::{Deserialize, Serialize};

use super::format::{Flaw, customer_id, seats, timestamp};
use crate::store::KnownSubscriptions;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSubscribed<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    organization: Option<Cow<'a, str>>,
    #[serde(with = "timestamp")]
    at: SystemTime,
    rows: Vec<Object<RawSubscription<'a>>>,
}

/// What does not apply is left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSubscription<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchased_user_seats: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchased_units: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    microsoft_licenses_assigned: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    microsoft_licenses_available: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pooled_change: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchased_capacity_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_storage_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_end: Option<Date>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Date(#[serde(with = "timestamp")] SystemTime);

pub(super) fn write(known: &BTreeMap<CustomerId, Arc<KnownSubscriptions>>) -> Vec<Object<RawSubscribed<'_>>> {
    known.values().map(|known| Object(RawSubscribed::from(known.as_ref()))).collect()
}

pub(super) fn read(
    subscribed: Vec<Object<RawSubscribed<'_>>>,
) -> Result<BTreeMap<CustomerId, Arc<KnownSubscriptions>>, Flaw> {
    let mut all = BTreeMap::new();
    for Object(RawSubscribed { id, organization, at, rows }) in subscribed {
        let id = customer_id(&id)?;
        let subscriptions = rows.into_iter().map(|Object(row)| row.read()).collect::<Result<_, _>>()?;
        let organization = organization.map(Cow::into_owned);
        let listed = SubscribedCustomer { id: id.clone(), organization, subscriptions };
        if all.insert(id, Arc::new(KnownSubscriptions::new(listed, at, None))).is_some() {
            return Err("it holds the subscriptions of a customer twice");
        }
    }
    Ok(all)
}

impl<'a> From<&'a KnownSubscriptions> for RawSubscribed<'a> {
    fn from(known: &'a KnownSubscriptions) -> Self {
        let SubscribedCustomer { id, organization, subscriptions } = &known.listed;
        Self {
            id: id.as_str().into(),
            organization: text(organization.as_ref()),
            at: known.at,
            rows: subscriptions.iter().map(|row| Object(row.into())).collect(),
        }
    }
}

impl<'a> From<&'a Subscription> for RawSubscription<'a> {
    fn from(row: &'a Subscription) -> Self {
        Self {
            service: text(row.service.as_ref()),
            name: text(row.name.as_ref()),
            package: text(row.package.as_ref()),
            source: text(row.source.as_ref()),
            model: text(row.model.as_ref()),
            payment_type: text(row.payment_type.as_ref()),
            storage: text(row.storage.as_ref()),
            retention: text(row.retention.as_ref()),
            purchased_user_seats: row.purchased_user_seats.map(Seats::get),
            purchased_units: row.purchased_units.map(Seats::get),
            microsoft_licenses_assigned: row.microsoft_licenses_assigned.map(Seats::get),
            microsoft_licenses_available: row.microsoft_licenses_available.map(Seats::get),
            pooled_change: row.pooled_change,
            purchased_capacity_bytes: row.purchased_capacity_bytes,
            consumed_storage_bytes: row.consumed_storage_bytes,
            expiration: row.expiration.map(Date),
            contract_end: row.contract_end.map(Date),
        }
    }
}

impl RawSubscription<'_> {
    fn read(self) -> Result<Subscription, Flaw> {
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let number = |number: Option<u64>| number.map(seats).transpose();
        let date = |date: Option<Date>| date.map(|Date(at)| at);
        Ok(Subscription {
            service: own(self.service),
            name: own(self.name),
            package: own(self.package),
            source: own(self.source),
            model: own(self.model),
            payment_type: own(self.payment_type),
            storage: own(self.storage),
            retention: own(self.retention),
            purchased_user_seats: number(self.purchased_user_seats)?,
            purchased_units: number(self.purchased_units)?,
            microsoft_licenses_assigned: number(self.microsoft_licenses_assigned)?,
            microsoft_licenses_available: number(self.microsoft_licenses_available)?,
            pooled_change: self.pooled_change,
            purchased_capacity_bytes: self.purchased_capacity_bytes,
            consumed_storage_bytes: self.consumed_storage_bytes,
            expiration: date(self.expiration),
            contract_end: date(self.contract_end),
        })
    }
}

fn text(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(Cow::from)
}
