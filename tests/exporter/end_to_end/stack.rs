//! Everything between the exporter and the person who is notified: Prometheus with the shipped rules, and
//! Alertmanager with the shipped routes.

use std::fs;

use serde_yaml::{Value, from_str};
use tokio::sync::RwLockReadGuard;

use super::hurried::Hurry;
use super::webhook::Webhook;
use crate::harness::alertmanager::Alertmanager;
use crate::harness::prometheus::Prometheus;
use crate::harness::{Folder, MACHINE, read, root};

/// Running programs that watch one exporter. Dropped, they end.
#[derive(Debug)]
pub struct Stack {
    pub webhook: Webhook,
    pub prometheus: Prometheus,
    _alertmanager: Alertmanager,
    /// A second is two minutes here: a machine that is busy for a few would be an outage.
    _quiet: RwLockReadGuard<'static, ()>,
}

impl Stack {
    /// One that scrapes `target` every hurried minute.
    pub async fn start(folder: &Folder, target: &str, hurry: Hurry) -> Self {
        let quiet = MACHINE.read().await;
        let webhook = Webhook::start().await;
        let alertmanager = alertmanager(folder, &webhook, hurry);
        fs::create_dir(folder.file("rules")).unwrap();
        for rules in fs::read_dir(root().join("alerts")).unwrap() {
            let rules = rules.unwrap();
            let text = hurry.rules(&fs::read_to_string(rules.path()).unwrap());
            folder.write(&format!("rules/{}", rules.file_name().display()), text);
        }
        let (minute, alerting) = (hurry.after("1m"), alertmanager.address());
        let configuration = format!(
            "global: {{scrape_interval: {minute}, scrape_timeout: {minute}, evaluation_interval: {minute}}}\n\
             rule_files: ['rules/*.yaml']\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alerting}']}}]}}]}}\n\
             scrape_configs: [{{job_name: avepoint, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        folder.write("prometheus.yml", configuration);
        let resend = format!("--rules.alert.resend-delay={minute}");
        let prometheus = Prometheus::start(folder, &[&resend]);
        Self { webhook, prometheus, _alertmanager: alertmanager, _quiet: quiet }
    }
}

/// Alertmanager with the shipped routes, hurried, and a webhook in the place of every receiver.
fn alertmanager(folder: &Folder, webhook: &Webhook, hurry: Hurry) -> Alertmanager {
    let mut configuration: Value = from_str(&read("deploy/compose/alertmanager.yml")).unwrap();
    hurry_routes(&mut configuration["route"], hurry);
    for receiver in configuration["receivers"].as_sequence_mut().unwrap() {
        let name = receiver["name"].as_str().unwrap();
        let hook = format!("{{name: {name}, webhook_configs: [{{url: '{}'}}]}}", webhook.url(name));
        *receiver = from_str(&hook).unwrap();
    }
    let file = folder.write("alertmanager.yml", serde_yaml::to_string(&configuration).unwrap());
    Alertmanager::start(&file, &folder.file("alertmanager"))
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
