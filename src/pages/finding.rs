//! What a page says first: whether it is well, and if not, what is wrong.

use elements_api::Error;

use super::format::sentence;
use crate::store::Snapshot;

/// What a visitor must know first, and what else is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) first: Finding,
    pub(super) others: Vec<Finding>,
    /// Why targets fail, the most frequent first: how many, and a sentence.
    pub(super) causes: Vec<(usize, &'static str)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mood: Mood,
    pub(super) title: String,
    pub(super) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Waiting,
    Warning,
    Bad,
}

impl Mood {
    /// The name of its colours in the style.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Waiting => "waiting",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }

    /// Of the picture in the address bar, on light and dark alike.
    pub(super) const fn icon_colour(self) -> &'static str {
        match self {
            Self::Well => "2e9e5b",
            Self::Waiting => "4f88c4",
            Self::Warning => "d08a1d",
            Self::Bad => "d5493f",
        }
    }

    /// A sign for those who do not see colours.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Well => "✓",
            Self::Waiting => "…",
            Self::Warning => "!",
            Self::Bad => "✕",
        }
    }
}

/// The last listing of customers did not come completely.
pub(super) fn customers_failed(known: &Snapshot, why: &Error) -> Finding {
    let before = if known.listing.is_some() { "The customers stay as they were." } else { "None came before." };
    failed("customers", before, why)
}

/// The last time that subscriptions were asked for, those of somebody did not come.
pub(super) fn subscriptions_failed(known: &Snapshot, why: &Error) -> Finding {
    let before = match known.subscriptions {
        Some(_) => "What was listed before stays until it is too old.",
        None => "Nothing was listed before.",
    };
    failed("subscriptions", before, why)
}

fn failed(listing: &str, before: &str, why: &Error) -> Finding {
    let title = format!("The last listing of {listing} failed");
    Finding { mood: Mood::Warning, title, detail: format!("{before} {}", sentence(&why.to_string())) }
}

impl Headline {
    /// Of what was found, the worst first; if that is nothing, `well` is said.
    pub(super) fn of(findings: Vec<Finding>, well: impl FnOnce() -> Finding) -> Self {
        let mut findings = findings.into_iter();
        let first = findings.next().unwrap_or_else(well);
        Self { first, others: findings.collect(), causes: Vec::new() }
    }
}
