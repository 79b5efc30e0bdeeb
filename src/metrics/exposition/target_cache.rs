//! The encoded target families, which are large, kept until what they show has changed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::Instant;

use super::encode::Encoder;
use super::encoded_text::EncodedText;
use super::gzip::Checksum;
use super::{Clock, Encoding, Format};
use crate::metrics::target_families;
use crate::off_runtime::off_runtime;
use crate::store::{Snapshot, Store};

/// The target families in one encoding, and when to encode them anew.
#[derive(Debug)]
pub(super) struct TargetCache {
    store: Arc<Store>,
    encoding: Encoding,
    clock: Clock,
    last: Mutex<Option<Arc<EncodedTargets>>>,
    /// Held by whoever encodes.
    encoding_now: Arc<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

/// The bytes as of one moment.
#[derive(Debug)]
pub(super) struct EncodedTargets {
    version: u64,
    made: Instant,
    /// The first moment at which a number in it stops to count.
    stale_at: Option<SystemTime>,
    /// Each with the hash of its text: where that is still the same, so are the bytes.
    families: Vec<(u64, EncodedText)>,
    checksum: Checksum,
}

/// They last this long, whatever the poller learns meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

impl EncodedTargets {
    pub(super) fn chunks(&self) -> impl Iterator<Item = Bytes> {
        self.families.iter().map(|(_, text)| text.bytes.clone())
    }

    /// Of the text, not of the bytes.
    pub(super) const fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    fn is_stale(&self, now: SystemTime) -> bool {
        self.stale_at.is_some_and(|stale_at| now > stale_at)
    }
}

impl TargetCache {
    pub(super) fn new(store: Arc<Store>, encoding: Encoding, clock: Clock) -> Self {
        let hasher = RandomState::new();
        Self { store, encoding, clock, last: Mutex::default(), encoding_now: Arc::default(), hasher }
    }

    /// The bytes to serve now. Whoever comes first after a change encodes; whoever comes meanwhile gets the bytes
    /// before, unless there are none or a number in them has become stale.
    pub(super) async fn get(self: &Arc<Self>) -> Arc<EncodedTargets> {
        let servable = |targets: Arc<EncodedTargets>| (!targets.is_stale((self.clock)())).then_some(targets);
        let before = self.last().clone().and_then(servable);
        let alone = match before {
            Some(targets) if self.is_current(&targets) => return targets,
            Some(targets) => match self.encoding_now.clone().try_lock_owned() {
                Ok(alone) => alone,
                Err(_) => return targets,
            },
            None => self.encoding_now.clone().lock_owned().await,
        };
        // Somebody else may have encoded since this scrape looked.
        if let Some(targets) = self.last().clone().and_then(servable).filter(|targets| self.is_current(targets)) {
            return targets;
        }
        let (cache, now) = (self.clone(), (self.clock)());
        let encoding = off_runtime(move || {
            let targets = cache.encode(now);
            // This ends here and not with the scrape, whose client may leave meanwhile.
            drop(alone);
            targets
        });
        encoding.await
    }

    #[cfg(test)]
    pub(super) async fn hold(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.encoding_now.clone().lock_owned().await
    }

    fn is_current(&self, targets: &EncodedTargets) -> bool {
        targets.made.elapsed() < PAUSE || targets.version == self.store.look(|known| known.version)
    }

    fn encode(&self, now: SystemTime) -> Arc<EncodedTargets> {
        let known = self.store.snapshot();
        let before = self.last().clone();
        let reusable = before.iter().flat_map(|targets| &targets.families);
        let at = now + foresight(&known);
        let mut families = Vec::new();
        let mut checksum = Checksum::default();
        for chunks in target_families(&known, at) {
            let mut encoder = Encoder::new(Format::Text);
            for chunk in chunks {
                encoder.family(&chunk.family());
            }
            let text = encoder.finish();
            let hash = self.hasher.hash_one(&text);
            let same = reusable.clone().find(|(before, _)| *before == hash);
            let text = same.map_or_else(|| EncodedText::lasting(text, self.encoding), |(_, text)| text.clone());
            checksum.append(&text.checksum);
            families.push((hash, text));
        }
        let stale_at = next_stale(&known, at);
        let targets = EncodedTargets { version: known.version, made: Instant::now(), stale_at, families, checksum };
        self.last().insert(Arc::new(targets)).clone()
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<EncodedTargets>>> {
        // It is only ever replaced as a whole.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far ahead the bytes look for what becomes stale, so that an outage, in which number after number does, has them
/// encoded no more than once a [`PAUSE`]. A hundredth of the time that a number counts is nothing that anybody would
/// miss.
fn foresight(known: &Snapshot) -> Duration {
    PAUSE.min(known.freshness.stale_after / 100)
}

/// The next moment after `at` at which something that counts at `at` no longer does.
fn next_stale(known: &Snapshot, at: SystemTime) -> Option<SystemTime> {
    let limits = known.records().filter_map(|(_, _, record)| record.fresh_until(known.freshness));
    limits.filter(|limit| *limit >= at).min()
}
