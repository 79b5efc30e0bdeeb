//! A dashboard's file, and the queries in it.

use serde_json::Value;

use crate::harness::read;

pub const SEATS: &str = "seats.json";
pub const RENEWALS: &str = "renewals.json";
pub const HEALTH: &str = "exporter-health.json";

/// A dashboard.
#[derive(Debug)]
pub struct Board {
    pub file: &'static str,
    pub text: String,
    pub json: Value,
}

impl Board {
    pub fn all() -> [Self; 3] {
        [SEATS, RENEWALS, HEALTH].map(Self::read)
    }

    pub fn read(file: &'static str) -> Self {
        let text = read(&format!("dashboards/{file}"));
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        Self { file, text, json }
    }

    /// Everything with a place on the grid: panels, those in collapsed rows too, and the rows.
    pub fn placed(&self) -> Vec<&Value> {
        list(&self.json["panels"]).iter().flat_map(|panel| [panel].into_iter().chain(list(&panel["panels"]))).collect()
    }

    /// The panels without the rows.
    pub fn panels(&self) -> Vec<&Value> {
        self.placed().into_iter().filter(|panel| panel["type"] != "row").collect()
    }

    pub fn panel(&self, title: &str) -> &Value {
        let found = self.panels().into_iter().find(|panel| panel["title"] == title);
        found.unwrap_or_else(|| panic!("{} has no panel {title:?}", self.file))
    }

    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    pub fn annotations(&self) -> &[Value] {
        list(&self.json["annotations"]["list"])
    }

    /// Every query of panels and annotations.
    pub fn queries(&self) -> Vec<Query<'_>> {
        let mut queries: Vec<_> = self.panels().into_iter().flat_map(|panel| self.queries_of(panel)).collect();
        let annotations = self.annotations().iter();
        queries.extend(annotations.map(|annotation| Query::of(self, &annotation["name"], &annotation["target"])));
        queries
    }

    pub fn queries_of<'a>(&'a self, panel: &'a Value) -> Vec<Query<'a>> {
        list(&panel["targets"]).iter().map(|target| Query::of(self, &panel["title"], target)).collect()
    }

    /// The one query of the panel that has this letter.
    pub fn query(&self, title: &str, letter: &str) -> Query<'_> {
        let queries = self.queries_of(self.panel(title));
        queries.into_iter().find(|query| query.target["refId"] == letter).unwrap()
    }

    /// How far its time range reaches back.
    pub fn range(&self) -> std::time::Duration {
        let from = text(&self.json["time"]["from"]).strip_prefix("now-").unwrap();
        humantime::parse_duration(from).unwrap()
    }
}

/// A query that Grafana makes.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// For a person who reads a failure.
    pub place: String,
    pub expr: &'a str,
    /// Asked at one moment, and not over the range.
    pub instant: bool,
    pub target: &'a Value,
}

impl<'a> Query<'a> {
    fn of(board: &Board, title: &Value, target: &'a Value) -> Self {
        let place = format!("{}, {title}, {}", board.file, target["refId"]);
        let instant = target["instant"].as_bool().unwrap_or(false);
        Self { place, expr: text(&target["expr"]), instant, target }
    }
}

/// The list, or nothing where there is none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Calls `visit` with every object in `value`.
pub fn each_object(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(object) => {
            visit(value);
            object.values().for_each(|value| each_object(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| each_object(value, visit)),
        _ => {}
    }
}
