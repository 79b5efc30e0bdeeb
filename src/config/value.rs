//! What the value of a setting may be. Each message says what was expected; only [`duration`] repeats what was found.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use crate::api::is_loopback;

use super::field::Field;

/// Above it, no arithmetic with a few durations overflows.
const MAX_DURATION: Duration = Duration::from_hours(8784);

/// A value that was found, for a message: on one line, cut where it is long, and never a password in a URL.
pub(super) fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 128;
    if names_a_user(text) {
        return "a URL with a user or password".to_owned();
    }
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Whether `text` may be a URL with a user or password.
pub(super) fn names_a_user(text: &str) -> bool {
    text.contains("://") && text.contains('@')
}

/// The message for a value that is not `what`.
pub(super) fn expected<T>(what: &str, found: &Field) -> Result<T, String> {
    Err(match found {
        Field::Null => format!("has no value: expected {what}"),
        _ => format!("expected {what}"),
    })
}

/// Text that is not empty.
pub(super) fn text(field: &Field) -> Result<&str, String> {
    match field {
        Field::Text(text) if text.trim().is_empty() => Err("is empty: expected a text".to_owned()),
        Field::Text(text) => Ok(text),
        Field::Number(_) | Field::Bool(_) => expected("a text: put this in quotes", field),
        _ => expected("a text", field),
    }
}

pub(super) fn flag(field: &Field) -> Result<bool, String> {
    match field {
        Field::Bool(flag) => Ok(*flag),
        _ => expected("true or false", field),
    }
}

pub(super) fn number<N: TryFrom<u64>>(field: &Field, range: RangeInclusive<u64>) -> Result<N, String> {
    let number = match field {
        Field::Number(Some(number)) if range.contains(number) => N::try_from(*number).ok(),
        _ => None,
    };
    number.map_or_else(|| expected(&format!("a whole number from {} to {}", range.start(), range.end()), field), Ok)
}

/// A whole number from 1 to `max`.
pub(super) fn positive<N: TryFrom<NonZeroU64>>(field: &Field, max: u64) -> Result<N, String> {
    let number: NonZeroU64 = number(field, 1..=max)?;
    N::try_from(number).or_else(|_| expected("a smaller number", field))
}

/// A duration above zero.
pub(super) fn duration(field: &Field) -> Result<Duration, String> {
    let seconds = match field {
        Field::Number(number) => *number,
        Field::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    match (field, seconds) {
        (_, Some(seconds @ 1..)) => Err(format!("a duration needs its unit: write {seconds}s")),
        (Field::Text(text), _) => match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() && duration <= MAX_DURATION => Ok(duration),
            _ => expected(DURATION, field),
        },
        _ => expected(DURATION, field),
    }
}

/// As [`duration`], repeating nothing.
pub(super) fn unrepeated_duration(field: &Field) -> Result<Duration, String> {
    duration(field).or_else(|_| expected(DURATION, field))
}

const DURATION: &str = "a duration with its unit, such as 30s, 15m or 6h, above zero and at most 366 days";

/// Where the API or its tokens are, without a trailing slash.
pub(super) fn url(field: &Field) -> Result<Url, String> {
    let Some(mut url) = text(field)?.parse::<Url>().ok().filter(Url::has_host) else {
        return expected("a URL such as https://graph.avepointonlineservices.com", field);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not hold a user or a password: take them out".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL that ends with its path: take out what follows `?` or `#`".to_owned());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("http:// would show the secrets to the network: write https://".to_owned()),
        _ => return expected("a URL that begins with https://", field),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Field {
        Field::Text(text.to_owned())
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for text in ["http://localhost:1/x", "http://127.9.9.9", "http://[::1]:80", "https://example.com"] {
            assert!(url(&of(text)).is_ok(), "{text}");
        }
        for text in ["http://example.com", "http://localhost.example.com", "http://10.0.0.1", "http://[::2]"] {
            assert!(url(&of(text)).expect_err(text).contains("write https://"), "{text}");
        }
    }

    #[test]
    fn a_url_loses_its_trailing_slash() {
        let path = |text| url(&of(text)).expect("valid").to_string();
        assert_eq!(path("https://example.com/a/b//"), "https://example.com/a/b");
        assert_eq!(path("https://example.com"), "https://example.com/");
    }

    #[test]
    fn a_url_is_an_address_and_nothing_else() {
        for text in
            ["x", "https://", "ftp://h", "file:///x", "mailto:a@b.c", "https://h/?", "https://h/#", "https://u@h"]
        {
            assert!(url(&of(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_has_a_unit_and_is_neither_zero_nor_endless() {
        assert_eq!(duration(&of("1h 30m")), Ok(Duration::from_mins(90)));
        assert_eq!(duration(&of("366days")), Ok(MAX_DURATION));
        assert_eq!(duration(&of("900")), duration(&Field::Number(Some(900))));
        assert_eq!(duration(&of("900")), Err("a duration needs its unit: write 900s".to_owned()));
        for text in ["0", "0s", "-5s", "soon", "367days", "99999999999999999999y"] {
            assert_eq!(duration(&of(text)), Err(format!("expected {DURATION}")), "{text}");
        }
    }

    #[test]
    fn what_is_quoted_stays_short_and_on_one_line() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"é".repeat(200)), format!("\"{}\"…", "é".repeat(128)));
        assert!(!quoted("https://me:hunter2@example.com").contains("hunter2"));
    }
}
