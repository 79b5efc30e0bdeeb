//! What systemd, or whoever else speaks its protocol, is told: that the exporter serves, reloads or stops, how it does,
//! and that its poller lives.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::names::count;
use crate::rfc3339;
use crate::status::{Status, StatusSnapshot};
use crate::store::Store;

/// How often it is told anew. The unit's `WatchdogSec=` is many times that.
const PERIOD: Duration = Duration::from_secs(5);

/// What is longer does not fit into a message beside all else: systemd reads 4096 bytes.
const LONGEST_STATUS: usize = 2048;

/// The service manager, if there is one.
///
/// Nothing waits for it: what it does not take now, it is told again at the next period.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: Option<Socket>,
    store: Arc<Store>,
    status: Arc<Status>,
    told: Mutex<Told>,
}

/// Where it listens, and what it is told through. There is no connection, so one that restarts is told, too.
#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    datagrams: UnixDatagram,
}

#[derive(Debug)]
struct Told {
    phase: Phase,
    /// What of it was taken.
    taken: Option<(Phase, String)>,
    /// Whether it was said that nothing is taken.
    is_warned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    Reloading,
    Stopping,
}

impl ServiceManager {
    /// The one that listens where `NOTIFY_SOCKET` says. An empty one says nothing, as for every service.
    pub(super) fn at(notify_socket: Option<&OsStr>, store: Arc<Store>, status: Arc<Status>) -> Self {
        let place = notify_socket.filter(|place| !place.is_empty());
        let socket = place.and_then(|place| match Socket::at(place) {
            Ok(socket) => Some(socket),
            Err(error) => {
                warn!("the service manager is told nothing: NOTIFY_SOCKET is {}: {error}", place.display());
                None
            }
        });
        let told = Told { phase: Phase::Ready, taken: None, is_warned: false };
        Self { socket, store, status, told: Mutex::new(told) }
    }

    /// Tells that the exporter serves, and goes on telling until `stop`. Its watchdog is fed where the poller has woken
    /// since it was fed last, and by nobody else.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        self.tell(None, false);
        let mut periods = interval(PERIOD);
        periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let tell_on = async {
            loop {
                periods.tick().await;
                self.tell(None, self.status.poller_has_woken());
            }
        };
        stop.run_until_cancelled(tell_on).await;
        self.tell(Some(Phase::Stopping), false);
    }

    /// The configuration is being loaded. [`Self::reloaded`] must follow, whatever comes of it.
    pub(super) fn reloading(&self) {
        self.tell(Some(Phase::Reloading), false);
    }

    /// The configuration was loaded or refused, as the status says.
    pub(super) fn reloaded(&self) {
        self.tell(Some(Phase::Ready), false);
    }

    /// Tells what is new. Nothing comes after the stop.
    fn tell(&self, phase: Option<Phase>, poller_lives: bool) {
        let Some(socket) = &self.socket else { return };
        // Whatever was told is whole, so a panic elsewhere meanwhile spoils nothing.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(phase) = phase.filter(|_| told.phase != Phase::Stopping) {
            told.phase = phase;
        }
        let text = self.text(told.phase);
        let mut news = Vec::new();
        if told.taken.as_ref().is_none_or(|(phase, _)| *phase != told.phase) {
            news.extend(told.phase.states());
        }
        if told.taken.as_ref().is_none_or(|(_, before)| *before != text) {
            news.push(NotifyState::Status(&text));
        }
        if poller_lives {
            news.push(NotifyState::Watchdog);
        }
        if news.is_empty() {
            return;
        }
        match socket.send(&news) {
            Ok(()) => (told.taken, told.is_warned) = (Some((told.phase, text)), false),
            Err(error) if !told.is_warned => {
                warn!("the service manager does not listen, and is told again every {PERIOD:?}: {error}");
                told.is_warned = true;
            }
            Err(_) => {}
        }
    }

    fn text(&self, phase: Phase) -> String {
        match phase {
            Phase::Ready => {
                let targets = self.store.look(|known| known.targets().count());
                in_a_line(&state(&self.status.snapshot(), targets, SystemTime::now()))
            }
            Phase::Reloading => "loading the configuration".to_owned(),
            Phase::Stopping => "stopping".to_owned(),
        }
    }
}

impl Phase {
    fn states(self) -> Vec<NotifyState<'static>> {
        match self {
            Self::Ready => vec![NotifyState::Ready],
            // Newer versions of systemd want to know when it began.
            Self::Reloading => {
                [NotifyState::Reloading].into_iter().chain(NotifyState::monotonic_usec_now().ok()).collect()
            }
            Self::Stopping => vec![NotifyState::Stopping],
        }
    }
}

impl Socket {
    /// The crate's own `notify` would wait for a reader, and knows no abstract names.
    fn at(place: &OsStr) -> io::Result<Self> {
        let address = match place.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(place)?,
            _ => {
                let expected = "expected an absolute path, or @ and an abstract name";
                return Err(io::Error::new(io::ErrorKind::Unsupported, expected));
            }
        };
        let datagrams = UnixDatagram::unbound()?;
        datagrams.set_nonblocking(true)?;
        Ok(Self { address, datagrams })
    }

    fn send(&self, news: &[NotifyState<'_>]) -> io::Result<()> {
        let lines: Vec<_> = news.iter().map(ToString::to_string).collect();
        self.datagrams.send_to_addr(lines.join("\n").as_bytes(), &self.address).map(drop)
    }
}

/// What `systemctl status` shows.
fn state(status: &StatusSnapshot, targets: usize, now: SystemTime) -> String {
    let mut parts = vec![count(targets, "target")];
    match &status.cycle {
        Some(cycle) => {
            let ended = cycle.targets;
            let numbers = [(ended.answered, "answered"), (ended.failed, "failed"), (ended.left, "left over")];
            let numbers = numbers.into_iter().filter(|(number, what)| *number > 0 || *what == "failed");
            let numbers: Vec<_> = numbers.map(|(number, what)| format!("{number} {what}")).collect();
            parts.push(format!("last cycle: {}", numbers.join(", ")));
        }
        None => parts.push("no cycle has ended yet".to_owned()),
    }
    if status.api_up == Some(false) {
        parts.push("AvePoint does not answer".to_owned());
    }
    if let Some(until) = status.held_until(now) {
        parts.push(format!("AvePoint asked for no requests until {}", rfc3339::seconds(until)));
    }
    if status.reload.is_web_refused() {
        parts.push("the web configuration was not reloaded: the log says why".to_owned());
    }
    // It may be long, and is cut then.
    if let Some(why) = status.reload.refusal() {
        parts.push(format!("the configuration was not reloaded: {why}"));
    }
    parts.join("; ")
}

/// In one line, since a line is an assignment, and short enough.
fn in_a_line(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let mut line = words.join(" ");
    if line.len() > LONGEST_STATUS {
        line.truncate(line.floor_char_boundary(LONGEST_STATUS));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
