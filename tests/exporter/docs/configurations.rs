//! The configurations that the documents show.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use avepoint_exporter::config::Config;
use avepoint_exporter::poll::ExpectedSeatsFile;
use exporter_web::WebConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_yaml::Value;
use tempfile::TempDir;

use crate::harness::document::Document;
use crate::harness::{Ended, binary, printed, root, tool};

#[test]
fn every_block_is_of_a_kind_that_is_tested() {
    const KINDS: &[&str] = &[
        "sh",
        "text",
        "promql",
        "yaml exporter.yaml",
        "yaml web.yml",
        "yaml prometheus.yml",
        "yaml grafana.yaml",
        "csv expected.csv",
    ];
    for document in Document::all() {
        for block in document.blocks() {
            assert!(KINDS.contains(&block.kind.as_str()), "{}: a block of the kind {:?}", document.path, block.kind);
        }
    }
}

#[test]
fn the_exporter_accepts_every_exporter_yaml() {
    let configurations = blocks_of_all("yaml exporter.yaml");
    assert!(configurations.len() >= 2);
    for text in configurations {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("exporter.yaml");
        fs::write(&path, &text).unwrap();
        for (_, file) in text.lines().filter_map(|line| line.split_once("_file: ")) {
            fs::write(folder.path().join(file.trim()), "x").unwrap();
        }
        Config::load_with(&path, &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn the_exporter_reads_all_expected_seats() {
    let files = blocks_of_all("csv expected.csv");
    assert!(!files.is_empty());
    for text in files {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("expected.csv");
        fs::write(&path, &text).unwrap();
        let file = ExpectedSeatsFile::read(&path);
        assert!(file.rows().is_ok_and(|rows| !rows.is_empty()), "{file:?}");
    }
}

#[test]
fn the_exporter_accepts_every_web_configuration() {
    let configurations = blocks_of_all("yaml web.yml");
    assert!(!configurations.is_empty());
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let server = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write("server.crt", &server.cert.pem());
    write("server.key", &server.signing_key.serialize_pem());
    for text in configurations {
        write("web.yml", &text);
        WebConfig::load(&folder.path().join("web.yml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn prometheus_accepts_every_configuration_of_its_own() {
    let configurations = blocks_of_all("yaml prometheus.yml");
    assert!(!configurations.is_empty());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("prometheus.yml");
    // The rules are where each of them says.
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    for file in fs::read_dir(root().join("alerts")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), rules.join(file.file_name())).unwrap();
    }
    for text in configurations {
        fs::write(&path, text.replace("/etc/prometheus/", "rules/")).unwrap();
        printed(tool("promtool", "prometheus").args(["check", "config"]).arg(&path));
    }
}

/// As Grafana reads it: a list of providers, each with a folder of files.
#[test]
fn grafana_is_pointed_at_the_dashboards() {
    let configurations = blocks_of_all("yaml grafana.yaml");
    assert!(!configurations.is_empty());
    let shipped = fs::read_to_string(root().join("deploy/compose/grafana/dashboards/avepoint.yaml")).unwrap();
    let keys = |text: &str| -> BTreeSet<String> {
        let file: Value = serde_yaml::from_str(text).unwrap();
        let provider = file["providers"][0].as_mapping().unwrap();
        assert!(file["apiVersion"] == 1 && file["providers"][0]["options"]["path"].is_string(), "{text}");
        provider.keys().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    for text in configurations {
        assert!(keys(&text).is_subset(&keys(&shipped)), "{text}");
    }
}

/// The keys, certificates and containers that docs/configuration.md makes are taken by the configurations beside them.
#[test]
fn the_certificates_that_the_documents_make_are_accepted() {
    tool("openssl", "openssl");
    let document = Document::at("docs/configuration.md");
    let folder = TempDir::new().unwrap();
    printed(Command::new("sh").args(["-euc", &document.blocks_of("sh").concat()]).current_dir(&folder));
    let mut checked = 0;
    for text in document.blocks_of("yaml exporter.yaml").iter().filter(|text| text.contains("certificate:")) {
        fs::write(folder.path().join("exporter.yaml"), text).unwrap();
        let Ended { code, stdout, stderr } = Ended::of(binary().arg("check").current_dir(&folder));
        assert_eq!(code, Some(0), "{text}{stdout}{stderr}");
        checked += 1;
    }
    assert_eq!(checked, 2, "PEM and PFX");

    // AvePoint takes the certificate as a `.cer` file, which is usually DER.
    let certificate = CertificateDer::from_pem_file(folder.path().join("app.crt")).unwrap();
    assert_eq!(fs::read(folder.path().join("app.cer")).unwrap(), certificate.as_ref());
    assert!(document.text.contains("Upload `app.cer`"));
}

fn blocks_of_all(kind: &str) -> Vec<String> {
    Document::all().iter().flat_map(|document| document.blocks_of(kind)).collect()
}
