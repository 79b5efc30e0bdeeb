//! What a service manager is told, through a socket of the test's own.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use elements_sim::{Effect, Operation, Rule, Simulator};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::harness::{Exporter, Folder, PATIENCE, Yaml, eventually, world};

const RIGHT: &str = "customers: [{id: c-1, name: contoso}]\nproducts: [Fly]\n";
const WRONG: &str = "customers: [{id: c-1}]\nproducts: [Flie]\n";

/// systemd, as the exporter sees it.
struct Manager {
    socket: UnixDatagram,
    /// What is in `NOTIFY_SOCKET`.
    place: String,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("notify");
        Self::with(UnixDatagram::bind(&place).unwrap(), place.to_str().unwrap().to_owned(), folder)
    }

    /// One without a file.
    fn without_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        Self::with(socket, format!("@{name}"), folder)
    }

    fn with(socket: UnixDatagram, place: String, folder: TempDir) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { socket, place, _folder: folder }
    }

    async fn start(&self, folder: &Folder) -> Exporter {
        let mut command = folder.command(&["--web.listen-address", "127.0.0.1:0"]);
        Exporter::spawn(command.env("NOTIFY_SOCKET", &self.place)).await
    }

    fn next(&self) -> Option<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// Waits for a message with this in it, and returns those before it as well.
    async fn until(&self, part: &str) -> Vec<String> {
        let (mut heard, start) = (Vec::<String>::new(), Instant::now());
        while !heard.last().is_some_and(|message| message.contains(part)) {
            match self.next() {
                Some(message) => heard.push(message),
                None => sleep(Duration::from_millis(20)).await,
            }
            assert!(start.elapsed() < PATIENCE, "{part:?} is not told: {heard:?}");
        }
        heard
    }
}

#[tokio::test]
async fn systemd_is_told_of_the_start_of_reloads_and_of_the_stop() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "1h");
    let folder = Folder::new(&yaml.clone().rest(RIGHT));
    let manager = Manager::new();
    let exporter = manager.start(&folder).await;
    let heard = manager.until("WATCHDOG=1").await;
    assert!(heard[0].starts_with("READY=1\nSTATUS=1 target; "), "{heard:?}");
    manager.until("STATUS=1 target; last cycle: 1 answered, 0 failed").await;

    folder.configure(&yaml.clone().rest(WRONG));
    exporter.signal("HUP");
    let heard = manager.until("READY=1").await;
    assert!(heard.iter().any(|message| message.starts_with("RELOADING=1\nMONOTONIC_USEC=")), "{heard:?}");
    let refused = "the configuration was not reloaded: ";
    assert!(heard.last().unwrap().contains(refused) && heard.last().unwrap().contains("\"Flie\""), "{heard:?}");

    folder.configure(&yaml.rest(RIGHT));
    exporter.signal("HUP");
    let heard = manager.until("READY=1").await;
    assert!(heard[0].starts_with("RELOADING=1") && !heard.last().unwrap().contains("not reloaded"), "{heard:?}");

    exporter.stop().await;
    assert_eq!(manager.until("STOPPING=1").await.last().unwrap(), "STOPPING=1\nSTATUS=stopping");
    assert_eq!(manager.next(), None);
}

#[tokio::test]
async fn a_hold_is_told_and_starves_no_watchdog() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::throttled(3_600)));
    let folder = Folder::new(&Yaml::new(&simulator).with_poll("interval", "1h").rest(RIGHT));
    let manager = Manager::without_file();
    let exporter = manager.start(&folder).await;
    manager.until("AvePoint asked for no requests until ").await;
    for _ in 0..2 {
        manager.until("WATCHDOG=1").await;
    }
    exporter.stop().await;
}

#[tokio::test]
async fn a_manager_that_reads_nothing_or_is_gone_holds_up_nothing() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator).rest(RIGHT));
    let manager = Manager::new();
    // No more fits in than the system lets wait.
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(b"X=1", &manager.place).is_ok() {}
    let exporter = manager.start(&folder).await;
    exporter.until_logged("the service manager does not listen").await;
    exporter.until("avepoint_api_up", 1.0).await;
    exporter.signal("HUP");
    exporter.until_logged("configuration reloaded").await;
    // It reads again, and learns what it missed.
    eventually("all that waited is read", || async { manager.next().is_none().then_some(()) }).await;
    manager.until("READY=1").await;

    std::fs::remove_file(&manager.place).unwrap();
    exporter.signal("HUP");
    eventually("it is loaded again", || async {
        (exporter.log_lines("configuration reloaded").len() == 2).then_some(())
    })
    .await;
    exporter.stop().await;
}
