//! The only place where the parts are wired together.

mod changes;
mod followed;
mod holds;
mod keeper;
mod reload;
mod service_manager;
mod supervisor;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use self::reload::{LoadError, Source};
pub use self::supervisor::TaskEnded;

use elements_api::Client;
use exporter_web::{BindError, Server, ServerConfig};

use self::followed::Followed;
use self::holds::Holds;
use self::keeper::{Keeper, keep};
use self::reload::Reloader;
use self::service_manager::ServiceManager;
use self::supervisor::Supervisor;
use crate::metrics::exposition::Exposition;
use crate::off_runtime::off_runtime;
use crate::pages::{self, Routes, Sources, TelemetryPath, WebObserver};
use crate::poll::{ExpectedSeatsFile, Plan, Poller};
use crate::status::{LinesDropped, Status};
use crate::store::saved;
use crate::store::{Clock, Store};

/// How the daemon is started, besides what its configuration says.
#[derive(Debug)]
pub struct Launch {
    pub source: Source,
    /// Load the configuration again when its file changes, or one that it names.
    pub auto_reload: bool,
    pub web: ServerConfig,
    pub telemetry_path: TelemetryPath,
    /// Whether `/-/reload` does anything.
    pub enable_lifecycle: bool,
    /// Counts the lines of the log that nobody took; `None` where there is no log.
    pub log_lines_dropped: Option<LinesDropped>,
    /// Where a service manager wants to be told how it goes, as it says in `NOTIFY_SOCKET`.
    pub notify_socket: Option<OsString>,
}

/// The daemon, ready to run: its sockets are bound, and nothing is asked or answered yet.
#[derive(Debug)]
pub struct App {
    server: Server<Routes>,
    poller: Poller,
    keeper: Arc<Mutex<Keeper>>,
    reloader: Reloader,
    service_manager: Arc<ServiceManager>,
    store: Arc<Store>,
    status: Arc<Status>,
}

/// Why the daemon cannot start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Client(#[from] elements_api::SetupError),
    #[error(transparent)]
    State(#[from] saved::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Task(#[from] TaskEnded),
}

impl App {
    /// Loads the configuration, restores the state file and binds the sockets. The future may be dropped at any time.
    pub async fn bind(launch: Launch) -> Result<Self, Error> {
        let Launch { source, auto_reload, web, telemetry_path, enable_lifecycle, log_lines_dropped, notify_socket } =
            launch;
        // Files may be on a disk that does not answer, which must not keep a signal from ending the process.
        let loading = off_runtime(move || {
            // Read before it is loaded: what changes in between is seen as a change.
            let followed = auto_reload.then(|| Followed::new(&source)).flatten();
            let config = source.load()?;
            let status = Arc::new(Status::new(config.poll.interval, SystemTime::now(), log_lines_dropped));
            let client = Arc::new(Client::new(config.api.clone(), status.clone())?);
            let (keeper, saved) = Keeper::open(&config)?;
            let expected = config.expected_seats_file.as_deref().map(ExpectedSeatsFile::read);
            Ok::<_, Error>((source, followed, config, expected, status, client, keeper, saved))
        });
        let (source, followed, config, expected, status, client, keeper, saved) = loading.await?;
        let keeper = Arc::new(Mutex::new(keeper));
        let plan = Plan { client, selection: Arc::new(config.selection), timing: config.poll, expected };
        let (plans, plan_changes) = watch::channel(plan);
        let poller = Poller::new(plan_changes, &saved, status.clone(), Clock::system());
        let store = poller.store();
        let (reload, requests) = pages::ReloadHandle::new();
        let exposition = Arc::new(Exposition::new(store.clone(), status.clone()));
        let sources = Sources { exposition, store: store.clone(), status: status.clone(), reload };
        let observer = WebObserver::new(&sources, telemetry_path.clone());
        let routes = Routes::new(sources, telemetry_path, enable_lifecycle);
        let server = Server::bind(web, routes, observer).await?;
        let service_manager = ServiceManager::at(notify_socket.as_deref(), store.clone(), status.clone());
        let service_manager = Arc::new(service_manager);
        let reloader = Reloader {
            source,
            followed,
            plans,
            keeper: keeper.clone(),
            status: status.clone(),
            holds: Holds::default(),
            service_manager: service_manager.clone(),
            requests,
        };
        Ok(Self { server, poller, keeper, reloader, service_manager, store, status })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        self.server.scheme()
    }

    /// Runs until `shutdown`; each message of `reload` loads the configuration again.
    ///
    /// # Errors
    ///
    /// One of its tasks ended by itself.
    pub async fn run(self, shutdown: CancellationToken, reload: mpsc::Receiver<()>) -> Result<(), Error> {
        let Self { server, poller, keeper, reloader, service_manager, store, status } = self;
        let stop = CancellationToken::new();
        let poller_ended = CancellationToken::new();
        let mut supervisor = Supervisor::default();
        supervisor.start("web server", server.run(stop.clone().cancelled_owned()));
        let polling = poller.run(stop.clone());
        let ending = poller_ended.clone().drop_guard();
        supervisor.start("poller", async move {
            polling.await;
            drop(ending);
        });
        supervisor.start("state keeper", keep(keeper, store.clone(), status, poller_ended));
        supervisor.start("reloader", reloader.run(reload, stop.clone()));
        supervisor.start("word to the service manager", service_manager.run(stop.clone()));
        supervisor.run(shutdown, stop).await?;
        let targets = store.look(|known| known.targets().count());
        info!(targets, "stopped");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn files_that_take_their_time_at_start_keep_no_signal_waiting() {
        let launch = Launch {
            source: Source::File("a file that need not exist".into()),
            auto_reload: true,
            web: ServerConfig::default(),
            telemetry_path: TelemetryPath::default(),
            enable_lifecycle: false,
            log_lines_dropped: None,
            notify_socket: None,
        };
        let mut binding = pin!(App::bind(launch));
        // Polled once, it gives way instead of reading then and there.
        assert!(poll_fn(|context| Poll::Ready(binding.as_mut().poll(context).is_pending())).await);
    }
}
