//! What the client reports of its work as it goes.

use std::fmt::{self, Debug};
use std::time::{Duration, SystemTime};

use crate::model::Reason;

/// Hears of every attempt, whatever comes of it: what a metric counts. `()` is one that ignores everything.
///
/// Its methods are called where requests are made, so they must be quick and must not block.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::{Duration, SystemTime};
///
/// use elements_api::{Code, Observer, Operation, Reason};
///
/// #[derive(Debug, Default)]
/// struct Requests(AtomicU64);
///
/// impl Observer for Requests {
///     fn request(&self, _: Operation, _: Code, _: Duration) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
///     fn retry(&self, _: Reason) {}
///     fn held_back(&self, _: SystemTime) {}
///     fn token_expires(&self, _: Option<SystemTime>) {}
///     fn certificate_expires(&self, _: Option<SystemTime>) {}
/// }
/// ```
pub trait Observer: Debug + Send + Sync {
    /// An attempt ended after `duration`: one of a request, retries counted one by one.
    fn request(&self, operation: Operation, code: Code, duration: Duration);

    /// A request was retried because the attempt before failed for `reason`.
    fn retry(&self, reason: Reason);

    /// The vendor asked to be left alone until this time, and no request begins before it.
    fn held_back(&self, until: SystemTime);

    /// The token in hand expires at this time; `None`: there is none.
    fn token_expires(&self, at: Option<SystemTime>);

    /// The certificate that proves the client's identity expires at this time; `None`: it is not known, or there is
    /// none.
    fn certificate_expires(&self, at: Option<SystemTime>);
}

/// Ignores everything.
impl Observer for () {
    fn held_back(&self, _: SystemTime) {}
    fn request(&self, _: Operation, _: Code, _: Duration) {}
    fn retry(&self, _: Reason) {}
    fn token_expires(&self, _: Option<SystemTime>) {}
    fn certificate_expires(&self, _: Option<SystemTime>) {}
}

/// What is asked of the vendor. Its text is a label value, and so part of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A page of the listing of customers.
    Customers,
    /// The seats that a customer has purchased of a product.
    Overview,
    /// A page of the listing of subscriptions.
    Subscriptions,
    /// A page of the listing of a customer's tenants.
    Tenants,
    /// A token of the identity service.
    Token,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 5] = [Self::Customers, Self::Overview, Self::Subscriptions, Self::Tenants, Self::Token];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Overview => "overview",
            Self::Subscriptions => "subscriptions",
            Self::Tenants => "tenants",
            Self::Token => "token",
        }
    }
}

/// What came of an attempt. Its text is a label value, and so part of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The answer's HTTP status.
    Status(u16),
    /// No complete answer.
    Error,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Error => f.write_str("error"),
        }
    }
}
