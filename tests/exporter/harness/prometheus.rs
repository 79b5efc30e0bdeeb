//! A real Prometheus, from the distribution's package.

use std::process::Stdio;

use serde_json::Value;

use super::{Folder, Running, eventually, free_address, http, tool};

/// A running Prometheus. Dropped, it is killed.
#[derive(Debug)]
pub struct Prometheus {
    _running: Running,
    address: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// One that scrapes an exporter every second. `how` is more of the scrape configuration, such as
    /// `, scheme: https`.
    pub fn scraping(folder: &Folder, target: &str, how: &str) -> Self {
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: avepoint, static_configs: [{{targets: ['{target}']}}]{how}}}]\n"
        );
        folder.write("prometheus.yml", configuration);
        Self::start(folder, &[])
    }

    /// One with the folder's `prometheus.yml`, and its data in the folder's `data`.
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        // Prometheus does not say which port it got, so it is given one that was free a moment ago.
        let address = free_address();
        let running = tool("prometheus", "prometheus")
            .arg(format!("--config.file={}", folder.file("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.file("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { _running: Running(running), address, http: http() }
    }

    /// The `data` of an answer of the API, such as `query`; `None` while nobody answers.
    ///
    /// # Panics
    /// If the answer is an error: then the question is wrong.
    pub async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://{}/api/v1/{what}", self.address);
        let url = reqwest::Url::parse_with_params(&url, parameters).unwrap();
        let answer = self.http.get(url).send().await.ok()?.text().await.ok()?;
        // Until it is ready it answers in plain text.
        let mut answer: Value = serde_json::from_str(&answer).ok()?;
        assert_eq!(answer["status"], "success", "{what} {parameters:?}: {answer}");
        Some(answer["data"].take())
    }

    /// The first value that the query yields.
    async fn first(&self, query: &str) -> Option<String> {
        let data = self.ask("query", &[("query", query)]).await?;
        Some(data["result"][0]["value"][1].as_str()?.to_owned())
    }

    pub async fn until(&self, query: &str, value: &str) {
        eventually(&format!("{query} is {value}"), || async { (self.first(query).await? == value).then_some(()) })
            .await;
    }
}
