//! Where in a YAML text keys are.
//!
//! `serde_yaml` gives no places with what it reads, but its errors have them. So the text is read again, with visitors that
//! fail on purpose at what is looked for, and go on behind it. It is read once for all keys, since to load a large one takes
//! its time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use crate::key::{Key, Step};

/// The lines of keys, counted from 1.
#[derive(Debug, Default)]
pub(crate) struct Lines<'k>(HashMap<&'k [Step], Vec<usize>>);

impl<'k> Lines<'k> {
    /// Those of `keys` and of all around them, as far as they are in `text`.
    pub(crate) fn of(text: &str, keys: impl IntoIterator<Item = &'k Key>) -> Self {
        let mut ways: Vec<_> = keys.into_iter().map(Key::steps).filter(|way| !way.is_empty()).collect();
        let search = Search::default();
        while !ways.is_empty() {
            let walk = Walk { ways: ways.clone(), depth: 0, is_entry: false, search: &search };
            let is_over = walk.deserialize(serde_yaml::Deserializer::from_str(text)).is_ok();
            let lost = search.lost.take();
            if is_over || lost.is_empty() {
                break;
            }
            ways.retain(|way| !lost.contains(way));
        }
        Self(search.lines.into_inner())
    }

    /// The line of `key`, or else of the nearest thing around it that is there.
    pub(crate) fn nearest(&self, key: &Key) -> Option<usize> {
        (1..=key.steps().len()).rev().find_map(|length| self.0.get(&key.steps()[..length])?.first().copied())
    }

    /// The line where `key` is written for the second time.
    pub(crate) fn second(&self, key: &Key) -> Option<usize> {
        self.0.get(key.steps())?.get(1).copied().or_else(|| self.nearest(key))
    }
}

/// The line where the document begins.
pub(crate) fn of_document(text: &str) -> Option<usize> {
    let error = serde_yaml::Deserializer::from_str(text).deserialize_any(Refusal).err()?;
    error.location().map(|location| location.line())
}

/// Expects nothing at all: every value is an error, and errors know where they are.
struct Refusal;

impl Visitor<'_> for Refusal {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

/// What the walks have found.
#[derive(Default)]
struct Search<'k> {
    lines: RefCell<HashMap<&'k [Step], Vec<usize>>>,
    /// Where the entry that was just passed is.
    entry: Cell<Option<usize>>,
    /// What a visitor has failed at on purpose.
    arrival: RefCell<Option<Arrival>>,
    /// The ways on which a walk has ended, since what is behind is not read after an error there.
    lost: RefCell<Vec<&'k [Step]>>,
}

enum Arrival {
    Name(String),
    Scalar,
    /// An empty mapping or sequence: its end is not passed.
    Empty,
}

/// Looks for those of the `ways` that go on from here. They have the first `depth` steps in common, which lead here.
#[derive(Clone)]
struct Walk<'k, 's> {
    ways: Vec<&'k [Step]>,
    depth: usize,
    /// Whether it is an entry of a sequence, whose own line nobody knows yet.
    is_entry: bool,
    search: &'s Search<'k>,
}

impl<'k> Walk<'k, '_> {
    /// Those that go on with this step.
    fn inside(&self, is_next: impl Fn(&Step) -> bool) -> Vec<&'k [Step]> {
        self.ways.iter().copied().filter(|way| way.get(self.depth).is_some_and(&is_next)).collect()
    }

    /// Notes where the first `depth` steps of these ways lead. Whether they have led nowhere before.
    fn note(&self, ways: &[&'k [Step]], depth: usize, line: Option<usize>) -> bool {
        let (Some(way), Some(line)) = (ways.first(), line) else { return true };
        let mut lines = self.search.lines.borrow_mut();
        let lines = lines.entry(&way[..depth]).or_default();
        let is_first = lines.first().is_none_or(|first| *first == line);
        if !lines.contains(&line) {
            lines.push(line);
        }
        is_first
    }

    fn arrive<T, E: Error>(&self, arrival: Arrival) -> Result<T, E> {
        self.search.arrival.replace(Some(arrival));
        Err(E::custom("arrived"))
    }

    fn scalar<E: Error>(&self) -> Result<(), E> {
        if self.is_entry { self.arrive(Arrival::Scalar) } else { Ok(()) }
    }

    /// Nothing is found any more on these ways.
    fn lose<E>(&self, ways: &[&'k [Step]], error: E) -> E {
        let mut lost = self.search.lost.borrow_mut();
        if lost.is_empty() {
            lost.extend(ways);
        }
        error
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.is_entry || self.ways.iter().any(|way| way.len() > self.depth) {
            return deserializer.deserialize_any(self);
        }
        IgnoredAny::deserialize(deserializer).map(drop)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut own_line = None;
        let mut is_first = self.is_entry;
        loop {
            let mut inside = Vec::new();
            match map.next_key_seed(Name { walk: &self, is_first }) {
                Ok(Some(())) => {}
                Ok(None) if is_first => return self.arrive(Arrival::Empty),
                Ok(None) => break,
                Err(error) => {
                    let line = line_in(&error);
                    if is_first {
                        self.note(&self.ways, self.depth, line);
                        own_line = line;
                    }
                    let arrival = self.search.arrival.take();
                    // A key may be anything, and what is no text is not passed.
                    let Some(Arrival::Name(name)) = arrival else { return Err(self.lose(&self.ways, error)) };
                    let found = self.inside(|step| matches!(step, Step::Name(next) if *next == name));
                    // Of a key that is there twice, the first one counts.
                    if self.note(&found, self.depth + 1, line) {
                        inside = found;
                    }
                }
            }
            is_first = false;
            map.next_value_seed(Walk { ways: inside, depth: self.depth + 1, is_entry: false, ..self })?;
        }
        self.search.entry.set(own_line);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut own_line = None;
        for index in 0.. {
            let is_first = index == 0 && self.is_entry;
            let inside = self.inside(|step| *step == Step::Index(index));
            if inside.is_empty() && !is_first {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
                continue;
            }
            let walk = Walk { ways: inside.clone(), depth: self.depth + 1, is_entry: true, ..self };
            let line = match seq.next_element_seed(walk) {
                Ok(Some(())) => self.search.entry.take(),
                Ok(None) if is_first => return self.arrive(Arrival::Empty),
                Ok(None) => break,
                Err(error) => {
                    let line = line_in(&error);
                    let arrival = self.search.arrival.take();
                    if let Some(Arrival::Scalar) = arrival {
                        line
                    } else {
                        if let Some(Arrival::Empty) = arrival {
                            self.note(&inside, self.depth + 1, line);
                        }
                        if is_first {
                            self.note(&self.ways, self.depth, line);
                        }
                        return Err(self.lose(if inside.is_empty() { &self.ways } else { &inside }, error));
                    }
                }
            };
            self.note(&inside, self.depth + 1, line);
            if is_first {
                self.note(&self.ways, self.depth, line);
                own_line = line;
            }
        }
        self.search.entry.set(own_line);
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant_seed(self)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }
}

/// A key: an error that has its place where it is one of the ways' next steps, or the `first` of an entry.
struct Name<'w, 'k, 's> {
    walk: &'w Walk<'k, 's>,
    is_first: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<(), E> {
        let is_next = |way: &&[Step]| matches!(way.get(self.walk.depth), Some(Step::Name(name)) if name == found);
        if self.is_first || self.walk.ways.iter().any(is_next) {
            return self.walk.arrive(Arrival::Name(found.to_owned()));
        }
        Ok(())
    }
}

/// The line that an error of [`Walk::arrive`] tells: a visitor sees no more of it than its text. The place of a text's
/// first character is not told.
fn line_in(error: &impl fmt::Display) -> Option<usize> {
    match error.to_string().rsplit_once(" at line ") {
        Some((_, place)) => place.split(' ').next()?.parse().ok(),
        None => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::parse;

    fn line(text: &str, key: &str) -> Option<usize> {
        let key = parse(key);
        Lines::of(text, [&key]).nearest(&key)
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
        let text = "a:\n  b: 1\n  c: 2\n  b: 3\na: {c: 1}\n";
        let keys = ["a.b", "a.c", "a"].map(parse);
        let lines = Lines::of(text, &keys);
        assert_eq!(keys.each_ref().map(|key| lines.nearest(key)), [Some(2), Some(3), Some(1)]);
        assert_eq!(keys.each_ref().map(|key| lines.second(key)), [Some(4), Some(3), Some(5)]);
    }

    #[test]
    fn many_keys_are_found_in_one_walk_whatever_stands_between_them() {
        let text = "a:\n  - {}\n  - []\n  - x: 1\n    y: 2\n  -\n    - {p: q}\n  - !t {z: 1}\n  - *n\nb: {{t}: 1}\nc: &n\n  - 1\n  - 2\nd: 5\n";
        let text = text.replace("*n", "null");
        let keys = [
            "a[0].id",
            "a[1]",
            "a[2].y",
            "a[2].id",
            "a[3][0].p",
            "a[3]",
            "a[4].z",
            "a[5].w",
            "b.t",
            "c[1]",
            "d.e",
            "d",
        ];
        let keys = keys.map(parse);
        let lines = Lines::of(&text, &keys);
        let found = keys.each_ref().map(|key| lines.nearest(key).unwrap());
        assert_eq!(found, [2, 3, 5, 4, 7, 7, 8, 9, 10, 13, 14, 14]);
    }
}
