//! The large part of a scrape, kept as bytes.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prometheus::core::Collector as _;
use tokio::time::Instant;

use super::encode::Encoder;
use super::gzip::Checksum;
use super::piece::Piece;
use super::{Encoding, Format};
use crate::aside::aside;
use crate::metrics::polled;
use crate::store::{Snapshot, Store};

/// What only the poller changes, in one encoding, and when to make it anew.
#[derive(Debug)]
pub(super) struct Kept {
    store: Arc<Store>,
    encoding: Encoding,
    part: Mutex<Option<Arc<Part>>>,
    /// Held by whoever makes the next part.
    turn: Arc<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

/// The bytes as of one moment.
#[derive(Debug)]
pub(super) struct Part {
    version: u64,
    made: Instant,
    /// The first moment at which a number in it stops to count.
    stale_at: Option<SystemTime>,
    /// Each with the hash of its text: where that is still the same, so are the bytes.
    families: Vec<(u64, Piece)>,
    checksum: Checksum,
}

/// A part lasts this long, whatever the poller learns meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

impl Part {
    pub(super) fn chunks(&self) -> impl Iterator<Item = Bytes> {
        self.families.iter().map(|(_, piece)| piece.bytes.clone())
    }

    /// Of the text, not of the bytes.
    pub(super) const fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    fn is_stale(&self, now: SystemTime) -> bool {
        self.stale_at.is_some_and(|stale_at| now > stale_at)
    }
}

impl Kept {
    pub(super) fn new(store: Arc<Store>, encoding: Encoding) -> Self {
        Self { store, encoding, part: Mutex::default(), turn: Arc::default(), hasher: RandomState::new() }
    }

    /// The bytes to serve now. Whoever comes first after a change makes them; whoever comes meanwhile gets those
    /// before, unless there are none or a number in them has become stale.
    pub(super) async fn get(self: &Arc<Self>) -> Arc<Part> {
        let servable = |part: Arc<Part>| (!part.is_stale(SystemTime::now())).then_some(part);
        let before = self.part().clone().and_then(servable);
        let turn = match before {
            Some(part) if self.is_current(&part) => return part,
            Some(part) => match self.turn.clone().try_lock_owned() {
                Ok(turn) => turn,
                Err(_) => return part,
            },
            None => self.turn.clone().lock_owned().await,
        };
        // Somebody else may have made them since this scrape looked.
        if let Some(part) = self.part().clone().and_then(servable).filter(|part| self.is_current(part)) {
            return part;
        }
        let kept = self.clone();
        let making = aside(move || {
            let part = kept.make(SystemTime::now());
            // The turn ends here and not with the scrape, whose client may leave meanwhile.
            drop(turn);
            part
        });
        making.await
    }

    #[cfg(test)]
    pub(super) async fn take_turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    fn is_current(&self, part: &Part) -> bool {
        part.made.elapsed() < PAUSE || part.version == self.store.look(|known| known.version)
    }

    fn make(&self, now: SystemTime) -> Arc<Part> {
        let known = self.store.snapshot();
        let before = self.part().clone();
        let reusable = before.iter().flat_map(|part| &part.families);
        let at = now + foresight(&known);
        let mut families = Vec::new();
        let mut checksum = Checksum::default();
        for pieces in polled(&known, at) {
            let mut encoder = Encoder::new(Format::Text);
            for piece in pieces {
                piece.collect().iter().for_each(|family| encoder.family(family));
            }
            let text = encoder.finish();
            let hash = self.hasher.hash_one(&text);
            let same = reusable.clone().find(|(before, _)| *before == hash);
            let piece = same.map_or_else(|| Piece::new(text, self.encoding), |(_, piece)| piece.clone());
            checksum.append(&piece.checksum);
            families.push((hash, piece));
        }
        let stale_at = next_stale(&known, at);
        let part = Part { version: known.version, made: Instant::now(), stale_at, families, checksum };
        self.part().insert(Arc::new(part)).clone()
    }

    fn part(&self) -> MutexGuard<'_, Option<Arc<Part>>> {
        // It is only ever replaced as a whole.
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far ahead a part looks for what becomes stale, so that an outage, in which number after number does, makes no
/// more than one part a [`PAUSE`]. A hundredth of the time that a number counts is nothing that anybody would miss.
fn foresight(known: &Snapshot) -> Duration {
    PAUSE.min(known.settings.freshness.stale_after / 100)
}

/// The next moment after `at` at which something that counts at `at` no longer does.
fn next_stale(known: &Snapshot, at: SystemTime) -> Option<SystemTime> {
    let limits = known.records().filter_map(|(_, _, record)| record.fresh_until(known.settings.freshness));
    limits.filter(|limit| *limit >= at).min()
}
