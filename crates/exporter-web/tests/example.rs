//! The small exporter of the README: it is the one in `examples/`, and it serves what it promises.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The example as a process, on a port that the system chose.
struct Exporter {
    process: Child,
    address: String,
}

impl Exporter {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(example());
        command.args(["--web.listen-address", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
        let mut process = command.spawn().expect("`cargo test -p exporter-web` builds the example");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect(&line).to_owned();
        Self { process, address }
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Where the test has stopped it, there is nothing to kill any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo puts examples beside the tests of the same profile.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples/small_exporter")
}

#[test]
fn the_readme_shows_the_example() {
    let readme = fs::read_to_string("README.md").unwrap();
    let (_, rest) = readme.split_once("```rust,no_run\n").expect("a block of Rust");
    let (shown, _) = rest.split_once("```\n").expect("its end");
    let example = fs::read_to_string("examples/small_exporter.rs").unwrap();
    assert_eq!(shown, example);
    assert!(example.lines().count() < 60, "it is small");
}

#[test]
fn the_example_is_scraped_and_stops() {
    let mut exporter = Exporter::start(&[]);
    let scraped = exporter.get("/metrics", "");
    assert!(scraped.starts_with("HTTP/1.1 200 OK\r\n"), "{scraped}");
    for part in ["content-type: text/plain; version=0.0.4\r\n", "cache-control: no-store\r\n", "content-length: "] {
        assert!(scraped.contains(part), "{part}: {scraped}");
    }
    let value = scraped.lines().find_map(|line| line.strip_prefix("memory_available_bytes ")).expect(&scraped);
    assert!(value.parse::<u64>().unwrap() > 0);
    assert!(exporter.get("/", "").starts_with("HTTP/1.1 404 "));
    let pid = Pid::from_child(&exporter.process);
    kill_process(pid, Signal::INT).unwrap();
    assert!(exporter.process.wait().unwrap().success());
}

#[test]
fn the_example_takes_a_web_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let hash = bcrypt::hash("wonderland", 4).unwrap();
    fs::write(&file, format!("basic_auth_users: {{alice: {hash}}}\n")).unwrap();
    let exporter = Exporter::start(&["--web.config.file", file.to_str().unwrap()]);
    let refused = exporter.get("/metrics", "");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.contains("www-authenticate: Basic realm=\"small exporter\""), "{refused}");
    // alice:wonderland
    let scraped = exporter.get("/metrics", "Authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n");
    assert!(scraped.starts_with("HTTP/1.1 200 OK\r\n"), "{scraped}");
}
