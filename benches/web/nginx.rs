//! The measure: nginx, which serves the same bytes as files.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Encoding;
use crate::shared::{Result, get};

/// A running nginx.
#[derive(Debug)]
pub(super) struct Nginx {
    process: Child,
    pub(super) address: String,
    folder: TempDir,
}

const PATIENCE: Duration = Duration::from_secs(5);

impl Nginx {
    /// Starts two workers on a free port of the loopback.
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // When root starts nginx, its workers run as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        fs::write(folder.path().join("nginx.conf"), configuration(&address))?;
        let mut command = super::tool("nginx", "nginx-light")?;
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
        let process = command.stdin(Stdio::null()).spawn()?;
        let nginx = Self { process, address, folder };
        let begun = Instant::now();
        while TcpStream::connect(&nginx.address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("nginx does not listen".into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    /// Serves what the exporter answers now.
    pub(super) fn copy(&self, exporter: &str) -> Result<()> {
        for (encoding, name) in [(Encoding::Identity, "metrics"), (Encoding::Gzip, "metrics.gz")] {
            let bytes = get(exporter, "/metrics", encoding.name())?;
            fs::write(self.folder.path().join(name), &bytes)?;
            if get(&self.address, "/metrics", encoding.name())? != bytes {
                return Err(format!("nginx does not serve the bytes of {name}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A kill would leave its workers behind.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn configuration(address: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {kind};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 2;\npid nginx.pid;\nevents {{}}\nhttp {{\n{temporary}    \
         access_log off;\n    sendfile on;\n    tcp_nopush on;\n    gzip_static on;\n    \
         keepalive_requests 1000000;\n    default_type text/plain;\n    \
         server {{ listen {address}; root .; }}\n}}\n"
    )
}
