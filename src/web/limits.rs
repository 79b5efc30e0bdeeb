//! What clients may cost.

use std::time::Duration;

/// What one client, or all of them together, may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    /// For TLS to be agreed on.
    pub(crate) handshake: Duration,
    /// For the head of a request to arrive, and for the first to begin.
    pub(crate) head: Duration,
    /// Between two requests on one connection. Scrapes come every minute, and some only every few.
    pub(crate) idle: Duration,
    /// For an answer to be taken by its client. Until then its bytes stay in memory, also when newer ones have come.
    pub(crate) sending: Duration,
    /// Of a request's head, in bytes.
    pub(crate) head_bytes: usize,
    /// Requests under way on one connection of HTTP/2.
    pub(crate) streams: u32,
    /// For requests in flight to be answered when the server stops.
    pub(crate) grace: Duration,
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
