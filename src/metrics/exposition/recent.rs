//! The small part of a scrape, as far as it is still what it was at the scrape before.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus::core::Collector as _;

use super::encode::Encoder;
use super::gzip::Checksum;
use super::part::Part;
use super::piece::Piece;
use super::{Encoding, Format};
use crate::metrics::Moment;

/// The last moment that was scraped, in one format and encoding. It serves until the next one differs.
#[derive(Debug)]
pub(super) struct Recent {
    format: Format,
    encoding: Encoding,
    last: Mutex<Option<Arc<Rest>>>,
}

/// A moment's text, which follows a part.
#[derive(Debug)]
pub(super) struct Rest {
    moment: Moment,
    pub(super) piece: Piece,
    part: Weak<Part>,
    /// Of the part's text and this one. To join two sums takes longer than all else that a scrape does.
    pub(super) checksum: Checksum,
}

impl Recent {
    pub(super) fn new(format: Format, encoding: Encoding) -> Self {
        Self { format, encoding, last: Mutex::default() }
    }

    /// `moment`, to follow `part`.
    pub(super) fn rest(&self, part: &Arc<Part>, moment: Moment) -> Arc<Rest> {
        // Scrapes that come meanwhile wait for a fraction of a millisecond, and then have it.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = last.take().filter(|last| last.moment == moment);
        let rest = match same {
            Some(same) if same.part.as_ptr() == Arc::as_ptr(part) => same,
            same => {
                let piece = same.map_or_else(|| self.piece(&moment), |same| same.piece.clone());
                let mut checksum = part.checksum().clone();
                checksum.append(&piece.checksum);
                Arc::new(Rest { moment, piece, part: Arc::downgrade(part), checksum })
            }
        };
        last.insert(rest).clone()
    }

    fn piece(&self, moment: &Moment) -> Piece {
        let mut encoder = Encoder::new(self.format);
        moment.collect().iter().for_each(|family| encoder.family(family));
        Piece::fleeting(encoder.finish(), self.encoding)
    }
}
