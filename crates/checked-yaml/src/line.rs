//! Where in a YAML text a key is.
//!
//! `serde_yaml` gives no places with what it reads, but its errors have them. So the text is read again, down the way to
//! the key and past everything else, with a visitor that fails on purpose once it is there.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The way from the root of a document to one of its keys or entries, such as `customers[2].id`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
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

    /// Whether it is in the section `name`, or that section itself.
    pub(crate) fn is_under(&self, name: &str) -> bool {
        matches!(self.0.first(), Some(Step::Name(first)) if first == name)
    }

    /// Whether it is in `outer`, or `outer` itself.
    pub(crate) fn is_in(&self, outer: &Key) -> bool {
        self.0.starts_with(&outer.0)
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) if position == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

/// The line of `key`, counted from 1, or else of the nearest thing around it that is there.
pub(crate) fn of(text: &str, key: &Key) -> Option<usize> {
    (1..=key.0.len()).rev().find_map(|length| search(text, &key.0[..length], 0))
}

/// As [`of`], but for the whole document the line where it begins.
pub(crate) fn of_form(text: &str, key: &Key) -> Option<usize> {
    of(text, key).or_else(|| search(text, &[], 0))
}

/// The line where `key` is written for the second time.
pub(crate) fn of_repetition(text: &str, key: &Key) -> Option<usize> {
    search(text, &key.0, 1)
}

fn search(text: &str, way: &[Step], earlier: usize) -> Option<usize> {
    let error = Walk { way, earlier }.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    // Any other error comes from a text that does not lead there.
    error.to_string().contains(ARRIVED).then(|| error.location())?.map(|location| location.line())
}

const ARRIVED: &str = "the end of the way";

/// Fails with [`ARRIVED`] at the end of `way`, where that is not one of the `earlier` places of the same key.
#[derive(Clone, Copy)]
struct Walk<'w> {
    way: &'w [Step],
    earlier: usize,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.way {
            [] => deserializer.deserialize_any(Arrival),
            [Step::Name(_), ..] => deserializer.deserialize_map(self),
            [Step::Index(_), ..] => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step of the way")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [Step::Name(name), rest @ ..] = self.way else { return Ok(()) };
        let mut earlier = self.earlier;
        while let Some(matches) = map.next_key_seed(Name { name, last: rest.is_empty() && earlier == 0 })? {
            if matches && !rest.is_empty() {
                return map.next_value_seed(Walk { way: rest, ..self });
            }
            earlier = earlier.saturating_sub(usize::from(matches));
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let [Step::Index(index), rest @ ..] = self.way else { return Ok(()) };
        for _ in 0..*index {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        seq.next_element_seed(Walk { way: rest, ..self })?;
        Ok(())
    }
}

/// Whether a key is `name`; if it is, and the `last` one of the way, the error that has its place.
struct Name<'w> {
    name: &'w str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, found: &str) -> Result<bool, E> {
        let matches = found == self.name;
        if matches && self.last { Err(E::custom(ARRIVED)) } else { Ok(matches) }
    }
}

/// Expects nothing at all: every value is an error, and errors know where they are.
struct Arrival;

impl Visitor<'_> for Arrival {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ARRIVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what `Display` wrote.
    fn parse(text: &str) -> Key {
        text.split(['.', '[']).filter(|step| !step.is_empty()).fold(Key::root(), |key, step| {
            match step.strip_suffix(']').and_then(|index| index.parse().ok()) {
                Some(index) => key.at(index),
                None => key.then(step),
            }
        })
    }

    fn line(text: &str, key: &str) -> Option<usize> {
        of(text, &parse(key))
    }

    #[test]
    fn a_key_is_parsed_as_it_is_shown() {
        for text in ["", "api", "api.certificate.pfx_file", "customers[2].products[0]"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn keys_are_found_in_nested_maps_and_sequences() {
        let text = "a:\n  b: 1\n  c:\n    - x\n    - d: 1\n      e: 2\n    -\n      - y\n";
        for (key, expected) in [("a", 1), ("a.b", 2), ("a.c", 3), ("a.c[0]", 4), ("a.c[1]", 5), ("a.c[1].e", 6)] {
            assert_eq!(line(text, key), Some(expected), "{key}");
        }
        assert_eq!(line(text, "a.c[2][0]"), Some(8));
    }

    #[test]
    fn keys_are_found_past_comments_and_in_flow_style() {
        let text = "# one\n\na: {b: [1,\n  2, {c: 3,\n  d: 4}]}\n";
        assert_eq!(line(text, "a.b[0]"), Some(3));
        assert_eq!(line(text, "a.b[1]"), Some(4));
        assert_eq!(line(text, "a.b[2].d"), Some(5));
    }

    #[test]
    fn line_breaks_of_windows_do_not_matter() {
        assert_eq!(line("a: 1\r\n# two\r\nb:\r\n  c: 1\r\n", "b.c"), Some(4));
    }

    #[test]
    fn a_key_that_is_missing_is_where_it_would_belong() {
        let text = "x: 1\na:\n  b:\n    - 1\n";
        assert_eq!(line(text, "a.nothing"), Some(2));
        assert_eq!(line(text, "a.b[7].c"), Some(3));
        assert_eq!(line(text, "x.y.z"), Some(1));
        assert_eq!(line(text, "nothing"), None);
    }

    #[test]
    fn tags_and_aliases_are_no_obstacle() {
        let text = "a: &list\n  - 1\n  - !tag 2\nb: !other\n  c: *list\n";
        assert_eq!(line(text, "b.c"), Some(5));
        assert_eq!(line(text, "b.c[1]"), Some(3));
    }

    #[test]
    fn a_repetition_is_not_taken_for_the_first_place() {
        let text = "a:\n  b: 1\n  c: 2\n  b: 3\n";
        assert_eq!(line(text, "a.b"), Some(2));
        assert_eq!(of_repetition(text, &parse("a.b")), Some(4));
        assert_eq!(of_repetition(text, &parse("a.c")), None);
    }
}
