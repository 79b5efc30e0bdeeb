//! The server: from the addresses to listen on to the last response.

use std::fmt;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::accept::{Accepting, Exhausted};
use crate::config::ConfigFile;
use crate::connections::Connections;
use crate::{BindError, Handler, Limits, ListenAddress, Observer, Service, WebConfig};

/// Where to listen, and to whom.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// At least one, or nobody can ask.
    pub listen: Vec<ListenAddress>,
    /// TLS, users, headers and a rate limit, in the format of Prometheus' exporter-toolkit. The file is followed: a
    /// change is in force within two seconds. `None`: no TLS, and everybody is let in.
    pub config_file: Option<PathBuf>,
    /// What a browser shows when it asks for a password (RFC 7617); usually the exporter's name. Of it, visible ASCII
    /// but `"` and `\\`, and blanks are shown.
    pub realm: String,
    /// What clients may cost.
    pub limits: Limits,
}

/// A server that listens already, and serves once it runs.
///
/// Clients may be slow, silent or many: heads, responses and idle time are limited in time, connections in number, and
/// where there is no place left the client that has been quiet for longest makes room. HTTP/1, and over TLS HTTP/2.
pub struct Server<S> {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    handler: Arc<Handler<S>>,
    limits: Limits,
    /// Where there is a web configuration file: the file, and where its contents are read.
    config_file: Option<ConfigFile>,
    web_config: watch::Sender<Arc<WebConfig>>,
    is_beyond_loopback: bool,
}

impl<S: Service> Server<S> {
    /// Loads the web configuration file and listens on every address of `config`. The `observer` may be `()`.
    ///
    /// # Errors
    ///
    /// The file is not valid, or the system refuses an address.
    pub async fn bind(config: ServerConfig, service: S, observer: impl Observer) -> Result<Self, BindError> {
        let ServerConfig { listen, config_file, realm, limits } = config;
        let loaded = match config_file {
            // Its disk may take its time, or not answer: nothing else waits for it.
            Some(path) => match spawn_blocking(move || ConfigFile::load(path)).await {
                Ok(loaded) => Some(loaded?),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime goes down.
                Err(_) => return pending().await,
            },
            None => None,
        };
        let (config_file, web_config) = loaded.map_or_else(Default::default, |(file, config)| (Some(file), config));
        let is_beyond_loopback = listen.iter().any(ListenAddress::is_beyond_loopback);
        announce(&observer, &web_config, is_beyond_loopback);
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for address in &listen {
            let listener = address.bind().await?;
            let failed = |source| BindError::Listen { address: address.to_string(), source };
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        if listeners.is_empty() {
            return Err(BindError::NoAddress);
        }
        let (web_config, live) = watch::channel(Arc::new(web_config));
        let handler = Handler::guarded(service, Box::new(observer), live, &realm).into();
        Ok(Self { listeners, addresses, handler, limits, config_file, web_config, is_beyond_loopback })
    }

    /// Where it listens, in the order of the configuration, with the port that the system chose where that was 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// `https` or `http`, as the web configuration has it now.
    pub fn scheme(&self) -> &'static str {
        if self.web_config.borrow().tls().is_some() { "https" } else { "http" }
    }

    /// Serves until `shutdown`; then accepts nobody, answers what was asked for as long as [`Limits::grace`] allows,
    /// and returns.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let (config_file, web_config) = (self.config_file.take(), self.web_config.clone());
        let (handler, is_beyond_loopback) = (self.handler.clone(), self.is_beyond_loopback);
        let following = async {
            let Some(config_file) = config_file else { return pending().await };
            let publish = |config: Option<WebConfig>| {
                let successful = config.is_some();
                if let Some(config) = config {
                    announce(handler.observer(), &config, is_beyond_loopback);
                    web_config.send_replace(Arc::new(config));
                }
                handler.observer().config_reloaded(successful);
            };
            config_file.follow(publish).await
        };
        tokio::select! {
            () = self.serve(shutdown) => {}
            never = following => match never {},
        }
    }

    async fn serve(self, shutdown: impl Future<Output = ()>) {
        let mut connections = Connections::new(self.handler, self.limits);
        let mut accepting = Accepting::new(self.listeners);
        let mut looks = interval(LOOK_FOR_OVERDUE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = connections.ended() => {}
                _ = looks.tick() => connections.close_overdue(),
                accepted = accepting.accept() => match accepted {
                    Ok((stream, client)) => connections.add(stream, client.ip().into()),
                    Err(Exhausted) => connections.make_room(),
                },
            }
        }
        drop(accepting);
        connections.drain().await;
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Reports what a configuration that is about to be in force means.
fn announce(observer: &dyn Observer, config: &WebConfig, is_beyond_loopback: bool) {
    if is_beyond_loopback && config.is_open() {
        observer.exposed();
    }
    if !config.users.is_empty() {
        observer.password_demanded();
    }
}

/// How often connections are looked at, and so how exact their limits are.
const LOOK_FOR_OVERDUE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
