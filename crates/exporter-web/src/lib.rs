#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod accept;
mod address;
mod answer;
mod auth;
mod body;
mod config;
mod connection;
mod connections;
mod date;
mod error;
mod http2;
mod limits;
mod origin;
mod passwords;
mod phase;
mod rate_limit;
mod server;
mod service;
pub mod settle;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod turns;

pub use bytes::Bytes;
pub use checked_yaml::Error as ConfigError;
/// The crate of the types of requests and responses, in the version that this one has.
pub use http;

pub use address::{ListenAddress, ListenAddressError};
pub use answer::Handler;
pub use body::{Body, Withdrawn, plain_text};
pub use config::WebConfig;
pub use error::BindError;
pub use limits::Limits;
pub use server::{Server, ServerConfig};
pub use service::{Observer, Service};
