//! What each connection does and since when, so that one that holds things up can be found and closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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
    /// A route makes the answer.
    Answering,
    /// The answer is on its way, and not all of it is taken.
    Sending,
    /// TLS is being agreed on: nothing is known of the client yet.
    Handshake,
}

/// The phase of a connection and its beginning, for the connection to write and for the server to read.
#[derive(Debug)]
pub(crate) struct Activity {
    epoch: Instant,
    /// Milliseconds since the epoch, and in the lowest three bits the phase.
    state: AtomicU64,
}

impl Activity {
    /// A connection that was made now, and begins with `phase`.
    pub(crate) fn new(epoch: Instant, phase: Phase) -> Self {
        let activity = Self { epoch, state: AtomicU64::default() };
        activity.enter(phase);
        activity
    }

    /// From now on the connection is in `phase`.
    pub(crate) fn enter(&self, phase: Phase) {
        self.enter_at(phase, Instant::now());
    }

    /// Since `since`, the connection is in `phase`.
    pub(crate) fn enter_at(&self, phase: Phase, since: Instant) {
        let millis = u64::try_from(since.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX);
        self.state.store(millis << 3 | phase as u64, Relaxed);
    }

    /// The phase, and how long it has lasted.
    pub(crate) fn now(&self) -> (Phase, Duration) {
        let state = self.state.load(Relaxed);
        (phase(state), self.epoch.elapsed().saturating_sub(Duration::from_millis(state >> 3)))
    }

    fn change(&self, from: Phase, to: Phase) {
        if self.phase() == from {
            self.enter(to);
        }
    }

    fn phase(&self) -> Phase {
        phase(self.state.load(Relaxed))
    }
}

fn phase(state: u64) -> Phase {
    match state & 7 {
        0 => Phase::Idle,
        1 => Phase::Head,
        2 => Phase::Answering,
        3 => Phase::Sending,
        _ => Phase::Handshake,
    }
}

/// A stream that tells its [`Activity`] what it does.
///
/// hyper's own header timeout counts the idle time of a connection that is kept alive, too: scrapes come every minute,
/// and a limit that suits them would be far too long for a head.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(crate) const fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    /// Writing begins or goes on.
    fn sending(&self) {
        if self.activity.phase() != Phase::Sending {
            self.activity.enter(Phase::Sending);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            // More bytes of a head do not begin it anew, or one could drip in for ever.
            self.activity.change(Phase::Idle, Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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
        self.activity.change(Phase::Sending, Phase::Idle);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
