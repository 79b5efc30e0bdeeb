//! What the benchmarks share: the exporter, the vendor that it polls, and how their numbers are written.

mod exporter;
mod vendor;

use std::error::Error;
use std::process::Child;

pub(crate) use exporter::{Customers, Exporter, get};
pub(crate) use vendor::{Vendor, play};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
