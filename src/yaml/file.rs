//! The configuration file itself, and the files that it names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::error::Problem;
use super::field::Field;
use super::value::{quoted, text};
use crate::secret::without_line_break;

/// The text of the configuration file at `path`.
pub(crate) fn configuration(path: &Path) -> Result<String, Problem> {
    decode(open_configuration(path).and_then(|file| at_most(MAX + 1, file)))
}

/// The largest file that is read, in bytes.
const MAX: u64 = 16 << 20;

/// The bytes of a regular file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    at_most(MAX + 1, open_regular(path)?)
}

/// The text of a configuration file from its bytes.
pub(crate) fn decode(bytes: io::Result<Vec<u8>>) -> Result<String, Problem> {
    let whole = |message| Problem { line: None, key: String::new(), message };
    let bytes = bytes.map_err(|error| whole(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX {
        return Err(whole("is larger than 16 MiB, which no configuration is".to_owned()));
    }
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

/// The path that a setting names, seen from the configuration file's `folder`.
pub(crate) fn path(field: &Field, folder: &Path) -> Result<PathBuf, String> {
    text(field).map(|path| folder.join(path))
}

/// The path of a file that can be read.
pub(crate) fn readable(field: &Field, folder: &Path) -> Result<PathBuf, String> {
    open(field, folder).map(|(path, _)| path)
}

/// The path of a file that holds a secret and nothing else.
pub(crate) fn secret(field: &Field, folder: &Path) -> Result<PathBuf, String> {
    const MAX: u64 = 64 << 10;
    let (path, file) = open(field, folder)?;
    let bytes = at_most(MAX + 1, file).map_err(|error| unreadable(field, &error))?;
    let secret = match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= MAX => text,
        _ => return Err("is not the file of a secret: expected one line of UTF-8 text in it".to_owned()),
    };
    plain(without_line_break(&secret)).map_err(|message| format!("the file {message}"))?;
    Ok(path)
}

/// Checks that `secret` is one line of text. The message is to follow the name of where it comes from.
pub(crate) fn plain(secret: &str) -> Result<(), String> {
    if secret.is_empty() {
        return Err("is empty".to_owned());
    }
    if secret.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return Err("holds a line break, or another character that is no text".to_owned());
    }
    Ok(())
}

/// The same for all paths to one file, which need not exist.
pub(crate) fn identity(path: &Path) -> PathBuf {
    let by_folder = || Some(fs::canonicalize(non_empty(path.parent()?)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(by_folder).unwrap_or_else(|| path.to_owned())
}

/// The folder as a path that the system takes: a bare file name lies in "", which it does not.
pub(crate) fn non_empty(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Opening a named pipe would wait for a writer; one that is open already, as behind `/dev/stdin`, has no name of its
/// own, and so nothing to resolve its link to.
fn open_configuration(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_fifo() && fs::canonicalize(path).is_ok() {
        return Err(io::Error::other("it is a named pipe"));
    }
    File::open(path)
}

fn open(field: &Field, folder: &Path) -> Result<(PathBuf, File), String> {
    let path = path(field, folder)?;
    open_regular(&path).map(|file| (path, file)).map_err(|error| unreadable(field, &error))
}

fn open_regular(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() { File::open(path) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Repeats an absolute path only: any other text might be the secret itself, taken for the path of its file.
pub(crate) fn unreadable(field: &Field, error: &io::Error) -> String {
    match field {
        Field::Text(text) if Path::new(text).is_absolute() => format!("cannot read {}: {error}", quoted(text)),
        _ => format!("cannot read this file, seen from the configuration file's folder: {error}"),
    }
}

fn at_most(limit: u64, file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
