//! The path under which the metrics are served.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A path that no other route has, and that reaches the server as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// Why a path cannot be the telemetry path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TelemetryPathError {
    #[error("a path begins with \"/\", as in /metrics")]
    NotAbsolute,
    #[error("\"{0}\" has no place in a path: use letters, digits, \"/\", \"-\", \"_\", \".\" and \"~\"")]
    Character(char),
    #[error("clients shorten a path with \"//\", \"/./\" or \"/../\" before they ask for it: leave that out")]
    Shortened,
    #[error("{0} is another route of this exporter: choose another path, such as /metrics")]
    Reserved(String),
}

/// Whether another route than the metrics has this path, or may have it in a later version.
pub fn reserved(path: &str) -> bool {
    let pages = ["/", "/seats.csv", "/seats.json", "/subscriptions", "/subscriptions.csv", "/subscriptions.json", "/-"];
    pages.contains(&path) || path.starts_with("/-/")
}

impl TelemetryPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl FromStr for TelemetryPath {
    type Err = TelemetryPathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let Some(segments) = path.strip_prefix('/') else {
            return Err(TelemetryPathError::NotAbsolute);
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
        if let Some(character) = path.chars().find(|c| !plain(*c)) {
            return Err(TelemetryPathError::Character(character));
        }
        if reserved(path) {
            return Err(TelemetryPathError::Reserved(path.to_owned()));
        }
        let mut inner = segments.strip_suffix('/').unwrap_or(segments).split('/');
        if inner.any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(TelemetryPathError::Shortened);
        }
        Ok(Self(path.to_owned()))
    }
}

impl fmt::Display for TelemetryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_reach_the_server_are_taken() {
        for path in ["/metrics", "/a/b-c/~d.e", "/metrics/", "/-metrics"] {
            assert_eq!(path.parse::<TelemetryPath>().map(|path| path.to_string()), Ok(path.to_owned()));
        }
    }

    #[test]
    fn a_path_of_another_route_is_refused() {
        let own = ["/", "/-/healthy", "/-/reload", "/-/new", "/seats.csv", "/seats.json"];
        for path in own.into_iter().chain(["/subscriptions", "/subscriptions.csv", "/subscriptions.json"]) {
            assert_eq!(path.parse::<TelemetryPath>(), Err(TelemetryPathError::Reserved(path.to_owned())));
        }
    }

    #[test]
    fn a_path_that_no_request_could_have_is_refused() {
        use TelemetryPathError::{Character, NotAbsolute, Shortened};
        for (path, error) in [
            ("", NotAbsolute),
            ("metrics", NotAbsolute),
            ("/metrics?x=1", Character('?')),
            ("/metrics#top", Character('#')),
            ("/my metrics", Character(' ')),
            ("/%6detrics", Character('%')),
            ("/métriques", Character('é')),
            ("//metrics", Shortened),
            ("/a/../b", Shortened),
            ("/a/.", Shortened),
        ] {
            assert_eq!(path.parse::<TelemetryPath>(), Err(error), "{path:?}");
        }
    }
}
