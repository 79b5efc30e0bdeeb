//! Everything that is wrong with a file, in words that say what would be right.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::field::Field;
use crate::key::Key;
use crate::line::{Lines, of_document};
use crate::value::names_a_variable;

/// A file that was refused. Its text has one problem a line, as `file:line: key: message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", shown(file, problems, *omitted).join("\n"))]
pub struct Error {
    /// Its path, as the caller gave it.
    pub file: PathBuf,
    /// At least one, by rising line; those without a line come last.
    pub problems: Vec<Problem>,
    /// How many more problems there are, which nobody would read.
    pub omitted: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; `None` if it has no place in the file.
    pub line: Option<usize>,
    /// Such as `customers[2].id`; empty if the whole file is meant.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Stands for a value that was refused; why is among the [`Problems`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// The problems found so far in one text. Its `Debug` hides the text, which may hold secrets.
pub struct Problems<'t> {
    text: &'t str,
    /// Each with what tells its line, once all are known.
    found: Vec<(Problem, Place)>,
    omitted: usize,
    /// Of what is under them, no more is said.
    ignored: HashSet<Key>,
    /// What is legal and probably wrong.
    doubts: Vec<(Key, String)>,
}

/// Where a problem is.
#[derive(Debug)]
enum Place {
    /// Where the problem says itself.
    Known,
    /// Where the key is, or else what it is missing from.
    Of(Key),
    /// Where the key is for the second time.
    Repetition(Key),
}

impl<'t> Problems<'t> {
    /// More would not be read.
    const MAX: usize = 50;

    /// Of this text, none yet.
    pub fn of(text: &'t str) -> Self {
        Self { text, found: Vec::new(), omitted: 0, ignored: HashSet::new(), doubts: Vec::new() }
    }

    /// Adds a problem, with the line of `key` or, if it is missing, of what it is missing from.
    pub fn add(&mut self, key: &Key, message: impl Into<String>) -> Refused {
        self.add_as(key, key, message)
    }

    /// Adds the problem that `key` appears twice, with its second line, and under the name `shown`.
    pub fn add_repetition(&mut self, shown: &Key, key: &Key) -> Refused {
        let message = "appears twice; keep one of them".to_owned();
        self.push_at(Place::Repetition(key.clone()), Problem { line: None, key: shown.to_string(), message })
    }

    /// As [`add`](Self::add), but with `shown` in place of `key`, which may hold a secret.
    pub fn add_as(&mut self, shown: &Key, key: &Key, message: impl Into<String>) -> Refused {
        if key.is_in_any(&self.ignored) {
            return Refused;
        }
        let problem = Problem { line: None, key: shown.to_string(), message: message.into() };
        self.push_at(Place::Of(key.clone()), problem)
    }

    /// Adds the problem that the value of `key` has another form, and ignores what would be said of it later.
    pub(crate) fn add_misfit(&mut self, key: &Key, message: impl Into<String>) {
        // Where the whole document has another form, that is where it begins.
        let line = if *key == Key::root() { of_document(self.text) } else { None };
        let place = if line.is_some() { Place::Known } else { Place::Of(key.clone()) };
        self.push_at(place, Problem { line, key: key.to_string(), message: message.into() });
        self.ignore(key.clone());
    }

    /// Ignores what would be added later about `key` and all that is in it, since it comes from a problem that was found:
    /// what is misspelt is missing, too.
    pub(crate) fn ignore(&mut self, key: Key) {
        self.ignored.insert(key);
    }

    /// Adds a problem whose line is known.
    pub fn push(&mut self, problem: Problem) -> Refused {
        self.push_at(Place::Known, problem)
    }

    fn push_at(&mut self, place: Place, problem: Problem) -> Refused {
        if self.found.len() < Self::MAX {
            self.found.push((problem, place));
        } else {
            self.omitted += 1;
        }
        Refused
    }

    /// Notes that what `key` has is legal and probably wrong.
    pub fn doubt(&mut self, key: Key, message: impl Into<String>) {
        self.doubts.push((key, message.into()));
    }

    /// The doubts about the `file`, each with its line and key as a problem has them.
    pub fn doubts(&self, file: &Path) -> Vec<String> {
        let lines = Lines::of(self.text, self.doubts.iter().take(Self::MAX).map(|(key, _)| key));
        let placed = self.doubts.iter().take(Self::MAX).map(|(key, message)| Problem {
            line: lines.nearest(key),
            key: key.to_string(),
            message: message.clone(),
        });
        let mut doubts: Vec<Problem> = placed.collect();
        doubts.sort_by_key(by_line);
        let omitted = self.doubts.len() - doubts.len();
        shown(file, &doubts, omitted)
    }

    /// The value of a setting, `None` if the file does not have it. What `parse` objects to is added as a problem.
    ///
    /// # Errors
    ///
    /// `parse` has refused it.
    pub fn read<'f, T>(
        &mut self,
        key: &Key,
        field: &'f Field,
        parse: impl FnOnce(&'f Field) -> Result<T, String>,
    ) -> Result<Option<T>, Refused> {
        if !field.is_given() {
            return Ok(None);
        }
        if matches!(field, Field::Text(text) if names_a_variable(text)) {
            self.doubt(key.clone(), "holds `${…}`, and nothing expands variables in this file: write the value itself");
        }
        parse(field).map(Some).map_err(|message| self.add(key, message))
    }

    /// The entries of a list, none if the file does not have it. What `parse` objects to is added as a problem.
    ///
    /// # Errors
    ///
    /// It is not a list, or `parse` has refused an entry.
    pub fn read_each<'f, T>(
        &mut self,
        key: &Key,
        field: &'f Field,
        parse: impl Fn(&'f Field) -> Result<T, String>,
    ) -> Result<Vec<T>, Refused> {
        let entries = match field {
            Field::Missing | Field::Null => return Ok(Vec::new()),
            Field::List(entries) => entries,
            _ => return Err(self.add(key, "expected a list: lines that begin with `- `")),
        };
        let judged: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| parse(entry).map_err(|message| self.add(&key.at(index), message)))
            .collect();
        judged.into_iter().collect()
    }

    /// `value`, if nothing at all was refused.
    ///
    /// # Errors
    ///
    /// Every problem that was found in `file`.
    pub fn accept<T>(self, file: &Path, value: Result<T, Refused>) -> Result<T, Error> {
        match value {
            Ok(value) if self.found.is_empty() => Ok(value),
            _ => {
                let omitted = self.omitted;
                let mut problems = self.placed();
                problems.sort_by_key(by_line);
                Err(Error { file: file.to_owned(), problems, omitted })
            }
        }
    }

    /// Each problem with its line.
    fn placed(self) -> Vec<Problem> {
        let keys = self.found.iter().filter_map(|(_, place)| match place {
            Place::Known => None,
            Place::Of(key) | Place::Repetition(key) => Some(key),
        });
        let lines = Lines::of(self.text, keys);
        let line = |problem: &Problem, place: &Place| match place {
            Place::Known => problem.line,
            Place::Of(key) => lines.nearest(key),
            Place::Repetition(key) => lines.second(key),
        };
        let placed =
            self.found.iter().map(|(problem, place)| Problem { line: line(problem, place), ..problem.clone() });
        placed.collect()
    }
}

impl fmt::Debug for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problems").field("found", &self.found).field("omitted", &self.omitted).finish_non_exhaustive()
    }
}

impl Error {
    /// Of a file that could not even be read.
    pub fn of(file: &Path, problem: Problem) -> Self {
        Self { file: file.to_owned(), problems: vec![problem], omitted: 0 }
    }
}

const fn by_line(problem: &Problem) -> (bool, Option<usize>) {
    (problem.line.is_none(), problem.line)
}

fn shown(file: &Path, problems: &[Problem], omitted: usize) -> Vec<String> {
    let file = bounded_file::shown(file);
    let mut lines: Vec<String> = problems.iter().map(|problem| line(&file, problem)).collect();
    if omitted > 0 {
        lines.push(format!("{file}: and {omitted} more"));
    }
    lines
}

fn line(file: &impl fmt::Display, Problem { line, key, message }: &Problem) -> String {
    let place = line.map_or_else(String::new, |line| format!(":{line}"));
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    format!("{file}{place}: {key}{message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_shown_by_rising_line_and_those_without_a_line_last() {
        let mut problems = Problems::of("a: 1\nb: 2\n");
        problems.add(&Key::of("nowhere"), "is missing");
        problems.add(&Key::of("b"), "is wrong");
        problems.add(&Key::of("a"), "is wrong too");
        let error = problems.accept(Path::new("x.yaml"), Ok(())).expect_err("three problems");
        assert_eq!(error.to_string(), "x.yaml:1: a: is wrong too\nx.yaml:2: b: is wrong\nx.yaml: nowhere: is missing");
    }

    #[test]
    fn doubts_have_their_lines_and_refuse_nothing() {
        let mut problems = Problems::of("a: 1\nb: ${HOST}\nc: ${\n");
        for (name, value) in [("b", "${HOST}"), ("c", "${")] {
            let field = Field::Text(value.to_owned());
            assert!(problems.read(&Key::of(name), &field, crate::value::text).is_ok());
        }
        problems.doubt(Key::of("a"), "is odd");
        assert_eq!(
            problems.doubts(Path::new("x.yaml")),
            [
                "x.yaml:1: a: is odd",
                "x.yaml:2: b: holds `${…}`, and nothing expands variables in this file: write the value itself"
            ]
        );
        assert!(problems.accept(Path::new("x.yaml"), Ok(())).is_ok());
    }

    #[test]
    fn the_text_is_not_shown() {
        let mut problems = Problems::of("client_secret: hunter2\n");
        problems.add(&Key::of("client_secret"), "is wrong");
        let shown = format!("{problems:?}");
        assert!(shown.contains("is wrong") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_flood_of_problems_is_counted_instead_of_shown() {
        let mut problems = Problems::of("a: 1\n");
        for _ in 0..Problems::MAX + 7 {
            problems.add(&Key::of("a"), "is wrong");
        }
        let error = problems.accept(Path::new("x.yaml"), Ok(())).expect_err("many problems");
        assert_eq!(error.problems.len(), Problems::MAX);
        assert!(error.to_string().ends_with("\nx.yaml: and 7 more"));
    }
}
