//! A container of the image, in which the exporter runs.

use std::fs;
use std::process::Command;

use super::built::Image;
use crate::harness::Exporter;

/// The exporter in a container, on a loopback port of this machine.
pub struct Container {
    pub exporter: Exporter,
    /// The exporter itself, as this machine numbers it. The child is buildah, which stays in between.
    pid: u32,
}

impl Container {
    /// Runs the image's entry point with these arguments, as `docker run` does. `buildah run` keeps to the image's
    /// user, folder and environment by itself.
    pub async fn start(image: &Image, name: &str, volumes: &[&str], arguments: &[&str]) -> Self {
        let mut command = image.buildah.isolated("run");
        command.args(volumes.iter().map(|volume| format!("--volume={volume}")));
        command.args([name, "--"]);
        let entry = image.config()["Entrypoint"].take();
        command.args(entry.as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
        command.args(arguments).arg("--web.listen-address=127.0.0.1:0");
        let exporter = Exporter::spawn(&mut command).await;
        let pid = innermost(exporter.pid());
        let container = Self { exporter, pid };
        assert_eq!(container.status("Name"), "avepoint-export", "the kernel cuts names");
        container
    }

    /// A line of what the kernel says of the exporter.
    pub fn status(&self, key: &str) -> String {
        status(self.pid, key).unwrap()
    }

    /// The real, effective, saved and file system's ids (`Uid` or `Gid`), as the container has them.
    pub fn ids(&self, key: &str) -> Vec<u32> {
        // The one of an ordinary user who runs this test has its ids mapped to others of this machine.
        let map = fs::read_to_string(format!("/proc/{}/{}_map", self.pid, key.to_lowercase())).unwrap();
        let ranges: Vec<_> = map.lines().map(numbers).collect();
        let inside = |id: u32| {
            let holds = |range: &&Vec<u32>| (range[1]..=range[1].saturating_add(range[2] - 1)).contains(&id);
            ranges.iter().find(holds).map(|range| range[0] + (id - range[1]))
        };
        numbers(&self.status(key)).into_iter().map(|id| inside(id).unwrap()).collect()
    }

    /// Stops the exporter as `docker stop` does, and expects that it ends well.
    pub async fn stop(mut self) {
        let status = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(self.exporter.ended().await.code(), Some(0), "{}", self.exporter.log());
        assert!(!self.exporter.log_lines("stopping: SIGTERM").is_empty(), "{}", self.exporter.log());
    }
}

/// The end of a chain of processes, each of which has one child.
fn innermost(pid: u32) -> u32 {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut children = processes.filter(|&child| status(child, "PPid") == Some(pid.to_string()));
    children.next().map_or(pid, innermost)
}

/// A line of `/proc/PID/status`; none if the process has ended.
fn status(pid: u32, key: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn numbers(line: &str) -> Vec<u32> {
    line.split_whitespace().map(|number| number.parse().unwrap()).collect()
}
