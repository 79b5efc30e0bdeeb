//! What the benchmarks share: the exporter, the processes around it, and how their numbers are written.

mod exporter;
pub(crate) mod role;

use std::error::Error;
use std::process::Child;

use elements_api::CATALOG;
use procfs::{Current as _, LoadAverage};

pub(crate) use exporter::{Customers, Exporter, UNPACED, get, scrape_sizes};
pub(crate) use role::Role;

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

/// Whether a customer has bought the nth product of the catalogue, where few were: three of twenty pairs, and not the
/// same for each customer.
pub(crate) const fn is_bought(customer: usize, nth: usize) -> bool {
    (customer * 7 + nth * 13) % 20 < 3
}

/// The numbers of all products, as `exporter.yaml` lists them.
pub(crate) fn products_by_number() -> String {
    let numbers = CATALOG.iter().map(|product| product.product_type.number().to_string());
    format!("[{}]", numbers.collect::<Vec<_>>().join(", "))
}

/// Says so where other programs keep this machine busy: they slow what is measured, and not evenly.
pub(crate) fn warn_if_busy() -> Result<()> {
    let load = LoadAverage::current()?.one;
    if load > QUIET {
        println!(
            "the load is {load} before anything is measured: wait until it is below {QUIET} for numbers that repeat\n"
        );
    }
    Ok(())
}

const QUIET: f32 = 0.5;

pub(crate) fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
