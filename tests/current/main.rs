//! The shipped rules and the metrics with VictoriaMetrics, as `make test-current` unpacks it: `vmagent` scrapes,
//! `vmalert` evaluates. The programs move with their distribution, so no other run builds or needs this.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends with what it did not expect, and its helpers are called more often than they are read"
)]

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "what only other test binaries use of it is used there")]
mod harness;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use elements_sim::Simulator;
use serde_json::Value;

use self::harness::{Exporter, FLY, Folder, Running, Yaml, eventually, http, world};

/// What an operator with several of everything adds to all that `vmalert` writes.
const EXTERNAL: &str = "-external.label=cluster=north";

#[test]
fn vmalert_sees_each_alert_fire_and_stay_silent_as_the_cases_say() {
    let folder = tempfile::tempdir().unwrap();
    let rules = root().join("alerts").display().to_string();
    let mut tried = 0;
    for entry in fs::read_dir(root().join("tests/exporter/alerts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let cases = alert_cases(&fs::read_to_string(&path).unwrap())
            .replace("../../../alerts", &rules)
            .replace("exp_labels: {", "exp_labels: {cluster: north, ");
        let copy = folder.path().join(path.file_name().unwrap());
        fs::write(&copy, cases).unwrap();
        let mut tool = program("vmalert-tool");
        tool.args(["unittest", "--disableAlertgroupLabel", EXTERNAL, "--files"]).arg(&copy);
        let ended = tool.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success() && said.contains("SUCCESS"), "{}: {said}", path.display());
        tried += 1;
    }
    assert!(tried > 5, "{tried} files of cases");
}

/// The cases without their questions about the series `ALERTS`: of those `vmalert-tool` counts one more.
fn alert_cases(text: &str) -> String {
    let mut is_question = false;
    let kept = text.lines().filter(|line| {
        let depth = line.len() - line.trim_start().len();
        is_question = line.starts_with("    promql_expr_test:") || is_question && (line.is_empty() || depth > 4);
        !is_question
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[tokio::test]
async fn what_vmagent_scrapes_is_remembered_by_vmalert_once_a_customer_and_a_change_is_told_by_name() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator).rest("discovery: {enabled: true}\nproducts: [2048, Fly]\n"));
    let exporter = Exporter::start(&folder).await;
    let victoria = Victoria::start(&folder, exporter.address());

    for (recorded, customers) in [("customer_info", "2"), ("customer_seats", "2")] {
        let query = format!("count(avepoint:{recorded}:last_seen_timestamp_seconds{{cluster=\"north\"}})");
        victoria.until(&query, customers).await;
    }
    simulator.set_seats("c-1", FLY, 11);
    let summary = "Contoso has more seats of Fly: 7 before, 11 now";
    eventually(summary, || async {
        let alerts = victoria.alert("alerts").await?;
        alerts["alerts"].as_array()?.iter().find(|alert| alert["annotations"]["summary"] == summary)?;
        Some(())
    })
    .await;
    // By now each rule has met what it remembers.
    victoria.until("count(avepoint:customer_seats:last_seen_timestamp_seconds)", "2").await;
    let rules = victoria.alert("rules").await.unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 30, "{}", rules.len());
    for rule in rules {
        assert!(rule["health"] == "ok" && rule["lastError"].as_str().is_none_or(str::is_empty), "{rule}");
    }
    exporter.stop().await;
}

/// `victoria-metrics`, a `vmagent` that scrapes every second for it, and a `vmalert` that asks it. Dropped, they are killed.
struct Victoria {
    _running: [Running; 3],
    storage: String,
    vmalert: String,
    http: reqwest::Client,
}

impl Victoria {
    fn start(folder: &Folder, target: &str) -> Self {
        let [storage, agent, vmalert] = [(); 3].map(|()| free_address());
        let scrape = format!(
            "scrape_configs: [{{job_name: avepoint, scrape_interval: 1s, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        folder.write("scrape.yml", scrape);
        let url = format!("http://{storage}");
        let running = [
            started(program("victoria-metrics").args([
                &format!("-storageDataPath={}", folder.file("data").display()),
                &format!("-httpListenAddr={storage}"),
                // What came a moment ago is asked for.
                "-search.latencyOffset=0s",
            ])),
            started(program("vmagent").args([
                &format!("-promscrape.config={}", folder.file("scrape.yml").display()),
                &format!("-remoteWrite.url={url}/api/v1/write"),
                &format!("-remoteWrite.tmpDataPath={}", folder.file("agent").display()),
                &format!("-httpListenAddr={agent}"),
            ])),
            started(program("vmalert").args([
                &format!("-rule={}/alerts/*.yaml", root().display()),
                &format!("-datasource.url={url}"),
                &format!("-remoteWrite.url={url}"),
                &format!("-remoteRead.url={url}"),
                &format!("-httpListenAddr={vmalert}"),
                "-notifier.blackhole",
                "-evaluationInterval=1s",
                "-rule.evalDelay=0s",
                EXTERNAL,
            ])),
        ];
        Self { _running: running, storage, vmalert, http: http() }
    }

    /// The `data` of an answer.
    async fn ask(&self, url: String, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = reqwest::Url::parse_with_params(&url, parameters).unwrap();
        let answer = self.http.get(url).send().await.ok()?.text().await.ok()?;
        let mut answer: Value = serde_json::from_str(&answer).ok()?;
        assert_eq!(answer["status"], "success", "{answer}");
        Some(answer["data"].take())
    }

    async fn alert(&self, what: &str) -> Option<Value> {
        self.ask(format!("http://{}/api/v1/{what}", self.vmalert), &[]).await
    }

    async fn until(&self, query: &str, value: &str) {
        eventually(&format!("{query} is {value}"), || async {
            let data = self.ask(format!("http://{}/api/v1/query", self.storage), &[("query", query)]).await?;
            (data["result"][0]["value"][1] == value).then_some(())
        })
        .await;
    }
}

fn started(command: &mut Command) -> Running {
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn program(name: &str) -> Command {
    let path = root().join("target/current/usr/bin").join(name);
    assert!(path.is_file(), "{name} is missing: `make test-current` unpacks it");
    Command::new(path)
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
