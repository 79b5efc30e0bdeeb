//! Families for Prometheus, over what the [`Store`](crate::store::Store) knows of targets and how the exporter does by
//! its [`Status`](crate::status::Status).
//!
//! Every family is made anew from those two when it is asked for: there is no registry, and no gauge that somebody
//! must remember to remove. [`target_families`] has what only the poller changes, which is large and worth keeping;
//! [`StatusFamilies`] has the rest, which is small. A family stands in one of them only.

pub mod exposition;
mod family;
mod process;
mod status;
mod targets;

pub use family::{CATALOGUE, Family, Kind};
pub use status::{Readings, RequestCounts, StatusFamilies};
pub use targets::{Chunk, target_families};

#[cfg(test)]
mod tests;
