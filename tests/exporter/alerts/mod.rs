//! The shipped rules: Prometheus takes them, they speak only of what the exporter exports, each alert is written for
//! the person who is woken, and a unit test shows when it fires and when it stays silent.

mod cases;
mod promql;
mod rules;
mod runbooks;

use std::path::Path;

use crate::harness::{Ended, tool};

/// The files that are loaded together.
const RULE_FILES: [&str; 2] = ["alerts/avepoint-recording.yaml", "alerts/avepoint-alerts.yaml"];

/// What promtool says about a file, which it must accept.
fn promtool(arguments: &[&str], file: &Path) -> String {
    let ended = Ended::of(tool("promtool", "prometheus").args(arguments).arg(file));
    assert_eq!(ended.code, Some(0), "{}: {}", file.display(), ended.text());
    ended.text()
}
