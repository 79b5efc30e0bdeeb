//! What a visitor asks the page for. Anybody can write it: what makes no sense is as if it were not there.

use url::form_urlencoded::{Serializer, parse};

use crate::store::TargetState;

/// The parameters of the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    /// Part of a customer's label, name or id, or of a product.
    pub(super) search: String,
    pub(super) state: Option<TargetState>,
    pub(super) sort: Sort,
    pub(super) descending: bool,
    /// From 0.
    pub(super) page: usize,
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
    pub(super) fn new(text: &str) -> Self {
        let mut query = Self::default();
        for (name, value) in parse(text.as_bytes()) {
            match name.as_ref() {
                "q" => query.search = value.trim().chars().take(Self::MAX_SEARCH).collect(),
                "state" => query.state = TargetState::ALL.into_iter().find(|state| state.as_str() == value),
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

    /// The page itself with these parameters, relative, so that it also works behind a proxy that adds a folder.
    pub(super) fn link(&self) -> String {
        let page = (self.page > 0).then(|| (self.page + 1).to_string());
        let parameters = [
            ("q", self.search.as_str()),
            ("state", self.state.map_or("", TargetState::as_str)),
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

    /// Only targets of this state, or all again.
    pub(super) fn of_state(&self, state: Option<TargetState>) -> Self {
        Self { state, page: 0, ..self.clone() }
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
        for text in
            ["", "q=a%26b%3Dc+%C3%A9&state=failing&sort=seats&dir=desc&page=3", "sort=age", "q=%22%3E%3Cscript%3E"]
        {
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
        assert_eq!(query.of_state(None).link(), "./?q=fly#targets");
        assert_eq!(query.at_page(1).link(), "./?q=fly&state=ok&page=2#targets");
    }
}
