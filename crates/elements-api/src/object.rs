//! JSON objects, and nothing that could pass for one.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A struct that is read from a JSON object alone.
///
/// serde reads every struct from a list as well, and takes its entries for the fields in their order: `[2048, 77]` would
/// be 77 seats.
///
/// ```
/// use elements_api::Object;
///
/// #[derive(serde::Deserialize)]
/// struct Seats {
///     product: u32,
///     seats: u64,
/// }
/// assert!(serde_json::from_str::<Seats>("[2048, 77]").is_ok());
/// assert!(serde_json::from_str::<Object<Seats>>("[2048, 77]").is_err());
/// let Object(read) = serde_json::from_str::<Object<Seats>>(r#"{"product": 2048, "seats": 77}"#).unwrap();
/// assert_eq!((read.product, read.seats), (2048, 77));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
