//! Reads YAML files that people write, and says everything that is wrong with one at once: each problem with its line and
//! key, what would be right, and no value that may be a secret.
//!
//! A configuration is read in three steps: [`file::configuration`] gives its text, [`parse`] its shape (a struct of
//! [`Field`]s, in which any value fits), and [`Problems::read`] each value, judged by one of [`value`], of [`mod@file`], or by
//! a function of your own. A setting that is refused is a [`Refused`], and reading goes on with the others;
//! [`Problems::accept`] gives the whole, or an [`Error`] that lists every problem; [`Problems::doubts`] what is legal and
//! probably wrong.
//!
//! ```
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use checked_yaml::{Error, Field, Key, Problems, parse, value};
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default)]
//! struct Document {
//!     interval: Field,
//!     workers: Field,
//! }
//!
//! fn config(text: &str) -> Result<(Duration, u32), Error> {
//!     let mut problems = Problems::of(text);
//!     let config = parse::<Document>(text, &[], &mut problems).and_then(|document| {
//!         let document = document.unwrap_or_default();
//!         let interval = problems.read(&Key::of("interval"), &document.interval, value::duration);
//!         let workers = problems.read(&Key::of("workers"), &document.workers, |field| value::number(field, 1..=64));
//!         Ok((interval?.unwrap_or(Duration::from_mins(1)), workers?.unwrap_or(4)))
//!     });
//!     problems.accept(Path::new("x.yaml"), config)
//! }
//!
//! assert_eq!(config("workers: 8").unwrap(), (Duration::from_mins(1), 8));
//! assert_eq!(
//!     config("interval: 5\nworkers: 0").unwrap_err().to_string(),
//!     "x.yaml:1: interval: a duration needs its unit: write 5s\n\
//!      x.yaml:2: workers: expected a whole number from 1 to 64"
//! );
//! assert_eq!(config("worker: 8").unwrap_err().problems[0].message, "\"worker\" is an unknown key; did you mean `workers`?");
//! ```
//!
//! It merges no files, expands no variables, and writes no YAML.

#![warn(missing_docs)]

mod error;
mod field;
pub mod file;
mod fitting;
mod key;
mod line;
mod name;
mod shape;
pub mod value;

pub use error::{Error, Problem, Problems, Refused};
pub use field::Field;
pub use key::Key;
pub use shape::parse;
