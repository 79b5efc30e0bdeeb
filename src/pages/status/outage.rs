//! Why nothing is answered, where nothing is.

use elements_api::Reason;

use super::headline::Scene;

/// The words for it.
#[derive(Debug, PartialEq, Eq)]
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
        let listing = || scene.status.discovery.as_ref()?.failure()?.reason();
        match scene.failures().into_iter().find_map(|(failure, _)| failure).or_else(listing) {
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
