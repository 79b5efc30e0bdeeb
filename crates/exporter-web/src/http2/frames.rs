//! How many frames a client may send: most are cheap to send and not to receive, and nothing in the protocol bounds
//! them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How many frames a client may send without any being earned: a page with all that belongs to it needs a dozen.
const BURST: u64 = 1_000;
/// How many of them come back in a second. Nobody has to ping that often.
const A_SECOND: u64 = 10;
/// Each of so many bytes sent earns a frame: clients report what they have read, the busiest for every 4 KiB on the
/// stream and on the connection.
const BYTES_A_FRAME: u64 = 1_024;
/// Each answer earns so many: its request, the end of that, and what its client thinks of it.
const FRAMES_AN_ANSWER: u64 = 4;

/// What is left to a client.
#[derive(Debug)]
pub(super) struct Allowance(Mutex<Left>);

#[derive(Debug)]
struct Left {
    frames: u64,
    /// Up to when the passing time was counted.
    counted: Instant,
    /// Sent, and too few for a frame.
    bytes: u64,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Left { frames: BURST, counted: Instant::now(), bytes: 0 }))
    }

    /// An answer was made.
    pub(super) fn answered(&self) {
        self.change(|left| left.frames += FRAMES_AN_ANSWER);
    }

    fn sent(&self, bytes: usize) {
        self.change(|left| {
            left.bytes += bytes as u64;
            left.frames += left.bytes / BYTES_A_FRAME;
            left.bytes %= BYTES_A_FRAME;
        });
    }

    /// `false`: so many are more than are left.
    fn spend(&self, frames: u64) -> bool {
        self.change(|left| {
            let seconds = left.counted.elapsed().as_secs();
            if seconds > 0 {
                left.counted = Instant::now();
                // What was earned otherwise is not lost by it.
                left.frames = left.frames.max(BURST.min(left.frames + seconds * A_SECOND));
            }
            let rest = left.frames.checked_sub(frames);
            left.frames = rest.unwrap_or(0);
            rest.is_some()
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Left) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream that breaks when its client has sent more frames than it was allowed.
#[derive(Debug)]
pub(super) struct CountedStream<S> {
    stream: S,
    allowance: Arc<Allowance>,
    /// Bytes to pass over before the next frame begins: of the preface (RFC 9113, 3.4), and then of each frame's payload.
    skip: usize,
    /// Of the next frame's header, what has come of it.
    header: [u8; HEADER],
    filled: usize,
}

/// RFC 9113, 4.1. The first three bytes are the payload's length.
const HEADER: usize = 9;
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

impl<S> CountedStream<S> {
    pub(super) const fn new(stream: S, allowance: Arc<Allowance>) -> Self {
        Self { stream, allowance, skip: PREFACE, header: [0; HEADER], filled: 0 }
    }

    /// How many frames begin with these bytes, which follow those before.
    fn frames(&mut self, mut bytes: &[u8]) -> u64 {
        let mut frames = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes = &bytes[skipped..];
            self.skip -= skipped;
            let taken = bytes.len().min(HEADER - self.filled);
            if taken == 0 {
                return frames;
            }
            self.header[self.filled..][..taken].copy_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            self.filled += taken;
            if self.filled == HEADER {
                let [high, middle, low, ..] = self.header;
                self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.filled = 0;
                frames += 1;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CountedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let frames = self.frames(&buf.filled()[before..]);
        if self.allowance.spend(frames) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::other("more frames of HTTP/2 than its requests need")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.allowance.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.allowance.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[test]
    fn frames_are_counted_wherever_their_bytes_are_cut() {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for length in [0_u8, 1, 200] {
            sent.extend([0, 0, length, 6, 0, 0, 0, 0, 0]);
            sent.extend(vec![0; length.into()]);
        }
        sent.extend([0, 1, 0, 0, 0, 0, 0, 0, 0]);
        sent.extend([0; 256]);
        for size in [1, 2, 7, 9, 10, 100, 1_000] {
            let mut stream = CountedStream::new((), Arc::new(Allowance::new()));
            assert_eq!(sent.chunks(size).map(|part| stream.frames(part)).sum::<u64>(), 4, "in pieces of {size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_earned_by_time_and_by_what_is_asked_for() {
        let allowance = Allowance::new();
        assert!(allowance.spend(BURST) && !allowance.spend(1));
        advance(Duration::from_secs(2)).await;
        assert!(allowance.spend(2 * A_SECOND) && !allowance.spend(1));
        allowance.answered();
        assert!(allowance.spend(FRAMES_AN_ANSWER) && !allowance.spend(1));
        allowance.sent(10 << 20);
        advance(Duration::from_secs(1)).await;
        assert!(allowance.spend(10 << 10), "the time that passes takes nothing away");
        advance(Duration::from_hours(1)).await;
        assert!(allowance.spend(BURST) && !allowance.spend(1), "nor is more than a burst saved up");
    }
}
