//! A real Prometheus, from the distribution's package.

use std::net::TcpListener;
use std::process::{Child, Stdio};

use avepoint_exporter::sim::Simulator;
use serde_json::Value;

use crate::harness::{Exporter, FLY, Folder, Yaml, eventually, tool, world};

/// A Prometheus that scrapes an exporter. Dropped, it is killed.
pub struct Prometheus {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// `how` is more of the scrape configuration, such as `, scheme: https`.
    pub fn start(folder: &Folder, target: &str, how: &str) -> Self {
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: avepoint, static_configs: [{{targets: ['{target}']}}]{how}}}]\n"
        );
        let file = folder.write("prometheus.yml", configuration);
        // Prometheus cannot tell which port it got, so it is given one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = tool("prometheus", "prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.file("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { child, url: format!("http://{address}/api/v1/query"), http }
    }

    /// The first value that the query yields.
    async fn query(&self, query: &str) -> Option<String> {
        let url = reqwest::Url::parse_with_params(&self.url, [("query", query)]).unwrap();
        let answer = self.http.get(url).send().await.ok()?.text().await.ok()?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        Some(answer["data"]["result"][0]["value"][1].as_str()?.to_owned())
    }

    pub async fn until(&self, query: &str, value: &str) {
        eventually(&format!("{query} is {value}"), || async { (self.query(query).await? == value).then_some(()) })
            .await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn prometheus_scrapes_the_numbers_and_sees_them_change() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let exporter = Exporter::start(&folder).await;
    let prometheus = Prometheus::start(&folder, exporter.address(), "");
    prometheus.until("up{job=\"avepoint\"}", "1").await;
    let fly = "avepoint_purchased_user_seats{customer=\"contoso\",product=\"Fly\"}";
    prometheus.until(fly, "7").await;
    simulator.set_seats("c-1", FLY, 11);
    prometheus.until(fly, "11").await;
    prometheus.until("avepoint_purchased_user_seats_previous{product=\"Fly\"}", "7").await;
    exporter.stop().await;
}

#[tokio::test]
async fn promtool_has_nothing_to_say() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.cycles(1).await;
    simulator.set_seats("c-1", FLY, 11);
    exporter.until("avepoint_purchased_user_seats_previous{customer=\"contoso\",product=\"Fly\"}", 7.0).await;
    let metrics = exporter.metrics().await;
    let mut promtool = tool("promtool", "prometheus")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    exporter.stop().await;
}
