//! The files of the repository, and how they are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_yaml::Value;

use crate::harness::{read, root};

pub fn yaml(name: &str) -> Value {
    parse(name, &read(name))
}

pub fn parse(name: &str, text: &str) -> Value {
    let mut value: Value = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    value.apply_merge().unwrap();
    value
}

pub fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// The paths of the files below a folder, from there, in order.
pub fn below(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(below(&format!("{folder}/{name}")).iter().map(|inside| format!("{name}/{inside}")));
        } else {
            found.insert(name);
        }
    }
    found
}

/// The files directly in a folder that end so.
pub fn ending(folder: &str, end: &str) -> BTreeSet<String> {
    below(folder).into_iter().filter(|name| name.ends_with(end) && !name.contains('/')).collect()
}

/// The text with its optional settings in force, which have a `#` and no blank before them.
pub fn in_force(text: &str) -> String {
    let line = |line: &str| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| !c.is_whitespace()) => format!("{indent}{setting}\n"),
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<String> {
    let list = list.as_sequence().unwrap_or_else(|| panic!("a list, and not {list:?}"));
    list.iter().map(text).collect()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, and not {value:?}")).to_owned()
}

/// What each entry of a list has under a key.
pub fn each(list: &Value, key: &str) -> Vec<String> {
    list.as_sequence().into_iter().flatten().filter_map(|entry| Some(entry[key].as_str()?.to_owned())).collect()
}

/// Every alert that there is, with its severity.
pub fn alerts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for group in alert_groups() {
        for rule in group["rules"].as_sequence().unwrap() {
            if let Some(name) = rule["alert"].as_str() {
                found.push((name.to_owned(), text(&rule["labels"]["severity"])));
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

/// The groups of all rule files.
pub fn alert_groups() -> Vec<Value> {
    let names = ending("alerts", ".yaml");
    names.iter().flat_map(|name| yaml(&format!("alerts/{name}"))["groups"].as_sequence().unwrap().clone()).collect()
}

/// Copies what is directly in a folder.
pub fn copy(folder: &str, to: &Path, change: impl Fn(&str) -> String) {
    for name in below(folder) {
        let to = to.join(&name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, change(&read(&format!("{folder}/{name}")))).unwrap();
    }
}

#[test]
fn a_setting_has_no_blank_after_its_mark() {
    assert_eq!(in_force("a:\n  # Why.\n  #- b: 1\n    #c: \"#d\"\n#\n"), "a:\n  # Why.\n  - b: 1\n    c: \"#d\"\n#\n");
}
