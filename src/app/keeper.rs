//! Saves what is known, after each cycle that changed something and once more at the end.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Config;
use crate::off_runtime::off_runtime;
use crate::status::Status;
use crate::store::Store;
use crate::store::saved::{Error, Saved, StateFile};

/// Keeps what is known in the state file, if there is one.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    file: Option<StateFile>,
    /// A digest of what was saved last: what did not change is not saved again.
    saved: Option<u64>,
    /// Whether it was said that the file would be too large. That does not change from one cycle to the next.
    is_too_large: bool,
}

impl Keeper {
    /// Opens the configured state file, and reads what an earlier run has saved there.
    pub(super) fn open(config: &Config) -> Result<(Self, Saved), Error> {
        let Some(path) = &config.state_file else { return Ok(Default::default()) };
        let (file, saved) = StateFile::open(path, config.api.account(), SystemTime::now())?;
        Ok((Self { file: Some(file), ..Self::default() }, saved))
    }

    /// Goes on with the file that the configuration names now. What is known stays known, and is saved there.
    pub(super) fn follow(&mut self, config: &Config) -> Result<(), Error> {
        match (&config.state_file, &self.file) {
            (Some(path), Some(file)) if file.is_at(path) => {}
            (Some(path), _) => {
                let (file, _) = StateFile::open(path, config.api.account(), SystemTime::now())?;
                *self = Self { file: Some(file), ..Self::default() };
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
            match file.save(&saved) {
                Err(Error::TooLarge { .. }) if self.is_too_large => return Ok(()),
                outcome => {
                    self.is_too_large = matches!(outcome, Err(Error::TooLarge { .. }));
                    outcome?;
                }
            }
            self.saved = digest;
        }
        Ok(())
    }
}

/// Saves after each cycle, and for the last time once the poller has ended.
pub(super) async fn keep(
    keeper: Arc<Mutex<Keeper>>,
    store: Arc<Store>,
    status: Arc<Status>,
    poller_ended: CancellationToken,
) {
    // Asked before each save: what the poller learns while one runs is in the next.
    let mut is_last = false;
    while !is_last {
        tokio::select! {
            () = status.cycle_end() => {}
            () = poller_ended.cancelled() => {}
        }
        is_last = poller_ended.is_cancelled();
        let (keeper, store) = (keeper.clone(), store.clone());
        let saved = off_runtime(move || keeper.lock().unwrap_or_else(PoisonError::into_inner).save(&store)).await;
        if let Err(error) = saved {
            warn!("{error}");
        }
    }
}
