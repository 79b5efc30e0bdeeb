//! What the value of a setting may be. Each message says what was expected; only that of [`duration`] repeats what was
//! found. An error is such a message, for [`Problems::read`](crate::Problems::read) to add.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::field::Field;

/// Above it, no arithmetic with a few durations overflows.
const MAX_DURATION: Duration = Duration::from_hours(8784);

/// A value that was found, for a message: on one line, cut if it is long, and never with the password of a URL.
pub fn quoted(text: &str) -> String {
    quoted_up_to(128, text)
}

/// As [`quoted`], with at most `max` characters of it.
pub fn quoted_up_to(max: usize, text: &str) -> String {
    if names_a_user(text) {
        return "a URL with a user or password".to_owned();
    }
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Whether `text` may be a URL with a user or password.
pub fn names_a_user(text: &str) -> bool {
    text.contains("://") && text.contains('@')
}

/// Whether `text` holds a `${…}`, which some programs replace by the value of a variable.
pub fn names_a_variable(text: &str) -> bool {
    text.split_once("${").is_some_and(|(_, rest)| rest.contains('}'))
}

/// The refusal of a value that is not `what`.
pub fn expected<T>(what: &str, found: &Field) -> Result<T, String> {
    Err(match found {
        Field::Null => format!("has no value: expected {what}"),
        Field::Template => {
            format!("expected {what}; fill in the template in braces, or put it in quotes if it is meant")
        }
        _ => format!("expected {what}"),
    })
}

/// Text that is not blank.
pub fn text(field: &Field) -> Result<&str, String> {
    match field {
        Field::Text(text) if text.trim().is_empty() => Err("is empty: expected text".to_owned()),
        Field::Text(text) => Ok(text),
        Field::Number(_) | Field::Bool(_) => expected("text: put this in quotes", field),
        _ => expected("text", field),
    }
}

/// `true` or `false`.
pub fn flag(field: &Field) -> Result<bool, String> {
    match field {
        Field::Bool(flag) => Ok(*flag),
        _ => expected("true or false", field),
    }
}

/// A whole number in `range`.
pub fn number<N: TryFrom<u64>>(field: &Field, range: RangeInclusive<u64>) -> Result<N, String> {
    let number = match field {
        Field::Number(Some(number)) if range.contains(number) => N::try_from(*number).ok(),
        _ => None,
    };
    number.map_or_else(|| expected(&format!("a whole number from {} to {}", range.start(), range.end()), field), Ok)
}

/// A whole number from 1 to `max`.
pub fn positive<N: TryFrom<NonZeroU64>>(field: &Field, max: u64) -> Result<N, String> {
    let number: NonZeroU64 = number(field, 1..=max)?;
    N::try_from(number).or_else(|_| expected("a smaller number", field))
}

/// A duration above zero, with its unit.
pub fn duration(field: &Field) -> Result<Duration, String> {
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

/// As [`duration`], with a message that repeats nothing.
pub fn unrepeated_duration(field: &Field) -> Result<Duration, String> {
    duration(field).or_else(|_| expected(DURATION, field))
}

const DURATION: &str = "a duration with its unit, such as 30s, 15m or 6h, above zero and at most 366 days";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Field {
        Field::Text(text.to_owned())
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
