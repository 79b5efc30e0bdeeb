//! A running exporter, and what a test needs to look at it.

pub mod alertmanager;
pub mod dockerfile;
pub mod document;
pub mod keys;
pub mod prometheus;

use std::fmt::Write as _;
use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use elements_sim::{Customer, Simulator, World};
use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub const M365: u32 = 2048;
pub const FLY: u32 = 16_777_216;

/// Waits until `condition` yields something, and tells it.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Two customers with two products.
pub fn world() -> World {
    World::with([
        Customer::new("c-1", "Contoso").product(M365, 25).product(FLY, 7),
        Customer::new("c-2", "Fabrikam").product(M365, 300),
    ])
}

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

    pub fn and(mut self, more: &str) -> Self {
        self.rest.push_str(more);
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
        fs::write(self.file("exporter.yaml"), yaml.text()).unwrap();
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

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
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

    /// Everything that it printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A running daemon. Dropped, it is killed.
#[derive(Debug)]
pub struct Exporter {
    child: Running,
    log: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
    address: String,
    http: reqwest::Client,
}

/// An answer of the daemon.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
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

    /// Starts the daemon with a log that nobody reads, and waits until it answers.
    pub async fn start_unread(folder: &Folder, arguments: &[&str]) -> (Self, ChildStderr) {
        // It cannot tell which port it got.
        let address = free_address();
        let mut command = folder.command(&["--web.listen-address", &address]);
        Self::answering(command.args(arguments), address).await
    }

    /// Starts the daemon, which listens on `address`, with a log that is not looked at.
    pub async fn answering(command: &mut Command, address: String) -> (Self, ChildStderr) {
        let (exporter, stderr) = Self::unread(command);
        let exporter = Self { address, ..exporter };
        let url = format!("http://{}/-/healthy", exporter.address);
        eventually("the daemon answers", || async { exporter.http.get(&url).send().await.ok() }).await;
        (exporter, stderr)
    }

    fn unread(command: &mut Command) -> (Self, ChildStderr) {
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

    pub async fn ask(&self, method: Method, path: &str) -> Answer {
        let answer = self.http.request(method, format!("http://{}{path}", self.address)).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    pub async fn metrics(&self) -> String {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.body
    }

    /// The value of a series, written as in the text format, such as `avepoint_api_up`.
    pub async fn value(&self, series: &str) -> Option<f64> {
        value(&self.metrics().await, series)
    }

    /// Waits until the series has the value.
    pub async fn until(&self, series: &str, value: f64) {
        eventually(&format!("{series} is {value}\n{}", self.log()), || async {
            (self.value(series).await == Some(value)).then_some(())
        })
        .await;
    }

    /// Waits until there is no such series.
    pub async fn until_gone(&self, series: &str) {
        eventually(&format!("{series} is gone"), || async { self.value(series).await.is_none().then_some(()) }).await;
    }

    pub async fn until_logged(&self, part: &str) -> String {
        eventually(&format!("{part:?} is logged in:\n{}", self.log()), || async {
            self.log_lines(part).into_iter().next()
        })
        .await
    }

    /// Waits for so many more cycles to end.
    pub async fn cycles(&self, more: u32) {
        let series = "avepoint_poll_cycles_total";
        let before = self.value(series).await.unwrap();
        eventually("cycles end", || async { (self.value(series).await? >= before + f64::from(more)).then_some(()) })
            .await;
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the process goes on");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.ended().await.code(), Some(0), "{}", self.log());
    }
}

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that asks the address that it is given, whatever surrounds the tests.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
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

/// A loopback address that was free a moment ago, for a program that cannot tell which port it got.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
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

/// The first address of the line that tells that the daemon listens.
fn listening_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("listening") && line.contains("addresses"))?;
    let (_, addresses) = line.split_once("addresses")?;
    let (_, first) = addresses.split_once('[')?;
    Some(first.split([',', ']']).next()?.to_owned())
}

/// Whether the file can be read by nobody but its owner.
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode().trailing_zeros() >= 6
}
