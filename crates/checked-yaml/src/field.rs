//! A setting, as the file has it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor};

/// The value of a setting, whatever it is: it is judged later, where all problems are collected. Its `Debug` hides it.
#[derive(Default, PartialEq)]
pub enum Field {
    /// The key is not there.
    #[default]
    Missing,
    /// The key is there without a value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; `None` if it is negative, a fraction or too large.
    Number(Option<u64>),
    /// A string, quoted or not.
    Text(String),
    /// A sequence.
    List(Vec<Field>),
    /// Two braces without quotes, `{{ … }}`: a template that nobody filled in.
    Template,
    /// Another mapping, or a value with a tag.
    Other,
}

impl Field {
    /// Whether the key is there, with or without a value.
    pub fn is_given(&self) -> bool {
        *self != Self::Missing
    }
}

/// A value may be a secret.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_given() { "[redacted]" } else { "Missing" })
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field, E> {
        Ok(Field::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(Some(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Number(u64::try_from(number).ok()))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Field, E> {
        Ok(Field::Number(None))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Field, E> {
        Ok(Field::Number(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        let mut list = Vec::new();
        while let Some(field) = seq.next_element()? {
            list.push(field);
        }
        Ok(Field::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        let mut found = Field::Other;
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            // To YAML it is a mapping with a mapping as its key, which nobody means.
            if matches!(key, Field::Other | Field::Template) {
                found = Field::Template;
            }
        }
        Ok(found)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Field, A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant::<IgnoredAny>()?;
        Ok(Field::Other)
    }
}
