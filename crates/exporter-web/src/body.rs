//! The body of a response, and a response of plain text.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

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
#[derive(Default)]
pub struct Body {
    ready: std::vec::IntoIter<Bytes>,
    /// The bytes that are left of what is ready.
    left: u64,
    /// What follows, made when the client has taken what was before it.
    lazy: Option<Box<dyn Iterator<Item = Bytes> + Send>>,
    guard: Option<Box<dyn Send>>,
}

/// A body of so many bytes is sent as one chunk.
const SMALL: usize = 1 << 16;

impl Body {
    /// Chunks that are made only when the client has taken those before them. Their length is not known beforehand, so
    /// the response has no `Content-Length`.
    pub fn lazy(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self { lazy: Some(Box::new(chunks)), ..Self::default() }
    }

    /// Keeps `guard` until the body is sent or its client gone: a semaphore's permit, for one, limits how many large
    /// bodies there are at a time.
    #[must_use]
    pub fn holding(self, guard: impl Send + 'static) -> Self {
        Self { guard: Some(Box::new(guard)), ..self }
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(chunks: Vec<Bytes>) -> Self {
        let left: usize = chunks.iter().map(Bytes::len).sum();
        // To send many chunks takes longer than to copy a few bytes.
        let chunks = if left <= SMALL { vec![chunks.concat().into()] } else { chunks };
        let left = left as u64;
        Self { ready: chunks.into_iter(), left, ..Self::default() }
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
            .field("is_lazy", &self.lazy.is_some())
            .field("holds_guard", &self.guard.is_some())
            .finish_non_exhaustive()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let ready = self.ready.find(|chunk| !chunk.is_empty());
        self.left -= ready.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let chunk = ready.or_else(|| self.lazy.as_mut()?.find(|chunk| !chunk.is_empty()));
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.lazy.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.lazy.is_some() { SizeHint::default() } else { SizeHint::with_exact(self.left) }
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
