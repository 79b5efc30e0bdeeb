//! This program again, in another role and in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use elements_api::CATALOG;
use elements_sim::{Simulator, World};
use tokio::runtime::Runtime;

use super::{Result, Running};

/// A running process that plays a role.
#[derive(Debug)]
pub(crate) struct Role {
    _process: Running,
    /// Where it serves.
    pub(crate) address: String,
}

impl Role {
    /// Starts this program with arguments that make it [serve] in a role.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = Running(command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut address = String::new();
        if let Some(stdout) = process.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        Ok(Self { _process: process, address: address.trim_end().to_owned() })
    }
}

/// Prints on stdout where this process serves, and waits until stdin ends, as it does with the one who started it.
pub(crate) fn serve(address: &str) -> Result<()> {
    println!("{address}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Plays a vendor of this world, prepared so.
pub(crate) fn play_vendor(world: World, prepare: impl FnOnce(&Simulator)) -> Result<()> {
    let runtime = Runtime::new()?;
    let simulator = runtime.block_on(Simulator::start(World { record_limit: 0, ..world }))?;
    prepare(&simulator);
    serve(simulator.base_url())
}

/// So many customers who have every product.
pub(crate) fn customers_with_all(customers: u32) -> World {
    let products: Vec<u32> = CATALOG.iter().map(|product| product.product_type.number()).collect();
    World::sized(customers, &products)
}
