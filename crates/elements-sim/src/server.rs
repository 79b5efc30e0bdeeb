//! Sockets: accept, TLS, HTTP/1.1, and connections that break on purpose.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::exchange::{self, Broken};

/// Serves until `stop` is cancelled; then drops every connection and returns.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    control: Control,
    stop: CancellationToken,
) {
    let tls = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    let _: Option<Infallible> = stop.run_until_cancelled(accept(&listener, tls, control, &mut connections)).await;
    drop(listener);
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    tls: Option<TlsAcceptor>,
    control: Control,
    connections: &mut JoinSet<()>,
) -> Infallible {
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, tls.clone(), control.clone()));
            }
            // Out of file descriptors, most likely: some connection has to end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, control: Control) {
    // A socket that is already dead says so again at its first read.
    let _ = stream.set_nodelay(true);
    // The client sees what became of its connection; nobody else needs to know.
    let _ = match tls {
        None => http(stream, control).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => http(stream, control).await,
            Err(error) => Err(error),
        },
    };
}

async fn http(stream: impl Socket, control: Control) -> io::Result<()> {
    let service = service_fn(|request| exchange::serve(control.clone(), request));
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return Ok(()) };
    let mut stream = connection.into_parts().io.into_inner();
    match error.source().and_then(|source| source.downcast_ref()) {
        None => Ok(()),
        Some(Broken::Reset) => stream.tcp().set_zero_linger(),
        Some(Broken::Raw(bytes)) => {
            stream.write_all(bytes).await?;
            stream.shutdown().await
        }
    }
}

/// A byte stream over TCP.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}
