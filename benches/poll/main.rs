//! What polling costs: `cargo bench --bench poll`.
//!
//! The release binary polls a simulated vendor, which runs in a process of its own, so that time, CPU and memory are
//! the exporter's alone. A bare client shows what this machine could do at best. Exits 1 where a cycle without faults
//! takes more than [`LIMIT`] times the ideal, or more requests are made than [the quota](quota) has room for.

#![expect(clippy::print_stdout, reason = "the numbers are for whoever runs this")]

mod bare;
mod cycle;
mod listings;
mod quota;
#[path = "../shared/mod.rs"]
mod shared;
mod vendor;

use std::process::ExitCode;
use std::time::Duration;

use cycle::{Cycle, Targets};
use shared::{Result, Role, mib, warn_if_busy};

const CUSTOMERS: u32 = 1000;
const PRODUCTS: u32 = 22;
const TARGETS: u32 = CUSTOMERS * PRODUCTS;
const IN_FLIGHT: u32 = 64;
const LATENCY: Duration = Duration::from_millis(20);
/// One request may take this long.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How much longer than the ideal a cycle without faults may take.
const LIMIT: f64 = 1.05;

/// Whatever else runs on the machine only adds time: the best of some runs is the one that was disturbed least.
const RUNS: usize = 3;
const STARTS: usize = 21;

const TWO: Targets = Targets { customers: 1, products: "[1, 4]" };
const ALL: Targets = Targets { customers: CUSTOMERS, products: "all" };

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [role] if vendor::ROLES.contains(&role.as_str()) => vendor::play(role)?,
        [role] if listings::ROLES.contains(&role.as_str()) => listings::play(role)?,
        [.., last] if last == "--bench" => return measure(),
        _ => println!("nothing is measured without --bench, which `cargo bench` gives"),
    }
    Ok(ExitCode::SUCCESS)
}

fn measure() -> Result<ExitCode> {
    warn_if_busy()?;
    let ideal = LATENCY * TARGETS / IN_FLIGHT;
    println!("{CUSTOMERS} customers × {PRODUCTS} products, {IN_FLIGHT} in flight, {LATENCY:?} latency");
    println!("ideal: {TARGETS} ÷ {IN_FLIGHT} × {LATENCY:?} = {:.2} s\n", ideal.as_secs_f64());

    let vendor = Role::start(&[vendor::GOOD])?;
    let bare = bare::run(&vendor)?;
    row("a bare client", &times(bare.took, ideal));
    row("  CPU per request", &micros(bare.cpu, u64::from(TARGETS)));
    let mut best = f64::INFINITY;
    let mut resident = 0;
    for run in 1..=RUNS {
        let cycle = ALL.cycle(&vendor)?;
        if cycle.requests != u64::from(TARGETS) || cycle.failures > 0 {
            return Err(format!("{} requests, {} failures", cycle.requests, cycle.failures).into());
        }
        row(&format!("first cycle, run {run}"), &times(cycle.took, ideal));
        costs(&cycle);
        best = best.min(cycle.took.div_duration_f64(ideal));
        resident = cycle.resident;
    }

    for (targets, name) in [(TWO, "two targets"), (ALL, "22,000 targets")] {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(targets.healthy_after(&vendor)?);
        }
        starts.sort();
        row(&format!("exec to healthy, {name}"), &format!("{}, median of {STARTS}", millis(starts[STARTS / 2])));
    }
    row("resident, two targets", &mib(TWO.cycle(&vendor)?.resident));
    row("resident, 22,000 targets, polled and scraped", &mib(resident));
    row("binary", &mib(cycle::binary_size()?));
    drop(vendor);

    measure_faults()?;
    listings::measure()?;

    let in_time = best <= LIMIT;
    println!("\n{}: the best cycle took {best:.3} × the ideal, and may take {LIMIT:.2} ×", verdict(in_time));
    let frugal = quota::measure()?;
    println!("\n{}: `products: all` may cost {:.0} % of the requests", verdict(frugal), quota::LIMIT * 100.0);
    Ok(if in_time && frugal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ideal is that of slots that are always full. The rest is the tail: the last targets that stall are waited for,
/// each for a timeout, a backoff and another try, which may stall as well.
fn measure_faults() -> Result<()> {
    let vendor = Role::start(&[vendor::FAULTY])?;
    let cycle = ALL.cycle(&vendor)?;
    let (stalled, answered) = (u32::try_from(cycle.stalled)?, u32::try_from(cycle.requests - cycle.stalled)?);
    let ideal = (LATENCY * answered + TIMEOUT * stalled) / IN_FLIGHT;
    row("first cycle, 5 % are 503, 1 % stall", &times(cycle.took, ideal));
    costs(&cycle);
    row("  requests", &format!("{}, of these {stalled} without an answer in {TIMEOUT:?}", cycle.requests));
    row("  retries", &cycle.retries.to_string());
    row("  targets without an answer", &cycle.failures.to_string());
    Ok(())
}

fn verdict(good: bool) -> &'static str {
    if good { "ok" } else { "missed" }
}

fn costs(cycle: &Cycle) {
    row("  CPU per request", &micros(cycle.cpu, cycle.requests));
    row("  peak memory", &mib(cycle.peak));
}

fn row(name: &str, value: &str) {
    println!("{name:<44}  {value}");
}

fn times(took: Duration, ideal: Duration) -> String {
    format!("{:.2} s = {:.3} × the ideal", took.as_secs_f64(), took.div_duration_f64(ideal))
}

fn micros(cpu: Duration, requests: u64) -> String {
    format!("{} µs", cpu.as_micros() / u128::from(requests.max(1)))
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
