//! What the client tells of its work while it does it.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use crate::model::Reason;

/// Is told of every attempt. Nothing waits for it, so it must be quick.
pub trait Observer: Debug + Send + Sync {
    /// One attempt has ended after `duration`.
    fn request(&self, operation: Operation, code: Code, duration: Duration);

    /// An attempt is made again because the one before failed for `reason`.
    fn retry(&self, reason: Reason);

    /// The token in hand expires then, or there is none.
    fn token_expires(&self, at: Option<SystemTime>);

    /// The certificate that proves the client's identity expires then, or there is none.
    fn certificate_expires(&self, at: Option<SystemTime>);
}

/// Nobody is told.
impl Observer for () {
    fn request(&self, _: Operation, _: Code, _: Duration) {}
    fn retry(&self, _: Reason) {}
    fn token_expires(&self, _: Option<SystemTime>) {}
    fn certificate_expires(&self, _: Option<SystemTime>) {}
}

/// What is asked of the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Customers,
    Overview,
    Token,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Customers, Self::Overview, Self::Token];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Overview => "overview",
            Self::Token => "token",
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    Status(u16),
    /// No complete answer.
    Error,
}
