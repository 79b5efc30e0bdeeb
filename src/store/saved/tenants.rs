//! How what is known of tenants is written to the state file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use elements_api::{CustomerId, Object, Platform, Reason, Seats, Tenant};
use serde::{Deserialize, Serialize};

use super::format::{Flaw, customer_id, seats, timestamp};
use crate::store::{AnsweredTenants, KnownTenants};

/// By whose tenants and where.
pub(super) type Tenants = BTreeMap<(CustomerId, Platform), KnownTenants>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTenants<'a> {
    #[serde(borrow)]
    customer: Cow<'a, str>,
    #[serde(borrow)]
    platform: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    answer: Option<Object<RawAnswer<'a>>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    failure: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer<'a> {
    #[serde(with = "timestamp")]
    at: SystemTime,
    #[serde(borrow)]
    tenants: Vec<Object<RawTenant<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTenant<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    assigned: Option<u64>,
    available: Option<i64>,
}

pub(super) fn write(all: &Tenants) -> Vec<Object<RawTenants<'_>>> {
    let raw = all.iter().map(|((customer, platform), KnownTenants { answer, failure })| RawTenants {
        customer: customer.as_str().into(),
        platform: platform.as_str().into(),
        answer: answer.as_ref().map(|answered| Object(answered.into())),
        failure: failure.map(|reason| reason.as_str().into()),
    });
    raw.map(Object).collect()
}

pub(super) fn read(raw: Vec<Object<RawTenants<'_>>>) -> Result<Tenants, Flaw> {
    let mut all = Tenants::new();
    for Object(RawTenants { customer, platform, answer, failure }) in raw {
        let key = (customer_id(&customer)?, Platform::parse(&platform).ok_or("it holds a platform that is none")?);
        let answer = answer.map(|Object(answer)| answer.read()).transpose()?;
        let failure =
            failure.map(|reason| Reason::parse(&reason).ok_or("it holds a reason that is none")).transpose()?;
        if all.insert(key, KnownTenants { answer, failure }).is_some() {
            return Err("it holds the tenants of a customer twice");
        }
    }
    Ok(all)
}

impl<'a> From<&'a AnsweredTenants> for RawAnswer<'a> {
    fn from(AnsweredTenants { tenants, at, .. }: &'a AnsweredTenants) -> Self {
        Self { at: *at, tenants: tenants.iter().map(|tenant| Object(tenant.into())).collect() }
    }
}

impl RawAnswer<'_> {
    fn read(self) -> Result<AnsweredTenants, Flaw> {
        let tenants = self.tenants.into_iter().map(|Object(tenant)| tenant.read()).collect::<Result<_, _>>()?;
        Ok(AnsweredTenants::new(tenants, self.at, None))
    }
}

impl<'a> From<&'a Tenant> for RawTenant<'a> {
    fn from(Tenant { id, name, assigned, available }: &'a Tenant) -> Self {
        Self {
            id: id.into(),
            name: name.as_ref().map(Cow::from),
            assigned: assigned.map(Seats::get),
            available: *available,
        }
    }
}

impl RawTenant<'_> {
    fn read(self) -> Result<Tenant, Flaw> {
        Ok(Tenant {
            id: self.id.into_owned(),
            name: self.name.map(Cow::into_owned),
            assigned: self.assigned.map(seats).transpose()?,
            available: self.available,
        })
    }
}
