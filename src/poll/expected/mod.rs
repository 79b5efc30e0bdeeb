//! What a billing system expects that customers have purchased: a file that is followed, and matched with who is
//! watched.

mod matching;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bounded_file::{LARGEST, shown};
use elements_api::{CustomerId, Excerpt, ProductType};
use exporter_web::settle::Settling;
use tracing::{info, warn};

pub use self::matching::Unmatched;
pub use self::rows::ExpectedRow;

use super::log::PollLog;
use super::selection::WatchList;
use crate::off_runtime::off_runtime;
use crate::store::{ExpectedFile, Target};

/// An expected seats file, as one look has found it. Two looks that found the same rows, or the same mistake, are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedSeatsFile {
    path: PathBuf,
    rows: Result<Arc<[ExpectedRow]>, String>,
}

impl ExpectedSeatsFile {
    /// Reads the file at `path`. It blocks its thread meanwhile.
    pub fn read(path: &Path) -> Self {
        let name = Excerpt::of(shown(path));
        let bytes = bounded_file::read(path, LARGEST).map_err(|error| format!("{name} cannot be read: {error}"));
        let rows = bytes.and_then(|bytes| rows::parse(&bytes).map_err(|refusal| format!("{name}:{refusal}")));
        Self { path: path.to_owned(), rows: rows.map(Arc::from) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its rows.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with its path and, if it has one, its line.
    pub fn rows(&self) -> Result<&Arc<[ExpectedRow]>, &str> {
        self.rows.as_ref().map_err(String::as_str)
    }
}

/// What is expected for now, if anybody expects anything. A file that cannot be read changes nothing of it.
#[derive(Debug, Default)]
pub(super) struct Expected {
    file: Option<Settling<ExpectedSeatsFile>>,
    /// What was read last, and from where.
    read: Option<(PathBuf, Arc<[ExpectedRow]>)>,
    /// Before anything was read, whose products an earlier run has read of: they stay watched.
    remembered: BTreeMap<CustomerId, Vec<ProductType>>,
}

impl Expected {
    /// By this file. An earlier run has read of the `billed`.
    pub(super) fn by(file: Option<ExpectedSeatsFile>, billed: &BTreeSet<Target>) -> Self {
        let mut expected = Self::default();
        for Target { customer, product } in billed {
            expected.remembered.entry(customer.clone()).or_default().push(*product);
        }
        expected.adopt(file);
        expected
    }

    /// Goes by this file from now on, as a plan brings it.
    pub(super) fn adopt(&mut self, file: Option<ExpectedSeatsFile>) {
        let known = self.file.as_ref().map(Settling::known);
        match file {
            None => *self = Self::default(),
            Some(file) if known == Some(&file) => self.follow(file),
            // It may be written just now: this is a look like any other.
            Some(file) if self.follows_what_it_read(&file.path) => _ = self.found(file),
            Some(file) => self.take(file),
        }
    }

    fn follows_what_it_read(&self, path: &Path) -> bool {
        self.file.as_ref().is_some_and(|file| file.known().path == path)
            && self.read.as_ref().is_some_and(|(read, _)| read == path)
    }

    /// Looks at the file again. Whether that changes anything.
    pub(super) async fn look(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        let path = file.known().path.clone();
        let found = off_runtime(move || ExpectedSeatsFile::read(&path)).await;
        self.found(found)
    }

    /// Expects of those who are watched what the file says, and returns how it is. Who is not among them may be unknown.
    pub(super) fn expect(&self, watched: &mut WatchList, log: Option<&mut PollLog>) -> Option<ExpectedFile> {
        let file = self.file.as_ref()?;
        let unmatched = watched.expect(self.read.as_ref().map_or(&[], |(_, rows)| rows));
        watched.remember(&self.remembered);
        let unmatched = log.map(|log| log.unmatched(unmatched));
        Some(ExpectedFile { success: file.known().rows.is_ok(), unmatched })
    }

    /// A change counts when two looks in a row have found it: a file that is just being written may be read cut off.
    fn found(&mut self, found: ExpectedSeatsFile) -> bool {
        let settled = self.file.as_mut().and_then(|file| file.look(found)).cloned();
        settled.map(|file| self.take(file)).is_some()
    }

    fn take(&mut self, file: ExpectedSeatsFile) {
        match &file.rows {
            Ok(rows) => {
                info!(file = %shown(&file.path), rows = rows.len(), "the expected seats were read");
                self.read = Some((file.path.clone(), rows.clone()));
                self.remembered.clear();
            }
            Err(error) if self.read.is_some() => {
                warn!(error, "the expected seats were not read: they stay as they were");
            }
            Err(error) => warn!(error, "the expected seats were not read: none are expected until they can be"),
        }
        self.follow(file);
    }

    fn follow(&mut self, file: ExpectedSeatsFile) {
        self.file = Some(Settling::new(file));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use elements_api::Seats;

    use super::*;
    use crate::testing::{target, watched};

    fn file(text: &str) -> ExpectedSeatsFile {
        let rows = rows::parse(text.as_bytes()).map(Arc::from).map_err(|refusal| refusal.to_string());
        ExpectedSeatsFile { path: "expected.csv".into(), rows }
    }

    fn bill(seats: u64) -> ExpectedSeatsFile {
        file(&format!("customer,product,seats\na,4,{seats}\n"))
    }

    fn by(file: ExpectedSeatsFile) -> Expected {
        Expected::by(Some(file), &BTreeSet::new())
    }

    /// How many seats each row has, and whether they are those of the file.
    fn state(expected: &Expected) -> (Vec<u64>, Option<bool>) {
        let file = expected.expect(&mut WatchList { customers: Vec::new(), hidden: Vec::new() }, None);
        (
            expected.read.iter().flat_map(|(_, rows)| rows.iter()).map(|row| row.seats.get()).collect(),
            file.map(|file| file.success),
        )
    }

    #[test]
    fn a_change_counts_when_two_looks_agree() {
        let mut expected = by(bill(1));
        let looks = [bill(1), bill(2), bill(3), bill(1), bill(3), bill(3), bill(3)];
        let changed = looks.map(|found| expected.found(found));
        assert_eq!(changed, [false, false, false, false, false, true, false]);
        assert_eq!(state(&expected), (vec![3], Some(true)));
    }

    #[test]
    fn a_broken_file_keeps_what_was_expected() {
        let mut expected = by(bill(1));
        let broken = file("customer,product,seats\na,4,x\n");
        assert!(!expected.found(broken.clone()));
        assert_eq!(state(&expected), (vec![1], Some(true)), "it may be just being written");
        assert!(expected.found(broken.clone()) && !expected.found(broken.clone()), "it is told once");
        assert_eq!(state(&expected), (vec![1], Some(false)));
        expected.adopt(Some(broken));
        assert_eq!(state(&expected), (vec![1], Some(false)), "a reload finds the same");
        assert!(!expected.found(bill(1)) && expected.found(bill(1)));
        assert_eq!(state(&expected), (vec![1], Some(true)));
        expected.adopt(None);
        assert_eq!(state(&expected), (vec![], None));
    }

    #[test]
    fn a_reload_is_a_look_like_any_other() {
        let mut expected = by(bill(125));
        expected.adopt(Some(bill(1)));
        assert_eq!(state(&expected), (vec![125], Some(true)), "it may be cut off");
        expected.adopt(Some(bill(1)));
        assert_eq!(state(&expected), (vec![1], Some(true)));
    }

    #[test]
    fn after_a_broken_file_a_reload_takes_nothing_at_once_either() {
        let mut expected = by(bill(125));
        let emptied = file("");
        assert!(!expected.found(emptied.clone()) && expected.found(emptied));
        expected.adopt(Some(file("customer,product,seats\n")));
        assert_eq!(state(&expected), (vec![125], Some(false)), "rows may follow");
        expected.adopt(Some(bill(1)));
        expected.adopt(Some(bill(1)));
        assert_eq!(state(&expected), (vec![1], Some(true)));
    }

    #[test]
    fn a_reload_that_names_another_file_is_taken_at_once_and_so_is_the_way_back() {
        let mut expected = by(bill(1));
        expected.adopt(Some(ExpectedSeatsFile { path: "other.csv".into(), ..file("x") }));
        assert_eq!(state(&expected), (vec![1], Some(false)));
        expected.adopt(Some(bill(2)));
        assert_eq!(state(&expected), (vec![2], Some(true)));
    }

    #[test]
    fn what_a_bill_named_before_a_restart_stays_watched_until_it_can_be_read() {
        let billed = BTreeSet::from([target("A", 4), target("a", 7), target("gone", 4)]);
        let mut expected = Expected::by(Some(file("x")), &billed);
        let products = |expected: &Expected| {
            let mut watched = WatchList { customers: vec![watched("a", "a", "a", &[7, 1])], hidden: Vec::new() };
            expected.expect(&mut watched, None);
            let watched = watched.customers.remove(0);
            let named = watched.expected.into_iter().map(|(product, seats)| (product.number(), seats.map(Seats::get)));
            (watched.products.iter().map(|product| product.number()).collect::<Vec<_>>(), named.collect::<Vec<_>>())
        };
        assert_eq!(products(&expected), (vec![7, 1, 4], vec![(4, None), (7, None)]));
        assert!(!expected.found(bill(5)) && expected.found(bill(5)));
        assert_eq!(products(&expected), (vec![7, 1, 4], vec![(4, Some(5))]));
        let expected = Expected::by(None, &billed);
        assert_eq!(products(&expected).0, [7, 1], "without a bill nobody names it");
    }

    #[test]
    fn at_start_a_broken_file_expects_nothing_and_a_reload_takes_it_at_once() {
        let mut expected = by(file("x"));
        assert_eq!(state(&expected), (vec![], Some(false)));
        expected.adopt(Some(bill(1)));
        assert_eq!(state(&expected), (vec![1], Some(true)));
    }

    #[test]
    fn a_message_names_the_file_and_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("expected.csv");
        let error = || ExpectedSeatsFile::read(&path).rows().expect_err("broken").to_owned();
        assert!(error().starts_with(&format!("{} cannot be read: No such file", path.display())), "{}", error());
        fs::write(&path, "customer,product,seats\n\na,4,many\n").unwrap();
        assert!(error().starts_with(&format!("{}:3: seats: expected a whole number", path.display())), "{}", error());
        fs::write(&path, vec![b' '; (16 << 20) + 1]).unwrap();
        assert!(error().ends_with("it is larger than 16 MiB"), "{}", error());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(error().ends_with("it is not a regular file"), "{}", error());
    }
}
