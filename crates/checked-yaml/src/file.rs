//! The file itself, and the files that it names. Each is read with the limits of [`bounded_file`].

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bounded_file::{LARGEST, LARGEST_SECRET, read, without_margins};

use crate::error::Problem;
use crate::field::Field;
use crate::value::{names_a_user, quoted, quoted_up_to, text};

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
    let is_refused = |c: &char| c.is_control() && !matches!(c, '\t' | '\r' | '\u{85}');
    match text.lines().zip(1..).find_map(|(line, number)| Some((line.chars().find(is_refused)?, number))) {
        Some((found, number)) => {
            let message = format!("holds the control character U+{:04X}: remove it", u32::from(found));
            Err(Problem { line: Some(number), ..whole(message) })
        }
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
    match read(&path, LARGEST) {
        Ok(_) => Ok(path),
        Err(error) => Err(unreadable(&path, &error)),
    }
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
        ErrorKind::FileTooLarge => format!("{}, and {error}", no_secret()),
        _ => unreadable_secret(folder, &error),
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

/// The message for a file that cannot be read, with its path as it was looked for.
pub fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", shown(path))
}

/// The message for a file of a secret that cannot be read. It never repeats the path: that might be the secret itself,
/// pasted where the path of its file belongs.
fn unreadable_secret(folder: &Path, error: &io::Error) -> String {
    format!("cannot read this file (a relative path begins in {}): {error}", shown(folder))
}

/// A path for a message: whole, wherever the process was started.
pub fn shown(path: &Path) -> String {
    // Linux opens no longer one.
    const LONGEST: usize = 4096;
    let raw = path.to_string_lossy();
    // Made absolute, a URL would not be known as one, nor what of it is secret.
    if names_a_user(&raw) {
        return quoted(&raw);
    }
    // The empty path is where the process was started, and `absolute` does not take it.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    quoted_up_to(LONGEST, &std::path::absolute(path).as_deref().unwrap_or(path).to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_whole_and_without_the_password_of_a_url() {
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(shown(Path::new("")), format!("{here:?}"));
        assert_eq!(shown(Path::new("a/b")), format!("{:?}", here.join("a/b")));
        let long = format!("/{}", "folder/".repeat(100));
        assert_eq!(shown(Path::new(&long)), format!("{long:?}"));
        assert!(!shown(Path::new("/etc/https://me:hunter2@example.com")).contains("hunter2"));
    }
}
