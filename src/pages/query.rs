//! What a visitor asks a page, or a download, for. Anybody can write it: what makes no sense is as if it were not there.

use std::fmt::Debug;

use url::form_urlencoded::{Serializer, parse};

use crate::store::Customer;

/// The parameters of a page. A download takes the first two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query<F, S> {
    /// Part of a customer's label, name or id, or of whatever else names a row.
    pub(super) search: String,
    pub(super) shown: F,
    pub(super) sort: S,
    pub(super) descending: bool,
    /// From 0.
    pub(super) page: usize,
}

/// Which rows of a list are shown. The default one needs no word in an address.
pub(super) trait Filter: Debug + Copy + Eq + Default + 'static {
    /// The page that has the list, relative, so that it also works behind a proxy that adds a folder.
    const PAGE: &'static str;
    /// Where on its page the list is.
    const PLACE: &'static str;
    /// The name of the parameter.
    const PARAMETER: &'static str;
    /// Every one, as they are offered.
    const ALL: &'static [Self];

    /// The value of the parameter.
    fn as_str(self) -> &'static str;

    /// What a person reads.
    fn name(self) -> &'static str;
}

/// What a list is sorted by. The default one needs no word in an address.
pub(super) trait Order: Debug + Copy + Eq + Default + 'static {
    /// Those that are columns: a visitor can ask for them by name, and turn them round.
    const COLUMNS: &'static [Self];

    /// The value of the parameter.
    fn as_str(self) -> &'static str;

    /// Whether the largest is what one looks for first.
    fn begins_descending(self) -> bool;
}

/// A column of a table, and how to sort by it.
#[derive(Debug)]
pub(super) struct Column<S> {
    pub(super) name: &'static str,
    pub(super) sort: Option<S>,
}

/// Text that is looked for in any case.
#[derive(Debug, Clone)]
pub(super) struct Search(String);

impl Search {
    /// Whether it is part of `text`.
    pub(super) fn finds(&self, text: &str) -> bool {
        self.0.is_empty() || text.to_lowercase().contains(&self.0)
    }

    /// Whether it is part of anything that a customer is called.
    pub(super) fn finds_customer(&self, customer: &Customer) -> bool {
        customer.names().into_iter().any(|name| self.finds(name))
    }
}

impl<F: Filter, S: Order> Query<F, S> {
    /// Longer searches are cut here, in characters.
    pub(super) const MAX_SEARCH: usize = 100;

    /// The query of a URL. Of a doubled parameter the last one counts.
    pub(super) fn new(text: &str) -> Self {
        let mut query = Self::default();
        for (name, value) in parse(text.as_bytes()) {
            match name.as_ref() {
                "q" => query.search = value.trim().chars().take(Self::MAX_SEARCH).collect(),
                "sort" => {
                    let named = S::COLUMNS.iter().find(|sort| sort.as_str() == value);
                    query.sort = named.copied().unwrap_or_default();
                }
                "dir" => query.descending = value == "desc",
                "page" => query.page = value.parse::<usize>().unwrap_or_default().saturating_sub(1),
                name if name == F::PARAMETER => {
                    let named = F::ALL.iter().find(|shown| shown.as_str() == value);
                    query.shown = named.copied().unwrap_or_default();
                }
                _ => {}
            }
        }
        query.descending &= S::COLUMNS.contains(&query.sort);
        query
    }

    /// What anybody is called, or a part of it.
    pub(super) fn search(text: &str) -> Self {
        Self { search: text.to_owned(), ..Self::default() }
    }

    /// What is looked for, and which rows are shown.
    pub(super) fn filter(&self) -> (Search, F) {
        (Search(self.search.to_lowercase()), self.shown)
    }

    /// The page itself with these parameters.
    pub(super) fn link(&self) -> String {
        format!("{}{}#{}", F::PAGE, self.parameters(), F::PLACE)
    }

    /// With a question mark, if there are any.
    fn parameters(&self) -> String {
        let page = (self.page > 0).then(|| (self.page + 1).to_string());
        let parameters = [
            ("q", self.search.as_str()),
            (F::PARAMETER, self.shown.as_str()),
            ("sort", self.sort_parameter()),
            ("dir", self.direction()),
            ("page", page.as_deref().unwrap_or_default()),
        ];
        let mut text = Serializer::new(String::new());
        text.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
        match text.finish() {
            text if text.is_empty() => text,
            text => format!("?{text}"),
        }
    }

    pub(super) fn sort_parameter(&self) -> &'static str {
        if self.sort == S::default() { "" } else { self.sort.as_str() }
    }

    pub(super) const fn direction(&self) -> &'static str {
        if self.descending { "desc" } else { "" }
    }

    pub(super) fn at_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// Other rows.
    pub(super) fn of(&self, shown: F) -> Self {
        Self { shown, page: 0, ..self.clone() }
    }

    /// What a download of the same rows is asked for, with its question mark.
    pub(super) fn of_download(&self) -> String {
        Self { search: self.search.clone(), shown: self.shown, ..Self::default() }.parameters()
    }

    /// Sorted by this; the other way round if it is so already.
    pub(super) fn sorted_by(&self, sort: S) -> Self {
        let descending = if self.sort == sort { !self.descending } else { sort.begins_descending() };
        Self { sort, descending, page: 0, ..self.clone() }
    }

    /// The value of `aria-sort`.
    pub(super) fn order_of(&self, sort: S) -> &'static str {
        match (self.sort == sort, self.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{status, subscriptions};
    use crate::store::TargetState;

    type Targets = status::Query;
    type Subscriptions = subscriptions::Query;

    fn comes_back<F: Filter, S: Order>(text: &str) {
        let query = Query::<F, S>::new(text);
        let link = query.link();
        let rest = link.strip_prefix(F::PAGE).unwrap().strip_suffix(F::PLACE).unwrap();
        assert_eq!(Query::new(rest.trim_start_matches('?').trim_end_matches('#')), query, "{link}");
        assert!(!link.contains(['"', '<', '>', ' ']), "{link}");
    }

    #[test]
    fn a_link_leads_to_what_it_was_made_of() {
        for text in [
            "",
            "q=a%26b%3Dc+%C3%A9&state=failing&ends=30d&sort=seats&dir=desc&page=3",
            "sort=age",
            "sort=ends&dir=desc",
            "state=all&ends=ended",
            "q=%22%3E%3Cscript%3E",
        ] {
            comes_back::<status::Shown, status::Sort>(text);
            comes_back::<subscriptions::Shown, subscriptions::Sort>(text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        for text in [
            "state=broken&sort=;drop&dir=up&page=-1",
            "page=0&page=99999999999999999999999",
            "q=%20&x=y",
            "ends=tomorrow&&=&",
        ] {
            assert_eq!(Targets::new(text), Targets::default(), "{text}");
            assert_eq!(Subscriptions::new(text), Subscriptions::default(), "{text}");
        }
        let long = format!("q={}&page=7", "é".repeat(5_000));
        assert_eq!(Targets::new(&long).search.chars().count(), Targets::MAX_SEARCH);
        assert_eq!(Targets::new("q=%ff%fe").search, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_column_turns_round_when_it_is_asked_for_again_and_the_rest_stays() {
        use crate::pages::status::{Shown, Sort};
        let query = Targets::new("q=fly&state=ok&page=4");
        assert_eq!(query.shown, Shown::Only(TargetState::Ok));
        let seats = query.sorted_by(Sort::Seats);
        assert_eq!(seats.link(), "./?q=fly&state=ok&sort=seats&dir=desc#targets");
        assert_eq!(seats.sorted_by(Sort::Seats).link(), "./?q=fly&state=ok&sort=seats#targets");
        assert_eq!((seats.order_of(Sort::Seats), seats.order_of(Sort::Age)), ("descending", "none"));
        assert_eq!(query.of(Shown::All).link(), "./?q=fly&state=all#targets");
        assert_eq!(query.of(Shown::Relevant).link(), "./?q=fly#targets");
        assert_eq!((seats.of_download().as_str(), Targets::default().of_download().as_str()), ("?q=fly&state=ok", ""));
        assert_eq!(query.at_page(1).link(), "./?q=fly&state=ok&page=2#targets");
    }

    #[test]
    fn a_list_that_is_sorted_by_a_column_anyway_turns_round_at_once() {
        use crate::pages::subscriptions::Sort;
        let query = Subscriptions::new("ends=90d");
        assert_eq!(query.order_of(Sort::Ends), "ascending");
        let turned = query.sorted_by(Sort::Ends);
        assert_eq!(turned.link(), "./subscriptions?ends=90d&dir=desc#subscriptions");
        assert_eq!(Subscriptions::new("dir=desc").order_of(Sort::Ends), "descending");
        assert!(!Targets::new("dir=desc").descending, "urgency is no column");
    }
}
