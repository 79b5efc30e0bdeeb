//! What must never be seen is searched for wherever something can be seen.

use std::fs;

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use reqwest::Method;
use url::form_urlencoded;

use crate::harness::keys::Identity;
use crate::harness::{Ended, Exporter, Folder, Yaml, binary, is_private, world};

const CLIENT_SECRET: &str = "hunter2/client+secret";
const PASSWORD: &str = "hunter2-of-the-archive";

#[tokio::test]
async fn a_client_secret_and_its_tokens_are_seen_nowhere() {
    for format in ["logfmt", "json"] {
        let simulator =
            Simulator::start(World { client_secret: Some(CLIENT_SECRET.to_owned()), ..world() }).await.unwrap();
        let yaml = Yaml::new(&simulator).with_api("client_secret", CLIENT_SECRET);
        let folder = Folder::new(&yaml);
        let seen = everything_seen(&simulator, &folder, &yaml, format, |world| world.client_secret = None).await;
        let form = form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
        seen.lack(&[vec![CLIENT_SECRET.to_owned(), form], tokens(&simulator)].concat());
    }
}

#[tokio::test]
async fn a_certificates_password_key_assertions_and_tokens_are_seen_nowhere() {
    let identity = Identity::new();
    let key = identity.key_pem();
    let key: Vec<_> = key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect();
    for format in ["logfmt", "json"] {
        let account = World { certificate: Some(identity.der()), client_secret: None, ..world() };
        let simulator = Simulator::start(account).await.unwrap();
        let yaml = Yaml::new(&simulator)
            .with_api("client_secret", "")
            .with_api("certificate", "{pfx_file: app.pfx, password_file: app.pass}");
        let folder = Folder::new(&yaml);
        identity.write_pfx(&folder, PASSWORD, &[]);
        folder.write("app.pass", PASSWORD);
        let seen = everything_seen(&simulator, &folder, &yaml, format, |world| world.certificate = None).await;
        let assertions = assertions(&simulator);
        assert!(assertions.len() >= 8, "{assertions:?}");
        seen.lack(&[vec![PASSWORD.to_owned()], key.clone(), assertions, tokens(&simulator)].concat());
    }
}

/// Texts, each with the place where it was seen.
struct Seen(Vec<(String, String)>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn lack(&self, secrets: &[String]) {
        for (place, text) in &self.0 {
            for secret in secrets {
                assert!(!text.contains(secret.as_str()), "{place} shows {secret:?}:\n{text}");
            }
        }
    }
}

/// Runs the daemon through good and bad times, and every command, and gathers what can be seen of them. `revoke` makes
/// the account refuse the credentials.
async fn everything_seen(
    simulator: &Simulator,
    folder: &Folder,
    yaml: &Yaml,
    format: &str,
    revoke: impl Fn(&mut World),
) -> Seen {
    let yaml = yaml.clone().with_poll("interval", "1s").and("state_file: state.json\ndiscovery: {enabled: true}\n");
    folder.configure(&yaml);
    let mut seen = Seen(Vec::new());
    let log_options = ["--log.level", "trace", "--log.format", format];
    let options = [&log_options[..], &["--web.enable-lifecycle"]].concat();
    let exporter = Exporter::start_with(folder, &options).await;
    exporter.until("avepoint_api_up", 1.0).await;

    // A 401, and then a refusal.
    simulator.revoke_tokens();
    exporter.cycles(2).await;
    let account = simulator.change(|world| {
        let account = world.clone();
        revoke(world);
        account
    });
    simulator.revoke_tokens();
    exporter.until("avepoint_api_up", 0.0).await;
    simulator.change(|world| *world = account);
    exporter.until("avepoint_api_up", 1.0).await;

    for effect in bad_answers(simulator) {
        for operation in [Operation::Overview, Operation::Customers, Operation::Token] {
            simulator.clear_faults();
            simulator.inject(Rule::on(operation, effect.clone()));
            if operation == Operation::Token {
                simulator.revoke_tokens();
            }
            exporter.cycles(2).await;
        }
    }
    simulator.clear_faults();
    exporter.until("avepoint_api_up", 1.0).await;

    for wrong in wrong_configurations(&yaml) {
        folder.write("exporter.yaml", &wrong);
        let answer = exporter.ask(Method::POST, "/-/reload").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{wrong}");
        seen.add("/-/reload", answer.body);
        let Ended { code, stdout, stderr } =
            Ended::beside(folder.command(&[&["check"], &log_options[..]].concat())).await;
        assert_eq!(code, Some(1), "{wrong}");
        seen.add("check of what is wrong", stdout + &stderr);
    }
    folder.configure(&yaml);
    seen.add("a good reload", exporter.ask(Method::POST, "/-/reload").await.body);
    exporter.cycles(2).await;

    for path in [
        "/metrics",
        "/",
        "/-/ready",
        "/-/healthy",
        "/seats.csv",
        "/seats.json",
        "/subscriptions",
        "/subscriptions.csv",
        "/subscriptions.json",
        "/nothing",
    ] {
        let answer = exporter.get(path).await;
        seen.add(path, format!("{:?}{}", answer.headers, answer.body));
    }
    seen.add("the command line", fs::read_to_string(format!("/proc/{}/cmdline", exporter.pid())).unwrap());
    exporter.signal("TERM");
    exporter.until_logged("stopping").await;
    let log = exporter.log();
    for part in ["poll failed", "invalid_client", "an unusable answer", "was not reloaded", "never followed"] {
        assert!(log.contains(part), "the daemon went through all of it: {part}\n{log}");
    }
    seen.add("the log", log);
    seen.add("stdout", exporter.stdout());
    drop(exporter);
    seen.add("the state file", fs::read_to_string(folder.file("state.json")).unwrap());
    assert!(is_private(&folder.file("state.json")));

    let commands = [
        &["check"][..],
        &["check", "--live"],
        &["customers"],
        &["poll"],
        &["poll", "--output", "json"],
        &["poll", "--output", "csv"],
        &["poll", "--output", "metrics"],
    ];
    for good in [true, false] {
        if !good {
            simulator.change(&revoke);
            simulator.revoke_tokens();
        }
        for command in commands {
            let ended = Ended::beside(folder.command(&[command, &log_options].concat())).await;
            assert_eq!(ended.code == Some(0), good || command == ["check"], "{command:?}: {}", ended.text());
            seen.add(command.join(" "), ended.text());
        }
    }
    seen
}

/// Answers that repeat whatever was sent, where a client may take it for its own words.
fn bad_answers(simulator: &Simulator) -> Vec<Effect> {
    let sent = [tokens(simulator), assertions(simulator), vec![CLIENT_SECRET.to_owned(), PASSWORD.to_owned()]].concat();
    let all = sent.join(" ");
    let json = serde_json::json!({
        "error": all, "error_description": all, "access_token": [all], "token_type": all, "expires_in": all,
        "productType": all, "purchasedUserSeat": all, "data": all, "metadata": { all.clone(): all },
    });
    let as_json = |effect: Effect| effect.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let refusal = hyper::Response::builder().status(StatusCode::BAD_REQUEST).body(json.to_string().into());
    vec![
        Effect::json(json.to_string()),
        as_json(Effect::Answer(refusal.unwrap())),
        Effect::json(all),
        Effect::redirect(HeaderValue::from_str(&format!("http://127.0.0.1:1/{}", sent[0])).unwrap()),
        Effect::Reset,
        Effect::Garbage,
    ]
}

/// Secrets where they do not belong. Where any other file than one of a secret is named, there is a path, which is shown.
fn wrong_configurations(yaml: &Yaml) -> Vec<String> {
    let secrets = [CLIENT_SECRET, PASSWORD];
    let mut wrong = Vec::new();
    for secret in secrets {
        for key in ["environment", "timeout", "base_url", "certificate", "client_secret_file", secret] {
            wrong.push(yaml.clone().with_api(key, secret).text());
        }
        let certificate = format!("{{pfx_file: app.pfx, password_file: {secret}}}");
        wrong.push(yaml.clone().with_api("certificate", certificate).text());
        wrong.push(yaml.clone().with_api("base_url", format!("https://me:{secret}@127.0.0.1")).text());
        wrong.push(format!("api: {secret}\n{}", yaml.rest));
    }
    wrong
}

/// Every token that the simulator was shown.
fn tokens(simulator: &Simulator) -> Vec<String> {
    let record = simulator.record();
    let headers = record.iter().filter_map(|exchange| exchange.header("authorization"));
    let mut tokens: Vec<_> = headers.map(|header| header.strip_prefix("Bearer ").unwrap().to_owned()).collect();
    tokens.sort();
    tokens.dedup();
    assert!(!tokens.is_empty());
    tokens
}

/// The parts of every assertion that the simulator was shown, but for the header that all have.
fn assertions(simulator: &Simulator) -> Vec<String> {
    let forms = simulator.record().into_iter().filter(|exchange| exchange.operation == Operation::Token);
    forms
        .flat_map(|exchange| form_urlencoded::parse(exchange.request.body()).into_owned().collect::<Vec<_>>())
        .filter(|(name, _)| name == "client_assertion")
        .flat_map(|(_, assertion)| assertion.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn no_option_takes_a_secret() {
    let help =
        ["check", "poll", "customers", "products", "demo"].map(|command| Ended::of(binary().args([command, "--help"])));
    for Ended { code, stdout, .. } in help.into_iter().chain([Ended::of(binary().arg("--help"))]) {
        assert_eq!(code, Some(0));
        for line in stdout.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
            let (option, _) = line.split_once("  ").unwrap_or((line, ""));
            let option = option.to_lowercase();
            assert!(!["secret", "password", "token", "key"].iter().any(|word| option.contains(word)), "{option}");
        }
    }
    for option in ["--client-secret", "--api.client-secret", "--password"] {
        let Ended { code, .. } = Ended::of(binary().args([option, "hunter2"]));
        assert_eq!(code, Some(2), "{option}");
    }
}
