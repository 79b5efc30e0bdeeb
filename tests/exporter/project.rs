//! What surrounds the code agrees with it: Dockerfile, .dockerignore, Makefile, CI, releases.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use avepoint_exporter::cli::DEFAULT_ADDRESS;
use elements_api::CATALOG;

use crate::harness::dockerfile::Dockerfile;
use crate::harness::{Ended, read, root};

#[test]
fn the_image_runs_the_exporter_and_not_as_root() {
    let image = Dockerfile::read();
    assert_eq!(image.last("USER"), "65532:65532");
    assert_eq!(image.last("ENTRYPOINT"), format!("[\"/usr/local/bin/{}\"]", env!("CARGO_PKG_NAME")));
    assert!(image.all("CMD").is_empty(), "arguments of `docker run` are those of the exporter");
}

#[test]
fn the_image_exposes_the_default_port() {
    let port = DEFAULT_ADDRESS.strip_prefix(':').expect("every interface");
    assert_eq!(Dockerfile::read().all("EXPOSE"), [port]);
}

#[test]
fn the_image_has_no_health_check_that_would_need_a_shell() {
    let image = Dockerfile::read();
    assert!(image.all("HEALTHCHECK").is_empty());
    assert!(image.last("FROM").contains("distroless"));
}

#[test]
fn the_image_is_made_of_pinned_images_and_at_least_the_declared_compiler() {
    let image = Dockerfile::read();
    for base in image.all("FROM") {
        let name = base.split_whitespace().next().expect("a name");
        let tag = name.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{base} is another image every month");
    }
    let (_, compiler) = image.all("FROM")[0].split_once("rust:").expect("a Rust image first");
    assert!(numbers(compiler) >= numbers(env!("CARGO_PKG_RUST_VERSION")), "{compiler} is too old");
}

#[test]
fn whatever_the_image_copies_exists_and_is_not_ignored() {
    let ignore = read(".dockerignore");
    let sent: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"), "everything else stays out of the build");
    let image = Dockerfile::read();
    let copied = copied(&image);
    for name in &copied {
        assert!(root().join(name).exists(), "{name} is copied and does not exist");
        assert!(sent.iter().any(|sent| Path::new(name).starts_with(sent)), "{name} is copied and ignored");
    }
    for name in &sent {
        assert!(copied.contains(name), "{name} is sent and not copied");
    }
    // What the build reads besides Rust: a template outside of these would be missing in the image only.
    for (_, folder) in read("askama.toml").lines().filter_map(|line| line.split_once("dirs = [\"")) {
        assert!(folder.starts_with("src/"), "{folder} is not copied");
    }
}

/// What the image copies from the repository, in order.
fn copied(image: &Dockerfile) -> Vec<&str> {
    let mut copied = Vec::new();
    for arguments in image.all("COPY").into_iter().filter(|arguments| !arguments.starts_with("--from=")) {
        let mut names: Vec<_> = arguments.split_whitespace().collect();
        names.pop();
        copied.append(&mut names);
    }
    copied
}

#[test]
fn the_image_builds_the_dependencies_from_the_manifests_of_all_crates() {
    let mut manifests = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
    let crates = fs::read_dir(root().join("crates")).expect("the crates");
    let mut crates: Vec<_> = crates.map(|entry| entry.expect("an entry").file_name()).collect();
    crates.sort();
    manifests.extend(crates.iter().map(|name| format!("crates/{}/Cargo.toml", name.display())));
    manifests.push("tests/fuzz/Cargo.toml".to_owned());
    let image = Dockerfile::read();
    let copied = copied(&image);
    assert_eq!(copied[..manifests.len()], manifests, "whatever else is copied first spoils that layer");
    assert_eq!(copied[manifests.len()], "build.rs");
}

#[test]
fn the_demo_has_a_dozen_customers_with_products_that_the_vendor_knows() {
    let world = elements_sim::demo::world();
    assert_eq!(world.customers.iter().count(), 12);
    for product in world.customers.iter().flat_map(|customer| customer.seats.keys()) {
        assert!(
            CATALOG.iter().any(|known| known.product_type.number() == *product),
            "{product} is not in the catalogue"
        );
    }
}

#[test]
fn the_revision_reaches_the_build_of_the_image() {
    let variable = "AVEPOINT_EXPORTER_REVISION";
    assert!(Dockerfile::read().all("ARG").iter().any(|argument| argument.starts_with(variable)));
    assert!(read("build.rs").contains(variable));
}

#[test]
fn ci_runs_what_the_makefile_has() {
    let ci = read(".ci/run");
    let targets = makefile_targets();
    let called: Vec<_> = ci.lines().filter_map(|line| line.strip_prefix("make ")?.split_whitespace().next()).collect();
    assert_eq!(called, ["lint", "test"]);
    for target in called.into_iter().chain(["demo", "bench", "help"]) {
        assert!(targets.iter().any(|known| known == target), "make {target}");
    }
    let mode = fs::metadata(root().join(".ci/run")).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, ".ci/run is executable");
}

#[test]
fn lint_and_test_cover_every_crate_of_the_workspace() {
    let makefile = read("Makefile");
    // The root is a package, too: without the word, cargo would look at that alone.
    for command in ["cargo test", "cargo clippy", "cargo doc"] {
        let lines: Vec<_> = makefile.lines().filter(|line| line.starts_with('\t') && line.contains(command)).collect();
        assert!(lines.iter().any(|line| line.contains("--workspace")), "{command}: {lines:?}");
    }
    assert!(makefile.contains("cargo fmt --all"));
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let folder = tempfile::tempdir().unwrap();
    let changelog = folder.path().join("CHANGELOG.md");
    fs::write(&changelog, "# Changelog\n\nText.\n\n## [1.1.0] - 2026-01-02\n\n### Added\n\n- b\n\n## [1.0.0]\n- a\n\n## [0.9.0]\n\n### Fixed\n\n## [0.8.0]\n")
        .unwrap();
    let notes = |version: &str| {
        let mut command = Command::new(root().join(".ci/notes"));
        let output = command.arg(version).stdin(File::open(&changelog).unwrap()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(notes("1.1.0"), (true, "### Added\n\n- b\n".to_owned()));
    assert_eq!(notes("1.0.0"), (true, "- a\n".to_owned()));
    assert_eq!(notes("1.0"), (false, String::new()));
    assert_eq!((notes("0.9.0").0, notes("0.8.0")), (false, (false, String::new())), "it says nothing");
}

#[test]
fn a_release_is_refused_where_its_tag_is_that_of_another_version() {
    let refusal = Ended::of(Command::new(root().join(".ci/release")).arg("v1000.0.0")).refusal();
    assert!(refusal.contains(concat!("the tag must be v", env!("CARGO_PKG_VERSION"))), "{refusal}");
}

#[test]
fn a_release_that_is_refused_leaves_what_was_built_before() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    // Through it, the scripts find this folder above themselves.
    symlink(root().join(".ci"), folder.path().join(".ci")).unwrap();
    write("Cargo.toml", "version = \"1.0.0\"\n");
    write("Makefile", "target/tools/python/bin/cargo-zigbuild:\n\tfalse\n");
    write("target/dist/built", "before");
    for (tag, changelog, reason) in [
        ("v2.0.0", "## [2.0.0]\n- a\n", "the tag must be v1.0.0"),
        ("v1.0.0", "## [Unreleased]\n- a\n", "rename [Unreleased]"),
        ("v1.0.0", "## [1.0.0]\n\n### Added\n", "says nothing in a section [1.0.0]"),
        ("v1.0.0", "## [1.0.0]\n- a\n", "Zig is missing"),
    ] {
        write("CHANGELOG.md", changelog);
        let ended = Ended::of(Command::new(folder.path().join(".ci/release")).arg(tag));
        assert!(ended.code == Some(1) && ended.stderr.contains(reason), "{tag}: {ended:?}");
        let entries = fs::read_dir(folder.path().join("target/dist")).unwrap();
        let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["built"], "{reason}");
    }
}

#[test]
fn the_workflows_call_what_is_here_and_say_that_they_are_untried() {
    let runs = |name: &str| {
        let text = read(&format!(".github/workflows/{name}.yml"));
        assert!(text.starts_with("# Untried: "), "{name}");
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("- run: "));
        (serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap(), lines.map(str::to_owned).collect::<Vec<_>>())
    };
    let (_, ci) = runs("ci");
    assert!(ci.iter().any(|run| run == ".ci/run"), "{ci:?}");
    let (release, commands) = runs("release");
    assert_eq!(release["on"]["push"]["tags"][0].as_str(), Some("v*"));
    assert!(commands.iter().any(|run| run == "make release TAG=\"$GITHUB_REF_NAME\""), "{commands:?}");
    let targets = makefile_targets();
    for target in ["release", "workflows", "deb"] {
        assert!(targets.iter().any(|known| known == target), "make {target}");
    }
}

fn makefile_targets() -> Vec<String> {
    let makefile = read("Makefile");
    let lines = makefile.lines().filter(|line| !line.starts_with(['\t', '.', '#']));
    lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

/// The numbers that a version begins with.
fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(version.len());
    version[..end].split('.').map(|number| number.parse().expect("a number")).collect()
}
