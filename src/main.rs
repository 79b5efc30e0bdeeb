//! The `avepoint-exporter` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    avepoint_exporter::cli::main()
}
