//! The simulated vendor, in a process of its own: this program again, in another role.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use elements_api::CATALOG;
use elements_sim::{Simulator, World};
use tokio::runtime::Runtime;

use super::{Result, Running};

/// A running vendor.
#[derive(Debug)]
pub(crate) struct Vendor {
    _process: Running,
    pub(crate) base_url: String,
}

impl Vendor {
    /// Starts this program with arguments that make it [play](play()) the vendor.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = Running(command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut base_url = String::new();
        if let Some(stdout) = process.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut base_url)?;
        }
        Ok(Self { _process: process, base_url: base_url.trim_end().to_owned() })
    }
}

/// Plays a vendor whose customers have every product, prints its URL on stdout, and goes on until stdin ends, as it does
/// with the one who started it.
pub(crate) fn play(customers: u32, latency: Duration, prepare: impl FnOnce(&Simulator)) -> Result<()> {
    Runtime::new()?.block_on(async {
        let products: Vec<u32> = CATALOG.iter().map(|product| product.product_type.number()).collect();
        let world = World { latency, record_limit: 0, ..World::sized(customers, &products) };
        let simulator = Simulator::start(world).await?;
        prepare(&simulator);
        println!("{}", simulator.base_url());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}
