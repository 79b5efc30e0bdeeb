//! The shape of a YAML text: which keys there are and where, before their values are judged.
//!
//! An error of `serde_yaml` repeats what it found, which may be a secret. Nothing of such an error is shown but what it
//! says of YAML itself.

use serde::de::{Deserialize, DeserializeOwned, IgnoredAny};

use crate::error::{Problem, Problems, Refused};
use crate::fitting::{At, Fitting};
use crate::key::Key;

/// Reads the shape of `text`; `None` if it holds nothing but comments. What does not fit is a problem, and as good as
/// not there: an unknown key, a key that appears twice, a section that is no mapping. Unknown keys in one of the
/// `secretive` sections are not repeated, since a secret may have slipped to where a key belongs.
///
/// # Errors
///
/// The text is not YAML, or cannot be read to its end. That is added as a problem.
pub fn parse<D: DeserializeOwned>(
    text: &str,
    secretive: &[&str],
    problems: &mut Problems<'_>,
) -> Result<Option<D>, Refused> {
    if let Some(line) = too_deep(text) {
        return Err(problems.push(Problem { line: Some(line), key: String::new(), message: TOO_DEEP.to_owned() }));
    }
    // A walk that ignores all values fails on nothing but YAML itself, and those errors repeat nothing.
    match serde_yaml::from_str::<IgnoredAny>(text) {
        Ok(_) => {}
        Err(error) if error.to_string() == "EOF while parsing a value" => return Ok(None),
        Err(error) => return Err(problems.push(syntax(text, &error))),
    }
    let at = At { key: Key::root(), secretive, problems: &mut *problems };
    let document = Fitting { inner: serde_yaml::Deserializer::from_str(text), at };
    Option::<D>::deserialize(document).map_err(|error| {
        let message = match error.to_string() {
            shown if shown.contains("limit exceeded") => TOO_DEEP,
            _ => "has an unexpected form",
        };
        problems.push(Problem { line: line_of(&error), key: String::new(), message: message.to_owned() })
    })
}

const TOO_DEEP: &str = "is nested too deeply, or its aliases expand too far";

/// The parser's time rises with the square of the depth, and no configuration is deeper than a few.
const DEEPEST: usize = 64;

/// The line in which more brackets are open than any configuration has.
fn too_deep(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (line, number) in text.lines().zip(1..) {
        let code = if line.trim_start().starts_with('#') { "" } else { line };
        for character in code.split(" #").next().unwrap_or_default().chars() {
            match character {
                '[' | '{' => open += 1,
                ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > DEEPEST {
                return Some(number);
            }
        }
    }
    None
}

fn syntax(text: &str, error: &serde_yaml::Error) -> Problem {
    let shown = error.to_string();
    let line = line_of(error);
    let is_near = |sign: fn(&str) -> bool| {
        let before = line.map_or(0, |line| line.saturating_sub(2));
        text.lines().skip(before).take(2).any(sign)
    };
    // What a template leaves may be YAML for a while.
    let mut up_to_there = text.lines().zip(1..).take(line.unwrap_or(usize::MAX));
    let (line, message) = if let Some((_, line)) = up_to_there.find(|(line, _)| begins_with_a_template(line)) {
        (Some(line), "is a template that nobody filled in: write what it stands for".to_owned())
    } else if shown.contains("more than one document") {
        (line, "holds more than one document; remove the `---`".to_owned())
    } else if is_near(is_indented_with_a_tab) {
        (line, format!("is not YAML: {shown}; indent with blanks, since YAML takes no tabs"))
    } else if is_near(has_a_template) {
        (line, format!("is not YAML: {shown}; put a value with `{{{{` or `${{` in quotes"))
    } else {
        (line, format!("is not YAML: {shown}"))
    };
    Problem { line, key: String::new(), message }
}

/// What stands before an entry indents it, too.
fn is_indented_with_a_tab(line: &str) -> bool {
    line[..line.len() - line.trim_start_matches([' ', '\t', '-']).len()].contains('\t')
}

fn begins_with_a_template(line: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|sign| line.trim_start().starts_with(sign))
}

fn has_a_template(line: &str) -> bool {
    line.contains("{{") || line.contains("${")
}

fn line_of(error: &serde_yaml::Error) -> Option<usize> {
    error.location().map(|location| location.line())
}
