//! YAML files that people write, parsed and judged: all that is wrong with one is told at once, with its place, and
//! without repeating what may be a secret.

mod error;
mod field;
pub(crate) mod file;
mod line;
pub(crate) mod settle;
mod shape;
pub(crate) mod value;

pub use error::{Error, Problem};

pub(crate) use error::{Problems, Refused};
pub(crate) use field::Field;
pub(crate) use line::Key;
pub(crate) use shape::parse;
