//! What goes wrong, for which requests, and how often.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::evenly;
use crate::record::Operation;
use crate::tenant::Platform;

/// What happens to a request instead of its true answer, or to that answer.
#[derive(Debug, Clone)]
pub enum Effect {
    /// This answer. `Date` and `request-id` are added where it has none.
    Answer(Response<Bytes>),
    /// The true answer, this much later.
    Delay(Duration),
    /// No answer; the connection stays open.
    Stall,
    /// The true answer with its body a byte at a time, one per this duration.
    Drip(Duration),
    /// The true answer after so much white space, all of it in one body of unannounced length.
    Flood {
        /// How much of it.
        mebibytes: u64,
    },
    /// The true answer's head and half of its body; then the connection closes.
    Truncate,
    /// The connection is reset (a TCP RST) without an answer.
    Reset,
    /// Bytes that are not HTTP; then the connection closes.
    Garbage,
    /// The token that the request carries is revoked first, so that the true answer is 401.
    ExpireToken,
}

impl Effect {
    /// An answer with this status and nothing in it.
    pub fn status(status: StatusCode) -> Self {
        Self::answer(status, Bytes::new())
    }

    /// Status 429 with this `Retry-After`: seconds as a number, or an HTTP-date.
    pub fn throttled(retry_after: impl Into<HeaderValue>) -> Self {
        Self::status(StatusCode::TOO_MANY_REQUESTS).header(header::RETRY_AFTER, retry_after)
    }

    /// Status 200 with this as JSON, whatever it is.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::answer(StatusCode::OK, body)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
    }

    /// Status 200 with a page for people, as a captive portal or a proxy answers.
    pub fn html() -> Self {
        Self::answer(StatusCode::OK, "<!DOCTYPE html><title>Sign in</title><p>Sign in to use this network.</p>")
            .header(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))
    }

    /// Status 307, which keeps method and body, to this URL.
    pub fn redirect(location: impl Into<HeaderValue>) -> Self {
        Self::status(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, location)
    }

    /// The answer with one more header; other effects stay as they are.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        if let Self::Answer(response) = &mut self {
            response.headers_mut().insert(name, value.into());
        }
        self
    }

    fn answer(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        Self::Answer(response)
    }
}

/// An [`Effect`] for some requests: for all of them unless it is narrowed, and always unless it is rationed. If several
/// rules apply, the first that was injected wins, and the others do not see that request.
#[derive(Debug, Clone)]
pub struct Rule {
    effect: Effect,
    operation: Option<Operation>,
    customer: Option<String>,
    product: Option<u32>,
    platform: Option<Platform>,
    page: Option<usize>,
    ration: Ration,
}

impl Rule {
    /// For every request.
    pub fn new(effect: Effect) -> Self {
        let ration = Ration::Always;
        Self { effect, operation: None, customer: None, product: None, platform: None, page: None, ration }
    }

    /// For every request of one operation.
    pub fn on(operation: Operation, effect: Effect) -> Self {
        Self { operation: Some(operation), ..Self::new(effect) }
    }

    /// Only overviews of this customer's products, and its tenants.
    #[must_use]
    pub fn customer(self, id: impl Into<String>) -> Self {
        Self { customer: Some(id.into()), ..self }
    }

    /// Only overviews of this product type.
    #[must_use]
    pub fn product(self, product: u32) -> Self {
        Self { product: Some(product), ..self }
    }

    /// Only tenants on this platform.
    #[must_use]
    pub fn platform(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// Only this page of a listing (of customers, subscriptions or tenants), counted from 1.
    #[must_use]
    pub fn page(self, page: usize) -> Self {
        Self { page: Some(page), ..self }
    }

    /// Only the first of the requests.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the first so many of the requests.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { ration: Ration::Times(times), ..self }
    }

    /// Every `n`-th of the requests; every one for 0.
    #[must_use]
    pub fn every(self, n: u64) -> Self {
        Self { ration: Ration::Every { n, seen: 0 }, ..self }
    }

    /// This fraction of the requests, from 0 to 1: spread evenly, and the same ones for the same seed.
    #[must_use]
    pub fn fraction(self, fraction: f64, seed: u32) -> Self {
        Self { ration: Ration::Fraction { fraction, seed, seen: 0 }, ..self }
    }

    fn matches(&self, asked: &Asked<'_>) -> bool {
        self.operation.is_none_or(|operation| operation == asked.operation)
            && self.customer.as_ref().is_none_or(|id| asked.customer.is_some_and(|c| c.eq_ignore_ascii_case(id)))
            && (self.product.is_none() || self.product == asked.product)
            && (self.platform.is_none() || self.platform == asked.platform)
            && (self.page.is_none() || self.page == asked.page)
    }
}

/// What a rule distinguishes requests by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) operation: Operation,
    pub(crate) customer: Option<&'a str>,
    pub(crate) product: Option<u32>,
    pub(crate) platform: Option<Platform>,
    pub(crate) page: Option<usize>,
}

impl Asked<'_> {
    /// A request of this operation of which nothing else is known.
    pub(crate) const fn about(operation: Operation) -> Self {
        Self { operation, customer: None, product: None, platform: None, page: None }
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Rule>);

impl Faults {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to this request, if anything does.
    pub(crate) fn strike(&mut self, asked: &Asked<'_>) -> Option<Effect> {
        let struck = self.0.iter_mut().find_map(|rule| {
            let strikes = rule.matches(asked) && rule.ration.strikes();
            strikes.then(|| rule.effect.clone())
        });
        self.0.retain(|rule| !matches!(rule.ration, Ration::Times(0)));
        struck
    }
}

#[derive(Debug, Clone)]
enum Ration {
    Always,
    Times(u64),
    Every { n: u64, seen: u64 },
    Fraction { fraction: f64, seed: u32, seen: u64 },
}

impl Ration {
    fn strikes(&mut self) -> bool {
        match self {
            Self::Always => true,
            Self::Times(left) => {
                let some = *left > 0;
                *left = left.saturating_sub(1);
                some
            }
            Self::Every { n, seen } => {
                *seen += 1;
                seen.is_multiple_of((*n).max(1))
            }
            Self::Fraction { fraction, seed, seen } => {
                *seen += 1;
                evenly::spread(*seed, *seen) < *fraction
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERVIEW: Asked<'_> = Asked { customer: Some("c1"), product: Some(4), ..Asked::about(Operation::Overview) };

    fn strikes(rule: Rule, requests: usize) -> Vec<usize> {
        let mut faults = Faults::default();
        faults.add(rule);
        (1..=requests).filter(|_| faults.strike(&OVERVIEW).is_some()).collect()
    }

    #[test]
    fn rations_are_kept() {
        assert_eq!(strikes(Rule::new(Effect::Stall), 3), [1, 2, 3]);
        assert_eq!(strikes(Rule::new(Effect::Stall).once(), 3), [1]);
        assert_eq!(strikes(Rule::new(Effect::Stall).times(2), 3), [1, 2]);
        assert_eq!(strikes(Rule::new(Effect::Stall).every(3), 7), [3, 6]);
    }

    #[test]
    fn a_fraction_is_met_and_repeats_for_its_seed() {
        let rule = |seed| Rule::new(Effect::Stall).fraction(0.1, seed);
        assert!((95..=105).contains(&strikes(rule(1), 1000).len()));
        assert_eq!(strikes(rule(1), 50), strikes(rule(1), 50));
        assert_ne!(strikes(rule(1), 50), strikes(rule(0x8000_0000), 50));
        assert_eq!(strikes(Rule::new(Effect::Stall).fraction(1.0, u32::MAX), 50).len(), 50);
        assert!(strikes(Rule::new(Effect::Stall).fraction(0.0, 0), 50).is_empty());
    }

    #[test]
    fn a_rule_strikes_only_what_it_names() {
        let misses = [
            Rule::on(Operation::Token, Effect::Stall),
            Rule::new(Effect::Stall).customer("c2"),
            Rule::new(Effect::Stall).product(5),
            Rule::new(Effect::Stall).platform(Platform::Google),
            Rule::new(Effect::Stall).page(1),
        ];
        for rule in misses {
            assert!(strikes(rule.clone(), 1).is_empty(), "{rule:?}");
        }
        assert_eq!(strikes(Rule::on(Operation::Overview, Effect::Stall).customer("C1").product(4), 1), [1]);
    }

    #[test]
    fn rules_that_ran_out_let_the_next_one_strike() {
        let mut faults = Faults::default();
        faults.add(Rule::new(Effect::Reset).once());
        faults.add(Rule::new(Effect::Stall).once());
        assert!(matches!(faults.strike(&OVERVIEW), Some(Effect::Reset)));
        assert!(matches!(faults.strike(&OVERVIEW), Some(Effect::Stall)));
        assert!(faults.strike(&OVERVIEW).is_none());
        assert!(faults.0.is_empty());
    }
}
