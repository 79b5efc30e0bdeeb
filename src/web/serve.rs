//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::activity::{Activity, Phase, Watched};
use super::http2;
use super::limits::Limits;
use crate::pages::Routes;

/// What a connection needs besides its stream.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) activity: Arc<Activity>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) limits: Limits,
    pub(crate) stopping: CancellationToken,
}

impl Serving {
    /// Serves until the client has enough, or what was asked is answered and `stopping`.
    pub(crate) async fn run<S>(self, stream: S, tls: Option<Arc<ServerConfig>>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(tls) = tls else { return self.http1(stream).await };
        let shaken = tokio::select! {
            shaken = TlsAcceptor::from(tls).accept(stream) => shaken,
            () = self.stopping.cancelled() => return,
        };
        match shaken {
            Ok(stream) => {
                self.activity.enter(Phase::Head);
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                if is_http2 { http2::serve(stream, self).await } else { self.http1(stream).await }
            }
            Err(error) => debug!(%error, "a TLS handshake failed"),
        }
    }

    async fn http1<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { activity, routes, limits, stopping } = self;
        let service = service_fn(|request| {
            activity.enter(Phase::Answering);
            let routes = routes.clone();
            async move { Ok::<_, Infallible>(routes.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .max_header_size(limits.head_bytes)
            // The sweep does that, and leaves idle connections alone.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Watched::new(stream, activity.clone())), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection broke");
        }
    }
}
