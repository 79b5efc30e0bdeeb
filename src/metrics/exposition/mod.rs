//! Bytes for a scrape.
//!
//! What only the poller changes is large: it is kept as bytes, made anew at the first scrape after a change, but at
//! most once a second, and shared by all scrapes without a copy. What changes at any time is small: it is made anew
//! where it is not what it was at the scrape before. Only the count of requests, which every scrape changes, is made
//! for each one.

mod accept;
mod encode;
mod gzip;
mod part;
mod piece;
mod recent;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use prometheus::core::Collector;

pub use accept::{Encoding, Format};

use crate::metrics::{Always, polled};
use crate::status::Stats;
use crate::store::{Snapshot, Store};
use encode::Encoder;
use part::Kept;
use recent::Recent;

/// Renders what the store knows and what was counted.
#[derive(Debug)]
pub struct Exposition {
    always: Always,
    plain: Encoded,
    gzip: Encoded,
}

/// What scrapes in one encoding share.
#[derive(Debug)]
struct Encoded {
    kept: Arc<Kept>,
    text: Recent,
    openmetrics: Recent,
}

/// The answer to one scrape: the chunks together are the body.
#[derive(Debug)]
pub struct Rendered {
    pub chunks: Vec<Bytes>,
    pub format: Format,
    pub encoding: Encoding,
}

impl Exposition {
    pub fn new(store: Arc<Store>, stats: Arc<Stats>) -> Self {
        Self::with(Always::new(store.clone(), stats), store)
    }

    fn with(always: Always, store: Arc<Store>) -> Self {
        let plain = Encoded::new(store.clone(), Encoding::Identity);
        Self { always, plain, gzip: Encoded::new(store, Encoding::Gzip) }
    }

    /// # Panics
    ///
    /// Where making the bytes panicked. The next scrape tries again.
    pub async fn render(&self, format: Format, encoding: Encoding) -> Rendered {
        let Encoded { kept, text, openmetrics } = match encoding {
            Encoding::Identity => &self.plain,
            Encoding::Gzip => &self.gzip,
        };
        let recent = match format {
            Format::Text => text,
            Format::OpenMetrics => openmetrics,
        };
        // The large part is gauges alone, which all formats write alike.
        let part = kept.get().await;
        let (moment, requests) = self.always.now();
        let rest = recent.rest(&part, moment);
        let mut encoder = Encoder::new(format);
        requests.collect().iter().for_each(|family| encoder.family(family));
        encoder.end();
        let end = encoder.finish();
        let pieces = part.chunks().chain([rest.piece.bytes.clone()]);
        let chunks = match encoding {
            Encoding::Identity => pieces.chain([Bytes::from(end)]).collect(),
            Encoding::Gzip => gzip::join(pieces, rest.checksum.clone(), &end),
        };
        Rendered { chunks, format, encoding }
    }
}

impl Encoded {
    fn new(store: Arc<Store>, encoding: Encoding) -> Self {
        let recent = |format| Recent::new(format, encoding);
        let kept = Arc::new(Kept::new(store, encoding));
        Self { kept, text: recent(Format::Text), openmetrics: recent(Format::OpenMetrics) }
    }
}

/// What is known, in the text format, as of `at`: the families that only the poller changes.
pub fn text(known: &Snapshot, at: SystemTime) -> String {
    let mut encoder = Encoder::new(Format::Text);
    for piece in polled(known, at).flatten() {
        piece.collect().iter().for_each(|family| encoder.family(family));
    }
    String::from_utf8_lossy(&encoder.finish()).into_owned()
}

#[cfg(test)]
mod tests;
