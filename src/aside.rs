//! The name that [`off_runtime`](crate::off_runtime) had.

pub use crate::off_runtime::off_runtime as aside;
