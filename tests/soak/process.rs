//! The process under test.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use procfs::process::Process;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::yaml::Folder;

/// How long the process may take to end, on a busy machine.
const END: Duration = Duration::from_secs(30);

/// So many lines of the log are kept for whoever has to explain a failure.
const LINES: usize = 60;

/// A running exporter. Dropped, it is killed.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    is_unread: AtomicBool,
    last: Mutex<VecDeque<String>>,
    panics: Mutex<Vec<String>>,
}

/// What a process takes of its machine.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    pub resident_mib: u64,
    pub threads: u64,
    pub descriptors: u64,
}

impl Daemon {
    /// Starts it on that address. With `clock` its wall clock goes by that file, if the library for that is installed.
    pub fn start(folder: &Folder, address: &str, clock: Option<&Clock>) -> Self {
        let binary = folder.command(&["--web.listen-address", address, "--web.config.file", "web.yml"]);
        // A limit on the size of files is to be an error, as a full disk is, and not the end of the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary.get_program()).args(binary.get_args());
        command.args(["--web.enable-lifecycle", "--config.enable-auto-reload"]);
        command.current_dir(binary.get_current_dir().expect("the folder"));
        for (name, value) in binary.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // As the unit and the image have it.
        command.env("MALLOC_ARENA_MAX", "1");
        if let Some(clock) = clock {
            command.env("LD_PRELOAD", &clock.library).env("FAKETIME_TIMESTAMP_FILE", &clock.file);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_CACHE_DURATION", "1");
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (stderr, to) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                to.take(&String::from_utf8_lossy(&line));
            }
        });
        Self { child, log }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Its exit, if it has ended.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end after a signal.
    pub async fn ended(&mut self, signal: Signal) -> Result<ExitStatus, String> {
        self.signal(signal);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.exit() {
                return Ok(status);
            }
            if begun.elapsed() > END {
                return Err(format!("it does not end after {signal:?}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Nobody reads its log, or somebody does again.
    pub fn read_log(&self, is_read: bool) {
        self.log.is_unread.store(!is_read, Ordering::Relaxed);
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        Vec::from_iter(self.log.last.lock().unwrap().clone()).join("\n")
    }

    pub fn panics(&self) -> Vec<String> {
        self.log.panics.lock().unwrap().clone()
    }

    /// No file of it may grow beyond so many bytes.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("a limit below the highest");
    }

    pub fn footprint(&self) -> Footprint {
        let process = Process::new(self.child.id().cast_signed()).unwrap();
        let status = process.status().unwrap();
        Footprint {
            resident_mib: status.vmrss.unwrap() >> 10,
            threads: status.threads,
            descriptors: process.fd_count().unwrap() as u64,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, and the thread of its log must not wait for ever.
        self.read_log(true);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn take(&self, line: &str) {
        while self.is_unread.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        if line.contains("panicked") {
            self.panics.lock().unwrap().push(line.to_owned());
        }
        // Of these there are hundreds in a minute.
        if ["target fails", "cycle ended", "many targets changed"].iter().any(|often| line.contains(often)) {
            return;
        }
        let mut last = self.last.lock().unwrap();
        if last.len() == LINES {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    }
}

/// A wall clock that can be set, for one process.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// In which a process follows: it looks at the file once a second.
    pub const FOLLOWED: Duration = Duration::from_secs(2);

    /// `None` where the distribution's package `faketime` is not installed.
    pub fn find(folder: &Folder) -> Option<Self> {
        let libraries = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
        let mut libraries = libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
        let library = libraries.find(|library| library.exists())?;
        let clock = Self { library, file: folder.file("clock") };
        clock.set(0);
        Some(clock)
    }

    /// Sets it ahead of the machine's by so many seconds.
    pub fn set(&self, seconds: i32) {
        // The process must never read half of it.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(next, &self.file).unwrap();
    }
}
