//! Why a server cannot begin.

use std::io;

/// Why the server cannot begin to listen. The messages name the options as the exporter-toolkit does:
/// `--web.listen-address` and `--web.config.file`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The web configuration file cannot be read, or something in it is wrong.
    #[error(transparent)]
    Config(#[from] checked_yaml::Error),
    /// `ServerConfig::listen` is empty.
    #[error("there is no address to listen on: give one with --web.listen-address")]
    NoAddress,
    /// The name in an address has no address of its own.
    #[error("cannot listen on {address}: no address of the name {name} was found")]
    Resolve {
        /// As it was asked for.
        address: String,
        /// The host in it.
        name: String,
        /// `None`: the name is known, and has no address.
        source: Option<io::Error>,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}: {}", help(.source))]
    Listen {
        /// As it was asked for.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

fn help(error: &io::Error) -> String {
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "something else listens there already: stop it, or choose another address with --web.listen-address"
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted: ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose a higher one"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
        _ => return error.to_string(),
    };
    help.to_owned()
}
