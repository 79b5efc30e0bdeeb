//! Values that the listing of subscriptions writes as text, whatever they are: counts, capacities and dates.

use std::time::SystemTime;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{name, shown};
use crate::model::Seats;

/// What a field says: something, or nothing (`"N/A"`, blank, `null`, no such field). An error is what it says instead.
pub(super) type Said<T> = Result<Option<T>, String>;

/// A name, in one short line.
pub(super) fn words(value: &Value) -> Said<String> {
    read(value, name)
}

/// A whole number of 0 or more.
pub(super) fn count(value: &Value) -> Said<Seats> {
    read(value, |text| number(text).and_then(Seats::new))
}

/// A whole number that says how something changed, with or without a sign.
pub(super) fn change(value: &Value) -> Said<i64> {
    read(value, |text| {
        let (sign, digits) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let seats = number(digits).and_then(Seats::new)?;
        Some(sign * i64::try_from(seats.get()).ok()?)
    })
}

/// A capacity in bytes. Of two with a slash, what was used and what was purchased, the latter.
pub(super) fn purchased_capacity(value: &Value) -> Said<u64> {
    read(value, |text| bytes(text.split_once('/').map_or(text, |(_, purchased)| purchased)))
}

/// The same, of which the former was used.
pub(super) fn consumed_capacity(value: &Value) -> Said<u64> {
    read(value, |text| match text.split_once('/') {
        // The unit that both have stands behind the second.
        Some((used, purchased)) => bytes(used).or_else(|| bytes(&format!("{used}{}", unit(purchased)))),
        None => bytes(text),
    })
}

/// A date, with or without a time of day; without a time zone it is one of UTC.
pub(super) fn date(value: &Value) -> Said<SystemTime> {
    // .NET's smallest date stands for none. Nothing that was sold ended before 1970, where Unix time begins.
    let date = read(value, |text| Some(moment(text)?).filter(|date| date.year() == 1 || date.unix_timestamp() >= 0))?;
    Ok(date.filter(|date| date.year() > 1).map(SystemTime::from))
}

fn read<T>(value: &Value, read: impl FnOnce(&str) -> Option<T>) -> Said<T> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err("something that is neither text nor a number".to_owned()),
    };
    if text.is_empty() || text.eq_ignore_ascii_case("N/A") {
        return Ok(None);
    }
    read(&text).map(Some).ok_or_else(|| shown(&text, LONGEST_SHOWN))
}

/// More of a value that cannot be read is not repeated.
const LONGEST_SHOWN: usize = 60;

/// Digits, with zeros alone behind a point.
fn number(text: &str) -> Option<u64> {
    let digits = match text.split_once('.') {
        Some((digits, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => digits,
        Some(_) => return None,
        None => text,
    };
    let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}

/// `1.42 GB`: decimal units, as the vendor's price list has them.
fn bytes(text: &str) -> Option<u64> {
    let unit = unit(text);
    let factor = match unit.to_ascii_uppercase().as_str() {
        "B" => 1.0,
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "PB" => 1e15,
        _ => return None,
    };
    let number = text.trim().strip_suffix(unit)?.trim_end();
    let is_decimal = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| is_decimal)?;
    let bytes = (number * factor).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, not negative, and fits")]
    (bytes < 1e18).then_some(bytes as u64)
}

fn unit(text: &str) -> &str {
    text.trim().trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start()
}

/// `2025-09-26T00:00:00Z` and `2025-04-05`, as they are documented, and `03-14-2026T12:00:00Z`, as the API was seen to write
/// them: month, day, year.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let (date, time) = text.split_at_checked(10)?;
    let time = if time.is_empty() { "T00:00:00Z" } else { time };
    let is_year_first = date.as_bytes().get(4) == Some(&b'-');
    let date = match date.split('-').collect::<Vec<_>>().as_slice() {
        [month, day, year] if !is_year_first => format!("{year}-{month}-{day}"),
        _ => date.to_owned(),
    };
    let parse = |zone: &str| OffsetDateTime::parse(&format!("{date}{time}{zone}"), &Rfc3339).ok();
    parse("").or_else(|| parse("Z"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn unix(text: &str) -> Option<i64> {
        let date = date(&json!(text)).unwrap()?;
        let since = date.duration_since(UNIX_EPOCH).map(|since| since.as_secs().cast_signed());
        Some(since.unwrap_or_else(|before| -before.duration().as_secs().cast_signed()))
    }

    #[test]
    fn dates_are_read_in_all_forms_that_were_documented_or_seen() {
        for (text, expected) in [
            ("2025-09-26T00:00:00Z", 1_758_844_800),
            ("2025-09-26", 1_758_844_800),
            ("2025-09-26T00:00:00", 1_758_844_800),
            ("2025-09-26T02:00:00.000+02:00", 1_758_844_800),
            ("03-14-2026T12:00:00Z", 1_773_489_600),
            ("12-31-2026T00:00:00Z", 1_798_675_200),
            ("2026-12-31", 1_798_675_200),
            ("02-29-2028T00:00:00Z", 1_835_395_200),
            ("2028-02-29", 1_835_395_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("12-31-9999T23:59:59Z", 253_402_300_799),
            ("01-01-1970", 0),
        ] {
            assert_eq!(unix(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "1969-12-31",
            "0002-01-01T00:00:00+23:59",
            "2026-02-29",
            "02-29-2026T00:00:00Z",
            "31-12-2026",
            "13-01-2026T00:00:00Z",
            "2026-13-01",
            "2026-1-1",
            "2026/01/01",
            "2026-12-31T25:00:00Z",
            "2026-12-31x",
            "10000-01-01",
            "tomorrow",
            "日本語日本語",
        ] {
            assert_eq!(date(&json!(text)), Err(format!("{text:?}")), "{text}");
        }
        assert_eq!(date(&json!(20_261_231)), Err("\"20261231\"".to_owned()));
        assert_eq!(unix("0001-01-01T00:00:00"), None, "the smallest date of .NET");
    }

    #[test]
    fn nothing_is_said_in_many_ways() {
        for nothing in [json!("N/A"), json!("n/a"), json!(" N/A "), json!(""), json!("  "), Value::Null] {
            assert_eq!(words(&nothing), Ok(None));
            assert_eq!(count(&nothing), Ok(None));
            assert_eq!(change(&nothing), Ok(None));
            assert_eq!(purchased_capacity(&nothing), Ok(None));
            assert_eq!(date(&nothing), Ok(None));
        }
        assert!(words(&json!(["a"])).is_err() && count(&json!({})).is_err() && date(&json!(true)).is_err());
    }

    #[test]
    fn counts_are_whole_as_text_or_number() {
        for (value, expected) in [(json!("2"), 2), (json!(2), 2), (json!("2.0"), 2), (json!(2.0), 2), (json!("0"), 0)] {
            assert_eq!(count(&value), Ok(Seats::new(expected)), "{value}");
        }
        for value in
            [json!("2.5"), json!("-2"), json!("+2"), json!("1,024"), json!("2."), json!("99999999999999999999")]
        {
            assert!(count(&value).is_err(), "{value}");
        }
        for (value, expected) in
            [(json!("+5"), 5), (json!("-3"), -3), (json!("0"), 0), (json!(-3), -3), (json!("7"), 7)]
        {
            assert_eq!(change(&value), Ok(Some(expected)), "{value}");
        }
        for value in [json!("--3"), json!("+"), json!("1.5"), json!("5 seats")] {
            assert!(change(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn capacities_have_decimal_units() {
        for (text, purchased, consumed) in [
            ("5 GB", 5_000_000_000, 5_000_000_000),
            ("1024 GB", 1_024_000_000_000, 1_024_000_000_000),
            ("1.42 GB", 1_420_000_000, 1_420_000_000),
            ("0/1 GB", 1_000_000_000, 0),
            ("0.5 GB / 2 TB", 2_000_000_000_000, 500_000_000),
            ("500MB", 500_000_000, 500_000_000),
            ("2 tb", 2_000_000_000_000, 2_000_000_000_000),
        ] {
            assert_eq!(purchased_capacity(&json!(text)), Ok(Some(purchased)), "{text}");
            assert_eq!(consumed_capacity(&json!(text)), Ok(Some(consumed)), "{text}");
        }
        for text in ["5", "GB", "5 GiB", "-5 GB", "1e3 GB", "1.2.3 GB", "5 GB x", "1/", "nan GB", "9999999999 PB"] {
            assert!(purchased_capacity(&json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_repeated_in_part() {
        assert_eq!(date(&json!("x\u{1b}".repeat(1_000))).unwrap_err().len(), 2 + 30 + 30 * "\\u{1b}".len());
        let later = UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(date(&json!("01-01-1970T00:00:01Z")), Ok(Some(later)));
    }
}
