//! Bytes for a scrape.
//!
//! The target families are large: they are kept as bytes, encoded anew at the first scrape after a change, but at most
//! once a second, and shared by all scrapes without a copy; of those that were overtaken, slow clients hold no more than
//! so many. The status families are small: they are encoded anew where they are not what they were at the scrape before.
//! Only the count of requests, which every scrape changes, is encoded for each one.

mod accept;
mod encode;
mod encoded_text;
mod gzip;
mod segments;
mod status_cache;
mod target_cache;

use std::sync::Arc;

use bytes::Bytes;

pub use accept::{Encoding, Format};
pub use segments::Withdrawn;

use crate::metrics::{RequestCounts, StatusFamilies, target_families};
use crate::status::Status;
use crate::store::{Clock, Now, Snapshot, Store};
use encode::Encoder;
use segments::Version;
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

/// The answer to one scrape.
#[derive(Debug)]
pub struct Rendered {
    begin: Option<Bytes>,
    targets: Arc<Version>,
    /// The status, and what is of this scrape alone.
    end: Vec<Bytes>,
    pub format: Format,
    pub encoding: Encoding,
}

impl Rendered {
    /// Of the body, in bytes.
    pub fn length(&self) -> usize {
        self.targets.length() + self.begin.iter().chain(&self.end).map(Bytes::len).sum::<usize>()
    }

    /// The body, whose bytes other answers share. It breaks off where it is taken so slowly that others need the memory.
    pub fn segments(self) -> impl Iterator<Item = Result<Bytes, Withdrawn>> + Send + 'static {
        let Self { begin, targets, end, .. } = self;
        let shared = (0..).map_while(move |index| targets.segment(index));
        begin.into_iter().map(Ok).chain(shared).chain(end.into_iter().map(Ok))
    }
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
        let (begin, end) = match encoding {
            Encoding::Identity => (None, Bytes::from(end)),
            Encoding::Gzip => (Some(gzip::begin()), gzip::end(status.checksum, &end)),
        };
        let targets = targets.sent().clone();
        let end = status.text.segments.iter().cloned().chain([end]).collect();
        Rendered { begin, targets, end, format, encoding }
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
