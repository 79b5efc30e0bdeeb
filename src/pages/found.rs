//! One page of the rows that were asked for, in their order.

use std::ops::Range;

/// So many rows stand on one page.
pub(super) const PER_PAGE: usize = 100;

/// One page of what was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) rows: Vec<T>,
    /// On all pages.
    pub(super) total: usize,
    /// From 0.
    pub(super) page: usize,
    pub(super) pages: usize,
}

impl<T> Found<T> {
    /// That page of all rows, or the last one there is.
    pub(super) fn new(all: Vec<T>, page: usize) -> Self {
        let total = all.len();
        let pages = total.div_ceil(PER_PAGE).max(1);
        let page = page.min(pages - 1);
        let rows = all.into_iter().skip(page * PER_PAGE).take(PER_PAGE).collect();
        Self { rows, total, page, pages }
    }

    /// What stands on this page, counted from 1.
    pub(super) fn range(&self) -> Range<usize> {
        let before = self.page * PER_PAGE;
        before + 1..before + self.rows.len() + 1
    }
}

/// Keeps the first few of `rows`, and returns what is to be said of the others; `nothing` where there are no rows at all.
pub(super) fn first_few<T>(rows: &mut Vec<T>, few: usize, nothing: &str) -> Option<String> {
    let note = match rows.len() {
        0 => Some(nothing.to_owned()),
        found => found.checked_sub(few).filter(|more| *more > 0).map(|more| format!("And {more} more.")),
    };
    rows.truncate(few);
    note
}

/// What has no key comes last in both directions. Among equals `rank` decides, in one.
pub(super) fn sort_by<T, K: Ord, R: Ord>(
    rows: &mut [T],
    descending: bool,
    rank: impl Fn(&T) -> R,
    key: impl Fn(&T) -> Option<K>,
) {
    rows.sort_unstable_by(|a, b| {
        let (a_key, b_key) = (key(a), key(b));
        let order = if descending { b_key.cmp(&a_key) } else { a_key.cmp(&b_key) };
        a_key.is_none().cmp(&b_key.is_none()).then(order).then(rank(a).cmp(&rank(b)))
    });
}
