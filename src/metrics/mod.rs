//! Families for Prometheus, over what the [`Store`](crate::store::Store) knows and what
//! [`Stats`](crate::status::Stats) counted.
//!
//! Every family is made anew from those two when it is asked for: there is no registry, and no gauge that somebody
//! must remember to remove. [`polled`] has what only the poller changes, which is large and worth keeping; [`Always`]
//! has the rest, which is small. A family stands in one of them only.

mod always;
pub mod exposition;
mod family;
mod polled;
mod process;

pub use always::{Always, Moment, Requests};
pub use family::{CATALOGUE, Family, Kind};
pub use polled::{Polled, polled};

#[cfg(test)]
pub(crate) mod tests;
