//! Whether a host is reached through a proxy: as the usual variables of the environment say, and as most programs read
//! them, of which none is the standard.

use std::ffi::OsString;

use reqwest::NoProxy;
use url::Url;

use crate::SetupError;

/// The proxy to a host.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) proxy: reqwest::Proxy,
    /// Its host and port, for messages. The variable may hold a password.
    pub(crate) name: String,
}

/// For `https://`, the first that is set and not empty. What goes by `http://` stays on this machine.
const PROXY: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy to the host of `url`; `None`: it is reached directly.
///
/// # Errors
///
/// A variable names a proxy, and its value cannot be one.
pub(crate) fn proxy_to(url: &Url, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<Proxy>, SetupError> {
    let set = |names: &[&'static str]| {
        names.iter().find_map(|name| Some((*name, variable(name).filter(|value| !value.is_empty())?)))
    };
    let Some((variable, value)) = set(&PROXY) else { return Ok(None) };
    let address = value.to_str().and_then(address).ok_or(SetupError::Proxy { variable })?;
    let name = name(&address);
    let direct = set(&NO_PROXY).map(|(_, list)| exceptions(&list.to_string_lossy(), url.port_or_known_default()));
    let proxy = reqwest::Proxy::https(address).map_err(|_| SetupError::Proxy { variable })?;
    let proxy = proxy.no_proxy(direct.as_deref().and_then(NoProxy::from_string));
    Ok(Some(Proxy { proxy, name }))
}

fn address(value: &str) -> Option<Url> {
    let value = value.trim();
    let url = if value.contains("://") { value.parse() } else { format!("http://{value}").parse() };
    url.ok().filter(|url: &Url| {
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && bare
    })
}

fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The list in the words that [`NoProxy`] knows, for a host with this `port`: it takes `.example.com`, and neither
/// `*.example.com` nor ports.
fn exceptions(list: &str, port: Option<u16>) -> String {
    let entries = list.split(',').map(str::trim).filter_map(|entry| {
        let (host, only) = match entry.rsplit_once(':') {
            // Without brackets, more colons are those of an IPv6 address.
            Some((host, digits)) if !host.contains(':') || host.ends_with(']') => (host, Some(digits.parse().ok()?)),
            _ => (entry, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        (only.is_none() || only == port).then_some(host)
    });
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variable =
            |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
        let url = "https://graph.example.com/".parse().unwrap();
        proxy_to(&url, &variable).map(|proxy| proxy.map(|proxy| proxy.name)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_variable_that_says_anything_names_the_proxy() {
        assert_eq!(proxy(&[("HTTP_PROXY", "http://other:1")]), Ok(None));
        for (variables, name) in [
            (&[("HTTPS_PROXY", "http://me:hunter2@proxy:3128/"), ("ALL_PROXY", "x:1")][..], "proxy:3128"),
            (&[("HTTPS_PROXY", ""), ("https_proxy", "proxy:3128")], "proxy:3128"),
            (&[("all_proxy", "https://proxy")], "proxy:443"),
            (&[("all_proxy", "[::1]:3128")], "[::1]:3128"),
        ] {
            assert_eq!(proxy(variables), Ok(Some(name.to_owned())), "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_proxy_is_refused_and_not_repeated() {
        for value in [
            "http//hunter2:3128",
            "http:/hunter2:3128",
            "http://",
            "http://hunter2:port",
            "socks5://hunter2:1",
            "http://me:hunter2@proxy:3128/path",
            "hunter2 two",
        ] {
            let refusal = proxy(&[("HTTPS_PROXY", value)]).expect_err(value);
            assert!(refusal.contains("HTTPS_PROXY") && refusal.contains("http://proxy.example.com:3128"), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn exceptions_may_have_a_port_and_an_asterisk() {
        for (list, expected) in [
            ("*.example.com, .other.com,third.com", ".example.com,.other.com,third.com"),
            ("a.com:443,b.com:8443,c.com:http", "a.com"),
            ("*", "*"),
            ("10.0.0.0/8,::1,[::1]:443,[fe80::1]:80,[fe80::2]", "10.0.0.0/8,::1,::1,fe80::2"),
        ] {
            assert_eq!(exceptions(list, Some(443)), expected, "{list}");
        }
    }
}
