//! The configuration of an exporter that polls the simulator.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use elements_sim::{Simulator, World};
use tempfile::TempDir;

/// The text of an `exporter.yaml` for the simulator, with parts that a test replaces.
#[derive(Debug, Clone)]
pub struct Yaml {
    pub api: Vec<(String, String)>,
    pub poll: Vec<(String, String)>,
    pub rest: String,
}

impl Yaml {
    /// All that the simulated account needs; two customers, and a cycle every second.
    pub fn new(simulator: &Simulator) -> Self {
        let world = World::default();
        let mut yaml = Self { api: Vec::new(), poll: Vec::new(), rest: String::new() };
        yaml.api("base_url", simulator.base_url());
        yaml.api("token_url", simulator.token_url());
        yaml.api("client_id", &world.client_id);
        yaml.api("client_secret", world.client_secret.unwrap());
        yaml.api("requests_per_second", "1000");
        yaml.api("max_retries", "0");
        yaml.poll("interval", "1s");
        yaml.rest("customers: [{id: c-1, name: contoso}, {id: c-2}]\nproducts: [2048, Fly]\n")
    }

    /// Sets a key of `api`; the empty text takes it out.
    pub fn api(&mut self, key: &str, value: impl ToString) {
        self.api.retain(|(other, _)| other != key);
        self.api.push((key.to_owned(), value.to_string()));
        self.api.retain(|(_, value)| !value.is_empty());
    }

    /// Sets a key of `poll`.
    pub fn poll(&mut self, key: &str, value: impl ToString) {
        self.poll.retain(|(other, _)| other != key);
        self.poll.push((key.to_owned(), value.to_string()));
    }

    pub fn with_api(mut self, key: &str, value: impl ToString) -> Self {
        self.api(key, value);
        self
    }

    pub fn with_poll(mut self, key: &str, value: impl ToString) -> Self {
        self.poll(key, value);
        self
    }

    /// Replaces everything after `poll`.
    pub fn rest(mut self, rest: &str) -> Self {
        rest.clone_into(&mut self.rest);
        self
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in [("api", &self.api), ("poll", &self.poll)] {
            writeln!(text, "{section}:").unwrap();
            for (key, value) in keys {
                writeln!(text, "  {key}: {value}").unwrap();
            }
        }
        text + &self.rest
    }
}

/// A folder with an `exporter.yaml`.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    pub fn new(yaml: &Yaml) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.configure(yaml);
        folder
    }

    pub fn configure(&self, yaml: &Yaml) {
        // As whoever writes a secret into it should have it.
        let path = self.write("exporter.yaml", yaml.text());
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// The binary with the folder's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary();
        command.current_dir(self.0.path()).args(arguments);
        command
    }
}

/// The binary, with nothing of this process's surroundings that it reads.
pub fn binary() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("avepoint-exporter"));
    for variable in ["AVEPOINT_CLIENT_ID", "AVEPOINT_CLIENT_SECRET", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(variable);
    }
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(variable).env_remove(variable.to_lowercase());
    }
    command
}
