//! What is watched, as the metrics show it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use elements_api::{CustomerId, ProductType, Seats};

/// What is polled: one product of one customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub customer: CustomerId,
    pub product: ProductType,
}

/// A customer as the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    /// The `customer` label: the configured name, or else the id.
    pub label: Label,
    /// The `name` of `avepoint_customer_info`: the organization that discovery found, or else the label.
    pub name: Label,
}

impl Customer {
    /// All that it is called.
    pub fn names(&self) -> [&str; 3] {
        [self.label.as_str(), self.name.as_str(), self.id.as_str()]
    }
}

/// A customer and the products that are watched for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedCustomer {
    pub customer: Customer,
    pub products: Vec<ProductType>,
    /// Somebody listed them by name or number, and did not write `all`.
    pub listed: bool,
    /// Those that a bill names, which is as good as listing them, and the seats that it expects of each; `None` where it
    /// cannot be read now, and named the product when it could.
    pub expected: BTreeMap<ProductType, Option<Seats>>,
}

/// Text of at most [`Label::MAX_BYTES`] bytes, which is what one label value may cost, on one line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

impl Label {
    /// Longer text is cut here, between characters.
    pub const MAX_BYTES: usize = 200;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(Self::MAX_BYTES)];
        if text.contains(breaks_lines) { Self(text.replace(breaks_lines, " ").into()) } else { Self(text.into()) }
    }
}

/// What some reader of the exposition format takes for the end of a line, or of the text, and what a terminal obeys.
fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    #[test]
    fn labels_are_cut_between_characters() {
        let long = format!("x{}", "é".repeat(300));
        assert_eq!(Label::from(long.as_str()).as_str().len(), 199);
        assert_eq!(Label::from("short").as_str(), "short");
    }

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn a_label_is_a_beginning_of_the_text_on_one_line(text in "(\\PC|[\\x00-\\x20\\u{7f}-\\u{a0}\\u{2027}-\\u{202a}🦀é]){0,230}") {
            let label = Label::from(text.as_str());
            prop_assert!(label.as_str().len() <= Label::MAX_BYTES);
            let is_bad = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
            prop_assert!(!label.as_str().contains(is_bad));
            let mut characters = label.as_str().chars().zip(text.chars());
            let same = |(shown, given): (char, char)| shown == given || shown == ' ' && is_bad(given);
            prop_assert!(characters.all(same));
            // Nothing is cut that had room.
            let next = text.chars().nth(label.as_str().chars().count());
            let kept: usize = text.chars().take(label.as_str().chars().count()).map(char::len_utf8).sum();
            prop_assert!(next.is_none_or(|next| kept + next.len_utf8() > Label::MAX_BYTES));
            prop_assert_eq!(Label::from(label.as_str()), label);
        }
    }

    #[test]
    fn what_could_break_a_line_is_a_blank() {
        let name = "A\0B\nC\u{85}D\u{2028}E\u{2029}F\u{1b}[31mG\u{7f}é";
        assert_eq!(Label::from(name).as_str(), "A B C D E F [31mG é");
    }
}
