//! What surrounds the code agrees with it: Dockerfile, .dockerignore, Makefile, CI.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use avepoint_exporter::cli::{Arguments, DEFAULT_ADDRESS};
use clap::CommandFactory;

use crate::harness::dockerfile::Dockerfile;
use crate::harness::{read, root};

#[test]
fn the_image_runs_the_exporter_and_not_as_root() {
    let image = Dockerfile::read();
    assert_eq!(image.last("USER"), "65532:65532");
    assert_eq!(image.last("ENTRYPOINT"), format!("[\"/usr/local/bin/{}\"]", env!("CARGO_PKG_NAME")));
    assert!(image.all("CMD").is_empty(), "arguments of `docker run` are those of the exporter");
}

#[test]
fn the_image_exposes_the_default_port() {
    let (_, port) = DEFAULT_ADDRESS.rsplit_once(':').expect("an address with a port");
    assert_eq!(Dockerfile::read().all("EXPOSE"), [port]);
}

#[test]
fn the_help_names_the_default_address() {
    let arguments = Arguments::command();
    let listen = arguments.get_arguments().find(|option| option.get_long() == Some("web.listen-address"));
    let help = listen.and_then(|option| option.get_help()).expect("an option with help").to_string();
    assert!(help.contains(&format!("[default: {DEFAULT_ADDRESS}, ")), "{help}");
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
    let mut copied = Vec::new();
    for arguments in image.all("COPY").into_iter().filter(|arguments| !arguments.starts_with("--from=")) {
        let mut names: Vec<_> = arguments.split_whitespace().collect();
        names.pop();
        copied.append(&mut names);
    }
    for name in &copied {
        assert!(root().join(name).exists(), "{name} is copied and does not exist");
        assert!(sent.contains(name), "{name} is copied and ignored");
    }
    assert_eq!(copied.len(), sent.len(), "{copied:?} is copied, {sent:?} is sent");
    // What the build reads besides Rust: a template outside of these would be missing in the image only.
    for (_, folder) in read("askama.toml").lines().filter_map(|line| line.split_once("dirs = [\"")) {
        assert!(folder.starts_with("src/"), "{folder} is not copied");
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
