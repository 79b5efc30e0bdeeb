//! Everything between the exporter and the person who is told: Prometheus with the shipped rules, and Alertmanager with
//! the shipped routes.

use std::fs;
use std::process::{Child, Stdio};

use serde_yaml::{Value, from_str};

use crate::harness::prometheus::Prometheus;
use crate::harness::{Folder, free_address, read, root, tool};
use crate::hurried::Hurry;
use crate::webhook::Webhook;

/// Running programs that watch one exporter. Dropped, they end.
#[derive(Debug)]
pub struct Stack {
    pub webhook: Webhook,
    pub prometheus: Prometheus,
    _alertmanager: Alertmanager,
}

impl Stack {
    /// One that scrapes `target` every hurried minute.
    pub async fn start(folder: &Folder, target: &str, hurry: Hurry) -> Self {
        let webhook = Webhook::start().await;
        let alertmanager = Alertmanager::start(folder, &webhook, hurry);
        fs::create_dir(folder.file("rules")).unwrap();
        for rules in fs::read_dir(root().join("alerts")).unwrap() {
            let rules = rules.unwrap();
            let text = hurry.rules(&fs::read_to_string(rules.path()).unwrap());
            folder.write(&format!("rules/{}", rules.file_name().display()), text);
        }
        let (minute, alerting) = (hurry.after("1m"), &alertmanager.address);
        let configuration = format!(
            "global: {{scrape_interval: {minute}, scrape_timeout: {minute}, evaluation_interval: {minute}}}\n\
             rule_files: ['rules/*.yaml']\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alerting}']}}]}}]}}\n\
             scrape_configs: [{{job_name: avepoint, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        folder.write("prometheus.yml", configuration);
        let resend = format!("--rules.alert.resend-delay={minute}");
        let prometheus = Prometheus::start(folder, &[&resend]);
        Self { webhook, prometheus, _alertmanager: alertmanager }
    }
}

#[derive(Debug)]
struct Alertmanager {
    child: Child,
    address: String,
}

impl Alertmanager {
    fn start(folder: &Folder, webhook: &Webhook, hurry: Hurry) -> Self {
        let text = read("deploy/compose/alertmanager.yml");
        let mut configuration: Value = from_str(&text).unwrap();
        hurry_routes(&mut configuration["route"], hurry);
        for receiver in configuration["receivers"].as_sequence_mut().unwrap() {
            let name = receiver["name"].as_str().unwrap();
            let hook = format!("{{name: {name}, webhook_configs: [{{url: '{}'}}]}}", webhook.url(name));
            *receiver = from_str(&hook).unwrap();
        }
        let file = folder.write("alertmanager.yml", serde_yaml::to_string(&configuration).unwrap());
        // Alertmanager cannot tell which port it got, so it is given one that was free a moment ago.
        let address = free_address();
        let child = tool("prometheus-alertmanager", "prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.file("alertmanager").display()))
            .arg(format!("--web.listen-address={address}"))
            // It is alone.
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hurry_routes(route: &mut Value, hurry: Hurry) {
    for key in ["group_wait", "group_interval", "repeat_interval"] {
        if let Some(duration) = route.get_mut(key) {
            *duration = hurry.after(duration.as_str().unwrap()).into();
        }
    }
    if let Some(routes) = route.get_mut("routes") {
        routes.as_sequence_mut().unwrap().iter_mut().for_each(|route| hurry_routes(route, hurry));
    }
}
