//! What a visitor asks of the subscriptions, for the page and the downloads.

use std::time::{Duration, SystemTime};

use crate::pages::finding::Mood;
use crate::pages::query::{self, Filter, Order};
use crate::store::MergedSubscription;

/// The parameters of the page.
pub(in crate::pages) type Query = query::Query<Shown, Sort>;

/// Subscriptions that end when are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::pages) enum Shown {
    /// Those without an end, too.
    #[default]
    All,
    Ended,
    Within7Days,
    Within30Days,
    Within90Days,
    Within365Days,
}

impl Shown {
    /// Those that are worth a look, the most urgent first.
    pub(super) const NOTICES: [Self; 4] = [Self::Ended, Self::Within7Days, Self::Within30Days, Self::Within90Days];

    /// Whether a subscription is among them. One that is paid by the month renews itself: until it has ended, that it
    /// ends is no news.
    pub(in crate::pages) fn shows(self, subscription: &MergedSubscription, now: SystemTime) -> bool {
        let days = match self {
            Self::All => return true,
            Self::Ended => return subscription.ends().is_some_and(|ends| ends <= now),
            Self::Within7Days => 7,
            Self::Within30Days => 30,
            Self::Within90Days => 90,
            Self::Within365Days => 365,
        };
        let left = subscription.ends().and_then(|ends| ends.duration_since(now).ok());
        let is_soon = left.is_some_and(|left| !left.is_zero() && left <= Duration::from_hours(24 * days));
        is_soon && !is_paid_by_the_month(subscription)
    }

    /// How much it matters.
    pub(super) const fn mood(self) -> Mood {
        match self {
            Self::Ended | Self::Within7Days => Mood::Bad,
            Self::Within30Days => Mood::Warning,
            Self::Within90Days => Mood::Waiting,
            Self::Within365Days | Self::All => Mood::Well,
        }
    }
}

impl Filter for Shown {
    const PAGE: &'static str = "./subscriptions";
    const PLACE: &'static str = "subscriptions";
    const PARAMETER: &'static str = "ends";
    const ALL: &'static [Self] =
        &[Self::All, Self::Ended, Self::Within7Days, Self::Within30Days, Self::Within90Days, Self::Within365Days];

    fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Ended => "ended",
            Self::Within7Days => "7d",
            Self::Within30Days => "30d",
            Self::Within90Days => "90d",
            Self::Within365Days => "365d",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => "at any time",
            Self::Ended => "ended",
            Self::Within7Days => "within 7 days",
            Self::Within30Days => "within 30 days",
            Self::Within90Days => "within 90 days",
            Self::Within365Days => "within 365 days",
        }
    }
}

/// The vendor has no list of its words for payment: "Monthly" is one of them.
pub(super) fn is_paid_by_the_month(subscription: &MergedSubscription) -> bool {
    subscription.terms.payment_type.as_str().to_lowercase().contains("month")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::pages) enum Sort {
    Customer,
    Service,
    Seats,
    /// What ends first comes first.
    #[default]
    Ends,
}

impl Order for Sort {
    const COLUMNS: &'static [Self] = &[Self::Customer, Self::Service, Self::Seats, Self::Ends];

    fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Service => "service",
            Self::Seats => "seats",
            Self::Ends => "ends",
        }
    }

    fn begins_descending(self) -> bool {
        self == Self::Seats
    }
}
