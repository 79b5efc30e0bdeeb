//! What a visitor asks the page, or a download, for. Anybody can write it: what makes no sense is as if it were not there.

use url::form_urlencoded::{Serializer, parse};

use crate::store::{Customer, KnownTarget, TargetState};

/// The parameters of the page. A download takes the first two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::pages) struct Query {
    /// Part of a customer's label, name or id, or of a product.
    pub(super) search: String,
    pub(super) shown: Shown,
    pub(super) sort: Sort,
    pub(super) descending: bool,
    /// From 0.
    pub(super) page: usize,
}

/// Targets of which states are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::pages) enum Shown {
    /// All but those that are dormant and answered: what was never purchased is most of what there is.
    #[default]
    Relevant,
    All,
    Only(TargetState),
}

impl Shown {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Relevant => "",
            Self::All => "all",
            Self::Only(state) => state.as_str(),
        }
    }

    fn named(name: &str) -> Self {
        let all = [Self::All].into_iter().chain(TargetState::ALL.map(Self::Only));
        all.into_iter().find(|shown| shown.as_str() == name).unwrap_or_default()
    }

    /// Whether a target in this state is among them.
    pub(in crate::pages) fn shows(self, target: &KnownTarget, state: TargetState) -> bool {
        match self {
            Self::Relevant => !(state == TargetState::Absent && target.is_dormant()),
            Self::All => true,
            Self::Only(wanted) => wanted == state,
        }
    }
}

/// Text that is looked for in any case.
#[derive(Debug, Clone)]
pub(in crate::pages) struct Search(String);

impl Search {
    /// Whether it is part of `text`.
    pub(in crate::pages) fn finds(&self, text: &str) -> bool {
        self.0.is_empty() || text.to_lowercase().contains(&self.0)
    }

    /// Whether it is part of anything that a customer is called.
    pub(in crate::pages) fn finds_customer(&self, customer: &Customer) -> bool {
        customer.names().into_iter().any(|name| self.finds(name))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    /// What needs a look comes first.
    #[default]
    Urgency,
    Customer,
    Product,
    Seats,
    Age,
}

impl Sort {
    /// Those that a visitor can ask for by name.
    pub(super) const COLUMNS: [Self; 4] = [Self::Customer, Self::Product, Self::Seats, Self::Age];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Urgency => "",
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Seats => "seats",
            Self::Age => "age",
        }
    }

    /// The most seats and the oldest answers are what one looks for first.
    const fn begins_descending(self) -> bool {
        matches!(self, Self::Seats | Self::Age)
    }
}

impl Query {
    /// Longer searches are cut here, in characters.
    pub(super) const MAX_SEARCH: usize = 100;

    /// The query of a URL. Of a doubled parameter the last one counts.
    pub(in crate::pages) fn new(text: &str) -> Self {
        let mut query = Self::default();
        for (name, value) in parse(text.as_bytes()) {
            match name.as_ref() {
                "q" => query.search = value.trim().chars().take(Self::MAX_SEARCH).collect(),
                "state" => query.shown = Shown::named(&value),
                "sort" => {
                    let named = Sort::COLUMNS.into_iter().find(|sort| sort.as_str() == value);
                    query.sort = named.unwrap_or_default();
                }
                "dir" => query.descending = value == "desc",
                "page" => query.page = value.parse::<usize>().unwrap_or_default().saturating_sub(1),
                _ => {}
            }
        }
        query.descending &= query.sort != Sort::Urgency;
        query
    }

    /// What is looked for, and targets of which states.
    pub(in crate::pages) fn filter(&self) -> (Search, Shown) {
        (Search(self.search.to_lowercase()), self.shown)
    }

    /// The page itself with these parameters, relative, so that it also works behind a proxy that adds a folder.
    pub(super) fn link(&self) -> String {
        let page = (self.page > 0).then(|| (self.page + 1).to_string());
        let parameters = [
            ("q", self.search.as_str()),
            ("state", self.shown.as_str()),
            ("sort", self.sort.as_str()),
            ("dir", self.direction()),
            ("page", page.as_deref().unwrap_or_default()),
        ];
        let mut text = Serializer::new(String::new());
        text.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
        match text.finish().as_str() {
            "" => "./#targets".to_owned(),
            text => format!("./?{text}#targets"),
        }
    }

    pub(super) const fn direction(&self) -> &'static str {
        if self.descending { "desc" } else { "" }
    }

    pub(super) fn at_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// Other targets.
    pub(super) fn of(&self, shown: Shown) -> Self {
        Self { shown, page: 0, ..self.clone() }
    }

    /// What a download of the same targets is asked for, with its question mark.
    pub(super) fn of_download(&self) -> String {
        let link = Self { search: self.search.clone(), shown: self.shown, ..Self::default() }.link();
        link.trim_start_matches("./").trim_end_matches("#targets").to_owned()
    }

    /// Sorted by this; the other way round if it is so already.
    pub(super) fn sorted_by(&self, sort: Sort) -> Self {
        let descending = if self.sort == sort { !self.descending } else { sort.begins_descending() };
        Self { sort, descending, page: 0, ..self.clone() }
    }

    /// The value of `aria-sort`.
    pub(super) fn order_of(&self, sort: Sort) -> &'static str {
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

    #[test]
    fn a_link_leads_to_what_it_was_made_of() {
        for text in [
            "",
            "q=a%26b%3Dc+%C3%A9&state=failing&sort=seats&dir=desc&page=3",
            "sort=age",
            "state=all",
            "q=%22%3E%3Cscript%3E",
        ] {
            let query = Query::new(text);
            let link = query.link();
            let parameters = link.trim_start_matches("./").trim_start_matches('?').trim_end_matches("#targets");
            assert_eq!(Query::new(parameters), query, "{link}");
            assert!(!link.contains(['"', '<', '>', ' ']), "{link}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        for text in
            ["state=broken&sort=;drop&dir=up&page=-1", "page=0&page=99999999999999999999999", "q=%20&x=y", "&&=&"]
        {
            assert_eq!(Query::new(text), Query::default(), "{text}");
        }
        let long = format!("q={}&page=7", "é".repeat(5_000));
        assert_eq!(Query::new(&long).search.chars().count(), Query::MAX_SEARCH);
        assert_eq!(Query::new("q=%ff%fe").search, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_column_turns_round_when_it_is_asked_for_again_and_the_rest_stays() {
        let query = Query::new("q=fly&state=ok&page=4");
        let seats = query.sorted_by(Sort::Seats);
        assert_eq!(seats.link(), "./?q=fly&state=ok&sort=seats&dir=desc#targets");
        assert_eq!(seats.sorted_by(Sort::Seats).link(), "./?q=fly&state=ok&sort=seats#targets");
        assert_eq!((seats.order_of(Sort::Seats), seats.order_of(Sort::Age)), ("descending", "none"));
        assert_eq!(query.of(Shown::All).link(), "./?q=fly&state=all#targets");
        assert_eq!(query.of(Shown::Relevant).link(), "./?q=fly#targets");
        assert_eq!((seats.of_download().as_str(), Query::default().of_download().as_str()), ("?q=fly&state=ok", ""));
        assert_eq!(query.at_page(1).link(), "./?q=fly&state=ok&page=2#targets");
    }
}
