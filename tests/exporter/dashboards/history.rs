//! Numbers of the past, as blocks of Prometheus' database.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use crate::harness::{Folder, printed, tool};

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// How often every series of the past was scraped.
const PACE: i64 = 2 * MINUTE;

/// Series of the past, in the format that `promtool` reads.
#[derive(Debug, Default)]
pub struct History(String);

impl History {
    /// A series that had this value all the time, both ends included.
    pub fn gauge(&mut self, series: &str, value: i64, during: RangeInclusive<i64>) {
        let end = *during.end();
        for at in during.step_by(usize::try_from(PACE).unwrap()).chain([end]) {
            writeln!(self.0, "{series} {value} {at}").unwrap();
        }
    }

    /// Writes the blocks where the Prometheus of this folder looks for them. The past must have ended three hours
    /// ago, or Prometheus takes no new samples for a while.
    pub fn write(&self, folder: &Folder) {
        folder.write("history", format!("{}# EOF\n", self.0));
        let arguments = ["tsdb", "create-blocks-from", "--max-block-duration=1536h", "openmetrics", "history", "data"];
        printed(tool("promtool", "prometheus").current_dir(folder.file("")).args(arguments));
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}
