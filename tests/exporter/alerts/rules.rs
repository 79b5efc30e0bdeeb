//! The rule files themselves.

use std::collections::{BTreeMap, BTreeSet};

use avepoint_exporter::metrics::{CATALOGUE, Kind};
use serde_yaml::Value;

use super::promql::Names;
use super::{RULE_FILES, promtool};
use crate::harness::{backups, read, root};

/// A rule, alerting or recording.
#[derive(Debug)]
pub struct Rule {
    /// Of an alert.
    pub alert: Option<String>,
    /// The metric that a recording rule makes.
    pub record: Option<String>,
    pub expr: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).map(str::to_owned);
        let texts = |key: &str| {
            let pairs = rule.get(key).and_then(Value::as_mapping).into_iter().flatten();
            pairs.map(|(key, value)| (plain(key), plain(value))).collect()
        };
        Self {
            alert: text("alert"),
            record: text("record"),
            expr: text("expr").expect("an expression"),
            labels: texts("labels"),
            annotations: texts("annotations"),
        }
    }

    fn name(&self) -> &str {
        self.alert.as_deref().or(self.record.as_deref()).expect("an alert's or a metric's name")
    }
}

/// The rules of all files, in their order.
pub fn rules() -> Vec<Rule> {
    let files: Vec<Value> = RULE_FILES.iter().map(|file| serde_yaml::from_str(&read(file)).expect("YAML")).collect();
    let groups = files.iter().flat_map(|file| file["groups"].as_sequence().expect("groups"));
    groups.flat_map(|group| group["rules"].as_sequence().expect("rules")).map(Rule::read).collect()
}

/// The names of the alerts, in their order.
pub fn alerts() -> Vec<String> {
    rules().into_iter().filter_map(|rule| rule.alert).collect()
}

/// The metrics that a rule or a document may name: what the exporter exports, what the rules record, and `up`.
pub fn known_metrics() -> BTreeSet<String> {
    let exported = CATALOGUE.iter().flat_map(|family| {
        let suffixes: &[&str] = if family.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", family.name))
    });
    let recorded = rules().into_iter().filter_map(|rule| rule.record);
    exported.chain(recorded).chain(["up".to_owned()]).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| panic!("{value:?} is no text"), str::to_owned)
}

#[test]
fn promtool_accepts_them_without_a_warning() {
    for file in RULE_FILES {
        let said = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &root().join(file));
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn every_metric_in_an_expression_or_a_text_is_exported_or_recorded() {
    let known = known_metrics();
    for rule in rules() {
        let names = Names::of_expression(&rule.expr);
        assert!(!names.metrics.is_empty(), "{}: no metric is found", rule.name());
        let annotated = rule.annotations.values().flat_map(|text| Names::of_template(text).metrics);
        for metric in names.metrics.into_iter().chain(annotated) {
            assert!(known.contains(&metric), "{}: {metric} is neither exported nor recorded", rule.name());
        }
    }
}

#[test]
fn every_label_in_an_expression_is_one_of_a_metric() {
    let exported = CATALOGUE.iter().flat_map(|family| family.labels.iter().copied());
    // The last one is made by a recording rule.
    let known: BTreeSet<_> = exported.chain(["job", "instance", "ends_at"]).collect();
    for rule in rules() {
        let names = Names::of_expression(&rule.expr);
        let annotated = rule.annotations.values().flat_map(|text| Names::of_template(text).labels);
        for label in names.labels.into_iter().chain(annotated) {
            assert!(known.contains(label.as_str()), "{}: no metric has a label {label}", rule.name());
        }
    }
}

#[test]
fn names_of_alerts_and_recorded_metrics_are_the_exporters_own_and_unique() {
    let rules = rules();
    let names: BTreeSet<_> = rules.iter().map(Rule::name).collect();
    assert_eq!(names.len(), rules.len(), "a name is given twice");
    for rule in &rules {
        let own = if rule.alert.is_some() { "AvePoint" } else { "avepoint:" };
        assert!(rule.name().starts_with(own), "{}", rule.name());
    }
}

#[test]
fn every_recorded_metric_is_of_use_to_an_alert() {
    let rules = rules();
    let of_use = |metric: &str| {
        rules.iter().filter(|rule| rule.record.as_deref() != Some(metric)).any(|rule| {
            Names::of_expression(&rule.expr).metrics.contains(metric)
                || rule.annotations.values().any(|text| Names::of_template(text).metrics.contains(metric))
        })
    };
    let useless: Vec<_> = rules.iter().filter_map(|rule| rule.record.as_deref()).filter(|name| !of_use(name)).collect();
    assert!(useless.is_empty(), "{useless:?}");
}

#[test]
fn every_alert_says_how_urgent_it_is_what_happened_and_where_to_read_on() {
    let runbooks = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks.md#");
    for rule in rules() {
        let Some(alert) = &rule.alert else { continue };
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(matches!(severity, Some("critical" | "warning" | "info")), "{alert}: severity {severity:?}");
        let keys: Vec<_> = rule.annotations.keys().map(String::as_str).collect();
        assert_eq!(keys, ["description", "runbook_url", "summary"], "{alert}");
        let (summary, description) = (&rule.annotations["summary"], &rule.annotations["description"]);
        assert!(!summary.trim_end().ends_with('.'), "{alert}: the summary is a headline");
        assert!(description.ends_with('.') && description.len() > 80, "{alert}: the description is sentences");
        assert_eq!(rule.annotations["runbook_url"], format!("{runbooks}{}", alert.to_lowercase()), "{alert}");
    }
}

#[test]
fn the_people_of_each_platform_are_set_against_the_seats_of_its_backup_product() {
    let rules = rules();
    let people = rules.iter().find(|rule| rule.name() == "avepoint:tenant_assigned_user_seats:sum").expect("a rule");
    let expression = people.expr.split_whitespace().collect::<Vec<_>>().join(" ");
    for (platform, product) in backups() {
        let pair = format!("{{platform=\"{platform}\"}}, \"product\", \"{product}\"");
        assert!(expression.contains(&pair), "{pair} in {expression}");
    }
}

/// The other rules hold whatever the job is called.
#[test]
fn only_rules_about_up_depend_on_the_jobs_name() {
    for rule in rules() {
        let about_up = Names::of_expression(&rule.expr).metrics.contains("up");
        assert_eq!(rule.expr.contains("job=\"avepoint\""), about_up, "{}", rule.name());
        assert_eq!(rule.expr.contains("job="), about_up, "{}", rule.name());
    }
}
