//! Whether a password is a user's: slowly, as bcrypt has it, and so one at a time and off the threads that answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::config::Users;

/// A user and a password that somebody claims to be his.
pub(super) struct Login {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

/// So many checks wait already that another would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// Checks passwords, and remembers those that were right: scrapes have the same each time.
#[derive(Debug)]
pub(super) struct Passwords {
    /// Random, so that what is remembered tells nothing outside of this process.
    key: hmac::Key,
    /// For one comparison and those that wait for it.
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    right: Arc<Mutex<Right>>,
}

/// Digests of the logins that were right.
type Right = HashSet<Vec<u8>>;

/// Comparisons that may wait or run. At a usual cost of 10, the last one waits for one or two seconds.
const PLACES: usize = 16;

/// One login needs one place; a password of more than 72 bytes can be written in many ways that are all right.
const MAX_REMEMBERED: usize = 1024;

impl Passwords {
    /// Whether `login` is one of `users`.
    ///
    /// Somebody who is no user costs a comparison, too, with the hash of somebody who is one: the time that it takes
    /// does not tell who is a user.
    pub(super) async fn check(&self, users: &Users, login: Login) -> Result<bool, Busy> {
        let number = self.sign([login.user.as_slice()]);
        let number =
            number.as_ref().iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
        let (is_user, hash) = match users.hash(&login.user) {
            Some(hash) => (true, hash),
            None => (false, users.any_hash(number).ok_or(Busy)?),
        };
        let digest = self.sign([&login.user, hash.expose().as_bytes(), &login.password]).as_ref().to_vec();
        if is_right(&self.right, &digest) {
            return Ok(true);
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| Busy)?;
        let (hash, right) = (hash.clone(), self.right.clone());
        // A client that goes away leaves a comparison that still runs: it keeps its turn, and what it finds is kept.
        let comparing = spawn_blocking(move || {
            let _held = (place, turn);
            if is_right(&right, &digest) {
                return true;
            }
            let matches = bcrypt::verify(&login.password, hash.expose()).unwrap_or(false) && is_user;
            if matches {
                remember(&right, digest);
            }
            matches
        });
        Ok(comparing.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
    }

    /// Different for different parts, also where they read the same one after the other.
    fn sign<const N: usize>(&self, parts: [&[u8]; N]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign()
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            key: hmac::Key::new(HMAC_SHA256, &rand::random::<[u8; 32]>()),
            places: Arc::new(Semaphore::new(PLACES)),
            turn: Arc::new(Semaphore::new(1)),
            right: Arc::default(),
        }
    }
}

fn is_right(right: &Mutex<Right>, digest: &[u8]) -> bool {
    right.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
}

fn remember(right: &Mutex<Right>, digest: Vec<u8>) {
    let mut right = right.lock().unwrap_or_else(PoisonError::into_inner);
    if right.len() >= MAX_REMEMBERED {
        right.clear();
    }
    right.insert(digest);
}
