//! The documents of the package and of a release's archive: what they name is packed as well, or online.

use std::path::Path;
use std::process::Command;

use super::debian::UNPACKED;
use super::files::below;
use crate::harness::document::Document;
use crate::harness::{printed, read, root};

const ONLINE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/v", env!("CARGO_PKG_VERSION"), "/");

/// Follows all links of the documents in a folder, and returns how many lead to what is packed, and online.
fn followed(folder: &Path) -> (usize, usize) {
    let (mut packed, mut online) = (0, 0);
    let top = folder.to_str().unwrap();
    let documents = below(top).into_iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"));
    for name in documents {
        let document = Document::at(&format!("{top}/{name}"));
        for link in document.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if let Some(path) = file.strip_prefix(ONLINE) {
                assert!(!folder.join(path).exists(), "{name}: {link} is packed");
                online += 1;
                root().join(path)
            } else if file.starts_with("https://") {
                continue;
            } else {
                packed += 1;
                if file.is_empty() { folder.join(&name) } else { folder.join(&name).parent().unwrap().join(file) }
            };
            assert!(file.exists(), "{name}: {link}");
            let there = || Document::at(file.to_str().unwrap()).has_anchor(anchor);
            assert!(anchor.is_empty() || there(), "{name}: {link}");
        }
    }
    (packed, online)
}

#[test]
fn every_link_in_the_package_leads_somewhere() {
    let (packed, online) = followed(&UNPACKED.join("usr/share/doc/avepoint-exporter"));
    assert!(packed > 50 && online > 10, "{packed} {online}");
}

#[test]
fn the_configuration_of_the_package_names_the_example_that_it_installs() {
    let configuration = read("deploy/systemd/exporter.yaml");
    let (_, example) = configuration.split_once("# /usr/share/doc/").unwrap();
    let example = example.lines().next().unwrap().trim_end_matches('.');
    let installed = std::fs::read_to_string(UNPACKED.join("usr/share/doc").join(example)).unwrap();
    assert_eq!(installed, read("exporter.yaml"));
}

#[test]
fn the_archive_has_what_its_guide_installs_and_every_link_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(root().join(".ci/archive"));
    // The package was built from it, and from what was staged.
    let binary = UNPACKED.join("usr/bin/avepoint-exporter");
    printed(command.arg(binary).arg(root().join("target/package")).arg(folder.path()));
    for installed in ["avepoint-exporter", "deploy/systemd/exporter.yaml", "deploy/systemd/avepoint-exporter.service"] {
        assert!(folder.path().join(installed).is_file(), "{installed}");
    }
    let (packed, online) = followed(folder.path());
    assert!(packed > 60 && online > 1, "{packed} {online}");
}
