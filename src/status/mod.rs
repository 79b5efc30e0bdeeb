//! How the exporter itself does: what it has counted, and what it was built from.

mod build;
mod counts;

pub use build::Build;
pub use counts::{Counts, Histogram, LinesDropped, Stats};
