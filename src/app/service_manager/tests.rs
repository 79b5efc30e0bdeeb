//! Against a socket of the test's own.

use std::os::unix::net::UnixDatagram;

use elements_api::Observer as _;
use tokio::time::sleep;

use super::*;
use crate::status::{Cycle, CycleTargets};
use crate::testing::{at, logged, scene, status};

/// What systemd would be: a socket, and what it was told.
struct Listener {
    socket: UnixDatagram,
    place: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Listener {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("notify");
        Self { socket: bound(&place), place, _folder: folder }
    }

    /// The messages since the last look.
    fn heard(&self) -> Vec<String> {
        let mut message = [0; 8192];
        std::iter::from_fn(|| {
            let length = self.socket.recv(&mut message).ok()?;
            Some(String::from_utf8(message[..length].to_vec()).unwrap())
        })
        .collect()
    }

    /// The assignments since the last look, without the status.
    fn heard_but_status(&self) -> Vec<String> {
        let lines: Vec<_> =
            self.heard().iter().flat_map(|message| message.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.into_iter().filter(|line| !line.starts_with("STATUS=") && !line.starts_with("MONOTONIC_USEC=")).collect()
    }

    fn manager(&self) -> (Arc<ServiceManager>, Arc<Status>) {
        let (store, status) = scene();
        (Arc::new(ServiceManager::at(Some(self.place.as_os_str()), store.reader(), status.clone())), status)
    }
}

fn bound(place: &std::path::Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(place).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_fed_while_the_poller_wakes_and_not_when_it_hangs() {
    let listener = Listener::new();
    let (manager, status) = listener.manager();
    let stop = CancellationToken::new();
    let running = tokio::spawn(manager.run(stop.clone()));
    sleep(PERIOD / 2).await;
    assert_eq!(listener.heard_but_status(), ["READY=1"], "the poller has not woken yet");
    for _ in 0..3 {
        status.poller_woke();
        sleep(PERIOD).await;
        assert_eq!(listener.heard_but_status(), ["WATCHDOG=1"]);
    }
    sleep(PERIOD * 100).await;
    assert_eq!(listener.heard(), [""; 0], "this task lives, and that is not enough");
    status.poller_woke();
    sleep(PERIOD).await;
    assert_eq!(listener.heard_but_status(), ["WATCHDOG=1"]);
    stop.cancel();
    running.await.unwrap();
    assert_eq!(listener.heard(), ["STOPPING=1\nSTATUS=stopping"]);
}

#[tokio::test]
async fn a_reload_is_told_of_from_its_beginning_to_its_end_and_why_it_was_refused() {
    let listener = Listener::new();
    let (manager, status) = listener.manager();
    manager.tell(None, false);
    listener.heard();
    for (refusal, expected) in [(None, false), (Some("line 3: no such key\n  at \u{1b}[1mhere"), true)] {
        manager.reloading();
        let [began] = &listener.heard()[..] else { panic!("one message") };
        let lines: Vec<_> = began.lines().collect();
        assert_eq!((lines[0], lines[2]), ("RELOADING=1", "STATUS=loading the configuration"));
        assert!(lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().is_ok(), "{began}");
        match refusal {
            None => status.reloaded(Duration::from_secs(1), at(1_000)),
            Some(why) => status.reload_failed(why.to_owned()),
        }
        manager.reloaded();
        let [ended] = &listener.heard()[..] else { panic!("one message") };
        assert!(ended.starts_with("READY=1\nSTATUS=5 targets; "), "{ended}");
        let why = "; the configuration was not reloaded: line 3: no such key at [1mhere";
        assert_eq!((ended.lines().count(), ended.ends_with(why)), (2, expected), "{ended}");
    }
    manager.tell(Some(Phase::Stopping), false);
    listener.heard();
    manager.reloaded();
    assert_eq!(listener.heard(), [""; 0], "a reload that ends late does not take the stop back");
}

#[test]
fn what_is_not_taken_is_told_again_and_nothing_waits_for_it() {
    let listener = Listener::new();
    let (manager, _) = listener.manager();
    // It reads nothing: sooner or later no more fits in.
    for _ in 0..10_000 {
        manager.tell(None, true);
    }
    manager.reloading();
    assert!(!listener.heard().iter().any(|message| message.contains("RELOADING")));
    manager.reloaded();
    assert_eq!(listener.heard(), [""; 0], "nothing has changed that it knows of");

    // It is gone, and comes back.
    std::fs::remove_file(&listener.place).unwrap();
    manager.reloading();
    let again = Listener { socket: bound(&listener.place), ..listener };
    manager.tell(None, true);
    assert_eq!(again.heard_but_status(), ["RELOADING=1", "WATCHDOG=1"]);
}

#[test]
fn an_abstract_socket_is_told_and_what_is_no_socket_is_not() {
    let name = format!("avepoint-exporter-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let (store, status) = scene();
    let manager = |place: &str| ServiceManager::at(Some(OsStr::new(place)), store.reader(), status.clone());
    manager(&format!("@{name}")).tell(None, false);
    let mut message = [0; 8];
    socket.recv(&mut message).unwrap();
    assert_eq!(&message, b"READY=1\n");
    for nothing in ["", "relative", "vsock:2:1234"] {
        assert!(manager(nothing).socket.is_none(), "{nothing}");
    }
    assert_eq!(logged(|| drop(manager(""))), "");
}

#[test]
fn the_status_says_how_the_targets_do_and_what_is_wrong() {
    let status = status();
    let said = |targets| state(&status.snapshot(), targets, at(1_000));
    assert_eq!(said(1), "1 target; no cycle has ended yet");
    let ended = |answered, failed, left| {
        let targets = CycleTargets { answered, failed, left };
        Some(Cycle { completed: at(900), duration: Duration::ZERO, targets })
    };
    status.cycle_ended(ended(7, 0, 0), Some(true));
    assert_eq!(said(7), "7 targets; last cycle: 7 answered, 0 failed");
    status.cycle_ended(ended(0, 5, 2), Some(false));
    status.held_back(at(4_000));
    status.web_reloaded(false);
    status.reload_failed("no such file".to_owned());
    assert_eq!(
        said(7),
        "7 targets; last cycle: 5 failed, 2 left over; AvePoint does not answer; AvePoint asked for no requests until \
         2023-11-14T23:20:00Z; the web configuration was not reloaded: the log says why; the configuration was not \
         reloaded: no such file"
    );
    let long = in_a_line(&"é".repeat(3_000));
    assert!(long.len() < LONGEST_STATUS + 4 && long.ends_with("é…"));
}
