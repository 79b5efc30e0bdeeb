//! Days, and the forms in which the vendor writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// A day on which something ends, at noon UTC. It need not be in any calendar: 29 February of every year can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    /// Of the month.
    date: u8,
}

impl Day {
    /// A day of which nothing is checked.
    pub const fn of(year: u16, month: u8, date: u8) -> Self {
        Self { year, month, date }
    }

    /// The day that is so many days after today, by UTC and this machine's clock; before today, if negative.
    pub fn from_now(days: i64) -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self::since_1970((seconds / SECONDS_A_DAY).saturating_add_signed(days))
    }

    /// As it stands in an answer.
    pub(crate) fn written(self, form: DateForm) -> String {
        let Self { year, month, date } = self;
        match form {
            DateForm::MonthFirst => format!("{month:02}-{date:02}-{year:04}T12:00:00Z"),
            DateForm::Iso => format!("{year:04}-{month:02}-{date:02}T12:00:00Z"),
            DateForm::IsoDate => format!("{year:04}-{month:02}-{date:02}"),
        }
    }

    fn since_1970(mut days: u64) -> Self {
        let mut year = 1970;
        while days >= 365 + u64::from(is_leap(year)) {
            days -= 365 + u64::from(is_leap(year));
            year += 1;
        }
        let february = 28 + u64::from(is_leap(year));
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        // Fewer than 31 days are left.
        Self { year, month, date: u8::try_from(days + 1).unwrap_or_default() }
    }
}

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// How the dates of subscriptions are written: a client must read all of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateForm {
    /// `03-14-2026T12:00:00Z`, as the live API was seen to write them.
    #[default]
    MonthFirst,
    /// `2026-03-14T12:00:00Z`, as the vendor's page shows one of them.
    Iso,
    /// `2026-03-14`, as it shows another. Noon is lost.
    IsoDate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_three_forms() {
        let day = Day::of(2026, 3, 14);
        assert_eq!(day.written(DateForm::default()), "03-14-2026T12:00:00Z");
        assert_eq!(day.written(DateForm::Iso), "2026-03-14T12:00:00Z");
        assert_eq!(day.written(DateForm::IsoDate), "2026-03-14");
        assert_eq!(Day::of(2027, 2, 29).written(DateForm::IsoDate), "2027-02-29", "whatever the calendar says");
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (364, 1970, 12, 31),
            (11_016, 2000, 2, 29),
            (11_017, 2000, 3, 1),
            (19_782, 2024, 2, 29),
            (20_453, 2025, 12, 31),
            (47_541, 2100, 3, 1),
        ] {
            assert_eq!(Day::since_1970(days), Day::of(year, month, day));
        }
        assert!(Day::from_now(-1) < Day::from_now(0) && Day::from_now(0) < Day::from_now(400));
    }
}
