//! What changed last.

use std::cmp::Reverse;

use elements_api::Seats;

use super::query::{Query, Sort};
use crate::pages::format::Moment;
use crate::store::{Change, Label, Now, Snapshot};

/// The latest changes of seats, the newest first.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) rows: Vec<Latest>,
    /// To all, if there are more.
    pub(super) all: Option<(usize, String)>,
}

#[derive(Debug)]
pub(super) struct Latest {
    pub(super) customer: Label,
    /// To its targets.
    pub(super) link: String,
    pub(super) product: String,
    pub(super) change: Changed,
}

/// From which number to which.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) from: Seats,
    pub(super) to: Seats,
    pub(super) at: Moment,
}

impl Changed {
    pub(super) fn new(change: Change, to: Seats, now: Now) -> Self {
        Self { from: change.previous, to, at: Moment::new(change.at, now.wall) }
    }

    /// How many seats more there are.
    pub(super) const fn seats(&self) -> i64 {
        // No number of seats comes near 2^63.
        self.to.get().cast_signed() - self.from.get().cast_signed()
    }
}

/// So many are shown.
const MOST: usize = 5;

/// The last change of each target that had one.
pub(super) fn changes(known: &Snapshot, now: Now) -> Changes {
    let changed = known.targets().filter_map(|(customer, product, target)| {
        Some((target.record.change?, target.record.last_seats?, &customer.label, product))
    });
    let mut changed: Vec<_> = changed.collect();
    changed.sort_by_key(|(change, _, label, product)| (Reverse(change.at), *label, *product));
    let all = (changed.len() > MOST).then(|| (changed.len(), Query::default().sorted_by(Sort::Change).link()));
    let rows = changed.into_iter().take(MOST).map(|(change, to, label, product)| Latest {
        customer: label.clone(),
        link: Query::search(label.as_str()).link(),
        product: product.label().into_owned(),
        change: Changed::new(change, to, now),
    });
    Changes { rows: rows.collect(), all }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use elements_api::Answer;

    use super::*;
    use crate::testing::{self, now, seats, target, watched};

    #[test]
    fn the_newest_change_is_on_top_and_the_rest_is_a_click_away() {
        let store = testing::store();
        let ids: Vec<_> = (0..7).map(|nth| format!("c{nth}")).collect();
        store.watch(&ids.iter().map(|id| watched(id, id, id, &[4, 1])).collect::<Vec<_>>());
        let found = || changes(&store.snapshot(), now(900));
        assert!(found().rows.is_empty() && found().all.is_none());
        for (nth, id) in (0..).zip(&ids) {
            let at = |second| Now { wall: now(0).wall + Duration::from_secs(second), ..now(0) };
            store.record(&target(id, 4), seats(10), at(0));
            store.record(&target(id, 4), seats(10 + nth), at(100 + nth));
        }
        // What is gone was a change before.
        store.record(&target("c6", 4), Ok(Answer::NotFound), now(800));
        let rows: Vec<_> = found().rows.iter().map(|row| (row.customer.to_string(), row.change.seats())).collect();
        let expected = [("c6", 6), ("c5", 5), ("c4", 4), ("c3", 3), ("c2", 2)].map(|(id, more)| (id.to_owned(), more));
        assert_eq!(rows, expected);
        // c0 has 10 as before.
        assert_eq!(found().all, Some((6, "./?sort=change&dir=desc#targets".to_owned())));
    }
}
