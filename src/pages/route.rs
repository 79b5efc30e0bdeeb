//! Which route a path leads to, and what is fixed of each.

use super::TelemetryPath;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Metrics,
    Page,
    Healthy,
    Ready,
    Reload,
    SeatsCsv,
    SeatsJson,
    Subscriptions,
    SubscriptionsCsv,
    SubscriptionsJson,
    Other,
}

impl Route {
    pub(super) const ALL: [Self; 11] = [
        Self::Metrics,
        Self::Page,
        Self::SeatsCsv,
        Self::SeatsJson,
        Self::Subscriptions,
        Self::SubscriptionsCsv,
        Self::SubscriptionsJson,
        Self::Healthy,
        Self::Ready,
        Self::Reload,
        Self::Other,
    ];

    pub(super) fn of(path: &str, telemetry_path: &TelemetryPath) -> Self {
        match path {
            "/" => Self::Page,
            "/seats.csv" => Self::SeatsCsv,
            "/seats.json" => Self::SeatsJson,
            "/subscriptions" => Self::Subscriptions,
            "/subscriptions.csv" => Self::SubscriptionsCsv,
            "/subscriptions.json" => Self::SubscriptionsJson,
            "/-/healthy" => Self::Healthy,
            "/-/ready" => Self::Ready,
            "/-/reload" => Self::Reload,
            path if path == telemetry_path.as_str() => Self::Metrics,
            _ => Self::Other,
        }
    }

    /// The `handler` label of `avepoint_exporter_http_requests_total`, and so part of the public interface. The
    /// metrics have one name wherever they are.
    pub(super) const fn handler(self) -> &'static str {
        match self {
            Self::Metrics => "/metrics",
            Self::Page => "/",
            Self::SeatsCsv => "/seats.csv",
            Self::SeatsJson => "/seats.json",
            Self::Subscriptions => "/subscriptions",
            Self::SubscriptionsCsv => "/subscriptions.csv",
            Self::SubscriptionsJson => "/subscriptions.json",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::Reload => "/-/reload",
            Self::Other => "other",
        }
    }

    /// The methods that it answers, as `Allow` has them. `None`: there is nothing that any method could do.
    pub(super) const fn allow(self) -> Option<&'static str> {
        match self {
            Self::Metrics
            | Self::Page
            | Self::SeatsCsv
            | Self::SeatsJson
            | Self::Subscriptions
            | Self::SubscriptionsCsv
            | Self::SubscriptionsJson
            | Self::Healthy
            | Self::Ready => Some("GET, HEAD"),
            Self::Reload => Some("POST, PUT"),
            Self::Other => None,
        }
    }

    /// Whether nobody is kept out. Probes have no password, and the answers to them need none.
    pub(super) const fn is_public(self) -> bool {
        matches!(self, Self::Healthy | Self::Ready)
    }
}
