//! What scrapes cost, with a bare server as the measure: `cargo bench --bench web`.
//!
//! The release binary has polled a simulated vendor. A bare server writes the same bytes, which is the least that any
//! server does, and nginx serves them as files; wrk asks one after the other, on one machine, in one run. Whatever else
//! runs there disturbs each of them: the best of some turns counts. Exits 1 where the exporter serves fewer scrapes than
//! the goals say. nginx has no goal: on few cores it swings between two speeds.

#![expect(clippy::print_stdout, reason = "the numbers are for whoever runs this")]

mod bare;
mod nginx;
mod series;
#[path = "../shared/mod.rs"]
mod shared;
mod turn;
mod wrk;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use bare::{BARE, Bare};
use elements_api::CATALOG;
use elements_sim::{Effect, Operation, Rule};
use nginx::Nginx;
use shared::role::{customers_with_all, play_vendor};
use shared::{Customers, Exporter, Result, Role, UNPACED, get, mib, warn_if_busy};
use turn::Turn;
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
    /// Which part of the bare server's scrapes there must be.
    goal: Option<f64>,
}

const IDLE: Case = Case { name: "", customers: 1000, interval: "1h", latency: "0", turns: 10, goal: Some(0.95) };

const CASES: [Case; 6] = [
    Case { name: "220 targets", customers: 10, goal: Some(0.75), ..IDLE },
    Case { name: "22,000 targets", ..IDLE },
    // A cycle takes longer than the interval, and so the next one follows at once. 100 requests a second are four times
    // as many as a cycle of 15 minutes needs.
    Case { name: "polling 100/s", interval: "5s", latency: "640", turns: 3, goal: None, ..IDLE },
    // What no vendor allows: it is here to see what it costs.
    Case { name: "polling 3,200/s", interval: "5s", latency: "20", turns: 3, goal: None, ..IDLE },
    // What of the memory is to be had ready.
    Case { name: "88,000 changing", customers: 4000, interval: "5s", latency: "20", turns: 1, goal: None },
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
        [role, answer] if role == BARE => bare::play(answer)?,
        [role] if role == series::FEW => series::play()?,
        [.., last] if last == "--bench" => return measure(),
        _ => println!("nothing is measured without --bench, which `cargo bench` gives"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays a vendor who answers at once for every target, and then takes its time.
fn play(customers: u32, latency: Duration) -> Result<()> {
    let world = customers_with_all(customers);
    play_vendor(world, |simulator| {
        let at_once = Rule::on(Operation::Overview, Effect::Delay(Duration::ZERO));
        simulator.inject(at_once.times(u64::from(customers) * CATALOG.len() as u64));
        simulator.inject(Rule::on(Operation::Overview, Effect::Delay(latency)));
    })
}

fn measure() -> Result<ExitCode> {
    warn_if_busy()?;
    println!("wrk with 1 thread and 4 connections; the first scrape is the first after all numbers changed\n");
    print!("{:<16} {:<8} {:>10} {:>9}", "", "", "bytes", "first ms");
    for server in ["scrapes/s", "bare/s", "nginx/s"] {
        print!(" {server:>10} {:>7}", "p99 ms");
    }
    println!(" {:>6} {:>5} {:>10}", "÷ bare", "goal", "peak");
    let nginx = Nginx::start()?;
    let mut good = true;
    for case in CASES {
        good &= case.measure(&nginx)?;
    }
    good &= series::measure()?;
    println!("\n{}", if good { "ok: every goal is reached" } else { "missed: a goal is not reached" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Case {
    /// Prints a line for each encoding, and returns whether the goal is reached.
    fn measure(self, nginx: &Nginx) -> Result<bool> {
        let vendor = Role::start(&[VENDOR, &self.customers.to_string(), self.latency])?;
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
            let bare = Bare::start(&exporter.address, encoding)?;
            let servers = [&exporter.address, bare.address(), &nginx.address];
            let turn = Turn::best_of(self.turns, servers, encoding)?;
            let ratio = turn.ratio();
            good &= self.goal.is_none_or(|goal| ratio >= goal);
            print!("{:<16} {:<8} {length:>10} {:>9.1}", self.name, encoding.name(), first.as_secs_f64() * 1e3);
            for Load { rate, p99 } in [turn.exporter, turn.bare, turn.nginx] {
                print!(" {rate:>10.0} {p99:>7.2}");
            }
            let goal = self.goal.map_or_else(String::new, |goal| goal.to_string());
            println!(" {ratio:>6.2} {goal:>5} {:>10}", mib(exporter.memory(|status| status.vmhwm)?));
        }
        Ok(good)
    }

    const fn customers(self) -> Customers<'static> {
        let Self { customers: number, interval, .. } = self;
        let timeout = Duration::from_secs(10);
        Customers { number, products: "all", interval, timeout, in_flight: 64, pace: UNPACED, more: "" }
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
