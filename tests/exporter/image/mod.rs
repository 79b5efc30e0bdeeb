//! The shipped Dockerfile, built by buildah without a daemon, and what the image holds and does.

mod bases;
mod buildah;
mod built;
mod container;
mod refusal;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use elements_sim::Simulator;
use rustls::version::TLS13;

use self::buildah::outcome;
use self::built::{REVISION, image};
use self::container::Container;
use crate::harness::{Folder, Yaml, eventually, seats, world};

/// How many bytes the binary may have. The build here does not optimise it; a true one has less than half of these.
const BOUND: u64 = 48 << 20;

#[tokio::test]
async fn it_says_what_it_is_and_how_it_is_run() {
    let Some(image) = image().await else { return };
    let config = image.config();
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/avepoint-exporter"]));
    assert_eq!(config["Cmd"], serde_json::Value::Null, "arguments of a container are those of the exporter");
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["WorkingDir"], "/etc/avepoint-exporter");
    assert_eq!(config["ExposedPorts"], serde_json::json!({"10878/tcp": {}}));
    for (label, value) in [
        ("title", env!("CARGO_PKG_NAME")),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
        ("version", env!("CARGO_PKG_VERSION")),
        ("licenses", env!("CARGO_PKG_LICENSE")),
        ("source", env!("CARGO_PKG_REPOSITORY")),
        ("revision", REVISION),
    ] {
        assert_eq!(config["Labels"][format!("org.opencontainers.image.{label}")], value, "{label}");
    }
}

#[tokio::test]
async fn it_adds_to_its_base_the_binary_and_an_empty_folder_for_state() {
    let Some(image) = image().await else { return };
    let layer = image.layer();
    let files: Vec<_> = layer.iter().filter(|entry| !entry.is_folder()).collect();
    let [binary] = files[..] else { panic!("one file, and not {files:?}") };
    assert_eq!(binary.path, "usr/local/bin/avepoint-exporter");
    assert_eq!((binary.mode.as_str(), binary.owner.as_str()), ("-rwxr-xr-x", "0/0"));
    assert!(binary.size <= BOUND, "the binary has {} bytes, and {BOUND} are allowed", binary.size);

    // Every folder in it is one of these, or on the way to one of these.
    let expected = ["etc/avepoint-exporter/", "usr/local/bin/", "var/lib/avepoint-exporter/"];
    for folder in layer.iter().filter(|entry| entry.is_folder()) {
        assert!(expected.iter().any(|path| path.starts_with(&folder.path)), "{folder:?}");
    }
    let state = layer.iter().find(|entry| entry.path == "var/lib/avepoint-exporter/").expect("a folder for state");
    assert_eq!((state.mode.as_str(), state.owner.as_str()), ("drwxr-xr-x", "65532/65532"));
}

#[tokio::test]
async fn there_is_no_shell_in_it() {
    let Some(image) = image().await else { return };
    let container = image.container();
    for shell in ["/bin/sh", "/bin/bash", "/bin/busybox", "sh"] {
        let mut run = image.buildah.isolated("run");
        let said = outcome(run.args([&container, "--", shell, "-c", "exit 0"])).expect_err(shell);
        assert!(said.contains("no such file") || said.contains("not found"), "{shell}: {said}");
    }
}

#[tokio::test]
async fn the_demo_is_scraped_runs_as_an_ordinary_user_and_ends_with_sigterm() {
    let Some(image) = image().await else { return };
    let container = Container::start(image, &image.container(), &[], &["demo"]).await;
    let exporter = &container.exporter;
    let metrics = eventually("seats", || async {
        let metrics = exporter.metrics().await;
        metrics.contains("\navepoint_purchased_user_seats{").then_some(metrics)
    })
    .await;
    let build = metrics.lines().find(|line| line.starts_with("avepoint_exporter_build_info{")).expect("a build");
    assert!(build.contains(&format!("revision=\"{REVISION}\"")), "{build}");
    assert!(build.contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")), "{build}");

    assert_eq!(container.ids("Uid"), [65532; 4]);
    assert_eq!(container.ids("Gid"), [65532; 4]);
    assert_eq!(container.status("CapEff"), "0000000000000000", "it needs no privileges");
    container.stop().await;
}

#[tokio::test]
async fn it_trusts_its_bases_authorities_and_keeps_a_state_file_of_its_own() {
    let Some(image) = image().await else { return };
    let simulator = Simulator::start_tls(world(), image.authority.server(&["127.0.0.1"], &[&TLS13])).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("stale_after", "1h");
    let folder = Folder::new(&yaml.and("state_file: /var/lib/avepoint-exporter/state.json\n"));
    // As README.md says: readable by the exporter's user.
    fs::set_permissions(folder.file(""), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.file("exporter.yaml"), Permissions::from_mode(0o644)).unwrap();
    let volume = format!("{}:/etc/avepoint-exporter:ro", folder.file("").display());
    let name = image.container();

    let container = Container::start(image, &name, &[&volume], &[]).await;
    container.exporter.until(&seats("contoso", "Fly"), 7.0).await;
    container.stop().await;

    simulator.stop().await;
    let container = Container::start(image, &name, &[&volume], &[]).await;
    let restored = container.exporter.value(&seats("contoso", "Fly")).await;
    assert_eq!(restored, Some(7.0), "{}", container.exporter.log());
    container.stop().await;
}
