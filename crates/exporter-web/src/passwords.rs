//! Whether a password is a user's: slowly, as bcrypt has it, and so one at a time, in fair turns and off the threads
//! that answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::ExposeSecret as _;
use tokio::task::spawn_blocking;

use crate::config::Users;
use crate::origin::Origin;
use crate::turns::{Busy, Turns};

/// A user and a password, as somebody claims.
pub(crate) struct Login {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

/// Checks passwords, and remembers those that were right: scrapes have the same each time.
#[derive(Debug)]
pub(crate) struct Passwords {
    /// Random, so that what is remembered tells nothing outside of this process.
    key: hmac::Key,
    /// Whoever has the turn compares. A flood from one address holds up another address for one of its comparisons.
    turns: Turns,
    right: Arc<Mutex<Right>>,
}

/// Digests of the logins that were right.
type Right = HashSet<Vec<u8>>;

/// One login needs one place; a password of more than 72 bytes can be written in many ways that are all right.
const MAX_REMEMBERED: usize = 1024;

impl Passwords {
    /// Whether `login`, which comes from `origin`, is one of `users`.
    ///
    /// Somebody who is no user costs a comparison, too, with the hash of somebody who is one: the time that it takes
    /// does not tell who is a user.
    pub(crate) async fn check(&self, users: &Users, login: Login, origin: Origin) -> Result<bool, Busy> {
        let (is_user, hash) = match users.hash(&login.user) {
            Some(hash) => (true, hash),
            None => (false, users.any_hash(self.number(&login.user)).ok_or(Busy)?),
        };
        let digest = self.sign([&login.user, hash.expose_secret().as_bytes(), &login.password]).as_ref().to_vec();
        // What was right stays remembered when a user is removed, whose hash another one may share.
        if is_user && is_right(&self.right, &digest) {
            return Ok(true);
        }
        let turn = self.turns.take(origin).await?;
        let (hash, right) = (hash.clone(), self.right.clone());
        // A client that goes away leaves a comparison that still runs: nothing else runs meanwhile, and what it finds is kept.
        let comparison = spawn_blocking(move || {
            let _turn = turn;
            if is_user && is_right(&right, &digest) {
                return true;
            }
            let matches = bcrypt::verify(&login.password, hash.expose_secret()).unwrap_or(false) && is_user;
            if matches {
                remember(&right, digest);
            }
            matches
        });
        // A comparison that comes to no end lets nobody in.
        Ok(comparison.await.unwrap_or(false))
    }

    /// Always the same for one `user`, and nothing that can be foreseen.
    fn number(&self, user: &[u8]) -> usize {
        let tag = self.sign([user]);
        tag.as_ref().first_chunk().map_or(0, |bytes| usize::from_le_bytes(*bytes))
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
            turns: Turns::default(),
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;
    use crate::WebConfig;

    /// alice has `wonderland`, bob has `builder`, at the lowest cost that there is.
    fn users() -> WebConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let hash = |password| bcrypt::hash(password, 4).unwrap();
        let text = format!("basic_auth_users: {{alice: {}, bob: {}}}\n", hash("wonderland"), hash("builder"));
        std::fs::write(&path, text).unwrap();
        WebConfig::load(&path).unwrap()
    }

    fn origin(number: u32) -> Origin {
        IpAddr::from(Ipv4Addr::from_bits(number)).into()
    }

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.into(), password: password.into() }
    }

    #[tokio::test]
    async fn a_password_opens_for_its_own_user_alone() {
        let (config, passwords) = (users(), Passwords::default());
        for (user, password, expected) in [
            ("alice", "wonderland", true),
            ("bob", "builder", true),
            ("alice", "builder", false),
            ("bob", "wonderland", false),
            ("carol", "builder", false),
            ("carol", "wonderland", false),
            ("Alice", "wonderland", false),
            ("alice", "wonderland\0", false),
            ("alice", "", false),
            ("", "wonderland", false),
        ] {
            for _ in 0..2 {
                let outcome = passwords.check(&config.users, login(user, password), origin(1)).await;
                assert_eq!(outcome, Ok(expected), "{user}:{password}");
            }
        }
        assert_eq!(passwords.right.lock().unwrap().len(), 2, "nothing but what was right is remembered");
    }

    #[tokio::test]
    async fn a_removed_user_is_refused_though_another_has_the_same_hash() {
        let hash = bcrypt::hash("wonderland", 4).unwrap();
        let users = |names: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("web.yml");
            let entries: Vec<_> = names.iter().map(|name| format!("{name}: {hash}")).collect();
            std::fs::write(&path, format!("basic_auth_users: {{{}}}\n", entries.join(", "))).unwrap();
            WebConfig::load(&path).unwrap().users
        };
        let passwords = Passwords::default();
        assert_eq!(passwords.check(&users(&["alice", "bob"]), login("alice", "wonderland"), origin(1)).await, Ok(true));
        let renamed = users(&["bob"]);
        for _ in 0..2 {
            assert_eq!(passwords.check(&renamed, login("alice", "wonderland"), origin(1)).await, Ok(false));
        }
        assert_eq!(passwords.check(&renamed, login("bob", "wonderland"), origin(1)).await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn whether_a_user_exists_cannot_be_told_from_what_it_costs() {
        let (config, passwords) = (users(), Passwords::default());
        let running = passwords.turns.take(origin(2)).await.unwrap();
        for user in ["alice", "carol"] {
            let mut checking = Box::pin(passwords.check(&config.users, login(user, "wrong"), origin(1)));
            assert!(timeout(Duration::from_millis(20), &mut checking).await.is_err());
            assert_eq!(passwords.turns.waiting(), 1, "{user} waits for one comparison");
        }
        drop(running);
        let costs: HashSet<_> =
            (0..100).map(|number| &config.users.any_hash(number).unwrap().expose_secret()[..7]).collect();
        assert_eq!(costs, HashSet::from(["$2b$04$"]), "of the same cost");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_right_before_waits_for_nobody() {
        let (config, passwords) = (users(), Passwords::default());
        assert_eq!(passwords.check(&config.users, login("alice", "wonderland"), origin(1)).await, Ok(true));
        let running = passwords.turns.take(origin(2)).await.unwrap();
        let mut waiting: Vec<_> =
            (0..2).map(|_| Box::pin(passwords.check(&config.users, login("bob", "builder"), origin(1)))).collect();
        for check in &mut waiting {
            assert!(timeout(Duration::from_millis(1), check).await.is_err());
        }
        let another = passwords.check(&config.users, login("bob", "builder"), origin(1));
        assert_eq!(another.await, Err(Busy), "no place is left");
        assert_eq!(passwords.check(&config.users, login("alice", "wonderland"), origin(1)).await, Ok(true));
        drop(running);
        for check in waiting {
            assert_eq!(check.await, Ok(true));
        }
    }

    #[tokio::test]
    async fn wrong_passwords_from_one_address_leave_another_its_comparison() {
        let (config, passwords) = (Arc::new(users()), Arc::new(Passwords::default()));
        let running = passwords.turns.take(origin(1)).await.unwrap();
        let mut checks = JoinSet::new();
        for (user, password, from) in [("alice", "rabbit", 1); 20].into_iter().chain([("bob", "builder", 2)]) {
            let (config, passwords) = (config.clone(), passwords.clone());
            let login = login(user, password);
            checks.spawn(async move { passwords.check(&config.users, login, origin(from)).await });
        }
        for _ in 0..18 {
            assert_eq!(checks.join_next().await.unwrap().unwrap(), Err(Busy));
        }
        assert_eq!(passwords.turns.waiting(), 3);
        drop(running);
        // In which order they have their turns is the business of those.
        let mut answers: Vec<_> = checks.join_all().await.into_iter().map(Result::unwrap).collect();
        answers.sort_unstable();
        assert_eq!(answers, [false, false, true]);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_its_comparison_running() {
        let (config, passwords) = (users(), Passwords::default());
        {
            let mut checking = Box::pin(passwords.check(&config.users, login("alice", "wonderland"), origin(1)));
            // The first poll begins the comparison.
            assert!(timeout(Duration::ZERO, &mut checking).await.is_err());
        }
        let running = passwords.turns.take(origin(2)).await.unwrap();
        assert_eq!(passwords.right.lock().unwrap().len(), 1, "what it found is kept");
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_hash_forgets_the_password_of_before() {
        let (before, after, passwords) = (users(), users(), Passwords::default());
        assert_eq!(passwords.check(&before.users, login("alice", "wonderland"), origin(1)).await, Ok(true));
        let running = passwords.turns.take(origin(2)).await.unwrap();
        let mut checking = Box::pin(passwords.check(&after.users, login("alice", "wonderland"), origin(1)));
        assert!(timeout(Duration::from_millis(20), &mut checking).await.is_err(), "another salt, another comparison");
        drop(running);
        assert_eq!(checking.await, Ok(true));
    }
}
