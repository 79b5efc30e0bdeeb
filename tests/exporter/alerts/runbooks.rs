//! The runbook, to which every alert leads.

use std::fs;

use tempfile::TempDir;

use super::promql::Names;
use super::rules::{alerts, known_metrics, rules};
use super::{RULE_FILES, promtool};
use crate::harness::document::Document;
use crate::harness::read;

const RUNBOOKS: &str = "docs/runbooks.md";

#[test]
fn its_sections_are_the_alerts_in_their_order() {
    let text = read(RUNBOOKS);
    let sections: Vec<_> = sections(&text).into_iter().map(|(title, _)| title).collect();
    assert_eq!(sections, alerts());
}

#[test]
fn every_section_says_what_it_means_how_to_check_and_what_to_do() {
    for (title, section) in sections(&read(RUNBOOKS)) {
        let mut rest = section.as_str();
        for part in ["\n**What it means.** ", "\n**How to check.** ", "\n**What to do.** "] {
            let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("{title}: no {part:?} in its place"));
            rest = after;
        }
    }
}

#[test]
fn every_section_names_its_alerts_severity() {
    let text = read(RUNBOOKS);
    for rule in rules() {
        let Some(alert) = rule.alert else { continue };
        let heading = format!("### {alert}\n\nSeverity: {}.", rule.labels["severity"]);
        assert!(text.contains(&heading), "{RUNBOOKS}: {heading:?}");
    }
}

#[test]
fn its_queries_are_promql_about_metrics_that_exist() {
    let queries = document().blocks_of("promql");
    assert!(queries.len() > 10, "{}", queries.len());
    let known = known_metrics();
    for query in &queries {
        for metric in Names::of_expression(query).metrics {
            assert!(known.contains(&metric), "{metric} in {query}");
        }
    }
    let rule = |(at, query)| format!("      - record: runbooks:query:{at}\n        expr: {query:?}\n");
    let rules: Vec<_> = queries.iter().enumerate().map(rule).collect();
    let file = format!("groups:\n  - name: runbooks\n    rules:\n{}", rules.concat());
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("rules.yml");
    fs::write(&path, file).expect("written");
    promtool(&["check", "rules"], &path);
}

#[test]
fn every_metric_and_alert_that_it_names_exists() {
    let (text, known, alerts) = (read(RUNBOOKS), known_metrics(), alerts());
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')) {
        let word = word.trim_end_matches(':');
        let is_metric = word.starts_with("avepoint_") || word.starts_with("avepoint:");
        assert!(!is_metric || known.contains(word), "{word} is no metric");
        let is_alert = word.strip_prefix("AvePoint").is_some_and(|rest| !rest.is_empty());
        assert!(!is_alert || alerts.iter().any(|alert| alert == word), "{word} is no alert");
    }
}

#[test]
fn its_prometheus_configuration_loads_the_rules_that_are_shipped() {
    let [configuration] = &document().blocks_of("yaml prometheus.yml")[..] else {
        panic!("one configuration of Prometheus")
    };
    let folder = TempDir::new().expect("a folder");
    let mut written = configuration.clone();
    for file in RULE_FILES {
        let name = file.rsplit('/').next().expect("a name");
        assert!(configuration.contains(name), "{name} is not loaded");
        fs::write(folder.path().join(name), read(file)).expect("written");
        written = written.replace(&format!("/etc/prometheus/{name}"), name);
    }
    let path = folder.path().join("prometheus.yml");
    fs::write(&path, written).expect("written");
    let said = promtool(&["check", "config"], &path);
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
}

/// The sections about alerts: each title, and the text below it.
fn sections(text: &str) -> Vec<(String, String)> {
    let (_, text) = text.split_once("\n## The alerts\n").expect("a part about the alerts");
    let text = text.split("\n## ").next().expect("an end");
    let sections = text.split("\n### ").skip(1).map(|section| section.split_once('\n').expect("a title and a text"));
    sections.map(|(title, section)| (title.to_owned(), section.to_owned())).collect()
}

fn document() -> Document {
    Document::at(RUNBOOKS)
}
