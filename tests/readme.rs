//! Every promise of the documents that can be run, is run: commands, options, configurations, tables, links.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use avepoint_exporter::cli::Arguments;
use avepoint_exporter::config::Config;
use avepoint_exporter::metrics::CATALOGUE;
use avepoint_exporter::web::WebConfig;
use clap::{CommandFactory, Parser};
use serde_yaml::Value;
use tempfile::TempDir;

const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];

#[test]
fn it_opens_with_the_two_commands_and_what_they_need() {
    let blocks = blocks("sh");
    assert_eq!(&blocks[..2], ["cargo run --release -- demo\n", "make test\n"]);
    let compiler = concat!("(", env!("CARGO_PKG_RUST_VERSION"), " or newer)");
    assert!(read("README.md").contains(compiler), "the declared Rust version, {compiler}");
}

#[test]
fn its_configurations_are_accepted() {
    let configurations = blocks("yaml exporter.yaml");
    assert!(configurations.len() >= 2);
    for text in configurations {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("exporter.yaml");
        fs::write(&path, &text).expect("written");
        for (_, file) in text.lines().filter_map(|line| line.split_once("_file: ")) {
            fs::write(folder.path().join(file.trim()), "x").expect("written");
        }
        Config::load_with(&path, &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn its_web_configurations_are_accepted() {
    let configurations = blocks("yaml web.yml");
    assert!(!configurations.is_empty());
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let server = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("valid");
    write("server.crt", &server.cert.pem());
    write("server.key", &server.signing_key.serialize_pem());
    for text in configurations {
        write("web.yml", &text);
        WebConfig::load(&folder.path().join("web.yml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn its_table_of_keys_is_that_of_the_commented_configuration() {
    let readme = read("README.md");
    let listed: BTreeSet<_> = table(&readme, "| key |").iter().flat_map(|row| spans(&row[0])).collect();
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
fn its_commands_are_accepted() {
    let mut tried = 0;
    for line in blocks("sh").concat().replace("\\\n", " ").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let arguments = match words[..] {
            ["make", target] => {
                let begins = format!("\n{target}:");
                assert!(read("Makefile").contains(&begins), "{line}");
                continue;
            }
            ["docker", "build", ..] => continue,
            ["avepoint-exporter", ..] => &words[1..],
            ["cargo", "run", ..] => after(&words, "--"),
            ["docker", "run", ..] => after(&words, "avepoint-exporter"),
            _ => panic!("what is `{line}`?"),
        };
        let parsed = Arguments::try_parse_from(["avepoint-exporter"].iter().chain(arguments));
        assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("an error"));
        tried += 1;
    }
    assert!(tried >= 8, "{tried}");
}

#[test]
fn its_tables_of_commands_and_options_are_complete() {
    let readme = read("README.md");
    let arguments = Arguments::command();
    let commands: BTreeSet<_> = arguments.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let listed: BTreeSet<_> = table(&readme, "| command |").iter().flat_map(|row| spans(&row[0])).collect();
    assert_eq!(listed, commands);

    let rows = table(&readme, "| option |");
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
fn every_flag_that_is_named_exists_and_every_one_that_exists_is_named() {
    let arguments = Arguments::command();
    let commands = std::iter::once(&arguments).chain(arguments.get_subcommands());
    let mut known: BTreeSet<_> =
        commands.flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long).collect();
    known.extend(["help", "version"]);
    let mut named = BTreeSet::new();
    for document in DOCUMENTS {
        for span in spans(&prose(&read(document))) {
            for word in span.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
                let name = word.split('=').next().unwrap_or(word).to_owned();
                // Those of other programs, such as `cargo test --test readme`, follow the program's name.
                let own = span.starts_with("--") || span.starts_with("avepoint-exporter");
                assert!(!own || known.contains(name.as_str()), "{document}: --{name}");
                named.insert(name);
            }
        }
    }
    let missing: Vec<_> = known.iter().filter(|name| !named.contains(**name)).collect();
    assert!(missing.is_empty(), "not in the documents: {missing:?}");
}

#[test]
fn its_table_of_metrics_is_the_catalogue() {
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
        return fs::write(root().join("README.md"), text).expect("written");
    }
    for (line, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(line, expected, "UPDATE_README=1 writes the table anew");
    }
    assert_eq!(table.lines().count(), expected.lines().count(), "UPDATE_README=1 writes the table anew");
}

#[test]
fn every_metric_that_is_named_exists() {
    let known: BTreeSet<_> = CATALOGUE.iter().map(|family| family.name).collect();
    for document in DOCUMENTS {
        let text = read(document);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("avepoint_") && *word != "avepoint_exporter") {
            assert!(known.contains(word) || word.ends_with('_'), "{document}: {word}");
        }
    }
}

#[test]
fn the_demo_shows_what_it_says_and_has_every_route_that_it_lists() {
    let demo = Demo::start();
    let excerpt = blocks("text").concat();
    let series = |line: &str| line.rsplit_once(' ').map(|(series, _)| series.to_owned());
    let expected: BTreeSet<_> = excerpt.lines().filter_map(series).collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, text) = demo.ask("GET", "/metrics");
        let shown: BTreeSet<_> = text.lines().filter_map(series).collect();
        let missing: Vec<_> = expected.difference(&shown).collect();
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "the demo does not show {missing:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    for row in table(&read("README.md"), "| route |") {
        let route = row[0].trim_matches('`');
        for method in row[1].split(", ") {
            let (status, _) = demo.ask(method, route);
            let expected: &[u16] = if route == "/-/reload" { &[403] } else { &[200] };
            assert!(expected.contains(&status), "{method} {route}: {status}");
        }
        assert_eq!(demo.ask("DELETE", route).0, 405, "{route}");
    }
}

#[test]
fn its_queries_and_its_scrape_configuration_are_what_prometheus_takes() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("prometheus.yml");
    let [configuration] = &blocks("yaml prometheus.yml")[..] else { panic!("one scrape configuration") };
    fs::write(&path, configuration).expect("written");
    promtool(&["check", "config"], &path);

    let queries = blocks("promql");
    assert!(!queries.is_empty());
    let rule = |query| format!("      - record: readme:query\n        expr: {query:?}\n");
    let rules: Vec<_> = queries.iter().map(rule).collect();
    let rules = format!("groups:\n  - name: readme\n    rules:\n{}", rules.concat());
    let path = folder.path().join("rules.yml");
    fs::write(&path, rules).expect("written");
    promtool(&["check", "rules"], &path);
}

#[test]
fn its_probes_ask_whether_the_exporter_lives() {
    let [text] = &blocks("yaml kubernetes")[..] else { panic!("one block of probes") };
    let probes: Value = serde_yaml::from_str(text).expect("YAML");
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(probes[probe]["httpGet"]["path"], "/-/healthy", "{probe}");
        assert_eq!(probes[probe]["httpGet"]["port"], 10878, "{probe}");
    }
}

#[test]
fn every_block_is_of_a_kind_that_is_tested() {
    let kinds =
        ["sh", "text", "promql", "yaml exporter.yaml", "yaml web.yml", "yaml prometheus.yml", "yaml kubernetes"];
    let readme = read("README.md");
    for (_, kind) in readme.lines().filter_map(|line| line.split_once("```")).step_by(2) {
        assert!(kinds.contains(&kind), "a block of the kind {kind:?}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let link = rest.split(')').next().unwrap_or_default();
            match link.strip_prefix('#') {
                Some(anchor) => assert!(anchors(&text).any(|found| found == anchor), "{document}: {link}"),
                None if link.starts_with("https://") => {}
                None => assert!(root().join(link).exists(), "{document}: {link}"),
            }
        }
    }
}

#[test]
fn every_file_and_test_that_is_named_exists() {
    let mut tests = 0;
    for document in DOCUMENTS {
        for span in spans(&prose(&read(document))) {
            let (path, test) = span.split_once("::").unwrap_or((&span, ""));
            let in_folder = ["src/", "tests/", "dashboards/", ".ci/"].iter().any(|folder| path.starts_with(folder));
            if !in_folder || path.contains(['*', '<']) {
                continue;
            }
            assert!(root().join(path).exists(), "{document}: {path}");
            if !test.is_empty() {
                assert!(read(path).contains(&format!("fn {test}(")), "{document}: {span}");
                tests += 1;
            }
        }
    }
    assert!(tests >= 10, "ARCHITECTURE.md names the test that holds each invariant");
}

/// The demo, on a port that the system chose.
struct Demo {
    process: Child,
    address: String,
    /// Where nobody reads what it prints, the demo ends.
    _printed: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_avepoint-exporter"))
            .args(["demo", "--web.listen-address=127.0.0.1:0", "--log.level=error"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut printed = BufReader::new(process.stdout.take().expect("piped")).lines();
        let where_to_look = printed.by_ref().map_while(Result::ok).find(|line| line.contains("metrics:"));
        let line = where_to_look.expect("it says where to look");
        let (_, url) = line.split_once("http://").expect("a URL");
        let address = url.strip_suffix("/metrics").expect("the path of the metrics").to_owned();
        Self { process, address, _printed: printed }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let host = &self.address;
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, body.to_owned())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself, which the test then tells.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new("promtool").args(arguments).arg(file).output().unwrap_or_else(|error| {
        panic!("promtool cannot be run ({error}): `make test` installs it, with the package prometheus")
    });
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// The blocks of README.md whose fence says `kind`.
fn blocks(kind: &str) -> Vec<String> {
    let readme = read("README.md");
    let (fence, mut found) = (format!("```{kind}"), Vec::new());
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(inside.join("\n") + "\n");
        } else if line.starts_with("```") {
            lines.by_ref().find(|line| *line == "```").expect("an end of the block");
        }
    }
    found
}

/// The text without its blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What stands between two backticks.
fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The rows of the table whose head begins so.
fn table(text: &str, head: &str) -> Vec<Vec<String>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(head)).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "no table begins with {head}");
    rows
}

/// What links within a document may name: its headings, as GitHub spells them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_matches(['#', ' ']));
    headings.map(|heading| {
        let kept = heading.to_lowercase();
        kept.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c)).collect::<String>().replace(' ', "-")
    })
}

fn after<'w, 'l>(words: &'w [&'l str], word: &str) -> &'w [&'l str] {
    let at = words.iter().position(|found| *found == word).unwrap_or_else(|| panic!("no {word} in {words:?}"));
    &words[at + 1..]
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
