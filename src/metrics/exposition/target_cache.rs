//! The encoded target families, which are large, kept until what they show has changed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::encode::Encoder;
use super::encoded_text::EncodedText;
use super::gzip::Checksum;
use super::segments::{Overtaken, Version};
use super::{Encoding, Format};
use crate::metrics::target_families;
use crate::off_runtime::off_runtime;
use crate::store::{Clock, Now, Snapshot, Store};

/// The target families in one encoding, and when to encode them anew.
#[derive(Debug)]
pub(super) struct TargetCache {
    store: Arc<Store>,
    encoding: Encoding,
    clock: Clock,
    last: Mutex<Option<Arc<EncodedTargets>>>,
    overtaken: Overtaken,
    /// Held by whoever encodes.
    encoding_now: Arc<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

/// The bytes as of one moment.
#[derive(Debug)]
pub(super) struct EncodedTargets {
    version: u64,
    made: Now,
    /// For how long after they were made all that they show still counts.
    good_for: Duration,
    /// Each with the hash of its text: where that is still the same, so are the bytes.
    families: Vec<(u64, EncodedText)>,
    /// All of them, as they are sent.
    sent: Arc<Version>,
    checksum: Checksum,
}

/// They last this long, whatever the poller learns meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

impl EncodedTargets {
    pub(super) const fn sent(&self) -> &Arc<Version> {
        &self.sent
    }

    /// Of the text, not of the bytes.
    pub(super) const fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    /// Whether something in it no longer counts. A wall clock that was set may change what does, in either direction.
    fn is_stale(&self, now: Now) -> bool {
        let by_wall = now.wall.duration_since(self.made.wall);
        let by_monotonic = now.monotonic.saturating_duration_since(self.made.monotonic);
        by_wall.map_or(true, |age| age.max(by_monotonic) > self.good_for)
    }
}

impl TargetCache {
    pub(super) fn new(store: Arc<Store>, encoding: Encoding, clock: Clock) -> Self {
        let hasher = RandomState::new();
        let (last, overtaken) = (Mutex::default(), Overtaken::default());
        Self { store, encoding, clock, last, overtaken, encoding_now: Arc::default(), hasher }
    }

    /// The bytes to serve now. Whoever comes first after a change encodes; whoever comes meanwhile gets the bytes
    /// before, unless there are none or a number in them has become stale.
    pub(super) async fn get(self: &Arc<Self>) -> Arc<EncodedTargets> {
        let servable = |targets: Arc<EncodedTargets>| (!targets.is_stale(self.clock.now())).then_some(targets);
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
        let (cache, now) = (self.clone(), self.clock.now());
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
        targets.made.monotonic.elapsed() < PAUSE || targets.version == self.store.look(|known| known.version)
    }

    fn encode(&self, now: Now) -> Arc<EncodedTargets> {
        let known = self.store.snapshot();
        let before = self.last().clone();
        let reusable = before.iter().flat_map(|targets| &targets.families);
        let foresight = foresight(&known);
        let soon = now + foresight;
        let mut families: Vec<(u64, EncodedText)> = Vec::new();
        let mut checksum = Checksum::default();
        for chunks in target_families(&known, soon) {
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
        let good_for = foresight.saturating_add(all_counts_for(&known, soon));
        let sent = families.iter().flat_map(|(_, text)| text.segments.iter().cloned()).collect();
        let sent = Arc::new(Version::new(sent));
        let targets = EncodedTargets { version: known.version, made: now, good_for, families, sent, checksum };
        let targets = self.last().insert(Arc::new(targets)).clone();
        if let Some(before) = before {
            self.overtaken.add(&before.sent);
        }
        targets
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

/// For how long from now on everything that counts now still does.
fn all_counts_for(known: &Snapshot, now: Now) -> Duration {
    let targets = known.targets().filter_map(|(_, _, target)| target.counts_for(now, known.freshness));
    let subscriptions = known.subscriptions.iter().flat_map(|all| all.values());
    let subscriptions = subscriptions.filter_map(|listed| listed.counts_for(now, known.freshness));
    let tenants = known.customers.values().flat_map(|known| known.tenants.values());
    let tenants = tenants.filter_map(|tenants| tenants.counts_for(now, known.freshness));
    targets.chain(subscriptions).chain(tenants).min().unwrap_or(Duration::MAX)
}
