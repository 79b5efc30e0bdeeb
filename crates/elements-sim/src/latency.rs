//! How long answers take.

use std::time::Duration;

use crate::evenly;
use crate::record::Operation;

/// How long the answers to each operation take, all scaled by one factor.
///
/// The default is [`LIVE`](Self::LIVE): 0.61 to 1.35 s for an overview (half of them take at most 0.65 s), 1.7 s for a
/// page of customers, 4.8 s for a page of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// For a token.
    pub token: Spread,
    /// For an overview.
    pub overview: Spread,
    /// For a page of the customers.
    pub customers: Spread,
    /// For a page of the subscriptions.
    pub subscriptions: Spread,
    /// For a page of the tenants.
    pub tenants: Spread,
    /// For a path that the vendor does not have.
    pub other: Spread,
    /// What all of them are multiplied by: 1 for the real ones, 0 to answer at once.
    pub scale: f64,
    /// Which request takes how long repeats for the same seed.
    pub seed: u32,
}

/// What answers to one operation take: each its own duration, and most of them little more than the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// None is faster.
    pub least: Duration,
    /// Half of them are as fast as this.
    pub median: Duration,
    /// None is slower.
    pub most: Duration,
}

impl Latency {
    /// What the live API was seen to take. The identity service and tenants were not measured; what they take here is a
    /// guess.
    pub const LIVE: Self = Self {
        token: Spread::of(Duration::from_millis(300)),
        overview: Spread {
            least: Duration::from_millis(610),
            median: Duration::from_millis(650),
            most: Duration::from_millis(1350),
        },
        customers: Spread::of(Duration::from_millis(1700)),
        subscriptions: Spread::of(Duration::from_millis(4800)),
        tenants: Spread::of(Duration::from_millis(650)),
        other: Spread::of(Duration::ZERO),
        scale: 1.0,
        seed: 0,
    };

    /// Every answer takes exactly `duration`.
    pub const fn of(duration: Duration) -> Self {
        let spread = Spread::of(duration);
        Self {
            token: spread,
            overview: spread,
            customers: spread,
            subscriptions: spread,
            tenants: spread,
            other: spread,
            ..Self::LIVE
        }
    }

    /// The live ones, times `scale`.
    pub const fn scaled(scale: f64) -> Self {
        Self { scale, ..Self::LIVE }
    }

    /// What the `nth` request takes.
    pub(crate) fn of_request(&self, operation: Operation, nth: u64) -> Duration {
        let spread = match operation {
            Operation::Token => self.token,
            Operation::Overview => self.overview,
            Operation::Customers => self.customers,
            Operation::Subscriptions => self.subscriptions,
            Operation::Tenants => self.tenants,
            Operation::Other => self.other,
        };
        spread.at(evenly::spread(self.seed, nth)).mul_f64(self.scale)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::LIVE
    }
}

impl Spread {
    /// Always the same.
    pub const fn of(duration: Duration) -> Self {
        Self { least: duration, median: duration, most: duration }
    }

    /// The duration that this fraction of all answers stays below: even up to the median, and then rising ever steeper.
    fn at(self, fraction: f64) -> Duration {
        let Self { least, median, most } = self;
        let half = fraction * 2.0;
        if half < 1.0 {
            least + median.saturating_sub(least).mul_f64(half)
        } else {
            median + most.saturating_sub(median).mul_f64((half - 1.0).powi(4))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overviews(latency: &Latency) -> Vec<Duration> {
        (1..=1000).map(|nth| latency.of_request(Operation::Overview, nth)).collect()
    }

    #[test]
    fn overviews_take_what_the_live_api_was_seen_to_take() {
        let mut took = overviews(&Latency::LIVE);
        took.sort_unstable();
        let ms = |nth: usize| took[nth].as_millis();
        assert!((610..613).contains(&ms(0)) && (1330..=1350).contains(&ms(999)), "{:?} to {:?}", took[0], took[999]);
        assert!((649..652).contains(&ms(500)), "{:?} in the middle", took[500]);
        assert!(ms(750) < 700, "skewed: {:?} for three of four", took[750]);
        assert_eq!(Latency::LIVE.of_request(Operation::Customers, 1), Duration::from_millis(1700));
        assert_eq!(Latency::LIVE.of_request(Operation::Subscriptions, 1), Duration::from_millis(4800));
    }

    #[test]
    fn they_repeat_for_their_seed_and_are_scaled_together() {
        assert_eq!(overviews(&Latency::LIVE), overviews(&Latency::LIVE));
        assert_ne!(overviews(&Latency::LIVE), overviews(&Latency { seed: 1 << 31, ..Latency::LIVE }));
        let tenth = Latency::scaled(0.1);
        assert_eq!(tenth.of_request(Operation::Customers, 1), Duration::from_millis(170));
        assert!(overviews(&tenth).iter().all(|took| (61..=135).contains(&took.as_millis())));
        assert!(overviews(&Latency::scaled(0.0)).iter().all(Duration::is_zero));
    }

    #[test]
    fn all_operations_can_take_the_same() {
        let latency = Latency::of(Duration::from_millis(20));
        for operation in [
            Operation::Token,
            Operation::Overview,
            Operation::Customers,
            Operation::Subscriptions,
            Operation::Tenants,
            Operation::Other,
        ] {
            assert_eq!(latency.of_request(operation, 7), Duration::from_millis(20));
        }
    }
}
