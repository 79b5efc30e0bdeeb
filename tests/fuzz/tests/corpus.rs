//! What the fuzzer found to be worth keeping is read again by every run of the tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What lies in a folder, in order.
fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Whether something panicked, on whatever thread or task.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// So that it is known who.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Holds all inputs of a target against what must hold of them.
fn replay(target: &str, holds_of: fn(&[u8]) -> bool) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            hook(panic);
        }));
    });
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    PANICKED.store(false, Ordering::SeqCst);
    let inputs = entries(&folder("corpus").join(target));
    let (mut accepted, all) = (0, inputs.len());
    for path in inputs {
        let input = fs::read(&path).unwrap();
        accepted += usize::from(catch_unwind(|| holds_of(&input)).unwrap_or_default());
        assert!(!PANICKED.load(Ordering::SeqCst), "{}: see above", path.display());
    }
    // Where nothing is accepted, the inputs have lost what they are about.
    assert!(accepted > 2 && accepted < all, "{target}: {accepted} of {all} are accepted");
}

#[test]
fn answers() {
    replay("answers", fuzz::answers);
}

#[test]
fn expected_seats() {
    replay("expected_seats", fuzz::expected_seats);
}

#[test]
fn exporter_yaml() {
    replay("exporter_yaml", fuzz::exporter_yaml);
}

#[test]
fn http1() {
    replay("http1", fuzz::http1);
}

#[test]
fn http2() {
    replay("http2", fuzz::http2);
}

#[test]
fn state_file() {
    replay("state_file", fuzz::state_file);
}

#[test]
fn web_yaml() {
    replay("web_yaml", fuzz::web_yaml);
}

/// Of all inputs of a target, in bytes.
const LARGEST: u64 = 256 << 10;

#[test]
fn every_target_has_a_folder_of_inputs_that_is_small_and_is_replayed() {
    let stems = |folder: &Path| -> BTreeSet<_> {
        entries(folder).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets = stems(&folder("targets"));
    assert_eq!(stems(&folder("corpus")), targets);
    let replayed = include_str!("corpus.rs");
    for target in targets {
        assert!(replayed.contains(&format!("replay(\"{target}\", fuzz::{target})")), "{target}");
        let bytes: u64 =
            entries(&folder("corpus").join(&target)).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(bytes <= LARGEST, "{target}: {bytes} bytes are too many to be read by every run: leave some out");
    }
}
