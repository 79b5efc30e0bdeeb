//! What the documents quote of the log, and tell to look for in it, is there as it stands.

use std::fs;

use crate::harness::document::Document;
use crate::harness::root;

#[test]
fn every_log_line_that_is_quoted_exists() {
    let (sources, mut quoted) = (sources(), 0);
    for document in Document::all() {
        let text = document.text.replace('\n', " ");
        for line in text.split("log line `").skip(1).map(|rest| rest.split('`').next().unwrap()) {
            assert!(sources.contains(&format!("\"{line}")), "{}: the log line {line:?}", document.path);
            quoted += 1;
        }
    }
    assert!(quoted > 10, "{quoted}");
}

#[test]
fn what_is_to_be_searched_for_is_written_by_the_program() {
    let sources = sources();
    for document in Document::all() {
        for command in document.text.lines().filter(|line| line.contains("grep ")) {
            let Some(pattern) = command.split(['\'', '"']).nth(1) else { continue };
            assert!(sources.contains(pattern), "{}: {command}", document.path);
        }
    }
}

/// logfmt and JSON put a backslash before some characters: whoever searches for such a message would not find it.
#[test]
fn messages_are_logged_as_they_are_written() {
    let (sources, mut messages) = (sources(), 0);
    for level in ["error!(", "warn!(", "info!(", "debug!("] {
        for call in sources.split(level).skip(1) {
            let Some(message) = message(call) else { continue };
            let escaped = message.contains(['\'', '\t']) || message.contains("\\\"") || message.contains("\\\\");
            assert!(!escaped, "it is logged with a backslash: {message}");
            messages += 1;
        }
    }
    assert!(messages > 30, "{messages}");
}

/// The last string among the arguments of a macro, which is the message where there is one.
fn message(call: &str) -> Option<&str> {
    let (arguments, _) = call.split_once(");")?;
    let (before, _) = arguments.rsplit_once('"')?;
    let mut start = before.rfind('"')?;
    while before[..start].ends_with('\\') {
        start = before[..start].rfind('"')?;
    }
    Some(&before[start + 1..])
}

/// The text of all that is in `src` and `crates`.
fn sources() -> String {
    let mut folders = vec![root().join("src"), root().join("crates")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
    }
    text
}
