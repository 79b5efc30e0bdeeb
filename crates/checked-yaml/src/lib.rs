//! YAML files that people write, parsed and judged: all that is wrong with one is told at once, with its place, and
//! without repeating what may be a secret.

mod error;
mod field;
pub mod file;
mod line;
mod shape;
pub mod value;

pub use error::{Error, Problem};

pub use error::{Problems, Refused};
pub use field::Field;
pub use line::Key;
pub use shape::parse;
