//! What the ServiceMonitor's relabelings make of a rollout, in a real Prometheus.

use std::collections::BTreeMap;

use elements_sim::Simulator;
use serde_json::json;

use super::files::yaml;
use super::operator::{Relabeling, ServiceMonitor};
use crate::harness::prometheus::Prometheus;
use crate::harness::{Exporter, Folder, Yaml, eventually, world};

/// What the operator puts before a monitor's own relabelings, as its documentation lists it.
const OPERATOR: &str = "
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
      - {source_labels: [__meta_kubernetes_service_name], target_label: service}
      - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
      - {source_labels: [__meta_kubernetes_pod_container_name], target_label: container}
      - {source_labels: [__meta_kubernetes_service_name], target_label: job}
      - {target_label: endpoint, replacement: metrics}";

#[tokio::test]
async fn a_rollout_leaves_every_series_what_it_was() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let (old, new) = (Exporter::start(&folder).await, Exporter::start(&folder).await);
    for exporter in [&old, &new] {
        exporter.until("avepoint_poll_targets{state=\"ok\"}", 3.0).await;
    }
    roll_out(&folder, "avepoint-exporter-5d9c7-aaaaa", old.address());
    folder.write("prometheus.yml", configuration(&folder));
    let prometheus = Prometheus::start(&folder, &[]);
    scraped(&prometheus, &old).await;
    roll_out(&folder, "avepoint-exporter-7f4b8-bbbbb", new.address());
    scraped(&prometheus, &new).await;

    let seats = |job| format!("avepoint_purchased_user_seats{{job=\"{job}\",customer=\"contoso\",product=\"Fly\"}}");
    let series = |job| format!("count(count_over_time({}[1h]))", seats(job));
    prometheus.until(&series("avepoint"), "1").await;
    // With the operator's labels alone there would be two.
    prometheus.until(&series("avepoint-exporter"), "2").await;

    let seats = seats("avepoint");
    let query = [("query", seats.as_str())];
    let labels = eventually("the series is there", || async {
        Some(prometheus.ask("query", &query).await?["result"][0]["metric"].as_object()?.clone())
    })
    .await;
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    let expected = [
        "__name__=avepoint_purchased_user_seats",
        "customer=contoso",
        "instance=avepoint-exporter/avepoint-exporter",
        "job=avepoint",
        "namespace=avepoint-exporter",
        "product=Fly",
    ];
    assert_eq!(labels, expected);
    let join = "count(avepoint_purchased_user_seats{job=\"avepoint\"} \
                * on (job, instance, customer) group_left (name) avepoint_customer_info)";
    prometheus.until(join, "4").await;
}

/// Waits until both jobs have scraped this exporter and no other.
async fn scraped(prometheus: &Prometheus, exporter: &Exporter) {
    let url = format!("http://{}/metrics", exporter.address());
    eventually("both jobs scrape the pod", || async {
        let targets = prometheus.ask("targets", &[]).await?;
        let targets = targets["activeTargets"].as_array()?;
        let well = targets.iter().all(|target| target["scrapeUrl"] == url.as_str() && target["health"] == "up");
        (well && targets.len() == 2).then_some(())
    })
    .await;
}

/// What the cluster's API would say about the pod that is there now.
fn roll_out(folder: &Folder, pod: &str, address: &str) {
    let target = json!([{"targets": [address], "labels": {
        "__meta_kubernetes_namespace": "avepoint-exporter",
        "__meta_kubernetes_service_name": "avepoint-exporter",
        "__meta_kubernetes_pod_name": pod,
        "__meta_kubernetes_pod_container_name": "avepoint-exporter",
    }}]);
    folder.write("pods.json", target.to_string());
}

/// One job with the monitor's relabelings, and one without.
fn configuration(folder: &Folder) -> String {
    let monitor: ServiceMonitor = serde_yaml::from_value(yaml("deploy/kubernetes/servicemonitor.yaml")).unwrap();
    let own: String = monitor.spec.endpoints[0].relabelings.iter().map(line).collect();
    let pods = folder.file("pods.json");
    let job = |name: &str, relabelings: &str| {
        format!(
            "  - job_name: {name}\n    file_sd_configs: [{{files: ['{}'], refresh_interval: 1s}}]\n    \
             relabel_configs:{OPERATOR}{relabelings}\n",
            pods.display()
        )
    };
    let jobs = [job("monitor", &own), job("without", "")].concat();
    format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}")
}

/// As Prometheus spells the same, which refuses a `labeldrop` with anything that it does not need.
fn line(relabeling: &Relabeling) -> String {
    let Relabeling { source_labels, separator, target_label, regex, replacement, action } = relabeling;
    let sources = (!source_labels.is_empty()).then(|| json!(source_labels));
    let texts = [
        ("separator", separator),
        ("target_label", target_label),
        ("regex", regex),
        ("replacement", replacement),
        ("action", action),
    ];
    let texts = texts.into_iter().filter_map(|(key, value)| Some((key, json!(value.as_ref()?))));
    let fields: BTreeMap<_, _> = sources.map(|sources| ("source_labels", sources)).into_iter().chain(texts).collect();
    format!("\n      - {}", json!(fields))
}
