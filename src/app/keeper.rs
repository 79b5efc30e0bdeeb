//! Saves what is known, after each cycle that changed something and once more at the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Config;
use crate::state::{Account, Error, Saved, StateFile};
use crate::store::Store;

/// The state file, if there is one. A reload may put another in its place.
pub(super) type SharedFile = Arc<Mutex<Option<StateFile>>>;

#[derive(Debug)]
pub(super) struct Keeper {
    file: SharedFile,
    store: Arc<Store>,
    saved: Saved,
}

impl Keeper {
    /// Opens the configured state file, and tells `store` what it holds of the targets that are watched.
    pub(super) fn open(config: &Config, store: Arc<Store>) -> Result<Self, Error> {
        let now = SystemTime::now();
        let mut file = None;
        let mut saved = Saved::default();
        if let Some(path) = &config.state_file {
            let (opened, restored) = StateFile::open(path, account(config), now)?;
            file = Some(opened);
            saved = restored;
        }
        store.watch(&config.selection.watched(saved.listing.as_deref().unwrap_or_default()).customers);
        store.restore(&saved.records, saved.listing.clone(), now);
        Ok(Self { file: Arc::new(Mutex::new(file)), store, saved })
    }

    pub(super) fn file(&self) -> SharedFile {
        self.file.clone()
    }

    /// Saves after each cycle, and for the last time when `polled` tells that the poller has ended.
    pub(super) async fn run(mut self, polled: CancellationToken) {
        while !polled.is_cancelled() {
            tokio::select! {
                () = self.store.cycle_end() => {}
                () = polled.cancelled() => {}
            }
            self.save().await;
        }
    }

    async fn save(&mut self) {
        let known = Saved::from(&self.store.snapshot());
        if known == self.saved {
            return;
        }
        let file = self.file.clone();
        let saving = spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = file.as_mut().map_or(Ok(()), |file| file.save(&known));
            outcome.map(|()| known)
        });
        match saving.await {
            Ok(Ok(saved)) => self.saved = saved,
            Ok(Err(error)) => warn!("{error}"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Whose numbers the configuration asks for.
pub(super) fn account(config: &Config) -> Account {
    Account { base_url: config.api.base_url.clone(), client_id: config.api.client_id.clone() }
}
