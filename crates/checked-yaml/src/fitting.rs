//! Makes a text fit the shape that is expected of it: what does not fit is a problem and left out, so that all the rest is
//! still read and judged.
//!
//! `serde_yaml` ends at the first error. Here structs get the keys that they know, once each, and nothing but mappings;
//! lists get nothing but lists.

use std::fmt;
use std::iter::empty;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::error::Problems;
use crate::key::Key;
use crate::name::Name;
use crate::value::quoted;

/// What `inner` has at a place.
pub(crate) struct Fitting<'w, 't, D> {
    pub(crate) inner: D,
    pub(crate) at: At<'w, 't>,
}

/// A place in the text, and what was found wrong so far.
pub(crate) struct At<'w, 't> {
    pub(crate) key: Key,
    pub(crate) secretive: &'w [&'w str],
    pub(crate) problems: &'w mut Problems<'t>,
}

impl<'t> At<'_, 't> {
    fn inside(&mut self, key: Key) -> At<'_, 't> {
        At { key, secretive: self.secretive, problems: self.problems }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Fitting<'_, '_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(Optional { at: self.at, visitor })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Formed { at: self.at, form: Form::Struct(fields), visitor })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Formed { at: self.at, form: Form::Mapping, visitor })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Formed { at: self.at, form: Form::List, visitor })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier ignored_any
    }
}

struct Optional<'w, 't, V> {
    at: At<'w, 't>,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Optional<'_, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Fitting { inner, at: self.at })
    }
}

#[derive(Clone, Copy)]
enum Form {
    Struct(&'static [&'static str]),
    Mapping,
    List,
}

/// Shows the visitor a value of the form, or an empty one.
struct Formed<'w, 't, V> {
    at: At<'w, 't>,
    form: Form,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Formed<'_, '_, V> {
    fn empty<E: Error>(self) -> Result<V::Value, E> {
        match self.form {
            Form::Struct(_) | Form::Mapping => self.visitor.visit_map(MapDeserializer::new(empty::<((), ())>())),
            Form::List => self.visitor.visit_seq(SeqDeserializer::new(empty::<()>())),
        }
    }

    fn template<E: Error>(self) -> Result<V::Value, E> {
        self.at.problems.add_misfit(&self.at.key, TEMPLATE);
        self.empty()
    }

    fn misfit<E: Error>(self) -> Result<V::Value, E> {
        let expected = match self.form {
            Form::Struct(_) | Form::Mapping => "expected a mapping: lines of `key: value`",
            Form::List => "expected a list: lines that begin with `- `",
        };
        self.at.problems.add_misfit(&self.at.key, expected);
        self.empty()
    }
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Formed<'_, '_, V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Formed<'_, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        match self.form {
            Form::Struct(fields) => self.visitor.visit_map(KnownKeys {
                map,
                fields,
                met: vec![0; fields.len()],
                meant: Vec::new(),
                current: "",
                at: self.at,
            }),
            Form::Mapping => self.visitor.visit_map(map),
            Form::List => {
                let mut is_template = false;
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    is_template |= matches!(name, Name::Template);
                }
                if is_template { self.template() } else { self.misfit() }
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<V::Value, A::Error> {
        if let Form::List = self.form {
            return self.visitor.visit_seq(Entries { seq, index: 0, at: self.at });
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.misfit()
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<V::Value, A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant_seed(self)
    }

    // A section whose lines are all commented out is an empty one.
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.empty()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.empty()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<V::Value, E> {
        self.misfit()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<V::Value, E> {
        self.misfit()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<V::Value, E> {
        self.misfit()
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<V::Value, E> {
        self.misfit()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<V::Value, E> {
        self.misfit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<V::Value, E> {
        self.misfit()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<V::Value, E> {
        self.misfit()
    }
}

struct Entries<'w, 't, A> {
    seq: A,
    index: usize,
    at: At<'w, 't>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Entries<'_, '_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.at.key.at(self.index);
        self.index += 1;
        self.seq.next_element_seed(Seed { seed, at: self.at.inside(key) })
    }
}

/// The keys of a mapping that are among `fields`, each at its first place.
struct KnownKeys<'w, 't, A> {
    map: A,
    fields: &'static [&'static str],
    /// How often each of the fields was there.
    met: Vec<usize>,
    /// The fields that a misspelt key probably means.
    meant: Vec<&'static str>,
    current: &'static str,
    at: At<'w, 't>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownKeys<'_, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<Name>()? {
            let Some(index) = self.fields.iter().position(|field| name.text() == Some(*field)) else {
                match name {
                    Name::Template => self.at.problems.add_misfit(&self.at.key, TEMPLATE),
                    name => self.refuse(name.text()),
                }
                self.map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.current = self.fields[index];
            self.met[index] += 1;
            if self.met[index] == 1 {
                return seed.deserialize(StrDeserializer::new(self.current)).map(Some);
            }
            if self.met[index] == 2 {
                let key = self.at.key.then(self.current);
                self.at.problems.add_repetition(&key, &key);
            }
            self.map.next_value::<IgnoredAny>()?;
        }
        for meant in &self.meant {
            // That it is missing has been said in better words.
            if self.fields.iter().zip(&self.met).any(|(field, met)| field == meant && *met == 0) {
                self.at.problems.ignore(self.at.key.then(meant));
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let key = self.at.key.then(self.current);
        self.map.next_value_seed(Seed { seed, at: self.at.inside(key) })
    }
}

impl<A> KnownKeys<'_, '_, A> {
    fn refuse(&mut self, unknown: Option<&str>) {
        let section = &self.at.key;
        let nearest = unknown.and_then(|unknown| nearest(unknown, self.fields));
        self.meant.extend(nearest);
        let known = || self.fields.join(", ");
        let message = match (unknown, nearest) {
            (Some("<<"), _) => {
                "holds a merge key (`<<`), and nothing is merged in this file: write the keys out".to_owned()
            }
            (Some(unknown), Some(nearest)) => {
                format!("{} is an unknown key; did you mean `{nearest}`?", quoted(unknown))
            }
            // A secret that slipped to the wrong place can be a key, too; a real key is made of letters, and has no digit.
            (Some(unknown), None)
                if is_name(unknown) && !self.at.secretive.iter().any(|name| section.is_under(name)) =>
            {
                format!("{} is an unknown key; known keys are {}", quoted(unknown), known())
            }
            _ => format!("holds an unknown key; known keys are {}", known()),
        };
        let place = unknown.map_or_else(|| section.clone(), |unknown| section.then(unknown));
        self.at.problems.add_as(section, &place, message);
    }
}

fn nearest(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(unknown, name);
    let near = |name: &&str| distance(name) <= 2 && distance(name) * 2 <= name.len();
    known.iter().copied().filter(near).min_by_key(distance)
}

fn is_name(key: &str) -> bool {
    key.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
}

const TEMPLATE: &str = "is a template in braces that nobody filled in: write what it stands for";

struct Seed<'w, 't, S> {
    seed: S,
    at: At<'w, 't>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, '_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Fitting { inner, at: self.at })
    }
}
