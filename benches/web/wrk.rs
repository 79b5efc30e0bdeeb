//! The load: wrk with one thread and four connections.

use std::process::Command;

use crate::Encoding;
use crate::shared::Result;

/// What wrk measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Answers a second.
    pub(super) rate: f64,
    /// 99 of 100 answers took at most so many milliseconds.
    pub(super) p99: f64,
}

/// How long each load lasts.
const SECONDS: &str = "1s";

impl Load {
    /// Asks `address` for its metrics, over and over.
    pub(super) fn on(address: &str, encoding: Encoding) -> Result<Self> {
        let mut wrk = super::tool("wrk", "wrk")?;
        wrk.args(["--threads", "1", "--connections", "4", "--duration", SECONDS, "--latency"]);
        wrk.arg("--header")
            .arg(format!("accept-encoding: {}", encoding.name()))
            .arg(format!("http://{address}/metrics"));
        read(&mut wrk)
    }
}

fn read(wrk: &mut Command) -> Result<Load> {
    let output = wrk.output()?;
    let text = String::from_utf8(output.stdout)?;
    let field = |name: &str| text.lines().find_map(|line| line.trim_start().strip_prefix(name)).map(str::trim);
    match (field("Requests/sec:"), field("99%")) {
        (Some(rate), Some(p99)) if !text.contains("Non-2xx") && !text.contains("Socket errors") => {
            Ok(Load { rate: rate.parse()?, p99: milliseconds(p99)? })
        }
        _ => Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// A time as wrk writes it, such as `1.25ms`.
fn milliseconds(text: &str) -> Result<f64> {
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    let factor = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        _ => return Err(format!("{text} is no time").into()),
    };
    Ok(number.parse::<f64>()? * factor)
}
