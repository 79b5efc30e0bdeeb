//! A running exporter.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use super::{Folder, PATIENCE, Running, eventually, http};

/// A running daemon. Dropped, it is killed.
#[derive(Debug)]
pub struct Exporter {
    child: Running,
    log: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
    pub(in crate::harness) address: String,
    pub(in crate::harness) http: reqwest::Client,
}

impl Exporter {
    /// Starts the daemon on a free loopback port, and waits until it listens.
    pub async fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &[]).await
    }

    /// As `start`, with more arguments.
    pub async fn start_with(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.command(&["--web.listen-address", "127.0.0.1:0"]);
        command.args(arguments);
        Self::spawn(&mut command).await
    }

    pub async fn spawn(command: &mut Command) -> Self {
        let (mut exporter, stderr) = Self::unread(command);
        exporter.log = gather(stderr);
        exporter.address = eventually("the daemon listens", || {
            let address = listening_address(&exporter.log());
            assert!(address.is_some() || exporter.child.0.try_wait().unwrap().is_none(), "{}", exporter.log());
            async { address }
        })
        .await;
        exporter
    }

    /// Starts the daemon and waits for nothing: its address is not known, and its log not read.
    pub fn unread(command: &mut Command) -> (Self, ChildStderr) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stderr, stdout) = (child.stderr.take().unwrap(), gather(child.stdout.take().unwrap()));
        (Self { child: Running(child), log: Arc::default(), stdout, address: String::new(), http: http() }, stderr)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Everything that was logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn log_lines(&self, part: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// Everything that was printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    pub async fn metrics(&self) -> String {
        let answer = self.http.get(format!("http://{}/metrics", self.address)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    }

    pub async fn until_logged(&self, part: &str) -> String {
        eventually(&format!("{part:?} is logged in:\n{}", self.log()), || async {
            self.log_lines(part).into_iter().next()
        })
        .await
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end of the process, and of what it has logged and printed.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            // Who gathers holds a share until the end.
            let is_gathered = [&self.log, &self.stdout].iter().all(|text| Arc::strong_count(text) == 1);
            if let Some(status) = self.child.0.try_wait().unwrap().filter(|_| is_gathered) {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the process goes on");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.ended().await.code(), Some(0), "{}{}", self.log(), self.stdout());
    }
}

fn gather(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let gathered = Arc::new(Mutex::new(String::new()));
    let to = gathered.clone();
    thread::spawn(move || {
        let mut reader = BufReader::new(&mut from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            to.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    gathered
}

/// The first address in the line that says that the daemon listens.
fn listening_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("listening") && line.contains("addresses"))?;
    let (_, addresses) = line.split_once("addresses")?;
    let (_, first) = addresses.split_once('[')?;
    Some(first.split([',', ']']).next()?.to_owned())
}
