//! Bytes for a scrape.
//!
//! What only the poller changes is large: it is kept as bytes, made anew at the first scrape after a change, but at
//! most once a second, and shared by all scrapes without a copy. What always changes is small: it is made for each
//! scrape, and follows.

mod accept;
mod encode;
mod gzip;
mod part;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use prometheus::core::Collector;

pub use accept::{Encoding, Format};

use crate::metrics::{Always, polled};
use crate::stats::Stats;
use crate::store::{Snapshot, Store};
use encode::Encoder;
use part::Kept;

/// Renders what the store knows and what was counted.
#[derive(Debug)]
pub struct Exposition {
    always: Always,
    plain: Arc<Kept>,
    gzip: Arc<Kept>,
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
        let plain = Kept::new(store.clone(), Encoding::Identity);
        let gzip = Kept::new(store, Encoding::Gzip);
        Self { always, plain: Arc::new(plain), gzip: Arc::new(gzip) }
    }

    /// # Panics
    ///
    /// Where making the bytes panicked. The next scrape tries again.
    pub async fn render(&self, format: Format, encoding: Encoding) -> Rendered {
        let kept = match encoding {
            Encoding::Identity => &self.plain,
            Encoding::Gzip => &self.gzip,
        };
        // The large part is gauges alone, which all formats write alike.
        let part = kept.get().await;
        let mut encoder = Encoder::new(format);
        self.always.collect().iter().for_each(|family| encoder.family(family));
        let rest = encoder.finish();
        let chunks = match encoding {
            Encoding::Identity => part.chunks().chain([Bytes::from(rest)]).collect(),
            Encoding::Gzip => gzip::join(part.chunks(), part.checksum(), &rest),
        };
        Rendered { chunks, format, encoding }
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
