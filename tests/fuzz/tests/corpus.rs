//! What the fuzzer found to be worth keeping is read again by every run of the tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use fuzz::TARGETS;

/// The inputs of a target, each with its path.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Whether something panicked, on whatever thread or task.
static PANICKED: AtomicBool = AtomicBool::new(false);

#[test]
fn whatever_was_found_holds() {
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        PANICKED.store(true, Ordering::SeqCst);
        hook(panic);
    }));
    for (target, holds_of) in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() >= 5, "{target} has {} inputs", inputs.len());
        for (path, input) in inputs {
            let _ = catch_unwind(|| holds_of(&input));
            assert!(!PANICKED.load(Ordering::SeqCst), "{}: see above", path.display());
        }
    }
}

#[test]
fn every_folder_of_inputs_is_one_targets_and_is_small() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folders: BTreeSet<_> =
        fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|(target, _)| (*target).to_owned()).collect();
    assert_eq!(folders, targets);
    for target in targets {
        let bytes: usize = inputs(&target).iter().map(|(_, input)| input.len()).sum();
        assert!(bytes <= LARGEST, "{target}: {bytes} bytes are too many to be read by every run: leave some out");
    }
}

/// Of all inputs of a target, in bytes.
const LARGEST: usize = 256 << 10;
