//! How many, and which: counts and lists of names in a sentence.

use std::fmt;

/// "1 target", "2 targets".
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The first few names, at most so many, and how many there are besides.
#[derive(Debug)]
pub struct SomeOf<'a, T>(pub &'a [T], pub usize);

impl<T: fmt::Display> fmt::Display for SomeOf<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(names, most) = self;
        for (index, name) in names.iter().take(*most).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        match names.len().saturating_sub(*most) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_and_many_are_plural() {
        assert_eq!([0, 1, 2].map(|number| count(number, "target")), ["0 targets", "1 target", "2 targets"]);
    }

    #[test]
    fn many_names_are_cut_and_counted() {
        let names = ["a", "b", "c"];
        assert_eq!([1, 3].map(|most| SomeOf(&names, most).to_string()), ["a and 2 more", "a, b, c"]);
    }
}
