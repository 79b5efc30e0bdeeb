//! What Prometheus' own programs and readers make of the metrics.

use std::process::Stdio;

use elements_sim::{Customer, Simulator};

use crate::harness::prometheus::Prometheus;
use crate::harness::{Exporter, FLY, Folder, Yaml, http, tool, world};

#[tokio::test]
async fn prometheus_scrapes_the_numbers_and_sees_them_change() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let exporter = Exporter::start(&folder).await;
    let prometheus = Prometheus::scraping(&folder, exporter.address(), "");
    prometheus.until("up{job=\"avepoint\"}", "1").await;
    let fly = "avepoint_purchased_user_seats{customer=\"contoso\",product=\"Fly\"}";
    prometheus.until(fly, "7").await;
    simulator.set_seats("c-1", FLY, 11);
    prometheus.until(fly, "11").await;
    prometheus.until("avepoint_purchased_user_seats_previous{product=\"Fly\"}", "7").await;
    exporter.stop().await;
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
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

/// Prints the number of samples that Python's client reads: it follows the standard more strictly than Prometheus does.
const STRICT: &str = "import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))";

#[tokio::test]
async fn a_strict_reader_takes_openmetrics_with_any_organization_name() {
    let mut world = world();
    world.customers.insert(Customer::new("c-3", "a\"} 1 # {\n\\ \u{2028}\u{202e}\u{7}\t\r🦀\n# EOF\n").product(FLY, 5));
    let simulator = Simulator::start(world).await.unwrap();
    let yaml = Yaml::new(&simulator).rest("discovery: {enabled: true}\nproducts: [2048, Fly]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 4.0).await;
    simulator.set_seats("c-1", FLY, 11);
    exporter.until("avepoint_purchased_user_seats_previous{customer=\"c-1\",product=\"Fly\"}", 7.0).await;
    // As Prometheus 3 asks.
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                  application/openmetrics-text;version=0.0.1;q=0.5,\
                  text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let answer = http().get(format!("http://{}/metrics", exporter.address())).header("accept", accept);
    let answer = answer.send().await.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    let metrics = answer.text().await.unwrap();
    let samples = metrics.lines().filter(|line| !line.starts_with('#')).count();

    let mut python = tool("/usr/bin/python3", "python3 and python3-prometheus-client");
    let mut python = python.args(["-c", STRICT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), metrics.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "Python's reader (package python3-prometheus-client) refuses:\n{metrics}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), samples.to_string());
    exporter.stop().await;
}
