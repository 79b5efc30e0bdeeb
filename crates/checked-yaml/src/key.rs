//! The places of a YAML text, by the names and numbers that lead to them.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;

/// The way from the root of a document to one of its keys or entries, such as `customers[2].id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Key(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

impl Key {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// A key at the top of the document.
    pub fn of(name: &str) -> Self {
        Self::root().then(name)
    }

    /// The key `name` inside this one.
    #[must_use]
    pub fn then(&self, name: &str) -> Self {
        self.with(Step::Name(name.to_owned()))
    }

    /// The entry `index` of this one, counted from 0.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// From the root.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it is in the section `name`, or that section itself.
    pub(crate) fn is_under(&self, name: &str) -> bool {
        matches!(self.0.first(), Some(Step::Name(first)) if first == name)
    }

    /// Whether it is one of them, or in one of them.
    pub(crate) fn is_in_any(&self, keys: &HashSet<Key>) -> bool {
        !keys.is_empty() && (0..=self.0.len()).any(|length| keys.contains(&self.0[..length]))
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl Borrow<[Step]> for Key {
    fn borrow(&self) -> &[Step] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) => {
                    f.write_str(if position == 0 { "" } else { "." })?;
                    // Whoever writes a file may write anything there, and a terminal obeys some of it.
                    let is_plain = name.chars().all(|c| c.is_ascii_graphic() || c.is_alphanumeric());
                    if is_plain { f.write_str(name)? } else { write!(f, "{name:?}")? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads what `Display` wrote.
    pub(crate) fn parse(text: &str) -> Key {
        text.split(['.', '[']).filter(|step| !step.is_empty()).fold(Key::root(), |key, step| {
            match step.strip_suffix(']').and_then(|index| index.parse().ok()) {
                Some(index) => key.at(index),
                None => key.then(step),
            }
        })
    }

    #[test]
    fn a_key_is_parsed_as_it_is_shown() {
        for text in ["", "api", "api.certificate.pfx_file", "customers[2].products[0]"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(Key::of("a b").then("\u{1b}[31m").to_string(), r#""a b"."\u{1b}[31m""#);
    }
}
