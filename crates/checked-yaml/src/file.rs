//! The file itself, and the files that it names. Each is read with the limits of [`bounded_file`].

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bounded_file::{LARGEST, LARGEST_SECRET, read, without_margins};

use crate::error::Problem;
use crate::field::Field;
use crate::value::{quoted, text};

/// The text of the configuration file at `path`.
///
/// # Errors
///
/// It cannot be read, or is not text in UTF-8.
pub fn configuration(path: &Path) -> Result<String, Problem> {
    decode(read(path, LARGEST))
}

/// The text of a configuration file whose bytes, or the error of reading them, the caller already has.
///
/// # Errors
///
/// It could not be read, or is not text in UTF-8.
pub fn decode(bytes: io::Result<Vec<u8>>) -> Result<String, Problem> {
    let whole = |message| Problem { line: None, key: String::new(), message };
    let bytes = bytes.map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => whole("is larger than 16 MiB, too large for a configuration".to_owned()),
        _ => whole(format!("cannot be read: {error}")),
    })?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        Problem { line: Some(line), ..whole("is not UTF-8 text; save the file in this encoding".to_owned()) }
    })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    match text.lines().position(|line| line.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\u{85}')))
    {
        Some(index) => Err(Problem { line: Some(index + 1), ..whole("holds a control character".to_owned()) }),
        None => Ok(text),
    }
}

/// Editors on Windows write it at the start, and it is no part of the text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The path that a setting names, relative to the configuration file's `folder`.
///
/// # Errors
///
/// The setting is not text.
pub fn path(field: &Field, folder: &Path) -> Result<PathBuf, String> {
    text(field).map(|path| folder.join(path))
}

/// The path of a file that can be read.
///
/// # Errors
///
/// The setting is not text, or its file cannot be read.
pub fn readable(field: &Field, folder: &Path) -> Result<PathBuf, String> {
    let path = path(field, folder)?;
    read(&path, LARGEST).map(|_| path).map_err(|error| unreadable(field, &error))
}

/// The path of a file that holds a secret and nothing else.
///
/// # Errors
///
/// The setting is not text, or its file cannot be read or holds anything but one line of text.
pub fn secret(field: &Field, folder: &Path) -> Result<PathBuf, String> {
    let path = path(field, folder)?;
    let no_secret = || "is not a secret file: expected one line of UTF-8 text in it".to_owned();
    let bytes = read(&path, LARGEST_SECRET).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => no_secret(),
        _ => unreadable(field, &error),
    })?;
    let secret = String::from_utf8(bytes).map_err(|_| no_secret())?;
    plain(without_margins(&secret)).map_err(|message| format!("the file {message}"))?;
    Ok(path)
}

/// Checks that `secret` is one line of text.
///
/// # Errors
///
/// It is not. The message follows the name of where the secret comes from.
pub fn plain(secret: &str) -> Result<(), String> {
    if secret.is_empty() {
        return Err("is empty".to_owned());
    }
    if secret.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return Err("holds a line break or another character that is not text".to_owned());
    }
    Ok(())
}

/// The message for a file that cannot be read. It repeats an absolute path only: any other text might be the secret
/// itself, pasted where the path of its file belongs.
pub fn unreadable(field: &Field, error: &io::Error) -> String {
    match field {
        Field::Text(text) if Path::new(text).is_absolute() => format!("cannot read {}: {error}", quoted(text)),
        _ => format!("cannot read this file (relative to the configuration file's folder): {error}"),
    }
}
