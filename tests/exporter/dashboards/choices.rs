//! What Grafana puts in the place of variables.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::board::{Board, text};

/// What a viewer has chosen, and when.
#[derive(Debug, Clone)]
pub struct Choices {
    variables: BTreeMap<String, Choice>,
    /// The end of the time range, in seconds since 1970.
    pub to: i64,
    pub range: Duration,
    pub rate_interval: Duration,
}

#[derive(Debug, Clone)]
enum Choice {
    /// In the place of all values stands this.
    Custom(String),
    Values(Vec<String>),
}

impl Choices {
    /// As the dashboard opens: all values of all variables. `jobs` are those that Prometheus knows.
    pub fn all(board: &Board, jobs: &[&str], to: i64) -> Self {
        let queries = board.variables().iter().filter(|variable| variable["type"] == "query");
        let choice = |variable: &Value| match variable["allValue"].as_str() {
            Some(custom) => Choice::Custom(custom.to_owned()),
            None if variable["name"] == "job" => Choice::Values(jobs.iter().map(|&job| job.to_owned()).collect()),
            None => panic!("what are all values of {}?", variable["name"]),
        };
        let variables = queries.map(|variable| (text(&variable["name"]).to_owned(), choice(variable))).collect();
        Self { variables, to, range: board.range(), rate_interval: Duration::from_secs(15) }
    }

    /// With only these values of one variable.
    pub fn only(mut self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        self.variables.insert(name.to_owned(), Choice::Values(values)).expect("a variable of the dashboard");
        self
    }

    /// Over another time range.
    pub fn over(mut self, range: Duration) -> Self {
        self.range = range;
        self
    }

    pub fn from(&self) -> i64 {
        self.to - i64::try_from(self.range.as_secs()).unwrap()
    }

    /// The text as Grafana sends it.
    pub fn fill(&self, text: &str) -> String {
        let mut parts = text.split('$');
        let mut filled = parts.next().unwrap().to_owned();
        for part in parts {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (reference, rest) = match part.strip_prefix('{') {
                Some(part) => part.split_once('}').unwrap(),
                None => part.split_at(part.find(|c| !word(c)).unwrap_or(part.len())),
            };
            filled += &self.value(reference);
            filled += rest;
        }
        filled
    }

    fn value(&self, reference: &str) -> String {
        match reference {
            // A group of PromQL's `label_replace`.
            _ if reference.starts_with(|c: char| c.is_ascii_digit()) => format!("${reference}"),
            "__range" => format!("{}s", self.range.as_secs()),
            "__rate_interval" => format!("{}s", self.rate_interval.as_secs()),
            "__from" => format!("{}", self.from() * 1000),
            "__to:date:seconds" => self.to.to_string(),
            _ => {
                let (name, format) = reference.split_once(':').unwrap_or((reference, ""));
                assert_eq!(format, "regex", "{reference}: several values are no text but by a format");
                match self.variables.get(name) {
                    // Grafana does not escape it.
                    Some(Choice::Custom(custom)) => custom.clone(),
                    Some(Choice::Values(values)) => regex(values),
                    None => panic!("{name} is no variable"),
                }
            }
        }
    }
}

/// As Grafana's format of that name: one value by itself, others in brackets, everything special escaped.
fn regex(values: &[String]) -> String {
    let escaped: Vec<_> = values
        .iter()
        .map(|value| {
            let special = |c: char| "\\^$*+?.()|[]{}/".contains(c);
            value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect::<String>()
        })
        .collect();
    if let [one] = &escaped[..] { one.clone() } else { format!("({})", escaped.join("|")) }
}

#[test]
fn variables_are_filled_in_as_grafana_does() {
    let board = Board::read(super::board::SEATS);
    let all = Choices::all(&board, &[], 1_000_000);
    assert_eq!(all.fill("a{n=~`${customer:regex}`}[$__range] > ${__from}"), "a{n=~`.*`}[604800s] > 395200000");
    assert_eq!(all.fill("a @ ${__to:date:seconds} - 1"), "a @ 1000000 - 1");
    let one = all.clone().only("customer", &["A (B) + C."]);
    assert_eq!(one.fill("`${customer:regex}`[$__rate_interval]"), "`A \\(B\\) \\+ C\\.`[15s]");
    assert_eq!(all.clone().only("customer", &["a", "b"]).fill("${customer:regex}"), "(a|b)");
    assert_eq!(all.only("customer", &[]).fill("${customer:regex}"), "()");
}
