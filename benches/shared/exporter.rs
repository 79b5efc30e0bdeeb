//! The exporter's release binary, and what the kernel and its own log say of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use elements_sim::World;
use procfs::process::{Process, Status};
use tempfile::TempDir;

use super::{Result, Role, Running};

/// A running exporter.
#[derive(Debug)]
pub(crate) struct Exporter {
    _process: Running,
    _folder: TempDir,
    pub(crate) kernel: Process,
    log: Lines<BufReader<ChildStderr>>,
    pub(crate) address: String,
}

/// What an exporter polls, and how: values as `exporter.yaml` has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Customers<'a> {
    pub(crate) number: u32,
    pub(crate) products: &'a str,
    pub(crate) interval: &'a str,
    pub(crate) timeout: Duration,
    pub(crate) in_flight: u32,
    pub(crate) pace: u32,
    /// Of the configuration, each on a line.
    pub(crate) more: &'a str,
}

/// As many requests a second as there can be.
pub(crate) const UNPACED: u32 = 100_000;

impl Exporter {
    /// Starts the binary, and waits until it listens. Returns when it was started, too.
    pub(crate) fn start(vendor: &Role, customers: Customers<'_>) -> Result<(Self, Instant)> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("exporter.yaml"), configuration(vendor, customers)?)?;
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_avepoint-exporter"));
        command.args(["--web.listen-address", "127.0.0.1:0"]).env_clear().current_dir(folder.path());
        let mut process = Running(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?);
        let stderr = process.0.stderr.take().ok_or("stderr is piped")?;
        let mut log = BufReader::new(stderr).lines();
        let listening = find(&mut log, "listening")?;
        let address = listening.split_once('[').and_then(|(_, rest)| rest.split(']').next());
        let address = address.ok_or("it listens nowhere")?.to_owned();
        let kernel = Process::new(process.0.id().cast_signed())?;
        Ok((Self { _process: process, _folder: folder, kernel, log, address }, begun))
    }

    /// Waits for the next line of the log that has `part` in it.
    pub(crate) fn logged(&mut self, part: &str) -> Result<String> {
        find(&mut self.log, part)
    }

    /// A number that the kernel gives in KiB, in bytes.
    pub(crate) fn memory(&self, kibibytes: impl FnOnce(Status) -> Option<u64>) -> Result<u64> {
        Ok(kibibytes(self.kernel.status()?).ok_or("the kernel does not say")? << 10)
    }
}

fn configuration(vendor: &Role, customers: Customers<'_>) -> Result<String> {
    let World { client_id, client_secret, .. } = World::default();
    let Customers { number, products, interval, timeout, in_flight, pace, more } = customers;
    let mut yaml = format!(
        "api:\n  base_url: {base_url}\n  token_url: {base_url}/connect/token\n  client_id: {client_id}\n  \
         client_secret: {secret}\n  timeout: {timeout:?}\n  max_in_flight: {in_flight}\n  \
         requests_per_second: {pace}\npoll:\n  interval: {interval}\n  stale_after: 4h\nproducts: {products}\n{more}",
        base_url = vendor.address,
        secret = client_secret.unwrap_or_default(),
    );
    if number > 0 {
        yaml += "customers:\n";
    }
    for number in 1..=number {
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
    Err(format!("the exporter ended before it logged {part:?}").into())
}

/// The body of a 200, in this encoding.
pub(crate) fn get(address: &str, path: &str, encoding: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: {encoding}");
    write!(stream, "{head}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    match head.filter(|_| answer.starts_with(b"HTTP/1.1 200 ")) {
        Some(length) => Ok(answer.split_off(length + 4)),
        None => Err(format!("{path}: {}", String::from_utf8_lossy(&answer[..answer.len().min(100)])).into()),
    }
}

/// The series, bytes and compressed bytes of a scrape.
pub(crate) fn scrape_sizes(address: &str) -> Result<[u32; 3]> {
    let plain = String::from_utf8(get(address, "/metrics", "identity")?)?;
    let gzip = get(address, "/metrics", "gzip")?;
    let series = plain.lines().filter(|line| !line.starts_with('#')).count();
    Ok([series.try_into()?, plain.len().try_into()?, gzip.len().try_into()?])
}
