//! The listening sockets, and the loop that accepts.

use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Watched;
use super::connections::Connections;
use super::guard::Guard;
use super::limits::Limits;
use super::{BindError, ListenAddress, Settings, WebConfig};
use crate::pages::Parts;
use crate::pages::Routes;
use crate::status::Status;

/// A server that listens already, and serves once it runs.
///
/// Clients may be slow, silent or many: heads, answers and idle time are limited in time, connections in number, and
/// where there is no place left the client that has been quiet for longest makes room. HTTP/1, and over TLS HTTP/2.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    routes: Arc<Routes>,
    limits: Limits,
    /// Where there is a web configuration file: the file, and where its contents are read.
    watched: Option<Watched>,
    web_config: watch::Sender<Arc<WebConfig>>,
    /// Where it is shown how the web configuration does.
    status: Arc<Status>,
    beyond_loopback: bool,
}

impl Server {
    /// Loads the web configuration file and listens on every address of `settings`.
    pub async fn bind(settings: Settings, parts: Parts) -> Result<Self, BindError> {
        let loaded = settings.config_file.map(Watched::load).transpose()?;
        let (watched, config) = loaded.map_or_else(Default::default, |(watched, config)| (Some(watched), config));
        let beyond_loopback = settings.listen.iter().any(ListenAddress::beyond_loopback);
        warn_if_open(beyond_loopback, &config);
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for address in &settings.listen {
            let listener = address.bind().await?;
            let failed = |source| BindError::Listen { address: address.to_string(), source };
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        if listeners.is_empty() {
            return Err(BindError::NoAddress);
        }
        let (web_config, live) = watch::channel(Arc::new(config));
        let status = parts.status.clone();
        let routes = Routes::new(parts, settings.telemetry_path, settings.enable_lifecycle).guarded(Guard::new(live));
        Ok(Self {
            listeners,
            addresses,
            routes: routes.into(),
            limits: Limits::default(),
            watched,
            web_config,
            status,
            beyond_loopback,
        })
    }

    /// Where it listens, in the order of the settings, with the port that the system chose where that was 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// `https` or `http`, as the web configuration has it now.
    pub fn scheme(&self) -> &'static str {
        if self.web_config.borrow().tls().is_some() { "https" } else { "http" }
    }

    /// Serves until `shutdown`; then accepts nobody, answers what was asked for up to three seconds, and returns.
    ///
    /// # Panics
    ///
    /// Where answering a request does: it is a fault of this program, which must not go by in silence.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let (watched, web_config) = (self.watched.take(), self.web_config.clone());
        let (routes, status, beyond_loopback) = (self.routes.clone(), self.status.clone(), self.beyond_loopback);
        let following = async {
            let Some(watched) = watched else { return pending().await };
            let publish = |config: Option<WebConfig>| {
                status.web_reloaded(config.is_some());
                if let Some(config) = config {
                    warn_if_open(beyond_loopback, &config);
                    web_config.send_replace(Arc::new(config));
                    routes.count_refusals();
                }
            };
            watched.follow(publish).await
        };
        tokio::select! {
            () = self.serve(shutdown) => {}
            never = following => match never {},
        }
    }

    async fn serve(self, shutdown: CancellationToken) {
        let mut connections = Connections::new(self.routes, self.limits);
        let mut accepting = Accepting { listeners: self.listeners, next: 0, paused_until: None };
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = connections.ended() => {}
                _ = sweep.tick() => connections.sweep(),
                accepted = accepting.accept() => match accepted {
                    Ok(stream) => connections.add(stream),
                    Err(Exhausted) => connections.make_room(),
                },
            }
        }
        drop(accepting);
        connections.drain().await;
    }

    #[cfg(test)]
    pub(crate) fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

fn warn_if_open(beyond_loopback: bool, config: &WebConfig) {
    if beyond_loopback && config.is_open() {
        warn!(
            "listening beyond this machine without a password: whoever reaches the port sees all customers and seats"
        );
    }
}

/// How often connections are looked at, and so how exact their limits are.
const SWEEP: Duration = Duration::from_millis(500);

/// How long nobody is accepted after the system had no resources for it.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The system has no resources for another connection.
#[derive(Debug)]
struct Exhausted;

#[derive(Debug)]
struct Accepting {
    listeners: Vec<TcpListener>,
    /// The listener that is asked first, so that none is left out while another is flooded.
    next: usize,
    paused_until: Option<Instant>,
}

impl Accepting {
    /// The next connection. Nothing is lost where this is dropped while it waits.
    async fn accept(&mut self) -> Result<TcpStream, Exhausted> {
        if let Some(until) = self.paused_until {
            sleep_until(until).await;
        }
        loop {
            match self.any().await {
                Ok(stream) => {
                    if self.paused_until.take().is_some() {
                        info!("accepting connections again");
                    }
                    // Answers are written whole: waiting for more would only delay their end. A socket that cannot
                    // do this is about to fail anyway.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    if self.paused_until.replace(Instant::now() + EXHAUSTED_PAUSE).is_none() {
                        warn!(%error, "cannot accept connections now; trying again");
                    }
                    return Err(Exhausted);
                }
            }
        }
    }

    async fn any(&mut self) -> io::Result<TcpStream> {
        let Self { listeners, next, .. } = self;
        poll_fn(|context| {
            for offset in 0..listeners.len() {
                let index = (*next + offset) % listeners.len();
                if let Poll::Ready(accepted) = listeners[index].poll_accept(context) {
                    *next = index + 1;
                    return Poll::Ready(accepted.map(|(stream, _)| stream));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Linux hands the errors of a connection that is already gone to whoever accepts it: accept(2), "Error handling".
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::Interrupted
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::TimedOut
    )
}

#[cfg(test)]
mod tests;
