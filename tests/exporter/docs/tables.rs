//! The tables that list all there is.

use std::collections::BTreeSet;
use std::fs;

use avepoint_exporter::cli::Arguments;
use avepoint_exporter::metrics::CATALOGUE;
use clap::CommandFactory;

use crate::harness::document::{Document, spans};
use crate::harness::{read, root};

#[test]
fn the_table_of_keys_is_that_of_the_commented_configuration() {
    let listed: BTreeSet<_> =
        Document::at("docs/configuration.md").table("| key |").iter().flat_map(|row| spans(&row[0])).collect();
    let mut written = BTreeSet::new();
    let mut section = String::new();
    // The form of the file is that a setting which is not in force has a `#` and no blank before its key.
    for line in read("exporter.yaml").lines() {
        let setting = line.replacen('#', "", 1);
        let inside = setting.strip_prefix("  ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let Some((key, value)) = inside.unwrap_or(&setting).split_once(':') else { continue };
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            continue;
        }
        if inside.is_some() {
            written.insert(format!("{section}.{key}"));
        } else {
            key.clone_into(&mut section);
            if !value.is_empty() || key == "customers" {
                written.insert(key.to_owned());
            }
        }
    }
    // These two stand in a comment of the file, as other ways to say the same.
    written.extend(["api.client_secret", "api.certificate"].map(str::to_owned));
    assert_eq!(listed, written);
}

#[test]
fn the_tables_of_commands_and_options_are_complete() {
    let readme = Document::readme();
    let arguments = Arguments::command();
    let shown = arguments.get_subcommands().filter(|command| !command.is_hide_set());
    let commands: BTreeSet<_> = shown.map(|command| command.get_name().to_owned()).collect();
    let listed: BTreeSet<_> = readme.table("| command |").iter().flat_map(|row| spans(&row[0])).collect();
    assert_eq!(listed, commands);

    let rows = readme.table("| option |");
    let options = arguments.get_arguments().filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
    let options: Vec<_> = options.collect();
    assert_eq!(rows.len(), options.len());
    for (option, row) in options.iter().zip(rows) {
        let name = option.get_long().expect("every option has a long name");
        assert_eq!(row[0], format!("`--{name}`"));
        let default = option.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        if !option.get_action().takes_values() {
            assert_eq!(row[1], "off", "--{name}");
        } else if let Some(default) = default {
            assert_eq!(row[1], format!("`{default}`"), "--{name}");
        } else {
            let help = option.get_help().expect("help").to_string();
            assert!(help.contains(&format!("[default: {}", row[1].trim_matches('`'))), "--{name}: {help}");
        }
    }
}

#[test]
fn the_table_of_metrics_is_the_catalogue() {
    const BEGIN: &str = "writes this table anew -->\n";
    const END: &str = "<!-- end of metrics -->";
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the mark where the table begins");
    let (table, after) = rest.split_once(END).expect("the mark where the table ends");
    let rows = CATALOGUE.iter().map(|family| {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |\n", family.name, family.kind.as_str(), labels.join(", "), family.help)
    });
    let expected = format!("\n| name | type | labels | meaning |\n|---|---|---|---|\n{}\n", rows.collect::<String>());
    if std::env::var_os("UPDATE_README").is_some() {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        return fs::write(root().join("README.md"), text).unwrap();
    }
    for (line, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(line, expected, "UPDATE_README=1 writes the table anew");
    }
    assert_eq!(table.lines().count(), expected.lines().count(), "UPDATE_README=1 writes the table anew");
}
