//! The encoded status families of the scrape before, for as long as they say the same.
//!
//! It saves time and nothing else: [`EncodedStatus::new`] makes the same without it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::encode::Encoder;
use super::encoded_text::EncodedText;
use super::gzip::Checksum;
use super::target_cache::EncodedTargets;
use super::{Encoding, Format};
use crate::metrics::Readings;

/// The last readings that were scraped, in one format and encoding. They serve until the next ones differ.
#[derive(Debug)]
pub(super) struct StatusCache {
    format: Format,
    encoding: Encoding,
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    readings: Readings,
    targets: Weak<EncodedTargets>,
    encoded: EncodedStatus,
}

/// Readings as text, which follows the target families.
#[derive(Debug, Clone)]
pub(super) struct EncodedStatus {
    pub(super) text: EncodedText,
    /// Of the text of the target families and this one.
    pub(super) checksum: Checksum,
}

impl EncodedStatus {
    pub(super) fn new(readings: &Readings, targets: &EncodedTargets, format: Format, encoding: Encoding) -> Self {
        let mut encoder = Encoder::new(format);
        readings.families().iter().for_each(|family| encoder.family(family));
        Self::after(targets, EncodedText::fleeting(encoder.finish(), encoding))
    }

    fn after(targets: &EncodedTargets, text: EncodedText) -> Self {
        let mut checksum = targets.checksum().clone();
        checksum.append(&text.checksum);
        Self { text, checksum }
    }
}

impl StatusCache {
    pub(super) fn new(format: Format, encoding: Encoding) -> Self {
        Self { format, encoding, last: Mutex::default() }
    }

    /// `readings`, to follow `targets`.
    pub(super) fn get(&self, readings: Readings, targets: &Arc<EncodedTargets>) -> EncodedStatus {
        // Scrapes that come meanwhile wait for a fraction of a millisecond, and then have it.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = match last.take().filter(|last| last.readings == readings) {
            // To join two sums takes longer than all else that a scrape does.
            Some(same) if same.targets.as_ptr() == Arc::as_ptr(targets) => same.encoded,
            Some(same) => EncodedStatus::after(targets, same.encoded.text),
            None => EncodedStatus::new(&readings, targets, self.format, self.encoding),
        };
        *last = Some(Last { readings, targets: Arc::downgrade(targets), encoded: encoded.clone() });
        encoded
    }
}
