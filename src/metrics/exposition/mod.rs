//! Bytes for a scrape.
//!
//! The target families are large: they are kept as bytes, encoded anew at the first scrape after a change, but at most
//! once a second, and shared by all scrapes without a copy. The status families are small: they are encoded anew where
//! they are not what they were at the scrape before. Only the count of requests, which every scrape changes, is encoded
//! for each one.

mod accept;
mod encode;
mod encoded_text;
mod gzip;
mod status_cache;
mod target_cache;

use bytes::Bytes;
use std::sync::Arc;

pub use accept::{Encoding, Format};

use crate::metrics::{RequestCounts, StatusFamilies, target_families};
use crate::status::Status;
use crate::store::{Clock, Now, Snapshot, Store};
use encode::Encoder;
use status_cache::StatusCache;
use target_cache::TargetCache;

/// Renders what the store knows and how the exporter does.
#[derive(Debug)]
pub struct Exposition {
    status: StatusFamilies,
    plain: Caches,
    gzip: Caches,
}

/// What scrapes in one encoding share.
#[derive(Debug)]
struct Caches {
    targets: Arc<TargetCache>,
    text: StatusCache,
    openmetrics: StatusCache,
}

/// The answer to one scrape: the chunks together are the body.
#[derive(Debug)]
pub struct Rendered {
    pub chunks: Vec<Bytes>,
    pub format: Format,
    pub encoding: Encoding,
}

impl Exposition {
    pub fn new(store: Arc<Store>, status: Arc<Status>) -> Self {
        Self::with(StatusFamilies::new(store.clone(), status), store, Clock::system())
    }

    fn with(status: StatusFamilies, store: Arc<Store>, clock: Clock) -> Self {
        let plain = Caches::new(store.clone(), Encoding::Identity, clock.clone());
        Self { status, plain, gzip: Caches::new(store, Encoding::Gzip, clock) }
    }

    /// The answer to a scrape.
    pub async fn render(&self, format: Format, encoding: Encoding) -> Rendered {
        let Caches { targets, text, openmetrics } = match encoding {
            Encoding::Identity => &self.plain,
            Encoding::Gzip => &self.gzip,
        };
        let status = match format {
            Format::Text => text,
            Format::OpenMetrics => openmetrics,
        };
        // They are gauges alone, which all formats write alike.
        let targets = targets.get().await;
        let (readings, requests) = self.status.read();
        let status = status.get(readings, &targets);
        let mut encoder = Encoder::new(format);
        encoder.samples(RequestCounts::FAMILY, requests.samples());
        encoder.end();
        let end = encoder.finish();
        let chunks = targets.chunks().chain([status.text.bytes]);
        let chunks = match encoding {
            Encoding::Identity => chunks.chain([Bytes::from(end)]).collect(),
            Encoding::Gzip => gzip::join(chunks, status.checksum, &end),
        };
        Rendered { chunks, format, encoding }
    }
}

impl Caches {
    fn new(store: Arc<Store>, encoding: Encoding, clock: Clock) -> Self {
        let status = |format| StatusCache::new(format, encoding);
        let targets = Arc::new(TargetCache::new(store, encoding, clock));
        Self { targets, text: status(Format::Text), openmetrics: status(Format::OpenMetrics) }
    }
}

/// What is known now, in the text format: the families that only the poller changes.
pub fn text(known: &Snapshot, now: Now) -> String {
    let mut encoder = Encoder::new(Format::Text);
    target_families(known, now).flatten().for_each(|chunk| encoder.family(&chunk.family()));
    String::from_utf8_lossy(&encoder.finish()).into_owned()
}

#[cfg(test)]
mod tests;
