//! Where to listen.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use crate::BindError;

/// An address to listen on, as `--web.listen-address` of Prometheus' own exporters has it: `:port` (every interface,
/// IPv6 and IPv4), `host:port` or `[v6]:port`.
///
/// ```
/// use exporter_web::ListenAddress;
///
/// let address: ListenAddress = "127.0.0.1:9100".parse()?;
/// assert!(!address.is_beyond_loopback());
/// # Ok::<_, exporter_web::ListenAddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Every,
    Ip(IpAddr),
    Name(String),
}

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use \":port\", \"host:port\" or \"[v6]:port\", as in :10878 or 127.0.0.1:10878")]
pub struct ListenAddressError;

impl ListenAddress {
    /// Whether other machines could connect, as far as the address tells.
    pub fn is_beyond_loopback(&self) -> bool {
        match &self.host {
            Host::Every => true,
            Host::Ip(ip) => !ip.to_canonical().is_loopback(),
            Host::Name(name) => !name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Begins to listen.
    pub(crate) async fn bind(&self) -> Result<TcpListener, BindError> {
        let failed = |source| BindError::Listen { address: self.to_string(), source };
        let address = match &self.host {
            Host::Every => {
                let every = listen((Ipv6Addr::UNSPECIFIED, self.port).into());
                let refused = [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied];
                return match every {
                    // Any other error means that there is no IPv6 here.
                    Err(error) if !refused.contains(&error.kind()) => listen((Ipv4Addr::UNSPECIFIED, self.port).into()),
                    every => every,
                }
                .map_err(failed);
            }
            Host::Ip(ip) => SocketAddr::new(*ip, self.port),
            Host::Name(name) => self.resolve(name).await?,
        };
        listen(address).map_err(failed)
    }

    /// As Go's `net.Listen` does: one address of the name, IPv4 before IPv6.
    async fn resolve(&self, name: &str) -> Result<SocketAddr, BindError> {
        let unknown = |source| BindError::Resolve { address: self.to_string(), name: name.to_owned(), source };
        let addresses = lookup_host((name, self.port)).await.map_err(|error| unknown(Some(error)))?;
        addresses.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| unknown(None))
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError)?;
        // `u16::from_str` would take a sign, too.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(ListenAddressError)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(v6) => Host::Ip(IpAddr::V6(v6.parse().map_err(|_| ListenAddressError)?)),
            None if host.is_empty() => Host::Every,
            None => match host.parse() {
                Ok(v4) => Host::Ip(IpAddr::V4(v4)),
                Err(_) if is_name(host) => Host::Name(host.to_owned()),
                Err(_) => return Err(ListenAddressError),
            },
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Every => write!(f, ":{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Connections that wait to be accepted, as many as the kernel's own default (`net.core.somaxconn`) lets wait.
const BACKLOG: i32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // The system's setting would otherwise decide whether every interface means IPv4's, too.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart finds connections of the process before in TIME_WAIT, which must not hold the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A host name of letters, digits, hyphens and dots (RFC 1123), and underscores, which container names may have. One
/// that ends in a number would be an IPv4 address, and a wrong one.
fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    host.bytes().all(plain) && !last.is_empty() && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ListenAddress {
        text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn addresses_are_read_as_prometheus_writes_them() {
        for text in [":10878", "127.0.0.1:0", "[::1]:80", "[::]:10878", "localhost:10878", "my_host.lan:1"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "10878", ":", ":+80", ":65536", "::1:80", "[127.0.0.1]:80", "1.2.3:80", "a b:80", "host:"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError), "{text:?}");
        }
    }

    #[test]
    fn only_loopback_is_known_to_be_private() {
        for text in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "LocalHost:1"] {
            assert!(!parse(text).is_beyond_loopback(), "{text}");
        }
        for text in [":1", "0.0.0.0:1", "[::]:1", "192.168.0.1:1", "example.org:1", "localhost.example.org:1"] {
            assert!(parse(text).is_beyond_loopback(), "{text}");
        }
    }

    #[tokio::test]
    async fn every_interface_means_ipv4_and_ipv6() {
        let listener = parse(":0").bind().await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for loopback in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            tokio::net::TcpStream::connect((loopback, port))
                .await
                .unwrap_or_else(|error| panic!("{loopback}: {error}"));
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_up() {
        let listener = parse("localhost:0").bind().await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    }

    #[tokio::test]
    async fn a_port_in_use_is_reported_with_what_would_help() {
        let taken = parse("127.0.0.1:0").bind().await.unwrap().local_addr().unwrap();
        let _holder = parse(&taken.to_string()).bind().await.unwrap();
        let error = parse(&taken.to_string()).bind().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {taken}: something else listens there already: stop it, or choose another address \
                 with --web.listen-address"
            )
        );
    }
}
