//! Text of somebody else's, in an error.

use std::fmt::{self, Display, Write};

/// What an error repeats of a server, a file or a library: on one line, and no longer than a person reads. A certificate
/// with 3,000 names would else be a line of 95 kB in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// How much is repeated. An ellipsis follows where there was more.
    const MAX_BYTES: usize = 500;

    /// The beginning of `text`.
    pub fn of(text: impl Display) -> Self {
        let mut cut = Cut(String::new());
        if write!(cut, "{text}").is_err() {
            cut.0.push('…');
        }
        Self(cut.0)
    }
}

impl Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes what has room.
struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if self.0.len() + c.len_utf8() > Excerpt::MAX_BYTES {
            return Err(fmt::Error);
        }
        let breaks_lines = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        self.0.push(if breaks_lines { ' ' } else { c });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_stays_short_and_on_one_line() {
        assert_eq!(Excerpt::of("a\nb\u{1b}[2J\u{2028}é").to_string(), "a b [2J é");
        let fits = "é".repeat(Excerpt::MAX_BYTES / 2);
        assert_eq!(Excerpt::of(&fits).to_string(), fits);
        assert_eq!(Excerpt::of(format_args!("{fits}{}", "\0".repeat(150_000))).to_string(), format!("{fits}…"));
    }
}
