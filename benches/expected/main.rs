//! What a bill costs, which is read before each cycle: `cargo bench --bench expected`.
//!
//! Reads the expected seats of 1,000 customers with 20 products each from a file with more columns, and matches them with
//! who is watched. On a quiet machine both take well below [`GOAL`]; on a busy one only the machine is measured.

#![expect(clippy::print_stdout, reason = "the numbers are for whoever runs this")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use avepoint_exporter::config::Config;
use avepoint_exporter::poll::ExpectedSeatsFile;
use elements_api::CATALOG;
use tempfile::TempDir;

const CUSTOMERS: usize = 1000;
const PRODUCTS: usize = 20;
const GOAL: Duration = Duration::from_millis(100);

/// Whatever else runs on the machine only adds time: the best of some runs is the one that was disturbed least.
const RUNS: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().next_back().is_none_or(|last| last != "--bench") {
        println!("nothing is measured without --bench, which `cargo bench` gives");
        return Ok(());
    }
    let mut yaml = "api: {client_id: bench, client_secret: bench}\nproducts: all\ncustomers:\n".to_owned();
    let mut bill = "invoice;customer;product;from;until;price;seats\r\n".to_owned();
    for customer in 0..CUSTOMERS {
        writeln!(yaml, "- {{id: customer-{customer}, name: Customer {customer} Ltd}}")?;
        for product in CATALOG.iter().take(PRODUCTS) {
            let product = product.name;
            write!(bill, "{customer};Customer {customer} Ltd;\"{product}\";2026-11-01;2026-11-30;3,50;{customer}\r\n")?;
        }
    }
    let folder = TempDir::new()?;
    let (configuration, file) = (folder.path().join("exporter.yaml"), folder.path().join("expected.csv"));
    fs::write(&configuration, yaml)?;
    fs::write(&file, &bill)?;
    let selection = Config::load_with(&configuration, &|_| None)?.selection;

    let (mut reading, mut matching) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        let mut watched = selection.watch_list(&[], |_| None);
        let began = Instant::now();
        let read = ExpectedSeatsFile::read(&file);
        reading = reading.min(began.elapsed());
        let rows = read.rows()?;
        let began = Instant::now();
        let unmatched = watched.expect(rows);
        matching = matching.min(began.elapsed());
        if (rows.len(), unmatched.rows) != (CUSTOMERS * PRODUCTS, 0) {
            return Err(format!("{} rows, {} of them unmatched", rows.len(), unmatched.rows).into());
        }
    }
    let millis = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1e3);
    println!("{} rows, {} KiB, the best of {RUNS} runs", CUSTOMERS * PRODUCTS, bill.len() >> 10);
    println!("reading    {}\nmatching   {}", millis(reading), millis(matching));
    println!("both       {}, the goal is {GOAL:?}", millis(reading + matching));
    Ok(())
}
