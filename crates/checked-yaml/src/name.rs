//! The keys of a mapping, whatever they are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor};

/// A key.
pub(crate) enum Name {
    Text(String),
    /// Two braces without quotes: to YAML, a mapping is the key.
    Template,
    /// What has no text, such as a list.
    Other,
}

impl Name {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_unit<E>(self) -> Result<Name, E> {
        Ok(Name::Other)
    }

    fn visit_bool<E>(self, name: bool) -> Result<Name, E> {
        Ok(Name::Text(name.to_string()))
    }

    fn visit_u64<E>(self, name: u64) -> Result<Name, E> {
        Ok(Name::Text(name.to_string()))
    }

    fn visit_i64<E>(self, name: i64) -> Result<Name, E> {
        Ok(Name::Text(name.to_string()))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Name, E> {
        Ok(Name::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Name, E> {
        Ok(Name::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Name, E> {
        Ok(Name::Other)
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name::Text(name.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Name, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Name::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Name, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Name::Template)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Name, A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant::<IgnoredAny>()?;
        Ok(Name::Other)
    }
}
