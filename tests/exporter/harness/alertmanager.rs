//! A real Alertmanager, from the distribution's package.

use std::path::Path;
use std::process::Stdio;

use super::{Running, free_address, tool};

pub const PACKAGE: &str = "prometheus-alertmanager";

/// A running Alertmanager. Dropped, it is killed.
#[derive(Debug)]
pub struct Alertmanager {
    _running: Running,
    address: String,
}

impl Alertmanager {
    /// One with this configuration, which keeps what it must remember in the folder `data`.
    pub fn start(configuration: &Path, data: &Path) -> Self {
        // Alertmanager does not say which port it got, so it is given one that was free a moment ago.
        let address = free_address();
        let running = tool("prometheus-alertmanager", PACKAGE)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            // It is alone.
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { _running: Running(running), address }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}
