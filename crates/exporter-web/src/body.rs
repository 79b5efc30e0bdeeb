//! The body of a response, and a response of plain text.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, iter};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Frame, SizeHint};

/// The body of a response: chunks that are sent one after the other.
///
/// ```
/// use exporter_web::{Body, Bytes};
///
/// // Text, as most routes have it.
/// let text = Body::from("up 1\n");
/// // Chunks that many responses share without a copy, such as an exposition that is rendered once for all scrapes.
/// let rendered = [Bytes::from_static(b"up 1\n"), Bytes::from_static(b"# EOF\n")];
/// let shared = Body::from(rendered.to_vec());
/// // A large download, of which a client that reads slowly costs one chunk.
/// let lazy = Body::lazy((0..1_000_000).map(|row| format!("{row}\n").into()));
/// ```
pub struct Body {
    /// Made when the client has taken what was before.
    chunks: Box<dyn Iterator<Item = Result<Bytes, Withdrawn>> + Send>,
    /// How many bytes are left, where that is known.
    left: Option<u64>,
    guard: Option<Box<dyn Send>>,
}

/// A body of so many bytes is sent as one chunk.
const SMALL: u64 = 1 << 16;

/// The rest of a body is no longer there. The response breaks off, as its client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rest of the response is no longer there: its client took too long")]
pub struct Withdrawn;

impl Body {
    /// Chunks that are made only when the client has taken those before them. Their length is not known beforehand, so
    /// the response has no `Content-Length`.
    pub fn lazy(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self { chunks: Box::new(chunks.map(Ok)), left: None, guard: None }
    }

    /// `length` bytes in chunks that are asked for only when the client has taken those before them. Each may be
    /// withdrawn until then: what many responses share need not stay in memory for the slowest client.
    pub fn shared(length: u64, chunks: impl Iterator<Item = Result<Bytes, Withdrawn>> + Send + 'static) -> Self {
        if length > SMALL {
            return Self { chunks: Box::new(chunks), left: Some(length), guard: None };
        }
        // To send many chunks takes longer than to copy a few bytes.
        let whole = chunks.collect::<Result<Vec<_>, _>>().map(|chunks| chunks.concat().into());
        Self { chunks: Box::new(iter::once(whole)), left: Some(length), guard: None }
    }

    /// Keeps `guard` until the body is sent or its client gone: a semaphore's permit, for one, limits how many large
    /// bodies there are at a time.
    #[must_use]
    pub fn holding(self, guard: impl Send + 'static) -> Self {
        Self { guard: Some(Box::new(guard)), ..self }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self::shared(length, chunks.into_iter().map(Ok))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(vec![Bytes::from(text)])
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(vec![Bytes::from_static(text.as_bytes())])
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("left", &self.left)
            .field("holds_guard", &self.guard.is_some())
            .finish_non_exhaustive()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        let chunk = self.chunks.find(|chunk| !chunk.as_ref().is_ok_and(Bytes::is_empty));
        if let (Some(left), Some(Ok(chunk))) = (&mut self.left, &chunk) {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A response of plain text, for a person who asks: `Content-Type: text/plain; charset=utf-8`.
pub fn plain_text(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt as _;
    use hyper::body::Body as _;

    use super::*;

    #[tokio::test]
    async fn empty_chunks_are_left_out_and_the_length_is_that_of_all() {
        let body = Body::from(vec![Bytes::new(), Bytes::from_static(b"up "), Bytes::new(), Bytes::from_static(b"1\n")]);
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "up 1\n");
        assert!(Body::default().is_end_stream() && Body::from("").is_end_stream());
    }

    #[tokio::test]
    async fn a_lazy_chunk_is_made_when_the_one_before_is_taken() {
        let made = Arc::new(());
        let count = made.clone();
        // Each chunk holds on to the count while it is there.
        let mut body = Body::lazy((0..3).map(move |_| Bytes::from_owner(Counted(count.clone()))));
        assert_eq!((body.size_hint().exact(), Arc::strong_count(&made)), (None, 2));
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&made), 3, "one chunk");
        drop(first);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "xx");
    }

    #[tokio::test]
    async fn what_is_withdrawn_breaks_off_a_body_of_known_length() {
        let chunks = [Ok(Bytes::from_static(b"up ")), Err(Withdrawn)];
        let mut body = Body::shared(SMALL + 1, chunks.into_iter());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "up ");
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(SMALL - 2), false));
        assert_eq!(body.frame().await.unwrap().unwrap_err(), Withdrawn);
    }

    struct Counted(#[expect(dead_code, reason = "it is counted while it is there")] Arc<()>);

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    #[tokio::test]
    async fn a_guard_is_kept_until_the_body_is_gone() {
        let guard = Arc::new(());
        let mut body = Body::from("up 1\n").holding(guard.clone());
        body.frame().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
