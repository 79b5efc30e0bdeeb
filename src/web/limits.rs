//! What clients may cost.

use std::time::Duration;

/// What one client, or all of them together, may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    /// For TLS to be agreed on.
    pub(super) handshake: Duration,
    /// For the head of a request to arrive, and for the first to begin.
    pub(super) head: Duration,
    /// Between two requests on one connection. Scrapes come every minute, and some only every few.
    pub(super) idle: Duration,
    /// For an answer to be taken by its client. Until then its bytes stay in memory, also when newer ones have come.
    pub(super) sending: Duration,
    /// Of a request's head, in bytes.
    pub(super) head_bytes: usize,
    /// Requests under way on one connection of HTTP/2.
    pub(super) streams: u32,
    /// For requests in flight to be answered when the server stops.
    pub(super) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            sending: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            // A scraper needs one, and a browser a few.
            streams: 8,
            grace: Duration::from_secs(3),
        }
    }
}
