//! buildah, with a storage of its own that goes when the tests end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Ended, tool};

/// What is left to do when the tests have ended, however they ended: end what still runs in a container, empty the
/// storage by buildah itself (an ordinary user may own files there under other ids), and remove it.
const JANITOR: &str = r#"
trap '' INT TERM
cat
for root in /proc/[0-9]*/root; do
    case $(readlink "$root") in "$0"/*) pid=${root%/root}; kill -KILL "${pid#/proc/}" ;; esac
done
"$@" rm --all
"$@" rmi --all --force
rm -rf "$0"
"#;

/// Runs buildah on a storage of its own.
#[derive(Debug)]
pub struct Buildah {
    folder: PathBuf,
    /// It acts when the pipe to it closes, which the end of this process does too: a static is never dropped.
    _janitor: Child,
}

impl Buildah {
    pub fn new() -> Self {
        // Not in the system's folder for temporary files, which may lie in memory.
        let folder = TempDir::with_prefix_in("image-", env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let janitor = Command::new("sh")
            .args(["-c", JANITOR])
            .arg(&folder)
            .arg("buildah")
            .args(storage(&folder))
            // What buildah leaves in it goes with the rest.
            .env("TMPDIR", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, _janitor: janitor }
    }

    /// A folder for what is given to buildah, or comes from it.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command of buildah. `vfs` asks nothing of the kernel and of the disk's file system.
    pub fn command(&self, command: &str) -> Command {
        let mut buildah = tool("buildah", "buildah");
        buildah.args(storage(&self.folder)).arg(command).env("TMPDIR", &self.folder);
        buildah
    }

    /// A command that runs something in a container. Chroot isolation needs no container runtime.
    pub fn isolated(&self, command: &str) -> Command {
        let mut buildah = self.command(command);
        buildah.args(["--isolation", "chroot"]);
        buildah
    }

    /// Builds a folder with a Dockerfile.
    pub fn build(&self, folder: &Path, tag: &str, arguments: &[String]) -> Result<String, String> {
        let mut build = self.isolated("build");
        build.args(["--pull=never", "--tag", tag]).args(arguments).arg(folder);
        outcome(&mut build)
    }

    /// The name of a new container of an image that is in the storage.
    pub fn container(&self, image: &str) -> Result<String, String> {
        outcome(self.command("from").args(["--pull=never", image])).map(|name| name.trim().to_owned())
    }
}

fn storage(folder: &Path) -> Vec<String> {
    let path = |name| folder.join(name).display().to_string();
    vec!["--storage-driver=vfs".to_owned(), format!("--root={}", path("root")), format!("--runroot={}", path("run"))]
}

/// What the command printed: where it failed, all of it.
pub fn outcome(command: &mut Command) -> Result<String, String> {
    let ended = Ended::of(command);
    if ended.code == Some(0) { Ok(ended.stdout) } else { Err(ended.text()) }
}
