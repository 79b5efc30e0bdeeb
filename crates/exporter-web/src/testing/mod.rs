//! Connections whose bytes come from anywhere, for tests and fuzzers (feature `testing`).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Agreed;
use crate::connection::Connection;
use crate::origin::Origin;
use crate::phase::{Phase, PhaseClock};
use crate::{Handler, Limits, Service, WebConfig, http2};

#[cfg(test)]
mod service;
#[cfg(test)]
pub(crate) use service::{Slow, TestService};

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.
    Http1,
    /// HTTP/2, as over TLS: the client knows before that it may.
    Http2,
}

/// Serves one connection over any stream until it ends, to whom `config` lets in; its TLS is left out. Nobody closes it
/// when it takes too long: [`Limits`] of time are those of the [`Server`](crate::Server).
pub async fn serve<S, I>(service: S, config: WebConfig, protocol: Protocol, stream: I)
where
    S: Service,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (_live, config) = watch::channel(Arc::new(config));
    let connection = connection(service, config);
    match protocol {
        Protocol::Http1 => connection.run(stream, None).await,
        Protocol::Http2 => http2::serve(stream, connection, Agreed::default()).await,
    }
}

/// A connection whose first byte has not come yet, under a configuration that may change.
pub(crate) fn connection<S: Service>(service: S, config: watch::Receiver<Arc<WebConfig>>) -> Connection<S> {
    Connection {
        origin: here(),
        clock: Arc::new(PhaseClock::new(Phase::Head)),
        handler: Handler::guarded(service, Box::new(()), config, "").into(),
        limits: Limits::default(),
        stopping: CancellationToken::new(),
    }
}

/// Where the clients of a test come from.
pub(crate) fn here() -> Origin {
    IpAddr::from(Ipv4Addr::LOCALHOST).into()
}
