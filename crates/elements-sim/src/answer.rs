//! Answers, and the ways in which their bodies reach the connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{self, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Interval, interval};

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// An error of the API. The vendor does not document its body, so no client may rely on it.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Bytes> {
    json(status, &json!({ "message": message }))
}

/// An answer with nothing in it.
pub(crate) fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The answer to every method but `allowed`.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The body of an answer. It counts its bytes as the connection takes them.
#[derive(Debug)]
pub(crate) struct Body {
    pace: Pace,
    rest: Bytes,
    sent: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Pace {
    Whole,
    Drip(Interval),
    /// So many bytes of white space come first.
    Flood(u64),
}

impl Body {
    pub(crate) fn whole(rest: Bytes, sent: Arc<AtomicU64>) -> Self {
        Self { pace: Pace::Whole, rest, sent }
    }

    pub(crate) fn drip(rest: Bytes, every: Duration, sent: Arc<AtomicU64>) -> Self {
        // An interval of nothing would panic.
        Self { pace: Pace::Drip(interval(every.max(Duration::from_nanos(1)))), rest, sent }
    }

    pub(crate) fn flood(rest: Bytes, mebibytes: u64, sent: Arc<AtomicU64>) -> Self {
        Self { pace: Pace::Flood(mebibytes << 20), rest, sent }
    }
}

static WHITE_SPACE: [u8; 16 << 10] = [b' '; 16 << 10];

impl body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let chunk = match &mut this.pace {
            Pace::Flood(left @ 1..) => {
                let len = WHITE_SPACE.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= len as u64;
                Bytes::from_static(&WHITE_SPACE[..len])
            }
            Pace::Drip(tick) if !this.rest.is_empty() => {
                ready!(tick.poll_tick(context));
                this.rest.split_to(1)
            }
            _ => this.rest.split_off(0),
        };
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        this.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && !matches!(self.pace, Pace::Flood(1..))
    }

    fn size_hint(&self) -> SizeHint {
        match self.pace {
            Pace::Flood(_) => SizeHint::default(),
            Pace::Whole | Pace::Drip(_) => SizeHint::with_exact(self.rest.len() as u64),
        }
    }
}
