//! The copy on disk of what is known, which survives a restart.
//!
//! The file is replaced as a whole or not at all: whatever ends the process, and at whatever moment, it holds what was
//! saved last or what was saved before that, as far as its file system can. Beside `state.json` stand
//! `state.json.lock`, which is empty and stays; `state.json.tmp`, which becomes the next `state.json`; and
//! `state.json.aside-…`, files that could not be used.

mod checksum;
mod disk;
mod format;
mod paths;
mod subscriptions;
mod tenants;

pub use paths::folder_of;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bounded_file::shown;
use elements_api::{Account, CustomerId, Excerpt, ListedCustomer, Platform, Seats};

use self::checksum::Summed;
use self::disk::{Calls, Disk};
use crate::names::count;
use crate::store::{CLOCK_TOLERANCE, KnownSubscriptions, KnownTenants, Record, Snapshot, Target};

/// A larger file is neither read nor written: 5,000 customers with every product come to about a tenth of it.
const MAX_BYTES: u64 = 256 << 20;

/// What outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Saved {
    /// The last complete listing that was believed.
    pub listing: Option<Arc<[ListedCustomer]>>,
    /// Those of it that a later listing than the first one brought, and when.
    pub added: BTreeMap<CustomerId, SystemTime>,
    /// What the last listings of subscriptions said, if there were any.
    pub subscriptions: Option<Arc<BTreeMap<CustomerId, Arc<KnownSubscriptions>>>>,
    /// What was answered about tenants last, and why a later attempt was not: nobody may ask again for hours.
    pub tenants: BTreeMap<(CustomerId, Platform), KnownTenants>,
    /// What is [lasting](Record::lasting) of them.
    pub records: BTreeMap<Target, Record>,
    /// Those that a bill names, or named when it could last be read.
    pub billed: BTreeSet<Target>,
}

/// The state file of one account, held against every other process until this is dropped or the process ends.
///
/// Its methods wait for the disk: call them where that holds nobody up.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    account: Account,
    disk: Disk,
    /// How many bytes it may have.
    largest: u64,
    /// `None` as long as the folder cannot be written.
    lock: Option<File>,
    /// Where to put what is at `path`, if it is of no use and still lies there.
    quarantine: Option<PathBuf>,
}

/// Why nothing can be saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another exporter uses the state file {}: stop it, or give each its own state_file", shown(.path))]
    InUse { path: PathBuf },
    #[error("the state file {} is a folder or a device: name a plain file in state_file", shown(.path))]
    NotAFile { path: PathBuf },
    #[error(
        "the state file {} is not written: it would be larger than {} MiB, and could not be read again; what was saved \
         before stays there",
        shown(.path),
        MAX_BYTES >> 20
    )]
    TooLarge { path: PathBuf },
    #[error(
        "cannot {action} the state file {}: {problem}; until its folder is writable and has room, a restart forgets \
         the latest numbers",
        shown(.path)
    )]
    Io { action: &'static str, path: PathBuf, problem: io::Error },
}

impl StateFile {
    /// Takes the file for `account`, and what it holds of an earlier run.
    ///
    /// What is of no use (damaged, from another version, of another account) is warned of and kept under another name,
    /// and nothing is restored. In a folder that cannot be written, what is there is restored all the same; that is
    /// warned of, and [`save`](Self::save) fails until it can be written. An answer that is dated more than a minute
    /// after `now` is dropped: its age is unknown, and it would be shown as fresh until that date. The number and the
    /// last change stay known, for the next answer to be compared with.
    ///
    /// # Errors
    ///
    /// Another process holds the file, or what is at `path` is no plain file.
    pub fn open(path: &Path, account: Account, now: SystemTime) -> Result<(Self, Saved), Error> {
        Self::open_on(Disk::new(Calls::SYSTEM), path, account, now)
    }

    fn open_on(disk: Disk, path: &Path, account: Account, now: SystemTime) -> Result<(Self, Saved), Error> {
        let path = paths::follow_links(path);
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::NotAFile { path });
        }
        let mut file = Self { path, account, disk, largest: MAX_BYTES, lock: None, quarantine: None };
        match file.hold() {
            Err(error @ Error::Io { .. }) => tracing::warn!("{error}"),
            held => held?,
        }
        let mut saved = file.read().unwrap_or_else(|unusable| {
            let quarantine = paths::quarantine(&file.path, unusable.name(), now);
            let said = format!("the state file {} {unusable}: nothing is restored", shown(&file.path));
            file.quarantine = Some(quarantine.clone());
            match file.make_way() {
                Ok(()) => tracing::warn!("{said}; it is kept as {}", shown(&quarantine)),
                Err(error) => tracing::warn!("{said}; {error}"),
            }
            Saved::default()
        });
        saved.drop_answers_after(now.checked_add(CLOCK_TOLERANCE).unwrap_or(now));
        Ok((file, saved))
    }

    /// Replaces what the file holds.
    ///
    /// # Errors
    ///
    /// The file holds what it held before, or else all of `saved`. The next call tries everything again.
    pub fn save(&mut self, saved: &Saved) -> Result<(), Error> {
        self.make_way()?;
        let temp = paths::beside(&self.path, ".tmp");
        let written = self.write(&temp, saved).and_then(|()| self.disk.replace(&self.path, &temp));
        written.map_err(|problem| {
            // Half a file is of no use, and on a disk without room it takes the place of the next one.
            let _ = fs::remove_file(&temp);
            match problem.kind() {
                ErrorKind::FileTooLarge if problem.raw_os_error().is_none() => {
                    Error::TooLarge { path: self.path.clone() }
                }
                _ => self.error("write", problem),
            }
        })
    }

    /// Whether this is the file that `path` names.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == paths::follow_links(path)
    }

    /// From now on the numbers are `account`'s: what the file holds of another one is set aside by the next save.
    pub fn change_account(&mut self, account: &Account, now: SystemTime) {
        if self.account != *account {
            self.quarantine = Some(paths::quarantine(&self.path, "other-account", now));
            self.account = account.clone();
        }
    }

    /// Takes the lock. It is on a file of its own, since the state file is another one after every save.
    fn hold(&mut self) -> Result<(), Error> {
        if self.lock.is_some() {
            return Ok(());
        }
        // Opened for reading, too: else a pipe of this name would hold the process up.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(paths::beside(&self.path, ".lock")).map_err(|problem| self.error("lock", problem))?;
        match self.disk.lock(&lock, &self.path) {
            Ok(()) => self.lock = Some(lock),
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: self.path.clone() }),
            Err(TryLockError::Error(problem)) => return Err(self.error("lock", problem)),
        }
        Ok(())
    }

    fn read(&self) -> Result<Saved, Unusable> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Saved::default()),
            opened => opened?,
        };
        let size = file.metadata()?.len();
        if size > self.largest {
            return Err(Unusable::Damaged(format!("it has {size} bytes")));
        }
        let mut bytes = Vec::new();
        file.take(self.largest).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            // Whoever mounts a file by itself makes an empty one first.
            return Ok(Saved::default());
        }
        format::decode(&bytes, &self.account)
    }

    /// Does what `open` may have failed to do: afterwards the path is held, and what is there may be replaced.
    fn make_way(&mut self) -> Result<(), Error> {
        self.hold()?;
        if let Some(quarantine) = &self.quarantine {
            let room = paths::forget_oldest_quarantined(&self.path);
            match room.and_then(|()| self.disk.set_aside(&self.path, quarantine)) {
                // Whoever read the warning of `open` may have moved it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                moved => moved.map_err(|problem| self.error("set aside", problem))?,
            }
            self.quarantine = None;
        }
        Ok(())
    }

    fn write(&self, temp: &Path, saved: &Saved) -> io::Result<()> {
        // A process that was killed may have left one. A new one has the right mode, and is no link or pipe.
        match fs::remove_file(temp) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temp)?;
        let mut summed = Summed::new(BufWriter::new(file), self.largest);
        format::encode(&mut summed, saved, &self.account)?;
        summed.finish()?.into_inner()?.sync_all()
    }

    fn error(&self, action: &'static str, problem: io::Error) -> Error {
        Error::Io { action, path: self.path.clone(), problem }
    }
}

impl From<&Snapshot> for Saved {
    fn from(known: &Snapshot) -> Self {
        let records = known.targets().filter_map(|(customer, product, target)| {
            let kept = target.record.lasting();
            (kept != Record::default()).then(|| (Target { customer: customer.id.clone(), product }, kept))
        });
        let billed = known.targets().filter(|(_, _, target)| target.billed);
        let billed = billed.map(|(customer, product, _)| Target { customer: customer.id.clone(), product });
        let tenants = known.customers.values().flat_map(|known| {
            let asked = known.tenants.iter().filter(|(_, tenants)| **tenants != KnownTenants::default());
            asked.map(|(platform, tenants)| ((known.customer.id.clone(), *platform), tenants.lasting()))
        });
        Self {
            listing: known.listing.clone(),
            added: known.added.clone(),
            subscriptions: known.subscriptions.clone(),
            tenants: tenants.collect(),
            records: records.collect(),
            billed: billed.collect(),
        }
    }
}

impl Saved {
    /// The number and the last change stay known, and that there was an answer: the next one is compared with them.
    fn drop_answers_after(&mut self, latest: SystemTime) {
        let mut dropped = 0;
        for record in self.records.values_mut() {
            if record.answer.take_if(|answered| answered.at > latest).is_some() {
                record.last_seats.get_or_insert(Seats::ZERO);
                dropped += 1;
            }
        }
        if let Some(subscriptions) = &mut self.subscriptions
            && subscriptions.values().any(|known| known.at > latest)
        {
            Arc::make_mut(subscriptions).retain(|_, known| known.at <= latest);
            dropped += 1;
        }
        for tenants in self.tenants.values_mut() {
            dropped += usize::from(tenants.answer.take_if(|answered| answered.at > latest).is_some());
        }
        if dropped > 0 {
            let dropped = count(dropped, "saved answer");
            tracing::warn!("dropped {dropped} dated in the future: is the clock of this machine right?");
        }
    }
}

/// Why what is at the path is set aside.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot be read ({0})")]
    Unreadable(#[from] io::Error),
    #[error("is damaged ({0})")]
    Damaged(String),
    #[error("is of another version (its format is {0}, and this exporter's {version})", version = format::VERSION)]
    OtherVersion(u64),
    #[error("is of another account (client id {client_id} at {base_url})")]
    OtherAccount { base_url: Excerpt, client_id: Excerpt },
}

impl Unusable {
    /// Part of the name under which the file is kept.
    const fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Damaged(_) => "damaged",
            Self::OtherVersion(_) => "other-version",
            Self::OtherAccount { .. } => "other-account",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    use elements_api::{Answer, Reason, Subscription, Tenant};
    use rustix::io::Errno;
    use tempfile::TempDir;

    use super::*;
    use crate::store::{AnsweredTenants, Now};
    use crate::testing::{answer, listed, logged, store, subscribed, subscription, target, watched};

    fn now() -> SystemTime {
        humantime::parse_rfc3339("2026-11-22T15:30:00.123456789Z").unwrap()
    }

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        (folder, path)
    }

    fn account(client_id: &str) -> Account {
        Account { base_url: "https://api.example".parse().unwrap(), client_id: client_id.to_owned() }
    }

    fn open(path: &Path) -> (StateFile, Saved) {
        StateFile::open(path, account("app"), now()).unwrap()
    }

    fn answers(answers: &[Answer]) -> Record {
        let mut record = Record::default();
        for answer in answers {
            record.take(Ok(*answer), Now { wall: now(), ..Now::read() });
        }
        record.lasting()
    }

    fn saved(number: u64) -> Saved {
        Saved { records: BTreeMap::from([(target("a", 1), answers(&[answer(number)]))]), ..Saved::default() }
    }

    fn answered_tenants() -> AnsweredTenants {
        let tenant = Tenant { id: "t".to_owned(), name: None, assigned: Seats::new(3), available: Some(-1) };
        AnsweredTenants::new(vec![tenant], now(), None)
    }

    fn save(path: &Path, number: u64) {
        open(path).0.save(&saved(number)).unwrap();
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: impl AsRef<Path>) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_was_saved_is_restored_exactly() {
        let (_folder, path) = folder();
        let everything = Saved {
            added: BTreeMap::from([(target("B", 1).customer, now())]),
            listing: Some(Arc::new([listed("B", Some("Contoso \"\\\n\0\u{202e}\u{1f600}")), listed("a", None)])),
            subscriptions: Some(Arc::new(BTreeMap::from(
                [subscribed("B", vec![subscription("Fly", 9), Subscription::default()])]
                    .map(|listed| (listed.id.clone(), Arc::new(KnownSubscriptions::new(listed, now(), None)))),
            ))),
            tenants: BTreeMap::from([
                (
                    (target("B", 1).customer, Platform::Google),
                    KnownTenants { answer: Some(answered_tenants()), failure: Some(Reason::ServerError) },
                ),
                (
                    (target("B", 1).customer, Platform::Salesforce),
                    KnownTenants { answer: None, failure: Some(Reason::Forbidden) },
                ),
            ]),
            records: BTreeMap::from([
                (target("a", 1), answers(&[answer(0)])),
                (target("a", 4), answers(&[answer(5), answer(1 << 53), Answer::NotFound])),
                (target("B", 1), answers(&[Answer::NotApplicable])),
                (target("B", u32::MAX), answers(&[Answer::NotFound])),
            ]),
            billed: BTreeSet::from([target("a", 1), target("B", 7)]),
        };
        for state in [everything, Saved::default()] {
            open(&path).0.save(&state).unwrap();
            assert_eq!(open(&path).1, state);
        }
    }

    #[test]
    fn a_snapshot_is_saved_without_failures_and_without_what_was_never_answered() {
        let store = store();
        store.watch(&[watched("a", "x", "x", &[1, 4, 32])]);
        for (product, outcome) in [(1, Ok(answer(5))), (1, Err(Reason::Timeout)), (4, Err(Reason::Timeout))] {
            store.record(&target("a", product), outcome, Now { wall: now(), ..Now::read() }).unwrap();
        }
        assert_eq!(Saved::from(&store.snapshot()), saved(5));
    }

    #[test]
    fn the_file_and_its_lock_are_for_the_owner_only() {
        let (folder, path) = folder();
        fs::write(&path, "an older one").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        save(&path, 1);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(folder.path().join("state.json.lock")), 0o600);
    }

    #[test]
    fn a_file_has_one_holder_at_a_time() {
        let (_folder, path) = folder();
        let (mut first, _) = open(&path);
        for _ in 0..2 {
            let refused = StateFile::open(&path, account("app"), now()).unwrap_err();
            let expected = format!(
                "another exporter uses the state file {}: stop it, or give each its own state_file",
                path.display()
            );
            assert_eq!(refused.to_string(), expected);
            first.save(&saved(1)).unwrap();
        }
        drop(first);
        assert_eq!(open(&path).1, saved(1));
    }

    #[test]
    fn another_account_starts_empty_and_destroys_nothing() {
        let (folder, path) = folder();
        save(&path, 1);
        let (mut other, restored) = StateFile::open(&path, account("other"), now()).unwrap();
        assert_eq!(restored, Saved::default());
        other.save(&saved(2)).unwrap();
        drop(other);
        fs::rename(folder.path().join("state.json.aside-20261122T153000Z-other-account"), &path).unwrap();
        assert_eq!(open(&path).1, saved(1));
    }

    #[test]
    fn what_is_of_no_use_is_kept_beside_the_others() {
        let (folder, path) = folder();
        for content in ["first", "second", "{\"version\":3}"] {
            fs::write(&path, content).unwrap();
            assert_eq!(open(&path).1, Saved::default());
        }
        let aside = [
            ("state.json.aside-20261122T153000Z-damaged", "first"),
            ("state.json.aside-20261122T153000Z-damaged-2", "second"),
            ("state.json.aside-20261122T153000Z-other-version", "{\"version\":3}"),
        ];
        for (name, content) in aside {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), content);
        }
        assert_eq!(names(&folder), [aside[0].0, aside[1].0, aside[2].0, "state.json.lock"]);
    }

    #[test]
    fn of_many_that_were_set_aside_the_latest_few_are_kept() {
        let (folder, path) = folder();
        for second in 0..9 {
            fs::write(&path, "damaged").unwrap();
            StateFile::open(&path, account("app"), now() + Duration::from_secs(second)).unwrap();
        }
        let aside = |second| format!("state.json.aside-20261122T15300{second}Z-damaged");
        assert_eq!(names(&folder)[..5], [4, 5, 6, 7, 8].map(aside));
        assert_eq!(names(&folder).len(), 6);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let (folder, path) = folder();
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(open(&path).1, Saved::default());
        assert!(names(&folder)[0].ends_with("-damaged"));
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let (folder, path) = folder();
        for path in [folder.path(), Path::new("/dev/zero"), Path::new("/"), Path::new("..")] {
            assert!(matches!(StateFile::open(path, account("app"), now()), Err(Error::NotAFile { .. })));
        }
        // No pipe: making one takes another process, which for a moment would hold the locks of all tests.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(matches!(StateFile::open(&path, account("app"), now()), Err(Error::NotAFile { .. })));
        fs::rename(&path, folder.path().join("state.json.tmp")).unwrap();
        save(&path, 1);
    }

    #[test]
    fn links_lead_to_the_file_and_stay() {
        let (folder, path) = folder();
        fs::create_dir(folder.path().join("volume")).unwrap();
        symlink("state-link", &path).unwrap();
        symlink(folder.path().join("volume/real.json"), folder.path().join("state-link")).unwrap();
        for number in 1..3 {
            save(&path, number);
            assert_eq!(open(&folder.path().join("volume/real.json")).1, saved(number));
        }
        assert!(path.symlink_metadata().unwrap().is_symlink());
        fs::remove_file(&path).unwrap();
        symlink(&path, &path).unwrap();
        assert_eq!(open(&path).1, Saved::default(), "links in a circle");
    }

    #[test]
    fn the_leftover_of_a_killed_process_is_replaced() {
        let (folder, path) = folder();
        let temp = folder.path().join("state.json.tmp");
        fs::write(&temp, "half of a fi").unwrap();
        fs::set_permissions(&temp, PermissionsExt::from_mode(0o666)).unwrap();
        save(&path, 1);
        assert_eq!(names(&folder), ["state.json", "state.json.lock"]);
        assert_eq!(mode(&path), 0o600);
        symlink("/dev/full", &temp).unwrap();
        save(&path, 2);
        assert_eq!(open(&path).1, saved(2));
    }

    #[test]
    fn a_save_that_fails_leaves_the_file_and_the_next_one_succeeds() {
        let (folder, path) = folder();
        let (mut file, _) = open(&path);
        file.save(&saved(1)).unwrap();
        let before = fs::read(&path).unwrap();
        let obstacle = folder.path().join("state.json.tmp");
        fs::create_dir(&obstacle).unwrap();
        let message = file.save(&saved(2)).unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot write the state file {}: ", path.display())), "{message}");
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::remove_dir(&obstacle).unwrap();
        file.save(&saved(2)).unwrap();
        drop(file);
        assert_eq!(open(&path).1, saved(2));
    }

    /// A folder in the place of the lock file keeps even root from writing it.
    #[test]
    fn without_a_lock_the_numbers_are_restored_and_saved_once_there_is_one() {
        let (folder, path) = folder();
        save(&path, 1);
        let obstacle = folder.path().join("state.json.lock");
        fs::remove_file(&obstacle).unwrap();
        fs::create_dir(&obstacle).unwrap();
        let (mut file, restored) = open(&path);
        assert_eq!(restored, saved(1));
        for _ in 0..2 {
            assert!(file.save(&saved(2)).unwrap_err().to_string().starts_with("cannot lock the state file"));
        }
        fs::remove_dir(&obstacle).unwrap();
        file.save(&saved(2)).unwrap();
        assert!(matches!(StateFile::open(&path, account("app"), now()), Err(Error::InUse { .. })));
    }

    #[test]
    fn what_could_not_be_set_aside_is_not_written_over() {
        for moved_by_hand in [false, true] {
            let (folder, path) = folder();
            fs::write(&path, "damaged").unwrap();
            let obstacle = folder.path().join("state.json.lock");
            fs::create_dir(&obstacle).unwrap();
            let (mut file, _) = open(&path);
            file.save(&saved(1)).unwrap_err();
            assert_eq!(fs::read_to_string(&path).unwrap(), "damaged");
            fs::remove_dir(&obstacle).unwrap();
            if moved_by_hand {
                fs::remove_file(&path).unwrap();
            }
            file.save(&saved(1)).unwrap();
            drop(file);
            assert_eq!(open(&path).1, saved(1));
            assert_eq!(names(&folder).iter().any(|name| name.ends_with("-damaged")), !moved_by_hand);
        }
    }

    #[test]
    fn a_folder_that_does_not_exist_fails_the_save_and_not_the_start() {
        let (folder, _) = folder();
        let path = folder.path().join("missing/state.json");
        let (mut file, restored) = open(&path);
        assert_eq!(restored, Saved::default());
        file.save(&saved(1)).unwrap_err();
        fs::create_dir(folder.path().join("missing")).unwrap();
        file.save(&saved(1)).unwrap();
    }

    #[test]
    fn an_answer_from_the_future_is_forgotten_and_its_number_is_not() {
        let (_folder, path) = folder();
        save(&path, 5);
        for (clock_behind, known) in [(60, true), (61, false)] {
            let earlier = now() - Duration::from_secs(clock_behind);
            let (_, restored) = StateFile::open(&path, account("app"), earlier).unwrap();
            let record = restored.records[&target("a", 1)];
            assert_eq!(record.answer.is_some(), known);
            assert_eq!(record.last_seats, Seats::new(5));
        }
    }

    #[test]
    fn a_first_purchase_after_an_answer_from_the_future_is_a_change() {
        let (_folder, path) = folder();
        let none = BTreeMap::from([(target("a", 1), answers(&[Answer::NotFound]))]);
        open(&path).0.save(&Saved { records: none, ..Saved::default() }).unwrap();
        let (_, mut restored) = StateFile::open(&path, account("app"), now() - Duration::from_hours(1)).unwrap();
        let record = restored.records.get_mut(&target("a", 1)).unwrap();
        record.take(Ok(answer(25)), Now::read());
        assert_eq!(record.change.unwrap().previous, Seats::ZERO);
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let (folder, path) = folder();
        let (mut file, _) = open(&path);
        file.save(&saved(1)).unwrap();
        let before = fs::read(&path).unwrap();
        file.largest = before.len() as u64;
        file.save(&saved(2)).unwrap();
        assert!(matches!(file.save(&saved(10)), Err(Error::TooLarge { .. })));
        assert_eq!(names(&folder), ["state.json", "state.json.lock"]);
        drop(file);
        assert_eq!(open(&path).1, saved(2));
    }

    fn open_on(calls: Calls, path: &Path) -> (StateFile, Saved) {
        StateFile::open_on(Disk::new(calls), path, account("app"), now()).unwrap()
    }

    #[test]
    fn a_file_that_is_mounted_by_itself_is_written_in_place_and_is_empty_at_first() {
        let busy: fn(&Path, &Path) -> io::Result<()> = |_, _| Err(Errno::BUSY.into());
        let apart: fn(&Path, &Path) -> io::Result<()> = |_, _| Err(Errno::XDEV.into());
        for rename in [busy, apart] {
            let calls = Calls { rename, ..Calls::SYSTEM };
            let (folder, path) = folder();
            fs::write(&path, "").unwrap();
            for number in [100, 2] {
                open_on(calls, &path).0.save(&saved(number)).unwrap();
                assert_eq!(open(&path).1, saved(number));
            }
            assert_eq!(names(&folder), ["state.json", "state.json.lock"], "nothing was set aside");
            fs::write(&path, "damaged").unwrap();
            assert_eq!(open_on(calls, &path).1, Saved::default());
            assert_eq!(fs::read(&path).unwrap(), b"");
            assert_eq!(fs::read(folder.path().join("state.json.aside-20261122T153000Z-damaged")).unwrap(), b"damaged");
        }
    }

    #[test]
    fn a_file_system_without_locks_or_synced_folders_keeps_the_file_all_the_same() {
        let calls = Calls {
            lock: |_| Err(TryLockError::Error(Errno::NOLCK.into())),
            sync_folder: |_| Err(Errno::INVAL.into()),
            ..Calls::SYSTEM
        };
        let (_folder, path) = folder();
        let told = logged(|| {
            let (mut file, _) = open_on(calls, &path);
            for number in 1..4 {
                file.save(&saved(number)).unwrap();
                assert_eq!(open(&path).1, saved(number));
            }
        });
        for word in ["has no locks", "does not sync folders"] {
            assert_eq!(told.matches(word).count(), 1, "{told}");
        }
    }

    #[test]
    fn a_folder_that_fails_to_be_synced_fails_the_save() {
        let (_folder, path) = folder();
        let (mut file, _) = open_on(Calls { sync_folder: |_| Err(Errno::IO.into()), ..Calls::SYSTEM }, &path);
        file.save(&saved(1)).unwrap_err();
    }
}
