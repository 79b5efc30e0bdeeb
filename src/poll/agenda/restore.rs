//! What an earlier run has saved.

use tracing::info;

use super::Agenda;
use crate::names::count;
use crate::store::saved::Saved;
use crate::store::{Now, Target};

impl Agenda {
    /// What was restored, and is young enough, is not due.
    pub(super) fn skip_what_is_known(&mut self, now: Now) {
        let known = self.store.snapshot();
        let mut restored = 0;
        for (customer, product, target) in known.targets() {
            let Some(answered) = target.record.answer else { continue };
            restored += 1;
            let (counts, dormant) = (target.counts_for(now, known.freshness).is_some(), target.is_dormant());
            let target = Target { customer: customer.id.clone(), product };
            self.schedule.restored(&target, answered.at, dormant);
            if !counts {
                self.schedule.ask_again(&target);
            }
        }
        let customers = known.listing.as_ref().map_or(0, |listing| listing.len());
        if restored + customers > 0 {
            let due = self.due(now.monotonic);
            let due = due.targets.len() + due.slow.len();
            let (targets, customers) = (count(restored, "target"), count(customers, "listed customer"));
            info!(due, "restored what an earlier run was answered: {targets}, {customers}");
        }
    }

    /// What was restored of subscriptions is known since then.
    pub(super) fn restore_subscriptions(&self, saved: &Saved) {
        let listed = saved.subscriptions.iter().flat_map(|all| all.values()).map(|listed| listed.at).max();
        if let Some(at) = listed.filter(|_| self.plan.timing.subscriptions.is_some()) {
            self.status.subscriptions_restored(at);
        }
    }

    /// What was restored of tenants keeps its turn, unless the last attempt failed.
    pub(super) fn restore_tenants(&mut self, saved: &Saved) {
        self.store.restore_tenants(&saved.tenants);
        for (key, known) in &saved.tenants {
            if let (Some(answered), None) = (&known.answer, known.failure) {
                self.tenants.restored(key, answered.at);
            }
        }
    }
}
