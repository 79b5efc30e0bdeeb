//! What is known of the tenants that a customer has of a platform.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use elements_api::{Reason, Seats, Tenant};
use tokio::time::Instant;

use super::record::age;
use super::subscriptions::join;
use super::{Freshness, Label, Now};

/// The last answer, and whether the last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KnownTenants {
    /// The last answer, however many attempts have failed since.
    pub answer: Option<AnsweredTenants>,
    /// Why the last attempt had no answer; `None` where it had one, or was never made.
    pub failure: Option<Reason>,
}

/// The tenants that there are, and when the vendor said so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnsweredTenants {
    pub tenants: Vec<Tenant>,
    pub at: SystemTime,
    /// The same moment by the monotonic clock; `None` for what an earlier run has saved.
    pub came: Option<Instant>,
    /// The seats by their labels, in the order of these.
    pub by_label: BTreeMap<TenantLabels, TenantSeats>,
}

/// What tells one tenant from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantLabels {
    pub id: Label,
    /// `""` where it has no name.
    pub name: Label,
}

/// The seats of all tenants that agree in their labels: one, unless they differ where labels are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TenantSeats {
    pub assigned: Option<u64>,
    pub available: Option<i64>,
}

impl AnsweredTenants {
    pub(in crate::store) fn new(tenants: Vec<Tenant>, at: SystemTime, came: Option<Instant>) -> Self {
        let mut by_label: BTreeMap<_, TenantSeats> = BTreeMap::new();
        for Tenant { id, name, assigned, available } in &tenants {
            let name = Label::from(name.as_deref().unwrap_or_default());
            let seats = by_label.entry(TenantLabels { id: Label::from(id.as_str()), name }).or_default();
            seats.assigned = join(seats.assigned, assigned.map(Seats::get), u64::saturating_add);
            seats.available = join(seats.available, *available, i64::saturating_add);
        }
        Self { tenants, at, came, by_label }
    }
}

impl KnownTenants {
    /// Takes what an attempt came to now.
    pub(super) fn take(&mut self, outcome: Result<Vec<Tenant>, Reason>, now: Now) {
        match outcome {
            Ok(tenants) => {
                let answer = AnsweredTenants::new(tenants, now.wall, Some(now.monotonic));
                *self = Self { answer: Some(answer), failure: None };
            }
            Err(reason) => self.failure = Some(reason),
        }
    }

    /// What a restart leaves of it.
    pub(super) fn lasting(&self) -> Self {
        let answer = self.answer.clone().map(|answered| AnsweredTenants { came: None, ..answered });
        Self { answer, failure: self.failure }
    }

    /// Whether the last attempt was answered and the answer counts; `None` before the first.
    pub fn success(&self, now: Now, freshness: Freshness) -> Option<bool> {
        (self.answer.is_some() || self.failure.is_some())
            .then(|| self.failure.is_none() && self.counts_for(now, freshness).is_some())
    }

    /// For how much longer the last answer counts; `None` if it no longer does, or there was none.
    pub fn counts_for(&self, now: Now, freshness: Freshness) -> Option<Duration> {
        let AnsweredTenants { at, came, .. } = self.answer.as_ref()?;
        freshness.tenants.checked_sub(age(*at, *came, now)?)
    }

    /// The seats of the last answer, as long as that counts, by their labels.
    pub fn by_label(&self, now: Now, freshness: Freshness) -> impl Iterator<Item = (&TenantLabels, TenantSeats)> {
        let counts = self.counts_for(now, freshness).is_some();
        let answer = self.answer.iter().filter(move |_| counts);
        answer.flat_map(|answer| &answer.by_label).map(|(labels, seats)| (labels, *seats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{freshness, now};

    #[test]
    fn an_answer_counts_for_so_long_and_a_failure_says_no_success() {
        let (freshness, mut known) = (freshness(), KnownTenants::default());
        assert_eq!(known.success(now(0), freshness), None);
        let tenant = Tenant { id: "t".to_owned(), name: None, assigned: Seats::new(5), available: Some(-1) };
        known.take(Ok(vec![tenant]), now(0));
        let seats = |known: &KnownTenants, at: Now| known.by_label(at, freshness).next().map(|(_, seats)| seats);
        assert_eq!(known.success(now(0), freshness), Some(true));
        known.take(Err(Reason::Timeout), now(1));
        assert_eq!(known.success(now(1), freshness), Some(false));
        assert_eq!(seats(&known, now(1)), Some(TenantSeats { assigned: Some(5), available: Some(-1) }));
        assert_eq!(seats(&known, now(1) + freshness.tenants), None);
    }
}
