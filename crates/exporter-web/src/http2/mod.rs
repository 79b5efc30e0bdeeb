//! A connection that speaks HTTP/2, on which several requests may be under way.

mod frames;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use self::frames::{Allowance, CountedStream};
use crate::config::Agreed;
use crate::connection::{Connection, answer};
use crate::phase::{Phase, PhaseClock};
use crate::{Body, Handler, Service, Withdrawn, plain_text};

/// Serves until the client has enough, or what was asked is answered and the server stops.
pub(crate) async fn serve<I, S>(stream: I, connection: Connection<S>, agreed: Agreed)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service,
{
    let Connection { origin, clock, handler, limits, stopping } = connection;
    let streams = Arc::new(Streams { clock, open: Mutex::default() });
    let allowance = Arc::new(Allowance::new());
    let is_admitted = Arc::new(AtomicBool::new(true));
    let service = service_fn(|request| {
        let (handler, stream, allowance) = (handler.clone(), Stream::begin(&streams), allowance.clone());
        let is_admitted = is_admitted.load(Ordering::Relaxed);
        async move {
            let response =
                if is_admitted { answer(&handler, origin, request).await } else { misdirected(&handler, request) };
            allowance.answered();
            stream.is_sent_now();
            Ok::<_, Infallible>(response.map(|body| StreamBody { body, stream: stream.into() }))
        }
    });
    let (spawn, mut spawned) = mpsc::unbounded_channel();
    let connection = http2::Builder::new(Tasks(spawn))
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        // Nobody reads a request's body: none needs more than the RFC's smallest window, which all of them share.
        .initial_stream_window_size(SMALLEST_WINDOW)
        .initial_connection_window_size(SMALLEST_WINDOW)
        .max_send_buf_size(UNSENT)
        .serve_connection(TokioIo::new(CountedStream::new(stream, allowance.clone())), service);
    let no_longer_admits = handler.no_longer_admits(Some(&agreed));
    tokio::pin!(connection, no_longer_admits);
    let mut answering = JoinSet::new();
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = &mut no_longer_admits, if is_admitted.load(Ordering::Relaxed) => {
                // Who does not take notice of the end can still ask, in vain.
                is_admitted.store(false, Ordering::Relaxed);
                connection.as_mut().graceful_shutdown();
            }
            ended = connection.as_mut() => break ended,
            Some(task) = spawned.recv() => {
                answering.spawn(task);
            }
            // If one panicked, its client sees the stream reset.
            Some(_) = answering.join_next() => {}
            () = stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}

/// The response to a request on a connection that was let in by what no longer holds (RFC 9110, 15.5.20).
fn misdirected<S: Service>(handler: &Handler<S>, request: Request<Incoming>) -> Response<Body> {
    let (head, _) = request.into_parts();
    let text = "This connection no longer meets what is demanded: begin another one.\n";
    handler.finish(&Request::from_parts(head, ()), plain_text(StatusCode::MISDIRECTED_REQUEST, text))
}

/// So many bytes of an answer wait for its client, besides the chunk that they belong to.
const UNSENT: usize = 16 << 10;

/// RFC 9113, 6.9.2.
const SMALLEST_WINDOW: u32 = 65_535;

/// Hands what hyper wants to run at the side to the connection's own task, with which it ends.
#[derive(Clone)]
struct Tasks(mpsc::UnboundedSender<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        // Where nobody receives it any more, the connection has ended.
        let _ = self.0.send(Box::pin(task));
    }
}

/// The requests under way on one connection: together they are what it does.
#[derive(Debug)]
struct Streams {
    clock: Arc<PhaseClock>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// Since when the answer is on its way; `None`: the service still makes it.
    sent_since: BTreeMap<u64, Option<Instant>>,
}

impl Streams {
    fn change<T>(&self, change: impl FnOnce(&mut Open) -> T) -> T {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut open);
        match open.sent_since.values().flatten().min() {
            // The answer that takes longest counts, or it could hide behind others.
            Some(since) => self.clock.enter_at(Phase::Sending, *since),
            None if open.sent_since.is_empty() => self.clock.enter(Phase::Idle),
            None => self.clock.enter(Phase::Answering),
        }
        changed
    }
}

/// One request, until the last byte of its answer is sent or nobody wants it any more.
#[derive(Debug)]
struct Stream {
    streams: Arc<Streams>,
    id: u64,
}

impl Stream {
    fn begin(streams: &Arc<Streams>) -> Self {
        let id = streams.change(|open| {
            open.next += 1;
            open.sent_since.insert(open.next, None);
            open.next
        });
        Self { streams: streams.clone(), id }
    }

    fn is_sent_now(&self) {
        self.streams.change(|open| open.sent_since.insert(self.id, Some(Instant::now())));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.change(|open| open.sent_since.remove(&self.id));
    }
}

/// A body whose bytes keep its stream open until they are sent: hyper is done with a body long before that.
#[derive(Debug)]
struct StreamBody {
    body: Body,
    stream: Arc<Stream>,
}

impl hyper::body::Body for StreamBody {
    type Data = StreamBytes;
    type Error = Withdrawn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<StreamBytes>, Withdrawn>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let held = |bytes| StreamBytes { bytes, _stream: self.stream.clone() };
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        hyper::body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        hyper::body::Body::size_hint(&self.body)
    }
}

#[derive(Debug)]
struct StreamBytes {
    bytes: Bytes,
    _stream: Arc<Stream>,
}

impl Buf for StreamBytes {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

#[cfg(test)]
mod tests;
