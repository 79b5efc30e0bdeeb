//! The shape of a YAML text: which keys there are and where, before their values are judged.
//!
//! An error of `serde_yaml` repeats what it found, which may be a secret. Nothing of such an error is shown but names
//! that the shape knows itself.

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::error::{Problem, Problems, Refused};
use crate::line::{self, Key};
use crate::value::quoted;

/// Reads the shape of `text`; `None` if it holds nothing but comments. Unknown keys in one of the `secretive` sections are
/// not repeated, since a secret may have slipped to where a key belongs.
///
/// # Errors
///
/// The text is not YAML, or has another shape. The parser stops at the first such problem, so it is the only one added.
pub fn parse<D: DeserializeOwned>(
    text: &str,
    secretive: &[&str],
    problems: &mut Problems<'_>,
) -> Result<Option<D>, Refused> {
    // A walk that ignores all values fails on nothing but YAML itself, and those errors repeat nothing.
    let document = match serde_yaml::from_str::<IgnoredAny>(text) {
        Ok(_) => serde_yaml::from_str::<Option<D>>(text).map_err(|error| misfit(text, secretive, &error)),
        Err(error) if error.to_string() == "EOF while parsing a value" => Ok(None),
        Err(error) => Err(syntax(&error)),
    };
    document.map_err(|problem| problems.push(problem))
}

fn syntax(error: &serde_yaml::Error) -> Problem {
    let text = error.to_string();
    let message = if text.contains("more than one document") {
        "holds more than one document; remove the `---`".to_owned()
    } else {
        format!("is not YAML: {text}")
    };
    Problem { line: line_of(error), key: String::new(), message }
}

/// What is wrong with the shape, by an error such as
/// ``customers[0]: unknown field `nam`, expected one of `id`, `name` at line 3 column 5``.
fn misfit(text: &str, secretive: &[&str], error: &serde_yaml::Error) -> Problem {
    let shown = error.to_string();
    // The way to a misfit leads over known names alone, so that it has no blank, which every message has.
    let (key, message) = match shown.split_once(": ") {
        Some((way, message)) if !way.contains(' ') => (Key::parse(way), message),
        _ => (Key::root(), shown.as_str()),
    };
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    if let Some(found) = message.strip_prefix("unknown field `") {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let unknown = found.rsplit_once("`, expected ").map_or("", |(unknown, _)| unknown);
        let message = unknown_key(&key, unknown, &known, secretive);
        return Problem { line: line_of(error), key: key.to_string(), message };
    }
    if let Some(doubled) = message.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        let key = key.then(doubled);
        let line = line::of_repetition(text, &key);
        return Problem { line, key: key.to_string(), message: "appears twice; keep one of them".to_owned() };
    }
    let message = match expected {
        _ if message.contains("limit exceeded") => "is nested too deeply, or its aliases expand too far",
        _ if expected.starts_with("a mapping") => "expected a mapping: lines of `key: value`",
        _ if expected.starts_with("a sequence") => "expected a list: lines that begin with `- `",
        _ => "has an unexpected form",
    };
    Problem { line: line_of(error), key: key.to_string(), message: message.to_owned() }
}

/// The message for a name that is none of the `known` ones of `section`.
fn unknown_key(section: &Key, unknown: &str, known: &[&str], secretive: &[&str]) -> String {
    let distance = |name: &&&str| strsim::damerau_levenshtein(unknown, name);
    let near = |name: &&&str| distance(name) <= 2 && distance(name) * 2 <= name.len();
    match known.iter().filter(near).min_by_key(distance) {
        Some(nearest) => format!("{} is an unknown key; did you mean `{nearest}`?", quoted(unknown)),
        // A secret that slipped to the wrong place can be a key, too; a real key is made of letters, and has no digit.
        None if !is_name(unknown) || secretive.iter().any(|name| section.is_under(name)) => {
            format!("holds an unknown key; known keys are {}", known.join(", "))
        }
        None => format!("{} is an unknown key; known keys are {}", quoted(unknown), known.join(", ")),
    }
}

fn is_name(key: &str) -> bool {
    key.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
}

fn line_of(error: &serde_yaml::Error) -> Option<usize> {
    error.location().map(|location| location.line())
}
