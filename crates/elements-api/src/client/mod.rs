//! The client: every request goes through here, at the pace and with the token that all of them share.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::credential::{TokenForm, UsedProof};
use crate::error::{BadResponse, CredentialError, Error};
use crate::model::Reason;
use crate::observer::{Code, Observer, Operation};
use crate::pace::Pace;
use crate::retry::GivesWay;
use crate::token::{Scope, Tokens, token_refused};
use crate::transport::{Http, Request, Response, SendError, Transport};
use crate::wall_clock;
use crate::{Settings, SetupError, retry};

/// A client of the vendor's API, to be shared: its limits hold for all requests together, and so does its token.
/// Requests are made in a [`Round`](crate::Round).
pub struct Client {
    settings: Settings,
    transport: Box<dyn Transport>,
    pace: Pace,
    slots: Arc<Semaphore>,
    pub(crate) tokens: Tokens,
    clock_skew: Mutex<Option<i64>>,
    ca_file: CaFile,
    proof: UsedProof,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Client {
    /// A client with these settings that reports to `observer`. It asks nothing yet.
    ///
    /// # Errors
    ///
    /// `settings.ca_file` cannot be used, the system has no CA certificates, or a variable names a proxy that is none.
    pub fn new(settings: Settings, observer: Arc<dyn Observer>) -> Result<Self, SetupError> {
        let transport = Http::new(&settings)?;
        let ca_file = CaFile::read(&settings);
        Ok(Self { ca_file, ..Self::with_transport(settings, Box::new(transport), observer) })
    }

    /// Whether it is as one that were made with these settings now. What a CA file holds may change under its name.
    pub fn is_as_with(&self, settings: &Settings) -> bool {
        self.settings == *settings && self.ca_file == CaFile::read(settings)
    }

    pub(crate) fn with_transport(
        settings: Settings,
        transport: Box<dyn Transport>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            pace: Pace::new(settings.requests_per_second.get()),
            slots: Arc::new(Semaphore::new(settings.max_in_flight.get())),
            settings,
            transport,
            tokens: Tokens::default(),
            clock_skew: Mutex::default(),
            proof: UsedProof::default(),
            ca_file: CaFile::default(),
            observer,
        }
    }

    /// With no request that waits for the end of a longer hold: it is not made, then.
    #[must_use]
    pub fn with_holds_up_to(self, longest: Duration) -> Self {
        Self { pace: self.pace.with_holds_up_to(longest), ..self }
    }

    /// What it was made with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Until when the vendor asked to be left alone; in the past where it did not.
    pub fn held_until(&self) -> Instant {
        self.pace.held_until()
    }

    /// Takes over a hold that the vendor asked of a client before: nothing begins until it is over.
    pub fn hold_until(&self, until: Instant) {
        self.pace.hold(until);
    }

    /// By how many seconds the vendor's clock is ahead of this machine's, by the `Date` of the last answer that had one.
    pub fn clock_skew_seconds(&self) -> Option<i64> {
        *self.clock_skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the credential's files (secret, certificate, key, archive, password) hold something else now than when a
    /// token was last asked for: what was refused may be accepted now. `false` where none was asked for yet, or where the
    /// files cannot be read. Of their contents nothing is kept but a hash with a random key.
    pub async fn credentials_changed(self: &Arc<Self>) -> bool {
        let client = self.clone();
        // Files may be on a slow disk. There is no result only if the runtime shuts down, or at a panic.
        spawn_blocking(move || client.proof.differs_from(&client.settings.credential)).await.unwrap_or(false)
    }

    /// The form that asks for a token, as the credential is now. It blocks its thread.
    pub(crate) fn fill_in_form(&self, scope: Scope) -> Result<TokenForm, CredentialError> {
        let proof = self.proof.read(&self.settings.credential)?;
        TokenForm::fill_in(&self.settings, &proof, scope.as_str(), SystemTime::now())
    }

    /// Waits until another request may be in flight; `None` if none may before `deadline`.
    pub(crate) async fn slot(&self, deadline: Instant) -> Option<Slot> {
        let mut slot = Slot { slots: self.slots.clone(), permit: None };
        slot.take(deadline).await.then_some(slot)
    }

    /// Tries, and retries what may succeed later; nothing begins at `deadline` or later. Each attempt makes its own
    /// `request` when its turn has come. A `slot` serves others during the waits. `way` is asked for a retry before each
    /// wait and after it.
    pub(crate) async fn attempts<F: Future<Output = Result<Request, Error>>>(
        &self,
        operation: Operation,
        request: impl Fn() -> F,
        deadline: Instant,
        mut slot: Option<&mut Slot>,
        way: &dyn GivesWay,
    ) -> Result<Response, Error> {
        let mut outcome = self.attempt(operation, &request, deadline, way).await;
        for number in 0.. {
            let Some((error, reason)) = worth_a_retry(&outcome) else { break };
            let again = Instant::now() + retry::delay(number, error);
            if reason == Reason::Throttled {
                self.pace.hold(again);
                // At once, or since a moment that is over, is no time to wait.
                if error.retry_after().is_some_and(|asked| !asked.is_zero()) {
                    self.observer.held_back(wall_clock::from_now(again.saturating_duration_since(Instant::now())));
                }
            }
            let is_too_late = again >= deadline || self.pace.is_too_long(again);
            if number >= self.settings.max_retries || is_too_late || !way.may_retry(reason) {
                break;
            }
            slot.as_deref_mut().map(Slot::give_back);
            sleep_until(again).await;
            if !way.may_retry(reason) {
                break;
            }
            if let Some(slot) = slot.as_deref_mut()
                && !slot.take(deadline).await
            {
                break;
            }
            let next = self.attempt(operation, &request, deadline, way).await;
            match next {
                Err(Error::NotBegun) => break,
                // Nothing was sent.
                Err(Error::Credential(_)) => return next,
                _ => {}
            }
            self.observer.retry(reason);
            outcome = next;
        }
        outcome
    }

    /// Asks once, in its turn.
    async fn attempt<F: Future<Output = Result<Request, Error>>>(
        &self,
        operation: Operation,
        request: impl Fn() -> F,
        deadline: Instant,
        way: &dyn GivesWay,
    ) -> Result<Response, Error> {
        if !self.pace.wait_for_turn(deadline).await {
            return Err(Error::NotBegun);
        }
        let request = request().await?;
        // Files may have taken their time.
        if Instant::now() >= deadline {
            return Err(Error::NotBegun);
        }
        let begun = Instant::now();
        let limit = self.settings.timeout;
        let mut sending = self.transport.send(request);
        let outcome = loop {
            let waited = begun.elapsed();
            match timeout((limit / LOOKS).min(limit.saturating_sub(waited)), &mut sending).await {
                Err(_) if begun.elapsed() < limit && !way.gives_up(begun.elapsed()) => {}
                outcome => break outcome,
            }
        };
        let code = match &outcome {
            Ok(Ok(Response { status, .. }) | Err(SendError::TooLarge { status, .. })) => Code::Status(*status),
            Ok(Err(SendError::Network(_))) | Err(_) => Code::Error,
        };
        self.observer.request(operation, code, begun.elapsed());
        match outcome {
            Ok(Ok(response)) => {
                response.date.inspect(|date| self.note_clock(*date));
                complete(operation, response)
            }
            Ok(Err(SendError::Network(problem))) => {
                Err(Error::Network { operation, host: self.settings.host(operation), problem })
            }
            Ok(Err(SendError::TooLarge { request_id, .. })) => {
                Err(Error::BadResponse { operation, problem: BadResponse::TooLarge, request_id })
            }
            Err(_) => Err(Error::Timeout { operation, after: begun.elapsed().min(limit) }),
        }
    }

    fn note_clock(&self, date: SystemTime) {
        let now = SystemTime::now();
        let ahead = date.duration_since(now).map(|skew| skew.as_secs().cast_signed());
        let skew = ahead.unwrap_or_else(|behind| -behind.duration().as_secs().cast_signed());
        *self.clock_skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
    }
}

/// What the CA file held: certificates, which are no secret.
#[derive(PartialEq, Eq, Default)]
struct CaFile(Option<Vec<u8>>);

impl CaFile {
    fn read(settings: &Settings) -> Self {
        let file = settings.ca_file.as_deref();
        Self(file.and_then(|file| bounded_file::read(file, bounded_file::LARGEST).ok()))
    }
}

/// How often within its time a request looks whether it is to give way.
const LOOKS: u32 = 30;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The right to have one request in flight, from [`Round::slot`](crate::Round::slot) until it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    fn give_back(&mut self) {
        self.permit = None;
    }

    /// `false`: none came free before `deadline`.
    async fn take(&mut self, deadline: Instant) -> bool {
        let permit = timeout_at(deadline, self.slots.clone().acquire_owned()).await;
        self.permit = permit.ok().and_then(Result::ok);
        self.permit.is_some()
    }
}

fn worth_a_retry<T>(outcome: &Result<T, Error>) -> Option<(&Error, Reason)> {
    let error = outcome.as_ref().err().filter(|error| retry::may_succeed_later(error))?;
    Some((error, error.reason()?))
}

/// Sorts a complete answer: only a 200 has a body to read. Of an overview, a 204 is an answer, too.
fn complete(operation: Operation, response: Response) -> Result<Response, Error> {
    let Response { status, request_id, retry_after, body, .. } = &response;
    if operation == Operation::Token
        && let Some(refused) = token_refused(*status, body, request_id.as_ref())
    {
        return Err(refused);
    }
    let bad = |problem| Error::BadResponse { operation, problem, request_id: request_id.clone() };
    match *status {
        200 => Ok(response),
        204 if operation == Operation::Overview => Ok(response),
        300..=399 => Err(bad(BadResponse::Redirect(*status))),
        400..=599 => {
            Err(Error::Status { operation, status: *status, retry_after: *retry_after, request_id: request_id.clone() })
        }
        other => Err(bad(BadResponse::UnexpectedStatus(other))),
    }
}
