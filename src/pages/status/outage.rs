//! Why nothing is answered, where nothing is.

use elements_api::Reason;

use super::headline::Scene;

/// The words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) title: &'static str,
    /// What it is, and what to do.
    pub(super) detail: &'static str,
    /// How AvePoint's API does.
    pub(super) state: &'static str,
}

impl Outage {
    /// By what most of the targets fail for; where none does, by what the listing failed for.
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let mut outages: Vec<(Self, usize)> = Vec::new();
        for (reason, targets) in scene.failures() {
            let Some(reason) = reason else { continue };
            let outage = Self::by(Some(reason));
            match outages.iter_mut().find(|(known, _)| *known == outage) {
                Some((_, all)) => *all += targets,
                None => outages.push((outage, targets)),
            }
        }
        let most = outages.iter().map(|(_, targets)| *targets).max().unwrap_or_default();
        let mut most_frequent = outages.into_iter().filter(|(_, targets)| *targets == most);
        match (most_frequent.next(), most_frequent.next()) {
            (None, _) => Self::by(scene.status.discovery.as_ref().and_then(|listing| listing.failure()?.reason())),
            (Some((outage, _)), None) => outage,
            (Some(_), Some(_)) => Self::MIXED,
        }
    }

    /// As many targets fail for one of these as for another.
    const MIXED: Self = Self {
        title: "Nothing is answered, for more than one reason",
        detail: "As many targets fail for one of the reasons below as for another.",
        state: "answers nothing",
    };

    fn by(reason: Option<Reason>) -> Self {
        match reason {
            Some(Reason::Auth) => Self {
                title: "The credentials do not work",
                detail: "Either AvePoint refuses them, or their files cannot be used, or the app registration lacks a \
                         permission (`invalid_scope` in the log). Compare api.client_id, and the \
                         secret or the certificate, with the app registration: a secret lives one to three years. A \
                         changed file is tried within seconds; `avepoint-exporter check --live` says more.",
                state: "gives no access",
            },
            Some(Reason::Forbidden) => Self {
                title: "The API permits nothing",
                detail: "The app registration needs elements.license.read.all, for discovery elements.customers.read.all \
                         too, and a customer scope that holds the customers.",
                state: "permits nothing",
            },
            Some(Reason::Throttled) => Self {
                title: "The API's rate limit lets nothing through",
                detail: "A lower api.requests_per_second helps, and so does asking for less.",
                state: "refuses all requests for now",
            },
            Some(Reason::BadRequest | Reason::ServerError | Reason::BadResponse) => Self {
                title: "The API answers with errors alone",
                detail: "The last cycle got no answer that can be used.",
                state: "answers with errors alone",
            },
            Some(Reason::Timeout | Reason::Network) | None => Self {
                title: "The API does not answer",
                detail: "The last cycle got no answer at all.",
                state: "does not answer",
            },
        }
    }
}
