//! What clients may cost.

use std::time::Duration;

/// What one client, or all of them together, may cost. The default suits an exporter that is scraped by a few servers
/// and looked at by a few people.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that may be open. Beyond, a newcomer takes the place of the client that has been quiet for longest.
    pub connections: usize,
    /// For TLS to be agreed on.
    pub handshake: Duration,
    /// For the head of a request to arrive, and for the first to begin.
    pub head: Duration,
    /// Between two requests on one connection. Scrapes come every minute, and some only every few.
    pub idle: Duration,
    /// For a response to be taken by its client. Until then its bytes stay in memory, also when newer ones have come.
    pub sending: Duration,
    /// Of a request's head, in bytes.
    pub head_bytes: usize,
    /// Requests under way on one connection of HTTP/2.
    pub streams: u32,
    /// For requests in flight to be answered when the server stops.
    pub grace: Duration,
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
