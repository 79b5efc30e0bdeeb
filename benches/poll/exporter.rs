//! The exporter's release binary, and what the kernel and its own log and metrics say of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use avepoint_exporter::sim::World;
use procfs::process::Process;
use tempfile::TempDir;

use crate::vendor::Vendor;
use crate::{IN_FLIGHT, Result, Running, TIMEOUT};

const BINARY: &str = env!("CARGO_BIN_EXE_avepoint-exporter");

/// A running exporter.
#[derive(Debug)]
pub(super) struct Exporter {
    _process: Running,
    kernel: Process,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
    /// From the start of the process to the first 200 on `/-/healthy`.
    pub(super) healthy_after: Duration,
    _folder: TempDir,
}

/// What an exporter watches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets {
    pub(super) customers: u32,
    /// As `exporter.yaml` has them.
    pub(super) products: &'static str,
}

/// What the first cycle cost.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) took: Duration,
    /// In user and kernel, since the process began.
    pub(super) cpu: Duration,
    /// The most that was resident, in bytes.
    pub(super) peak: u64,
    /// What is resident after it, and after a scrape, in bytes.
    pub(super) resident: u64,
    /// For overviews.
    pub(super) requests: u64,
    /// Those that had no answer in time.
    pub(super) stalled: u64,
    pub(super) retries: u64,
    /// Targets without an answer.
    pub(super) failures: u64,
}

impl Exporter {
    pub(super) fn start(vendor: &Vendor, targets: Targets) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("exporter.yaml"), configuration(vendor, targets)?)?;
        let begun = Instant::now();
        let mut command = Command::new(BINARY);
        command.args(["--web.listen-address", "127.0.0.1:0"]).env_clear().current_dir(folder.path());
        let mut process = Running(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?);
        let stderr = process.0.stderr.take().ok_or("stderr is piped")?;
        let mut log = BufReader::new(stderr).lines();
        let listening = find(&mut log, "listening")?;
        let address = listening.split_once('[').and_then(|(_, rest)| rest.split(']').next());
        let address = address.ok_or("it listens nowhere")?.to_owned();
        get(&address, "/-/healthy")?;
        let healthy_after = begun.elapsed();
        let kernel = Process::new(process.0.id().cast_signed())?;
        Ok(Self { _process: process, kernel, log, address, healthy_after, _folder: folder })
    }

    /// Waits for the end of the first cycle. Scrapes only after it, so that scrapes cost it nothing.
    pub(super) fn cycle(&mut self) -> Result<Cycle> {
        let line = find(&mut self.log, "cycle ended")?;
        let (cpu, peak) = (cpu(&self.kernel)?, self.memory(|status| status.vmhwm)?);
        let seconds = line.split_once("duration_seconds=").and_then(|(_, rest)| rest.split(' ').next());
        let metrics = get(&self.address, "/metrics")?;
        let sum = |family: &str, label: &str| {
            let series = metrics.lines().filter(|line| line.starts_with(family) && line.contains(label));
            series.filter_map(value).sum()
        };
        Ok(Cycle {
            took: Duration::from_secs_f64(seconds.ok_or("no duration")?.parse()?),
            cpu,
            peak,
            resident: self.memory(|status| status.vmrss)?,
            requests: sum("avepoint_api_requests_total{", "operation=\"overview\""),
            stalled: sum("avepoint_api_requests_total{", "code=\"error\""),
            retries: sum("avepoint_api_retries_total{", ""),
            failures: sum("avepoint_poll_failures_total{", ""),
        })
    }

    fn memory(&self, kibibytes: impl FnOnce(procfs::process::Status) -> Option<u64>) -> Result<u64> {
        Ok(kibibytes(self.kernel.status()?).ok_or("the kernel does not tell")? << 10)
    }
}

/// How much CPU time a process has used, in user and kernel.
pub(super) fn cpu(process: &Process) -> Result<Duration> {
    let stat = process.stat()?;
    Ok(Duration::from_secs(stat.utime + stat.stime) / u32::try_from(procfs::ticks_per_second())?)
}

pub(super) fn binary_size() -> Result<u64> {
    Ok(fs::metadata(BINARY)?.len())
}

fn configuration(vendor: &Vendor, Targets { customers, products }: Targets) -> Result<String> {
    let World { client_id, client_secret, .. } = World::default();
    let mut yaml = format!(
        "api:\n  base_url: {base_url}\n  token_url: {base_url}/connect/token\n  client_id: {client_id}\n  \
         client_secret: {secret}\n  timeout: {TIMEOUT:?}\n  max_in_flight: {IN_FLIGHT}\n  \
         requests_per_second: 100000\npoll:\n  interval: 1h\nproducts: {products}\ncustomers:\n",
        base_url = vendor.base_url,
        secret = client_secret.unwrap_or_default(),
    );
    for number in 1..=customers {
        writeln!(yaml, "- id: c0000000-0000-4000-8000-{number:012x}")?;
    }
    Ok(yaml)
}

fn find(log: &mut Lines<BufReader<ChildStderr>>, part: &str) -> Result<String> {
    for line in log {
        let line = line?;
        if line.contains(part) {
            return Ok(line);
        }
    }
    Err(format!("the exporter ended before it told {part:?}").into())
}

/// The body of a 200.
fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(format!("{path}: {}", answer.lines().next().unwrap_or("no answer")).into()),
    }
}

/// The value of a counter's line.
fn value(line: &str) -> Option<u64> {
    line.rsplit(' ').next()?.parse().ok()
}
