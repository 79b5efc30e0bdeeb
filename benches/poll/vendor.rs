//! The simulated vendor, in a process of its own: this program again, in another role.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use avepoint_exporter::catalog::CATALOG;
use avepoint_exporter::sim::{Effect, Operation, Rule, Simulator, World};
use reqwest::StatusCode;
use tokio::runtime::Runtime;

use crate::{CUSTOMERS, LATENCY, Result, Running, TIMEOUT};

/// The arguments that make this program the vendor.
pub(super) const ROLES: [&str; 2] = [GOOD, FAULTY];
pub(super) const GOOD: &str = "vendor";
/// 5 % of the answers are a 503, 1 % come after twice the timeout.
pub(super) const FAULTY: &str = "faulty-vendor";

/// A running vendor.
#[derive(Debug)]
pub(super) struct Vendor {
    _process: Running,
    pub(super) base_url: String,
}

impl Vendor {
    pub(super) fn start(role: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = Running(command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut base_url = String::new();
        if let Some(stdout) = process.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut base_url)?;
        }
        Ok(Self { _process: process, base_url: base_url.trim_end().to_owned() })
    }
}

/// Plays the vendor, tells its URL on stdout, and goes on until stdin ends, as it does with the one who started it.
pub(super) fn play(role: &str) -> Result<()> {
    Runtime::new()?.block_on(async {
        let products: Vec<u32> = CATALOG.iter().map(|product| product.product_type.number()).collect();
        let world = World { latency: LATENCY, record_limit: 0, ..World::sized(CUSTOMERS, &products) };
        let simulator = Simulator::start(world).await?;
        if role == FAULTY {
            let unavailable = Effect::status(StatusCode::SERVICE_UNAVAILABLE);
            simulator.inject(Rule::on(Operation::Overview, unavailable).fraction(0.05, 1));
            // The first rule takes its share before this one sees a request.
            simulator.inject(Rule::on(Operation::Overview, Effect::Delay(TIMEOUT * 2)).fraction(0.01 / 0.95, 2));
        }
        println!("{}", simulator.base_url());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}
