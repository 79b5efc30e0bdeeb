//! The only place where the parts are wired together.

mod keeper;
mod parts;
mod reload;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_appender::non_blocking::ErrorCounter;

pub use self::parts::PartEnded;
pub use self::reload::{LoadError, Source};

use self::keeper::{Kept, keep};
use self::parts::Parts;
use self::reload::Reloader;
use crate::config::Config;
use crate::metrics::exposition::Exposition;
use crate::pages::{self, Routes, Sources, TelemetryPath, WebObserver};
use crate::poll::{Plan, Poller};
use crate::status::Stats;
use crate::store::saved;
use crate::store::{self, Store};
use elements_api::Client;
use exporter_web::settle::Settling;
use exporter_web::{BindError, Server, ServerConfig};

/// What the daemon is told from outside its configuration.
#[derive(Debug)]
pub struct Options {
    pub source: Source,
    /// Load the configuration again when its file changes.
    pub auto_reload: bool,
    pub web: ServerConfig,
    pub telemetry_path: TelemetryPath,
    /// Whether `/-/reload` does anything.
    pub enable_lifecycle: bool,
    /// Counts the lines of the log that nobody took; `None` where there is no log.
    pub log_lines_dropped: Option<ErrorCounter>,
}

/// The daemon, ready to run: its sockets are bound, and nothing is asked or answered yet.
#[derive(Debug)]
pub struct App {
    server: Server<Routes>,
    poller: Poller,
    kept: Arc<Mutex<Kept>>,
    reloader: Reloader,
    store: Arc<Store>,
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
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Part(#[from] PartEnded),
}

impl App {
    /// Loads the configuration, restores the state file and binds the sockets.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let Options { source, auto_reload, web, telemetry_path, enable_lifecycle, log_lines_dropped } = options;
        // Read before it is loaded: what changes in between is seen as a change.
        let watched = auto_reload.then(|| source.text()).flatten().map(Settling::new);
        let config = source.load()?;
        let stats = Arc::new(Stats::new(log_lines_dropped));
        let store = Arc::new(Store::new(shown(&config), SystemTime::now()));
        let client = Arc::new(Client::new(config.api.clone(), stats.clone())?);
        let kept = Arc::new(Mutex::new(Kept::open(&config, &store)?));
        let plan = Plan { client, selection: Arc::new(config.selection), timing: config.poll };
        let (plans, plan_changes) = watch::channel(plan);
        let poller = Poller::new(plan_changes, store.clone(), stats.clone());
        let (reload, requests) = pages::ReloadHandle::new();
        let exposition = Arc::new(Exposition::new(store.clone(), stats.clone()));
        let sources = Sources { exposition, store: store.clone(), stats: stats.clone(), reload };
        let observer = WebObserver::new(&sources, telemetry_path.clone());
        let routes = Routes::new(sources, telemetry_path, enable_lifecycle);
        let server = Server::bind(web, routes, observer).await?;
        let reloader = Reloader { source, watched, plans, kept: kept.clone(), store: store.clone(), stats, requests };
        Ok(Self { server, poller, kept, reloader, store })
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
    /// A part ended or panicked by itself.
    pub async fn run(self, shutdown: CancellationToken, reload: mpsc::Receiver<()>) -> Result<(), Error> {
        let Self { server, poller, kept, reloader, store } = self;
        let stop = CancellationToken::new();
        let polled = CancellationToken::new();
        let mut parts = Parts::default();
        parts.start("web server", server.run(stop.clone().cancelled_owned()));
        let polling = poller.run(stop.clone());
        let last_answer = polled.clone().drop_guard();
        parts.start("poller", async move {
            polling.await;
            drop(last_answer);
        });
        parts.start("state keeper", keep(kept, store.clone(), polled));
        parts.start("reloader", reloader.run(reload, stop.clone()));
        parts.run(shutdown, stop).await?;
        let targets = store.snapshot().records().count();
        info!(targets, "stopped");
        Ok(())
    }
}

/// What of the configuration the store shows and needs.
fn shown(config: &Config) -> store::Settings {
    store::Settings { interval: config.poll.interval, freshness: config.poll.freshness() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::poll::{self, ConfiguredCustomer, Selection};
    use elements_api::testing::{Vendor, settings};
    use elements_api::{CustomerId, ProductType};

    fn config() -> Config {
        let interval = Duration::from_mins(15);
        let customer = ConfiguredCustomer { id: CustomerId::parse("contoso").unwrap(), name: None, products: None };
        Config {
            api: settings(),
            poll: poll::Timing { interval, stale_after: interval * 3, absent_interval: interval },
            state_file: None,
            selection: Selection {
                customers: vec![customer],
                discovery: None,
                products: vec![ProductType::new(4).unwrap()],
            },
        }
    }

    #[tokio::test]
    async fn a_part_that_panics_ends_the_daemon_with_its_reason() {
        let web = ServerConfig { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ServerConfig::default() };
        let source = Source::Fixed(Box::new(config()));
        let options = Options {
            source,
            auto_reload: false,
            web,
            telemetry_path: TelemetryPath::default(),
            enable_lifecycle: false,
            log_lines_dropped: None,
        };
        let mut app = App::bind(options).await.unwrap();
        let client = Vendor::new(|_| panic!("out of cheese")).client(|_| {});
        let plan = Plan { client, selection: Arc::new(config().selection), timing: config().poll };
        app.poller = Poller::new(watch::channel(plan).1, app.store.clone(), Arc::new(Stats::default()));
        let (_wishes, reload) = mpsc::channel(1);
        let error = app.run(CancellationToken::new(), reload).await.unwrap_err();
        assert_eq!(error.to_string(), "the poller panicked: out of cheese");
    }
}
