//! What the Prometheus operator accepts. No package has its schema, so these are the fields of its API reference that
//! are used here, and no others.

use std::collections::BTreeMap;
use std::fs;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::{Deserialize, Serialize};

use super::files::{alert_groups, yaml};
use crate::harness::{printed, read, root, tool};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceMonitor {
    api_version: V1,
    kind: String,
    metadata: ObjectMeta,
    pub spec: Monitoring,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum V1 {
    #[serde(rename = "monitoring.coreos.com/v1")]
    V1,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Monitoring {
    pub selector: LabelSelector,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    pub port: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    pub relabelings: Vec<Relabeling>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsConfig {
    pub server_name: String,
    pub ca: SecretOrConfigMap,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretOrConfigMap {
    pub secret: SecretKey,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    pub username: SecretKey,
    pub password: SecretKey,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    pub name: String,
    pub key: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relabeling {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusRule {
    api_version: V1,
    kind: String,
    metadata: ObjectMeta,
    spec: Rules,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    expr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#for: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

const RULE: &str = "deploy/kubernetes/prometheusrule.yaml";

const HEAD: &str =
    "# The groups of alerts/*.yaml: `UPDATE_DEPLOY=1 cargo test --test exporter deploy` writes this file anew.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: avepoint-exporter
  labels:
    app.kubernetes.io/name: avepoint-exporter
    # Many operators select only rules with the label of their release, such as:
    #release: kube-prometheus-stack
";

#[test]
fn the_prometheus_rule_has_the_groups_of_the_alerts() {
    let spec = BTreeMap::from([("spec", BTreeMap::from([("groups", alert_groups())]))]);
    let expected = format!("{HEAD}{}", serde_yaml::to_string(&spec).unwrap());
    if std::env::var_os("UPDATE_DEPLOY").is_some() {
        return fs::write(root().join(RULE), expected).unwrap();
    }
    assert!(read(RULE) == expected, "{RULE} is not that of alerts/*.yaml: UPDATE_DEPLOY=1 writes it anew");
}

#[test]
fn prometheus_accepts_the_rules_of_the_prometheus_rule() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    fs::write(&path, serde_yaml::to_string(&yaml(RULE)["spec"]).unwrap()).unwrap();
    printed(tool("promtool", "prometheus").args(["check", "rules"]).arg(path));
}
