//! The state file against what befalls a process: SIGKILL in the middle of a save, and a disk without room.
//!
//! Each test starts itself once more as a child process, which finds the path of its state file in a variable.
#![allow(clippy::unwrap_used, reason = "these are tests, and so are their helpers")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use std::{env, thread};

use avepoint_exporter::store::saved::{Saved, StateFile};
use avepoint_exporter::store::{Now, Record, Target};
use elements_api::{Account, Answer, CustomerId, ProductType, Seats};

const PATH: &str = "AVEPOINT_EXPORTER_TEST_STATE_FILE";

#[test]
fn a_kill_at_any_moment_leaves_the_old_state_or_the_new() {
    const KILLS: usize = 200;
    if let Some(path) = env::var_os(PATH) {
        save_until_killed(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut in_the_middle = 0;
    for _ in 0..KILLS {
        let before = saves(&path);
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "a_kill_at_any_moment_leaves_the_old_state_or_the_new"]);
        let mut child = command.env(PATH, &path).stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while saves(&path) == before {
            assert!(Instant::now() < deadline, "the child saves nothing");
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_micros(rand::random_range(0..4_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        in_the_middle += usize::from(folder.path().join("state.json.tmp").exists());
        let done = saves(&path);
        let (_, found) = open(&path);
        let number = number(&found);
        assert!(number == done || number == done + 1, "{number} is there, after {done} saves");
        assert!(found == state(number), "{number} is not whole");
        fs::write(saves_path(&path), vec![b'.'; usize::try_from(number).unwrap()]).unwrap();
    }
    assert!(in_the_middle > KILLS / 10, "only {in_the_middle} kills came in the middle of a save");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.count() <= 4, "more than the file, its lock, its next one and the count of saves");
}

#[test]
fn a_full_disk_fails_the_save_and_spoils_nothing() {
    if let Some(path) = env::var_os(PATH) {
        let path = Path::new(&path);
        let (mut file, _) = open(path);
        for _ in 0..2 {
            let message = file.save(&state(2)).unwrap_err().to_string();
            assert!(message.starts_with("cannot write the state file"), "{message}");
        }
        drop(file);
        let (mut file, found) = open(path);
        assert!(found == state(1));
        file.save(&Saved::default()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    open(&path).0.save(&state(1)).unwrap();
    // A limit on the size of files ends a write in the middle, as a full disk does, and needs no disk to fill.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    command.args(["--exact", "a_full_disk_fails_the_save_and_spoils_nothing"]);
    let output = command.env(PATH, &path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(open(&path).1 == Saved::default(), "the last save needed little room");
}

/// Counts on from what it finds, one by one, and notes each save that is done.
fn save_until_killed(path: &Path) -> ! {
    let (mut file, found) = open(path);
    let mut saves = OpenOptions::new().append(true).create(true).open(saves_path(path)).unwrap();
    let mut number = number(&found);
    loop {
        number += 1;
        file.save(&state(number)).unwrap();
        saves.write_all(b".").unwrap();
    }
}

/// How many saves were done.
fn saves(path: &Path) -> u64 {
    fs::metadata(saves_path(path)).map_or(0, |metadata| metadata.len())
}

fn saves_path(path: &Path) -> PathBuf {
    path.with_extension("saves")
}

fn open(path: &Path) -> (StateFile, Saved) {
    let account = Account { base_url: "https://api.example".parse().unwrap(), client_id: "app".to_owned() };
    StateFile::open(path, account, SystemTime::now()).unwrap()
}

/// The state of this number: no two that follow each other have one size.
fn state(number: u64) -> Saved {
    let targets = u32::try_from(400 + number % 7 * 100).unwrap();
    let records = (1..=targets).map(|product| {
        let product = ProductType::new(product).unwrap();
        let mut record = Record::default();
        record
            .take(Ok(Answer::Seats(Seats::new(number).unwrap())), Now { wall: SystemTime::UNIX_EPOCH, ..Now::read() });
        (Target { customer: CustomerId::parse("contoso").unwrap(), product }, record.lasting())
    });
    Saved { records: records.collect::<BTreeMap<_, _>>(), ..Saved::default() }
}

/// The number of a state; 0 where nothing was saved.
fn number(saved: &Saved) -> u64 {
    let first = saved.records.values().next();
    first.and_then(|record| record.last_seats).map_or(0, Seats::get)
}
