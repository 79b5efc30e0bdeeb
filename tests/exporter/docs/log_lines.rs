//! What the documents quote of the log is there as it stands, and a search finds it.

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
            assert!(!line.contains(ESCAPED), "{}: the log has a backslash in {line:?}", document.path);
            quoted += 1;
        }
    }
    assert!(quoted > 10, "{quoted}");
}

/// logfmt and JSON put a backslash before them: whoever searches for a message with one would not find it.
const ESCAPED: [char; 4] = ['\'', '"', '\\', '\t'];

#[test]
fn messages_are_logged_as_they_are_written() {
    let (sources, mut messages) = (sources(), 0);
    for level in ["error!(", "warn!(", "info!(", "debug!("] {
        for call in sources.split(level).skip(1) {
            let Some(message) = message(call) else { continue };
            // In the source, a backslash at the end of a line continues the text.
            assert!(!message.replace("\\\n", "").contains(ESCAPED), "it is logged with a backslash: {message}");
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
