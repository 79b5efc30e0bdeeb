//! What the tests of this binary share.

pub mod alertmanager;
#[path = "../../harness/mod.rs"]
mod core;
pub mod dockerfile;
pub mod document;
mod exporter;
pub mod keys;
pub mod prometheus;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use elements_api::{Platform, ProductType};
use tokio::sync::RwLock;

pub use self::core::yaml::binary;
pub use self::core::{Exporter, FLY, Folder, M365, PATIENCE, Running, Yaml, eventually, http, world};

/// Written by what takes the whole machine, and read by what such a neighbour would starve.
pub static MACHINE: RwLock<()> = RwLock::const_new(());

/// Each platform with the name of the product that backs it up.
pub fn backups() -> [(Platform, String); 4] {
    let numbers = [
        (Platform::Microsoft365, 2048),
        (Platform::Salesforce, 32),
        (Platform::Google, 33_554_432),
        (Platform::Dynamics365, 131_072),
    ];
    numbers.map(|(platform, number)| (platform, ProductType::new(number).unwrap().label().into_owned()))
}

impl Yaml {
    pub fn and(mut self, more: &str) -> Self {
        self.rest.push_str(more);
        self
    }
}

impl Folder {
    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }
}

/// What a command that has ended printed.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// As `of`, beside a simulator that lives on this runtime.
    pub async fn beside(mut command: Command) -> Self {
        tokio::task::spawn_blocking(move || Self::of(&mut command)).await.unwrap()
    }

    /// What it said when it refused to begin: its exit code is 1, and nothing is on stdout.
    pub fn refusal(self) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{}", self.stderr);
        self.stderr
    }

    /// Everything that it printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// What a command prints on stdout, which must succeed.
pub fn printed(command: &mut Command) -> String {
    let ended = Ended::of(command);
    assert_eq!(ended.code, Some(0), "{command:?}\n{}", ended.text());
    ended.stdout
}

/// The `customer` and `product` labels, as a series of a seat family has them.
pub fn labels(customer: &str, product: &str) -> String {
    format!("{{customer=\"{customer}\",product=\"{product}\"}}")
}

/// The seats of contoso, the first customer of [`world`].
pub fn seats(customer: &str, product: &str) -> String {
    format!("avepoint_purchased_user_seats{}", labels(customer, product))
}

pub fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// The repository's top folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Makes a named pipe.
pub fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A program that the tests cannot do without.
pub fn tool(name: &str, package: &str) -> Command {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join(name).is_file());
    assert!(found, "{name} is missing: `make test` installs it, or install the package {package}");
    Command::new(name)
}

/// A loopback address that was free a moment ago, for a program that does not say which port it got.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Whether the file can be read by nobody but its owner.
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode().trailing_zeros() >= 6
}
