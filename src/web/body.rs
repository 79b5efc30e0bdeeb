//! The body of an answer.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// Chunks to send one after the other. Nothing is copied: many answers may share their bytes.
#[derive(Default)]
pub(crate) struct Chunks {
    ready: std::vec::IntoIter<Bytes>,
    left: u64,
    /// What follows, made when the client has taken what was before it: one that does not costs one chunk.
    made: Option<Box<dyn Iterator<Item = Bytes> + Send>>,
    /// Given back when the answer is sent, or its client gone.
    _place: Option<OwnedSemaphorePermit>,
}

impl Chunks {
    pub(crate) fn new(chunks: Vec<Bytes>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { ready: chunks.into_iter(), left, ..Self::default() }
    }

    /// Chunks of a length that nobody knows beforehand.
    pub(crate) fn made(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self { made: Some(Box::new(chunks)), ..Self::default() }
    }

    /// The same, in a place of which there are only so many.
    pub(crate) fn in_place(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("left", &self.left).finish_non_exhaustive()
    }
}

impl From<String> for Chunks {
    fn from(text: String) -> Self {
        Self::new(vec![Bytes::from(text)])
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let ready = self.ready.find(|chunk| !chunk.is_empty());
        self.left -= ready.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let chunk = ready.or_else(|| self.made.as_mut()?.find(|chunk| !chunk.is_empty()));
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.made.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.made.is_some() { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}
