//! The unit tests of the rules, beside this file, run with promtool.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_yaml::Value;

use super::rules::alerts;
use super::{RULE_FILES, promtool};
use crate::harness::document::Document;
use crate::harness::root;

/// What the unit tests show of an alert.
#[derive(Debug, Default)]
struct Shown {
    /// How often it is expected with all its labels and its whole text.
    firing: usize,
    silent: usize,
}

#[test]
fn promtool_sees_each_alert_fire_and_stay_silent_as_the_cases_say() {
    for file in files() {
        let said = promtool(&["test", "rules"], &file);
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() {
    let shown = shown();
    for alert in alerts() {
        let Some(Shown { firing, silent }) = shown.get(&alert) else { panic!("{alert} has no case") };
        assert!(*firing > 0, "{alert}: no case in which it fires, with exp_labels and exp_annotations");
        assert!(*silent > 0, "{alert}: no case in which it stays silent");
    }
    let unknown: Vec<_> = shown.keys().filter(|alert| !alerts().contains(alert)).collect();
    assert!(unknown.is_empty(), "cases of no alert, which can never fire: {unknown:?}");
}

/// An alert that is asked for in a file that does not load it would be silent for ever.
#[test]
fn every_case_is_tried_with_all_rules() {
    for file in files() {
        let tests = yaml(&file);
        let loaded: Vec<_> = list(&tests, "rule_files").iter().filter_map(Value::as_str).collect();
        assert_eq!(loaded, RULE_FILES.map(|rules| format!("../../../{rules}")), "{}", file.display());
        for test in list(&tests, "tests") {
            let asked = ["alert_rule_test", "promql_expr_test"].map(|kind| list(test, kind).len());
            assert!(asked.iter().sum::<usize>() > 0, "{}: {:?} asks nothing", file.display(), test["name"]);
        }
    }
}

#[test]
fn the_readmes_query_for_the_first_of_the_month_is_the_one_that_is_tried() {
    let tests = yaml(&root().join("tests/exporter/alerts/month.yaml"));
    let tried = tests["tests"][0]["promql_expr_test"][0]["expr"].as_str().expect("an expression").trim();
    let queries = Document::at("README.md").blocks_of("promql");
    assert!(queries.iter().any(|query| query.trim() == tried), "{tried}");
}

fn shown() -> BTreeMap<String, Shown> {
    let mut shown: BTreeMap<_, Shown> = BTreeMap::new();
    for file in files() {
        let tests = yaml(&file);
        for case in list(&tests, "tests").iter().flat_map(|test| list(test, "alert_rule_test")) {
            let alert = case["alertname"].as_str().expect("an alert").to_owned();
            let (expected, shown) = (list(case, "exp_alerts"), shown.entry(alert).or_default());
            let is_whole = |alert: &Value| {
                let keys = ["exp_labels", "exp_annotations"]
                    .map(|key| alert[key].as_mapping().map_or(0, serde_yaml::Mapping::len));
                keys.iter().all(|entries| *entries > 0)
            };
            shown.silent += usize::from(expected.is_empty());
            shown.firing += usize::from(!expected.is_empty() && expected.iter().all(is_whole));
        }
    }
    shown
}

fn files() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("tests/exporter/alerts")).expect("a folder");
    let paths = folder.map(|entry| entry.expect("readable").path());
    let files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    assert!(files.len() > 1, "{files:?}");
    files
}

fn yaml(file: &PathBuf) -> Value {
    let mut value: Value = serde_yaml::from_str(&fs::read_to_string(file).expect("readable")).expect("YAML");
    value.apply_merge().expect("what is merged is a mapping");
    value
}

/// The entries under the key; none where it is missing.
fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}
