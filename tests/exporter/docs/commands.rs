//! The commands that the documents show.

use avepoint_exporter::cli::Arguments;
use clap::Parser;
use elements_sim::{Simulator, World};

use crate::harness::document::Document;
use crate::harness::{Ended, Exporter, Folder, Yaml, read, root, world};

#[test]
fn the_readme_opens_with_the_two_commands_and_what_they_need() {
    let readme = Document::readme();
    assert_eq!(&readme.blocks_of("sh")[..2], ["cargo run --release -- demo\n", "make test\n"]);
    let compiler = concat!("(", env!("CARGO_PKG_RUST_VERSION"), " or newer)");
    assert!(readme.text.contains(compiler), "the declared Rust version, {compiler}");
}

#[test]
fn every_command_is_one_that_exists() {
    let mut tried = 0;
    for document in Document::all() {
        for line in lines(&document) {
            let words: Vec<_> = line.split_whitespace().collect();
            if let Some(arguments) = arguments_of_the_exporter(&words) {
                let parsed = Arguments::try_parse_from(["avepoint-exporter"].iter().chain(arguments));
                assert!(parsed.is_ok(), "{}: {line}: {}", document.path, parsed.expect_err("an error"));
                tried += 1;
            } else if let ["make", target] = words[..] {
                assert!(read("Makefile").contains(&format!("\n{target}:")), "{}: {line}", document.path);
            } else {
                // Other programs' options are theirs; what they name of this repository must be there.
                assert!(PROGRAMS.contains(&words[0]), "{}: what is `{line}`?", document.path);
                for path in words.iter().filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder))) {
                    assert!(root().join(path).exists(), "{}: {path} in `{line}`", document.path);
                }
            }
        }
    }
    assert!(tried >= 8, "{tried}");
}

/// The programs of others that the documents use.
const PROGRAMS: &[&str] = &[
    "cargo",
    "cd",
    "curl",
    "docker",
    "install",
    "kubectl",
    "mkdir",
    "openssl",
    "sed",
    "sha256sum",
    "sudo",
    "tar",
    "umask",
];

const FOLDERS: &[&str] = &["alerts/", "crates/", "dashboards/", "deploy/", "docs/", "src/", "tests/"];

/// The README's first configuration, the secret beside it, and every command that stands there, typed one by one.
#[tokio::test]
async fn whoever_types_the_commands_of_the_readme_gets_what_they_say() {
    let readme = Document::readme();
    let world = World { client_id: "00000000-0000-0000-0000-000000000000".to_owned(), ..world() };
    let secret = world.client_secret.clone().unwrap();
    let simulator = Simulator::start(world).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    folder.write("client_secret", secret);
    // The README leaves out nothing but the address of AvePoint.
    let (base_url, token_url) = (simulator.base_url(), simulator.token_url());
    let here = format!("api:\n  base_url: {base_url}\n  token_url: {token_url}\n  requests_per_second: 1000\n");
    folder.write("exporter.yaml", readme.blocks_of("yaml exporter.yaml")[0].replacen("api:\n", &here, 1));

    let (mut daemons, mut ended) = (0, 0);
    for line in lines(&readme).iter().filter(|line| line.starts_with("avepoint-exporter")) {
        let arguments: Vec<_> = line.split_whitespace().skip(1).collect();
        if Arguments::parse_from(line.split_whitespace()).command.is_some() {
            let Ended { code, stdout, stderr } = Ended::beside(folder.command(&arguments)).await;
            assert_eq!(code, Some(0), "{line}: {stdout}{stderr}");
            assert!(!stdout.is_empty(), "{line}");
            ended += 1;
        } else {
            let exporter = Exporter::start_with(&folder, &arguments).await;
            exporter.until("avepoint_purchased_user_seats{customer=\"c-1\",product=\"Fly\"}", 7.0).await;
            exporter.stop().await;
            daemons += 1;
        }
    }
    assert!(daemons >= 1 && ended >= 5, "{daemons} {ended}");
}

/// Its commands, one each, without the file that the shell writes what they print to.
fn lines(document: &Document) -> Vec<String> {
    let text = document.blocks_of("sh").concat().replace("\\\n", " ");
    text.lines()
        .filter_map(|line| line.split(" > ").next())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The arguments of the exporter in a command that runs it.
fn arguments_of_the_exporter<'w, 'l>(words: &'w [&'l str]) -> Option<&'w [&'l str]> {
    if words.contains(&"exec") {
        // Inside a container, whose own name comes before.
        let at = words.iter().rposition(|word| *word == "avepoint-exporter")?;
        return Some(&words[at + 1..]);
    }
    let mark = match words {
        ["cargo", "run", ..] => "--",
        ["avepoint-exporter", ..] | ["sudo", "avepoint-exporter", ..] | ["docker", "run", ..] => "avepoint-exporter",
        _ => return None,
    };
    let at = words.iter().position(|word| *word == mark).unwrap_or_else(|| panic!("no {mark} in {words:?}"));
    Some(&words[at + 1..])
}
