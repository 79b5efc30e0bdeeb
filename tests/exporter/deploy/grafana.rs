//! What Grafana finds when it starts.

use super::compose::{FOLDER, Service, is_a_service};
use super::files::{ending, text, yaml};
use crate::harness::root;

const PROVISIONING: &str = "/etc/grafana/provisioning";

#[test]
fn its_data_source_is_prometheus() {
    let folder = Service::of("grafana").mounted(&format!("{PROVISIONING}/datasources"));
    let file = yaml(&format!("{folder}/prometheus.yaml"));
    assert_eq!(file["apiVersion"], 1);
    let [source] = &file["datasources"].as_sequence().unwrap()[..] else { panic!("one data source") };
    assert_eq!(source["type"], "prometheus");
    assert_eq!(source["isDefault"], true);
    assert!(is_a_service(text(&source["url"]).strip_prefix("http://").unwrap()));
    let scraped = &yaml(&format!("{FOLDER}/prometheus.yml"))["global"]["scrape_interval"];
    assert_eq!(&source["jsonData"]["timeInterval"], scraped);
}

#[test]
fn its_dashboards_are_those_of_the_repository() {
    let grafana = Service::of("grafana");
    let folder = grafana.mounted(&format!("{PROVISIONING}/dashboards"));
    let file = yaml(&format!("{folder}/avepoint.yaml"));
    assert_eq!(file["apiVersion"], 1);
    let [provider] = &file["providers"].as_sequence().unwrap()[..] else { panic!("one provider") };
    assert_eq!(provider["type"], "file");
    let path = text(&provider["options"]["path"]);
    let dashboards = grafana.mounted(&path);
    assert!(!ending(&dashboards, ".json").is_empty(), "{dashboards} holds dashboards");
    let home = grafana.environment("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH");
    assert!(root().join(home.replace(&path, &dashboards)).is_file(), "{home}");
}

#[test]
fn visitors_without_an_account_are_viewers() {
    let grafana = Service::of("grafana");
    assert_eq!(grafana.environment("GF_AUTH_ANONYMOUS_ENABLED"), "true");
    assert_eq!(grafana.environment("GF_AUTH_ANONYMOUS_ORG_ROLE"), "Viewer");
}
