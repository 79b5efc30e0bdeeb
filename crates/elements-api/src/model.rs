//! What the API is about: customers, seats, answers, and why there is none.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use url::Url;

/// A customer's id: letters, digits, `-`, `_` and `.`, but not dots alone, so that it is one plain segment of a URL's
/// path. It keeps its spelling, and compares without case, as GUIDs do.
#[derive(Clone)]
pub struct CustomerId(Arc<str>);

impl CustomerId {
    /// What an id may look like, for messages.
    pub const FORM: &'static str = "letters, digits, \"-\", \"_\" and \".\", at most 200 and not only dots";

    /// So many characters, which are bytes.
    const LONGEST: usize = 200;

    /// `None` if `text` is not of this [form](Self::FORM).
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let valid = text.len() <= Self::LONGEST && text.chars().all(plain) && text.chars().any(|c| c != '.');
        valid.then(|| Self(Arc::from(text)))
    }

    /// The id as it was spelt.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for CustomerId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for CustomerId {}

impl PartialOrd for CustomerId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CustomerId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for CustomerId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whose numbers these are: another account sees other customers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// Where its API is.
    pub base_url: Url,
    /// The id of its app registration.
    pub client_id: String,
}

/// A customer as the vendor lists it. `ownerEmail` is personal data, and is not even read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListedCustomer {
    /// As the listing spells it.
    pub id: CustomerId,
    /// The name of its organization, which two customers may share; `None` if it is blank.
    pub organization: Option<String>,
}

/// A number of purchased user seats. Every value is exact as a float, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seats(u64);

impl Seats {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// 2^53: above it, floats skip whole numbers.
    const MAX: u64 = 1 << f64::MANTISSA_DIGITS;

    /// `None` for a number that a float could not hold exactly.
    pub const fn new(number: u64) -> Option<Self> {
        if number > Self::MAX { None } else { Some(Self(number)) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a float, exactly.
    #[expect(clippy::cast_precision_loss, reason = "`new` refuses what a float cannot hold")]
    pub const fn as_sample(self) -> f64 {
        self.0 as f64
    }
}

impl fmt::Display for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the API says of one customer's product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// So many were purchased.
    Seats(Seats),
    /// The customer has the product, but it does not count seats: `null` or `"N/A"`.
    NotApplicable,
    /// No such customer, or no such product of this customer: 404, or 204, which has nothing to say.
    NotFound,
}

impl Answer {
    /// `None` if there is no number, which is not the same as 0.
    pub const fn seats(self) -> Option<Seats> {
        match self {
            Self::Seats(seats) => Some(seats),
            Self::NotApplicable | Self::NotFound => None,
        }
    }
}

/// Why a target has no answer. Its text is a label value, and so part of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No token, or status 401.
    Auth,
    /// Status 403.
    Forbidden,
    /// Status 400, 405 and every other 4xx without a reason of its own.
    BadRequest,
    /// Status 429.
    Throttled,
    /// Status 5xx.
    ServerError,
    /// No complete answer in time, or status 408.
    Timeout,
    /// No connection, or one that broke.
    Network,
    /// An answer that could not be read, or a redirect.
    BadResponse,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Auth,
        Self::Forbidden,
        Self::BadRequest,
        Self::Throttled,
        Self::ServerError,
        Self::Timeout,
        Self::Network,
        Self::BadResponse,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::BadRequest => "bad_request",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::BadResponse => "bad_response",
        }
    }

    /// The reason whose label value this is.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_compare_without_case_and_keep_their_spelling() {
        let upper = CustomerId::parse("ABC-1").expect("valid");
        let lower = CustomerId::parse("abc-1").expect("valid");
        assert_eq!(upper, lower);
        assert_eq!(upper.cmp(&lower), std::cmp::Ordering::Equal);
        assert!(HashSet::from([upper.clone()]).contains(&lower));
        assert_eq!(upper.to_string(), "ABC-1");
    }

    #[test]
    fn ids_that_could_change_the_path_of_a_url_are_refused() {
        for text in ["", ".", "..", "a/b", "a b", "a?b", "a%2fb", "é", &"a".repeat(201)] {
            assert!(CustomerId::parse(text).is_none(), "{text:?}");
        }
        assert!(CustomerId::parse("..a").is_some());
    }

    #[test]
    fn seats_stop_where_floats_begin_to_skip() {
        assert!(Seats::new(9_007_199_254_740_992).is_some());
        assert!(Seats::new(9_007_199_254_740_993).is_none());
    }
}
