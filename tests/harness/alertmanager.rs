//! A real Alertmanager, from the distribution's package.

use std::path::Path;
use std::process::{Child, Stdio};

use super::{free_address, tool};

pub const PACKAGE: &str = "prometheus-alertmanager";

/// A running Alertmanager. Dropped, it is killed.
#[derive(Debug)]
pub struct Alertmanager {
    child: Child,
    address: String,
}

impl Alertmanager {
    /// One with this configuration, which keeps what it must remember in the folder `data`.
    pub fn start(configuration: &Path, data: &Path) -> Self {
        // Alertmanager cannot tell which port it got, so it is given one that was free a moment ago.
        let address = free_address();
        let child = tool("prometheus-alertmanager", PACKAGE)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            // It is alone.
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
