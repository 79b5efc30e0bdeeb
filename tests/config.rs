//! `exporter.yaml`: what is accepted, and the exact words of what is refused.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use avepoint_exporter::config::{Config, Error, Summary};
use avepoint_exporter::poll::ProductList;
use elements_api::{CertificateSource, Credential, CustomerId, ProductType, Secret, SecretSource};

/// Loads a file with the variables that its lines `#env NAME=VALUE` set (`\n` is a line break), and no others.
fn load(path: &Path) -> Result<Config, Error> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let variables: Vec<(&str, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#env ")?.split_once('='))
        .map(|(name, value)| (name, value.replace("\\n", "\n")))
        .collect();
    let variable = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone());
    Config::load_with(path, &variable)
}

fn good(name: &str) -> Config {
    load(&Path::new("tests/config/good").join(name)).expect("a good file")
}

/// What is wrong with `text` as the file `x.yaml` of a folder beside `tests/config/files`.
fn refusal(text: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(fs::canonicalize("tests/config/files").expect("it exists"), folder.path().join("files"))
        .expect("linked");
    let path = folder.path().join("configuration").join("x.yaml");
    fs::create_dir(folder.path().join("configuration")).expect("created");
    fs::write(&path, text).expect("written");
    let error = load(&path).expect_err("a bad file");
    assert!(!format!("{error}{error:?}").contains("hunter2"), "a secret is repeated: {error}");
    let folder = format!("{}/configuration", folder.path().display());
    error.to_string().replace(&format!("{folder}/"), "").replace(&folder, "FOLDER")
}

#[test]
fn bad_files_are_refused_in_the_expected_words() {
    let mut different = Vec::new();
    let cases = fs::read_to_string("tests/config/refused.txt").expect("readable");
    assert!(cases.split_terminator("\n\n").count() > 100);
    for case in cases.split_terminator("\n\n") {
        let lines = case.lines().filter(|line| !line.starts_with("## "));
        let (expected, text): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("=> "));
        let message = refusal(if text.is_empty() { String::new() } else { text.join("\n") + "\n" });
        let found: Vec<_> = message.lines().map(|line| format!("=> {line}")).collect();
        if found != expected {
            different.push(format!("{case}\nfound:\n{}\n", found.join("\n")));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_good_file_is_accepted_and_hides_its_secrets() {
    let folder = Path::new("tests/config/good");
    for file in fs::read_dir(folder).expect("a folder") {
        let path = file.expect("an entry").path();
        let config = load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(!format!("{config:?}").contains("s3cret"), "{}", path.display());
    }
}

#[test]
fn what_a_file_leaves_out_has_its_documented_default() {
    let Config { api, poll, state_file, selection, expected_seats_file } = good("smallest.yaml");
    assert_eq!(api.base_url.as_str(), "https://graph.avepointonlineservices.com/");
    assert_eq!(api.token_url.as_str(), "https://identity.avepointonlineservices.com/connect/token");
    assert_eq!(api.client_id, "1");
    assert_eq!(api.credential, Credential::Secret(SecretSource::Inline(Secret::new("x"))));
    assert_eq!(api.ca_file, None);
    assert_eq!(api.timeout, Duration::from_secs(30));
    assert_eq!((api.max_in_flight.get(), api.requests_per_second.get(), api.max_retries), (16, 20, 3));
    assert!(api.discovery);
    assert_eq!(poll.interval, Duration::from_mins(15));
    assert_eq!(poll.stale_after, Duration::from_mins(45));
    assert_eq!(poll.absent_interval, Duration::from_hours(6));
    assert_eq!((state_file, expected_seats_file), (None, None));
    assert_eq!((&selection.products, selection.products.products().len()), (&ProductList::All, 22));
}

#[test]
fn every_setting_of_a_file_is_heard() {
    let Config { api, poll, state_file, selection, expected_seats_file } = good("everything.yaml");
    let text = PathBuf::from("tests/config/good/../files/text");
    assert_eq!(api.base_url.as_str(), "https://graph-us.avepointonlineservices.com/");
    assert_eq!(api.token_url.as_str(), "http://127.0.0.1:8080/connect/token");
    assert_eq!(api.client_id, "00000000-0000-0000-0000-000000000000");
    assert_eq!(api.credential, Credential::Secret(SecretSource::File(text.clone())));
    assert_eq!(api.ca_file, Some(text));
    assert_eq!(api.timeout, Duration::from_secs(10));
    assert_eq!((api.max_in_flight.get(), api.requests_per_second.get(), api.max_retries), (4, 5, 0));
    assert_eq!(poll.interval, Duration::from_mins(30));
    assert_eq!(poll.stale_after, Duration::from_hours(2));
    assert_eq!(poll.absent_interval, Duration::from_hours(24));
    assert_eq!(state_file, Some(PathBuf::from("tests/config/good/state.json")));
    assert_eq!(expected_seats_file, Some(PathBuf::from("tests/config/good/no-such-file.csv")));
    let [contoso, all, common] = &selection.customers[..] else { panic!("three customers") };
    let listed = |numbers: &[u32]| {
        ProductList::Listed(numbers.iter().map(|number| ProductType::new(*number).expect("a number")).collect())
    };
    assert_eq!(
        (contoso.id.as_str(), contoso.name.as_deref()),
        ("11111111-2222-4333-8444-555555555555", Some("contoso"))
    );
    assert_eq!(contoso.products, Some(listed(&[2048, 16_777_216, 7])));
    assert_eq!(all.products, Some(ProductList::All));
    assert_eq!((common.name.as_deref(), &common.products), (None, &None));
    let excluded: BTreeSet<_> = selection.discovery.iter().flat_map(|on| &on.exclude).map(CustomerId::as_str).collect();
    assert_eq!(excluded, BTreeSet::from(["9", "d"]));
    assert_eq!(selection.products, listed(&[2048, 33_554_432]));
}

#[test]
fn an_environment_decides_both_urls() {
    for (name, base, token) in [
        (
            "us_government",
            "https://graph-gov.avepointonlineservices.com/",
            "https://identity-gov.avepointonlineservices.com/connect/token",
        ),
        (
            "aos2",
            "https://graph-aos2.avepointonlineservices.com/",
            "https://identity-aos2.avepointonlineservices.com/connect/token",
        ),
        ("fedramp", "https://graphusgovapi.online15.net/", "https://identity.online15.net/connect/token"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.yaml");
        let text = format!(
            "api: {{environment: {name}, client_id: a, client_secret: b}}\nproducts: all\ncustomers: [{{id: a}}]\n"
        );
        fs::write(&path, text).expect("written");
        let api = load(&path).expect("a good file").api;
        assert_eq!((api.base_url.as_str(), api.token_url.as_str()), (base, token));
        assert!(!api.discovery);
    }
}

#[test]
fn a_certificate_is_a_pfx_or_a_pair_of_pem_files() {
    let file = || PathBuf::from("tests/config/good/../files/text");
    let pfx = CertificateSource::Pfx { pfx_file: file(), password_file: Some(file()) };
    assert_eq!(good("certificate-pfx.yaml").api.credential, Credential::Certificate(pfx));
    let pem = CertificateSource::Pem { cert_file: file(), key_file: file() };
    assert_eq!(good("certificate-pem.yaml").api.credential, Credential::Certificate(pem));
}

#[test]
fn the_summary_counts_what_is_configured() {
    let expected = Summary { customers: 3, products: 23, targets: 27, discovery: true };
    assert_eq!(good("everything.yaml").summary(&[]), expected);
    let expected = Summary { customers: 2, products: 2, targets: 2, discovery: false };
    assert_eq!(good("own-products-only.yaml").summary(&[]), expected);
    let expected = Summary { customers: 0, products: 22, targets: 0, discovery: true };
    assert_eq!(good("smallest.yaml").summary(&[]), expected);
}

#[test]
fn a_file_that_is_no_text_is_refused_with_the_line() {
    assert_eq!(
        refusal(b"api:\n  client_secret: hunter2\xff\n"),
        "x.yaml:2: is not UTF-8 text; save the file in this encoding"
    );
    assert_eq!(refusal(b"\xff\xfea\0"), "x.yaml:1: is not UTF-8 text; save the file in this encoding");
}

#[test]
fn white_space_around_a_secret_and_an_id_is_no_part_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.yaml");
    let rest = "customers: [{id: a}]\nproducts: all\n";
    let secret = Credential::Secret(SecretSource::Inline(Secret::new("s3cret")));
    fs::write(&path, format!("api: {{client_id: \" 1\", client_secret: \"\\uFEFF s3cret\\n\"}}\n{rest}"))
        .expect("written");
    let api = load(&path).expect("a good file").api;
    assert_eq!((api.client_id.as_str(), &api.credential), ("1", &secret));
    fs::write(&path, rest).expect("written");
    let variable = |name: &str| match name {
        "AVEPOINT_CLIENT_ID" => Some("1\n".to_owned()),
        "AVEPOINT_CLIENT_SECRET" => Some("\ts3cret \r\n".to_owned()),
        _ => None,
    };
    let api = Config::load_with(&path, &variable).expect("a good file").api;
    assert_eq!((api.client_id.as_str(), &api.credential), ("1", &secret));
}

#[test]
fn a_secret_file_that_is_too_large_is_refused_for_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, vec![b'x'; 70_000]).expect("written");
    let api = format!("api: {{client_id: \"1\", client_secret_file: {}}}\n", secret.display());
    assert_eq!(
        refusal(format!("{api}customers: [{{id: a}}]\nproducts: all\n")),
        "x.yaml:1: api.client_secret_file: is not a secret file: expected one line of UTF-8 text in it, and it is larger \
         than 64 KiB"
    );
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    assert_eq!(refusal(vec![b'#'; (16 << 20) + 1]), "x.yaml: is larger than 16 MiB, too large for a configuration");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_the_reason() {
    let missing = load(Path::new("nowhere.yaml")).expect_err("missing").to_string();
    assert_eq!(missing, "nowhere.yaml: cannot be read: No such file or directory (os error 2)");
    let folder = load(Path::new("tests")).expect_err("a folder").to_string();
    assert_eq!(folder, "tests: cannot be read: it is not a regular file");
}

#[test]
fn a_named_pipe_is_refused_instead_of_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let message = Config::load_with(&pipe, &|_| None).expect_err("a pipe").to_string();
    assert!(message.ends_with("cannot be read: it is not a regular file"), "{message}");
    let text = format!(
        "api: {{client_id: a, client_secret_file: {}}}\nproducts: all\ncustomers: [{{id: a}}]\n",
        pipe.display()
    );
    assert!(refusal(text).ends_with("it is not a regular file"));
}

#[test]
fn a_file_behind_links_is_read_as_kubernetes_mounts_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("..data");
    fs::create_dir(folder.path().join("..2026")).expect("created");
    std::os::unix::fs::symlink("..2026", &data).expect("linked");
    fs::copy("tests/config/good/own-products-only.yaml", data.join("exporter.yaml")).expect("copied");
    let path = folder.path().join("exporter.yaml");
    std::os::unix::fs::symlink("..data/exporter.yaml", &path).expect("linked");
    assert!(load(&path).is_ok());
}

#[test]
fn line_breaks_of_windows_and_a_byte_order_mark_are_accepted() {
    let text = fs::read_to_string("tests/config/good/own-products-only.yaml").expect("readable");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.yaml");
    fs::write(&path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).expect("written");
    load(&path).expect("a good file");
    assert!(
        refusal(format!("\u{feff}{}poll: {{interval: 1}}\r\n", text.replace('\n', "\r\n")))
            .starts_with("x.yaml:9: poll.interval: ")
    );
}

#[test]
fn many_problems_are_counted_instead_of_shown() {
    let customers = "  - id: a\n".repeat(10_000);
    let text = format!("api: {{client_id: a, client_secret: b}}\nproducts: all\ncustomers:\n{customers}");
    let message = refusal(text);
    assert_eq!(message.lines().count(), 51);
    assert!(message.ends_with("\nx.yaml: and 9949 more"));
}

/// The example with the settings in force that are commented out as `#key`, without a blank.
fn uncommented(example: &str) -> String {
    let line = |line: &str| {
        let (blanks, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => format!("{blanks}{setting}\n"),
            _ => format!("{line}\n"),
        }
    };
    example.lines().map(line).collect()
}

fn example() -> String {
    fs::read_to_string("exporter.yaml").expect("the example")
}

#[test]
fn the_example_needs_no_more_than_two_variables_and_shows_the_defaults() {
    let variable = |name: &str| name.starts_with("AVEPOINT_CLIENT_").then(|| "x".to_owned());
    let config = Config::load_with(Path::new("exporter.yaml"), &variable).expect("valid as it is");
    assert_eq!(config.summary(&[]), Summary { customers: 0, products: 22, targets: 0, discovery: true });
    let mut smallest = good("smallest.yaml");
    smallest.api.client_id = config.api.client_id.clone();
    assert_eq!(config, smallest);
}

#[test]
fn without_credentials_the_example_says_which_are_missing() {
    let message = Config::load_with(Path::new("exporter.yaml"), &|_| None).expect_err("no credentials").to_string();
    assert_eq!(message.lines().count(), 2);
    assert!(message.contains("AVEPOINT_CLIENT_ID") && message.contains("AVEPOINT_CLIENT_SECRET"), "{message}");
}

#[test]
fn the_example_is_valid_with_all_its_optional_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("exporter.yaml");
    fs::write(&path, uncommented(&example())).expect("written");
    for name in ["client_secret", "corporate-root.pem"] {
        fs::write(folder.path().join(name), "x\n").expect("written");
    }
    let config = load(&path).expect("valid");
    assert_eq!(config.api.credential, Credential::Secret(SecretSource::File(folder.path().join("client_secret"))));
    assert_eq!(config.api.ca_file, Some(folder.path().join("corporate-root.pem")));
    assert_eq!(config.poll.absent_interval, Duration::from_hours(6));
    assert_eq!(config.state_file, Some(folder.path().join("state.json")));
    assert_eq!(config.summary(&[]), Summary { customers: 1, products: 22, targets: 2, discovery: true });
    assert_eq!(config.selection.discovery.expect("on").exclude.len(), 1);
}

#[test]
fn the_example_shows_every_key() {
    let example = example();
    for section in [
        "",
        "api:\n  ",
        "api:\n  certificate:\n    ",
        "poll:\n  ",
        "customers:\n- ",
        "discovery:\n  ",
        "subscriptions:\n  ",
    ] {
        let message = refusal(format!("{section}no_such_key_at_all: 1\n"));
        let (_, known) = message.split_once("known keys are ").expect("a list of keys");
        let known = known.lines().next().expect("a line");
        for key in known.split(", ") {
            assert!(example.contains(&format!("{key}:")), "{key}");
        }
    }
}
