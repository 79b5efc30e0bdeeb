//! What the documents name exists.

use std::collections::BTreeSet;
use std::path::Path;

use avepoint_exporter::cli::Arguments;
use avepoint_exporter::metrics::CATALOGUE;
use clap::CommandFactory;

use crate::harness::document::Document;
use crate::harness::{read, root};

#[test]
fn every_link_leads_somewhere() {
    for document in Document::all() {
        for link in document.links().into_iter().filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&document.path).parent().unwrap();
            let file = if file.is_empty() { document.path.clone() } else { folder.join(file).display().to_string() };
            assert!(root().join(&file).exists(), "{}: {link}", document.path);
            assert!(anchor.is_empty() || Document::at(&file).has_anchor(anchor), "{}: {link}", document.path);
        }
    }
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let readme = Document::readme();
    let linked: BTreeSet<_> = readme.links().into_iter().map(|link| link.split('#').next().unwrap()).collect();
    for document in Document::all().iter().filter(|document| document.path != readme.path) {
        assert!(linked.contains(document.path.as_str()), "README.md has no link to {}", document.path);
    }
}

#[test]
fn every_file_and_test_that_is_named_exists() {
    const FOLDERS: &[&str] = &["src/", "crates/", "tests/", "alerts/", "dashboards/", "deploy/", "docs/", ".ci/"];
    let mut tests = 0;
    for document in Document::all() {
        for span in document.spans() {
            let (path, test) = span.split_once("::").unwrap_or((&span, ""));
            let is_in_folder = FOLDERS.iter().any(|folder| path.starts_with(folder));
            if !is_in_folder || path.contains(['*', '<', ' ']) {
                continue;
            }
            assert!(root().join(path).exists(), "{}: {path}", document.path);
            if !test.is_empty() {
                assert!(read(path).contains(&format!("fn {test}(")), "{}: {span}", document.path);
                tests += 1;
            }
        }
    }
    assert!(tests >= 10, "ARCHITECTURE.md names the test that holds each invariant");
}

#[test]
fn every_flag_that_is_named_exists_and_every_one_that_exists_is_named() {
    let arguments = Arguments::command();
    let commands = std::iter::once(&arguments).chain(arguments.get_subcommands());
    let mut known: BTreeSet<_> =
        commands.flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long).collect();
    known.extend(["help", "version"]);
    let mut named = BTreeSet::new();
    for document in Document::all() {
        for span in document.spans() {
            for word in span.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
                let name = word.split('=').next().unwrap_or(word).to_owned();
                // Those of other programs, such as `cargo test --test exporter docs`, follow the program's name.
                let is_own = span.starts_with("--") || span.starts_with("avepoint-exporter");
                assert!(!is_own || known.contains(name.as_str()), "{}: --{name}", document.path);
                named.insert(name);
            }
        }
    }
    let missing: Vec<_> = known.iter().filter(|name| !named.contains(**name)).collect();
    assert!(missing.is_empty(), "not in the documents: {missing:?}");
}

#[test]
fn every_metric_that_is_named_exists() {
    let known: BTreeSet<_> = CATALOGUE.iter().map(|family| family.name).collect();
    for document in Document::all() {
        let words = document.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("avepoint_") && *word != "avepoint_exporter") {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            assert!(known.contains(family) || word.ends_with('_'), "{}: {word}", document.path);
        }
    }
}
