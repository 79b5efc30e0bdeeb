//! Kubernetes' own API, as its OpenAPI document describes it: whatever it does not know is lost on the way through its
//! types.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::Value;

use super::operator;

/// What the API would object to.
pub fn complaint(object: &Value) -> Option<String> {
    let checked = match object["kind"].as_str().unwrap_or_default() {
        "ConfigMap" => known::<ConfigMap>(object),
        "Deployment" => known::<Deployment>(object),
        "Namespace" => known::<Namespace>(object),
        "NetworkPolicy" => known::<NetworkPolicy>(object),
        "PersistentVolumeClaim" => known::<PersistentVolumeClaim>(object),
        "PrometheusRule" => known::<operator::PrometheusRule>(object),
        "Secret" => known::<Secret>(object),
        "Service" => known::<Service>(object),
        "ServiceMonitor" => known::<operator::ServiceMonitor>(object),
        kind => Err(format!("no schema of the kind {kind}")),
    };
    checked.err()
}

fn known<T: DeserializeOwned + Serialize>(object: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    let kept = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    match lost(object, &kept) {
        Some(path) => Err(format!("{}: unknown field {path}", object["kind"])),
        None => Ok(()),
    }
}

/// The path of the first thing that is in `given` and not in `kept`.
fn lost(given: &Value, kept: &Value) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given.iter().find_map(|(key, value)| match kept.get(key) {
            None => Some(format!(".{key}")),
            Some(kept) => lost(value, kept).map(|path| format!(".{key}{path}")),
        }),
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => given
            .iter()
            .zip(kept)
            .enumerate()
            .find_map(|(at, (given, kept))| lost(given, kept).map(|path| format!("[{at}]{path}"))),
        _ => (given != kept).then(|| " has another value".to_owned()),
    }
}

#[test]
fn a_misspelt_field_a_wrong_type_and_an_unknown_kind_are_found() {
    let policy =
        |spec| serde_json::json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec});
    assert_eq!(complaint(&policy(serde_json::json!({"podSelector": {}, "ingress": [{"ports": [{"port": 1}]}]}))), None);
    let misspelt = policy(serde_json::json!({"podSelector": {}, "ingress": [{"ports": [{"prot": 1}]}]}));
    assert_eq!(complaint(&misspelt).unwrap(), "\"NetworkPolicy\": unknown field .spec.ingress[0].ports[0].prot");
    assert!(complaint(&policy(serde_json::json!({"podSelector": []}))).unwrap().contains("invalid type"));
    assert!(complaint(&serde_json::json!({"kind": "Deploymint"})).unwrap().contains("no schema"));
}
