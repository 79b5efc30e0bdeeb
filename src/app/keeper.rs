//! Saves what is known, after each cycle that changed something and once more at the end.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::aside::aside;
use crate::config::Config;
use crate::store::Store;
use crate::store::saved::{Error, Saved, StateFile};

/// The state file, if there is one, and what it holds.
#[derive(Debug, Default)]
pub(super) struct Kept {
    file: Option<StateFile>,
    /// A digest of what was saved last: what did not change is not saved again.
    saved: Option<u64>,
}

impl Kept {
    /// Opens the configured state file, and tells `store` what it holds of the targets that are watched.
    pub(super) fn open(config: &Config, store: &Store) -> Result<Self, Error> {
        let now = SystemTime::now();
        let (mut kept, mut restored) = (Self::default(), Saved::default());
        if let Some(path) = &config.state_file {
            let (file, saved) = StateFile::open(path, config.api.account(), now)?;
            (kept.file, restored) = (Some(file), saved);
        }
        store.begin_account(config.api.account());
        store.watch(&config.selection.watched(restored.listing.as_deref().unwrap_or_default()).customers);
        store.restore(&restored.records, restored.listing, now);
        Ok(kept)
    }

    /// Goes on with the file that the configuration names now. What is known stays known, and is saved there.
    pub(super) fn follow(&mut self, config: &Config) -> Result<(), Error> {
        match (&config.state_file, &self.file) {
            (Some(path), Some(file)) if file.is_at(path) => {}
            (Some(path), _) => {
                let (file, _) = StateFile::open(path, config.api.account(), SystemTime::now())?;
                *self = Self { file: Some(file), saved: None };
            }
            (None, _) => *self = Self::default(),
        }
        Ok(())
    }

    fn save(&mut self, store: &Store) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let known = store.snapshot();
        let saved = Saved::from(&known);
        let mut hasher = DefaultHasher::new();
        (&known.account, &saved).hash(&mut hasher);
        let digest = Some(hasher.finish());
        if digest != self.saved {
            if let Some(account) = &known.account {
                file.change_account(account, SystemTime::now());
            }
            file.save(&saved)?;
            self.saved = digest;
        }
        Ok(())
    }
}

/// Saves after each cycle, and for the last time when `polled` tells that the poller has ended.
pub(super) async fn keep(kept: Arc<Mutex<Kept>>, store: Arc<Store>, polled: CancellationToken) {
    while !polled.is_cancelled() {
        tokio::select! {
            () = store.cycle_end() => {}
            () = polled.cancelled() => {}
        }
        let (kept, store) = (kept.clone(), store.clone());
        let saved = aside(move || kept.lock().unwrap_or_else(PoisonError::into_inner).save(&store)).await;
        if let Err(error) = saved {
            warn!("{error}");
        }
    }
}
