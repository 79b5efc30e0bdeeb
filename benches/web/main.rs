//! What scrapes cost, with nginx as the measure: `cargo bench --bench web`.
//!
//! The release binary has polled a simulated vendor; nginx serves the same bytes as files; wrk asks one and then the
//! other, on one machine, in one run. Whatever else runs there disturbs either: the best of some turns counts. Exits 1
//! where the exporter serves fewer scrapes than the goals say.

#![expect(clippy::print_stdout, reason = "the numbers are for whoever runs this")]

mod nginx;
#[path = "../shared/mod.rs"]
mod shared;
mod wrk;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use elements_api::CATALOG;
use elements_sim::{Effect, Operation, Rule};
use nginx::Nginx;
use shared::{Customers, Exporter, Result, Vendor, get, mib};
use wrk::Load;

/// The argument that makes this program the vendor; the number of customers and a latency in milliseconds follow.
const VENDOR: &str = "vendor";

/// What is measured with one exporter.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    /// With 22 products each.
    customers: u32,
    interval: &'static str,
    /// Of the vendor, in milliseconds, once it has answered for every target.
    latency: &'static str,
    turns: usize,
    /// How many times the scrapes of nginx there must be.
    goal: Option<f64>,
}

const IDLE: Case = Case { name: "", customers: 1000, interval: "1h", latency: "0", turns: 3, goal: Some(1.5) };

const CASES: [Case; 5] = [
    Case { name: "220 targets", customers: 10, goal: Some(0.4), ..IDLE },
    Case { name: "22,000 targets", ..IDLE },
    // A cycle takes longer than the interval, and so the next one follows at once. 100 requests a second are four times
    // as many as a cycle of 15 minutes needs.
    Case { name: "polling 100/s", interval: "5s", latency: "640", ..IDLE },
    // What no vendor allows: it is here to see what it costs.
    Case { name: "polling 3,200/s", interval: "5s", latency: "20", goal: None, ..IDLE },
    Case { name: "220,000 targets", customers: 10_000, turns: 1, goal: None, ..IDLE },
];

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    const ALL: [Self; 2] = [Self::Identity, Self::Gzip];

    /// As `Accept-Encoding` has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [role, customers, latency] if role == VENDOR => {
            play(customers.parse()?, Duration::from_millis(latency.parse()?))?;
        }
        [.., last] if last == "--bench" => return measure(),
        _ => println!("nothing is measured without --bench, which `cargo bench` gives"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays a vendor who answers at once for every target, and then takes its time.
fn play(customers: u32, latency: Duration) -> Result<()> {
    shared::play(customers, Duration::ZERO, |simulator| {
        let at_once = Rule::on(Operation::Overview, Effect::Delay(Duration::ZERO));
        simulator.inject(at_once.times(u64::from(customers) * CATALOG.len() as u64));
        simulator.inject(Rule::on(Operation::Overview, Effect::Delay(latency)));
    })
}

fn measure() -> Result<ExitCode> {
    println!("wrk with 1 thread and 4 connections; the first scrape is the first after all numbers changed\n");
    println!(
        "{:<16} {:<8} {:>10} {:>9} {:>9} {:>9} {:>10} {:>9} {:>7} {:>5} {:>10}",
        "", "", "bytes", "first ms", "scrapes/s", "p99 ms", "nginx/s", "p99 ms", "ratio", "goal", "peak"
    );
    let nginx = Nginx::start()?;
    let mut good = true;
    for case in CASES {
        good &= case.measure(&nginx)?;
    }
    println!("\n{}", if good { "ok: every goal is reached" } else { "missed: a ratio is below its goal" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Case {
    /// Prints a line for each encoding, and returns whether the goal is reached.
    fn measure(self, nginx: &Nginx) -> Result<bool> {
        let vendor = Vendor::start(&[VENDOR, &self.customers.to_string(), self.latency])?;
        let (mut exporter, _) = Exporter::start(&vendor, self.customers())?;
        exporter.logged("cycle ended")?;
        let mut first = Vec::new();
        for encoding in Encoding::ALL {
            let begun = Instant::now();
            let length = get(&exporter.address, "/metrics", encoding.name())?.len();
            first.push((length, begun.elapsed()));
        }
        nginx.copy(&exporter.address)?;
        let mut good = true;
        for (encoding, (length, first)) in Encoding::ALL.into_iter().zip(first) {
            let mut best: Option<(f64, Load, Load)> = None;
            for _ in 0..self.turns {
                let (ours, theirs) = (Load::on(&exporter.address, encoding)?, Load::on(&nginx.address, encoding)?);
                let ratio = ours.rate / theirs.rate;
                if best.is_none_or(|(best, ..)| best < ratio) {
                    best = Some((ratio, ours, theirs));
                }
            }
            let (ratio, ours, theirs) = best.ok_or("no turn")?;
            good &= self.goal.is_none_or(|goal| ratio >= goal);
            println!(
                "{:<16} {:<8} {length:>10} {:>9.1} {:>9.0} {:>9.2} {:>10.0} {:>9.2} {ratio:>7.2} {:>5} {:>10}",
                self.name,
                encoding.name(),
                first.as_secs_f64() * 1e3,
                ours.rate,
                ours.p99,
                theirs.rate,
                theirs.p99,
                self.goal.map_or_else(String::new, |goal| goal.to_string()),
                mib(exporter.memory(|status| status.vmhwm)?),
            );
        }
        Ok(good)
    }

    const fn customers(self) -> Customers {
        let Self { customers: number, interval, .. } = self;
        Customers { number, products: "all", interval, timeout: Duration::from_secs(10), in_flight: 64 }
    }
}

/// A program that is not ours.
fn tool(name: &str, package: &str) -> Result<Command> {
    // Servers are installed where the PATH of an ordinary user does not look.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    let missing = || format!("{name} is missing: `make bench` installs it, or install the package {package}");
    Ok(Command::new(found.ok_or_else(missing)?))
}
