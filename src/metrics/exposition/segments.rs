//! Large bytes that many answers share, in segments, and what becomes of old ones.
//!
//! An answer holds a version until its client has taken all of it. Clients that do not read would so hold version after
//! version: beyond a bound, the oldest is withdrawn from them.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use bytes::Bytes;

/// The rest of a version is no longer there: whoever still sends it takes too long.
#[derive(Debug, Clone, Copy)]
pub struct Withdrawn;

/// What a client that does not read keeps in memory of a version that was withdrawn: a few of these.
const SEGMENT: usize = 32 << 10;

/// `bytes` in segments, each of which is let go by itself.
pub(super) fn segments(bytes: &[u8]) -> Arc<[Bytes]> {
    bytes.chunks(SEGMENT).map(Bytes::copy_from_slice).collect()
}

/// The segments of one version, until they are withdrawn.
#[derive(Debug)]
pub(super) struct Version {
    length: usize,
    segments: RwLock<Option<Vec<Bytes>>>,
}

impl Version {
    pub(super) fn new(segments: Vec<Bytes>) -> Self {
        Self { length: segments.iter().map(Bytes::len).sum(), segments: RwLock::new(Some(segments)) }
    }

    /// In bytes.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// `None`: there are no more.
    pub(super) fn segment(&self, index: usize) -> Option<Result<Bytes, Withdrawn>> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        match segments.as_ref() {
            Some(segments) => segments.get(index).cloned().map(Ok),
            None => Some(Err(Withdrawn)),
        }
    }

    fn withdraw(&self) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The versions that were overtaken, the oldest first. Answers alone hold them.
#[derive(Debug, Default)]
pub(super) struct Overtaken(Mutex<Vec<Weak<Version>>>);

/// So many bytes of overtaken versions may be held, or one version, which scrapes that were under way have. Those of
/// 22,000 targets are two, or with gzip many more.
const MOST_HELD: usize = 12 << 20;

impl Overtaken {
    /// A version was overtaken.
    pub(super) fn add(&self, version: &Arc<Version>) {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.push(Arc::downgrade(version));
        versions.retain(|version| version.strong_count() > 0);
        // What they share counts for each: it is no less than what they hold.
        let mut held = 0;
        for (age, version) in versions.iter().rev().filter_map(Weak::upgrade).enumerate() {
            held += version.length();
            if age > 0 && held > MOST_HELD {
                version.withdraw();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 5 << 20;

    fn version(length: usize) -> Arc<Version> {
        Arc::new(Version::new(segments(&vec![b'x'; length]).to_vec()))
    }

    fn is_there(version: &Version) -> bool {
        version.segment(0).unwrap().is_ok()
    }

    #[test]
    fn of_what_slow_clients_hold_the_oldest_is_withdrawn_beyond_a_bound() {
        let overtaken = Overtaken::default();
        let held: Vec<_> = (0..4).map(|_| version(LARGE)).collect();
        for version in &held {
            overtaken.add(version);
        }
        assert_eq!(held.iter().map(|version| is_there(version)).collect::<Vec<_>>(), [false, false, true, true]);
        assert!(held[0].segment(LARGE).unwrap().is_err(), "nor does it seem to be at its end");
        assert!(held[3].segment(LARGE).is_none());
    }

    #[test]
    fn the_last_version_stays_however_large_it_is_and_what_nobody_holds_does_not_count() {
        let overtaken = Overtaken::default();
        let first = version(2 * LARGE);
        overtaken.add(&first);
        overtaken.add(&version(LARGE / 5));
        let last = version(LARGE * 2 / 5);
        overtaken.add(&last);
        assert!(is_there(&first) && is_there(&last));
        let huge = version(3 * LARGE);
        overtaken.add(&huge);
        assert!(is_there(&huge) && !is_there(&last) && !is_there(&first));
    }
}
