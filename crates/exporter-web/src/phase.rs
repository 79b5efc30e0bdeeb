//! What each connection does and since when, so that one that holds things up can be found and closed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is kept alive: everything that was asked is answered.
    Idle,
    /// The head of a request is arriving, or was never begun.
    Head,
    /// The service makes the answer.
    Answering,
    /// The answer is on its way, and not all of it is taken.
    Sending,
    /// TLS is being agreed on: nothing is known of the client yet.
    Handshake,
}

/// The phase of a connection and its beginning, for the connection to write and for the server to read.
#[derive(Debug)]
pub(crate) struct PhaseClock(Mutex<(Phase, Instant)>);

impl PhaseClock {
    /// For a connection that was made now, and begins with `phase`.
    pub(crate) fn new(phase: Phase) -> Self {
        Self(Mutex::new((phase, Instant::now())))
    }

    /// From now on the connection is in `phase`.
    pub(crate) fn enter(&self, phase: Phase) {
        self.enter_at(phase, Instant::now());
    }

    /// Since `since`, the connection is in `phase`.
    pub(crate) fn enter_at(&self, phase: Phase, since: Instant) {
        *self.lock() = (phase, since);
    }

    /// The phase, and how long it has lasted.
    pub(crate) fn now(&self) -> (Phase, Duration) {
        let (phase, since) = *self.lock();
        (phase, since.elapsed())
    }

    /// Enters `phase` now if `from` says so of the present one.
    fn change(&self, from: impl FnOnce(Phase) -> bool, phase: Phase) {
        let mut now = self.lock();
        if from(now.0) {
            *now = (phase, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Phase, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that keeps a [`PhaseClock`] by what is read and written.
///
/// hyper's own header timeout counts the idle time of a connection that is kept alive, too: scrapes come every minute,
/// and a limit that suits them would be far too long for a head.
#[derive(Debug)]
pub(crate) struct TimedStream<S> {
    stream: S,
    clock: Arc<PhaseClock>,
}

impl<S> TimedStream<S> {
    pub(crate) const fn new(stream: S, clock: Arc<PhaseClock>) -> Self {
        Self { stream, clock }
    }

    /// Writing begins or goes on.
    fn sending(&self) {
        self.clock.change(|phase| phase != Phase::Sending, Phase::Sending);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            // More bytes of a head do not begin it anew, or one could drip in for ever.
            self.clock.change(|phase| phase == Phase::Idle, Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.sending();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sending();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes the stream only after it has written all that it had to write.
        self.clock.change(|phase| phase == Phase::Sending, Phase::Idle);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
