//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::HOST;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::Agreed;
use crate::date::while_dated;
use crate::origin::Origin;
use crate::phase::{Phase, PhaseClock, TimedStream};
use crate::{Body, Handler, Limits, Service, http2, plain_text};

/// What a connection needs besides its stream.
pub(crate) struct Connection<S> {
    pub(crate) origin: Origin,
    pub(crate) clock: Arc<PhaseClock>,
    pub(crate) handler: Arc<Handler<S>>,
    pub(crate) limits: Limits,
    pub(crate) stopping: CancellationToken,
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl<S: Service> Connection<S> {
    /// Serves until the client has enough, or what was asked is answered and the server stops.
    pub(crate) async fn run<I>(self, stream: I, tls: Option<Arc<rustls::ServerConfig>>)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(tls) = tls else { return self.http1(stream, None).await };
        let shaken = tokio::select! {
            shaken = TlsAcceptor::from(tls).accept(stream) => shaken,
            () = self.stopping.cancelled() => return,
        };
        match shaken {
            Ok(stream) => {
                self.clock.enter(Phase::Head);
                let tls = stream.get_ref().1;
                let (is_http2, agreed) = (tls.alpn_protocol() == Some(b"h2"), Agreed::on(tls));
                if is_http2 { http2::serve(stream, self, agreed).await } else { self.http1(stream, Some(agreed)).await }
            }
            Err(error) => debug!(%error, "a TLS handshake failed"),
        }
    }

    async fn http1<I>(self, stream: I, agreed: Option<Agreed>)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { origin, clock, handler, limits, stopping } = self;
        let service = service_fn(|request| {
            clock.enter(Phase::Answering);
            let handler = handler.clone();
            async move { Ok::<_, Infallible>(answer(&handler, origin, request).await) }
        });
        let connection = http1::Builder::new()
            .max_header_size(limits.head_bytes)
            .max_buf_size(UNSENT.max(limits.head_bytes))
            // `Connections::close_overdue` does that, and leaves idle connections alone.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(TimedStream::new(stream, clock.clone())), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            // A request that comes later is not answered.
            biased;
            () = stopping.cancelled() => None,
            () = handler.no_longer_admits(agreed.as_ref()) => None,
            ended = while_dated(connection.as_mut(), SystemTime::now) => Some(ended),
        };
        let ended = if let Some(ended) = ended {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            while_dated(connection.as_mut(), SystemTime::now).await
        };
        if let Err(error) = ended {
            debug!(%error, "a connection broke");
        }
    }
}

/// About so many bytes of an answer wait for a client that does not take them.
const UNSENT: usize = 64 << 10;

/// The response to a request, whose body nobody reads. It is kept until then: hyper would begin to read past it.
pub(crate) async fn answer<S: Service>(
    handler: &Handler<S>,
    origin: Origin,
    request: Request<Incoming>,
) -> Response<Body> {
    let (head, _unread) = request.into_parts();
    let request = Request::from_parts(head, ());
    if names_its_host(&request) {
        return handler.answer_to(origin, &request).await;
    }
    handler.finish(&request, plain_text(StatusCode::BAD_REQUEST, "A request needs one Host header.\n"))
}

/// Requests of HTTP/1.1 name it once (RFC 9112, 3.2): whoever stands in front could take another one for it.
fn names_its_host(request: &Request<()>) -> bool {
    match request.headers().get_all(HOST).iter().count() {
        0 => request.version() != Version::HTTP_11,
        hosts => hosts == 1,
    }
}

#[cfg(test)]
pub(crate) mod tests;
