//! Where the configuration comes from, at the start and at each reload.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use elements_api::{Client, CredentialError, check_credential};
use exporter_web::settle::looks;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Error;
use super::changes::changes;
use super::followed::Followed;
use super::holds::Holds;
use super::keeper::Keeper;
use super::service_manager::ServiceManager;
use crate::config::{self, Config};
use crate::off_runtime::off_runtime;
use crate::pages;
use crate::poll::{ExpectedSeatsFile, Plan};
use crate::status::Status;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    Fixed(Box<Config>),
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error("api: {0}")]
    Credential(CredentialError),
}

impl Source {
    /// Loads and validates the configuration and the credential's files.
    ///
    /// A certificate out of its time is no error here: it may be renewed under the same name at any time, and until
    /// then the exporter must say so rather than be gone.
    pub fn load(&self) -> Result<Config, LoadError> {
        let config = match self {
            Self::File(path) => Config::load(path)?,
            Self::Fixed(config) => config.as_ref().clone(),
        };
        match check_credential(&config.api, SystemTime::now()) {
            Err(error) if !error.may_pass_with_time() => Err(LoadError::Credential(error)),
            _ => Ok(config),
        }
    }

    /// Loads and validates the configuration, and says what of it is legal and probably wrong.
    pub(crate) fn load_with_doubts(&self) -> Result<(Config, Vec<String>), config::Error> {
        match self {
            Self::File(path) => Config::load_with_doubts(path),
            Self::Fixed(config) => Ok((config.as_ref().clone(), Vec::new())),
        }
    }
}

/// Loads the configuration again when it is asked to.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) source: Source,
    /// `None` where changes are not looked for.
    pub(super) followed: Option<Followed>,
    pub(super) plans: watch::Sender<Plan>,
    pub(super) keeper: Arc<Mutex<Keeper>>,
    pub(super) status: Arc<Status>,
    pub(super) holds: Holds,
    pub(super) service_manager: Arc<ServiceManager>,
    /// From `/-/reload`.
    pub(super) requests: pages::ReloadRequests,
}

impl Reloader {
    /// Runs until `stop`; each message of `signals` is a wish to reload, too.
    pub(super) async fn run(mut self, mut signals: mpsc::Receiver<()>, stop: CancellationToken) {
        let mut looks = looks();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = signals.recv() => {
                    // The outcome is logged and measured.
                    let _ = self.reload().await;
                }
                Some(request) = self.requests.recv() => request.answer(&self.reload().await),
                _ = looks.tick(), if self.followed.is_some() => {
                    if self.has_changed().await {
                        let _ = self.reload().await;
                    }
                }
            }
        }
    }

    async fn has_changed(&mut self) -> bool {
        let Some(mut followed) = self.followed.take() else { return false };
        let (followed, has_changed) = off_runtime(move || {
            let has_changed = followed.has_changed();
            (followed, has_changed)
        })
        .await;
        self.followed = Some(followed);
        has_changed
    }

    async fn reload(&mut self) -> Result<(), String> {
        self.service_manager.reloading();
        let outcome = self.load_and_swap().await.map_err(|problem| problem.to_string());
        match &outcome {
            Ok(keys) => {
                let changed = (!keys.is_empty()).then(|| keys.join("; "));
                info!(changed, "configuration reloaded");
            }
            Err(problem) => {
                self.status.reload_failed(problem.clone());
                error!("the configuration was not reloaded, and the previous one stays in effect: {problem}");
            }
        }
        self.service_manager.reloaded();
        outcome.map(drop)
    }

    /// Nothing changes before everything is known to be right. Returns what does.
    async fn load_and_swap(&mut self) -> Result<Vec<String>, Error> {
        let source = self.source.clone();
        let before = self.plans.borrow().clone();
        let (status, keeper) = (self.status.clone(), self.keeper.clone());
        let loading = off_runtime(move || {
            let config = source.load()?;
            let client = next_client(&before, &config, status)?;
            keeper.lock().unwrap_or_else(PoisonError::into_inner).follow(&config)?;
            let expected = config.expected_seats_file.as_deref().map(ExpectedSeatsFile::read);
            Ok::<_, Error>((config, client, expected))
        });
        let (config, client, expected) = loading.await?;
        self.holds.note(&self.plans.borrow().client);
        self.holds.hold(&client);
        let interval = config.poll.interval;
        let (selection, timing) = (Arc::new(config.selection), config.poll);
        let before = self.plans.send_replace(Plan { client, selection, timing, expected });
        self.status.reloaded(interval, SystemTime::now());
        Ok(changes(&before, &self.plans.borrow()))
    }
}

/// The same client where nothing of it changed: it keeps its token, and its requests on their way.
fn next_client(before: &Plan, config: &Config, status: Arc<Status>) -> Result<Arc<Client>, Error> {
    if before.client.is_as_with(&config.api) {
        return Ok(before.client.clone());
    }
    Ok(Arc::new(Client::new(config.api.clone(), status)?))
}
