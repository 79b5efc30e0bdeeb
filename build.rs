//! Tells the build what `avepoint_exporter_build_info` says of it: the revision and the compiler.

use std::path::Path;
use std::process::Command;

const REVISION: &str = "AVEPOINT_EXPORTER_REVISION";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={REVISION}");
    let given = std::env::var(REVISION).ok().filter(|revision| !revision.is_empty());
    let revision = given.or_else(revision_of_checkout).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={REVISION}={revision}");

    let compiler = std::env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    // "rustc 1.88.0 (6b00bc388 2025-06-23)": the number is what people compare.
    let compiler = compiler.as_deref().and_then(|text| text.split_whitespace().nth(1)).unwrap_or("unknown");
    println!("cargo::rustc-env=AVEPOINT_EXPORTER_RUSTVERSION={compiler}");
}

/// The commit that is checked out. A build without git, such as one from a tarball, knows none.
fn revision_of_checkout() -> Option<String> {
    // The log of HEAD grows at every commit and checkout. A path that does not exist would rebuild always.
    for file in ["HEAD", "logs/HEAD"] {
        let path = output("git", &["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    output("git", &["rev-parse", "HEAD"])
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
