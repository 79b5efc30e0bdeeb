//! The objects of `deploy/kubernetes`, as kustomize builds them.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_yaml::Value;

use super::files::{copy, documents, each, ending, in_force, text, texts};
use super::image::{Image, arguments, is_in};
use super::operator::{SecretKey, ServiceMonitor};
use super::schema::complaint;
use crate::harness::{printed, read, root, tool};

const FOLDER: &str = "deploy/kubernetes";

/// What `kubectl apply -k` would send.
struct Objects(Vec<Value>);

impl Objects {
    /// As they stand.
    fn shipped() -> Self {
        Self::built(&root().join(FOLDER))
    }

    /// With all optional settings in force: a password for the metrics, and TLS.
    fn guarded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(FOLDER, folder.path(), in_force);
        Self::built(folder.path())
    }

    fn built(folder: &Path) -> Self {
        let mut objects = documents(&printed(tool("kubectl", "kubernetes-client").arg("kustomize").arg(folder)));
        for object in objects.iter_mut().filter(|object| object["kind"] == "Secret") {
            for (_, value) in object["data"].as_mapping_mut().unwrap() {
                // kustomize breaks long lines, and a cluster ignores that.
                *value = Value::from(text(value).replace('\n', ""));
            }
        }
        Self(objects)
    }

    fn one(&self, kind: &str) -> &Value {
        let mut found = self.0.iter().filter(|object| object["kind"] == kind);
        let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(found.next().is_none(), "more than one {kind}");
        one
    }

    fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]
    }

    fn container(&self) -> &Value {
        &self.pod()["spec"]["containers"][0]
    }

    fn monitor(&self) -> ServiceMonitor {
        serde_yaml::from_value(self.one("ServiceMonitor").clone()).unwrap()
    }

    /// The keys that a ConfigMap or Secret holds.
    fn keys(&self, kind: &str, name: &str) -> Vec<String> {
        let object = self.one(kind);
        assert_eq!(object["metadata"]["name"], name);
        object["data"].as_mapping().unwrap().keys().map(text).collect()
    }

    /// The files that the pod sees in its folder of configuration.
    fn files(&self) -> Vec<String> {
        let volumes = self.pod()["spec"]["volumes"].as_sequence().unwrap();
        let sources = volumes.iter().find(|volume| volume["name"] == "config").unwrap()["projected"]["sources"].clone();
        let mut files = self.keys("ConfigMap", &text(&sources[0]["configMap"]["name"]));
        let secret = &sources[1]["secret"];
        let keys = self.keys("Secret", &text(&secret["name"]));
        for item in secret["items"].as_sequence().unwrap() {
            assert!(keys.contains(&text(&item["key"])), "the Secret has {keys:?}, and not {item:?}");
            files.push(text(&item["path"]));
        }
        // The certificate is in a Secret that somebody else makes.
        let others: Vec<_> =
            sources.as_sequence().unwrap()[2..].iter().map(|source| text(&source["secret"]["name"])).collect();
        assert!(others.is_empty() || others == ["avepoint-exporter-tls"], "{others:?}");
        files
    }
}

#[test]
fn kustomize_builds_these_objects_and_no_others() {
    let objects = Objects::shipped();
    let mut kinds: Vec<_> = objects.0.iter().map(|object| text(&object["kind"])).collect();
    kinds.sort();
    let expected = [
        "ConfigMap",
        "Deployment",
        "Namespace",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PrometheusRule",
        "Secret",
        "Service",
        "ServiceMonitor",
    ];
    assert_eq!(kinds, expected);
    let namespace = &objects.one("Namespace")["metadata"]["name"];
    for object in objects.0.iter().filter(|object| object["kind"] != "Namespace") {
        let metadata = &object["metadata"];
        assert_eq!(&metadata["namespace"], namespace, "{}", text(&object["kind"]));
        assert_eq!(metadata["name"], "avepoint-exporter");
        assert_eq!(metadata["labels"]["app.kubernetes.io/name"], "avepoint-exporter");
    }
}

#[test]
fn every_object_matches_its_schema_with_and_without_a_password_and_tls() {
    for objects in [Objects::shipped(), Objects::guarded()] {
        for object in &objects.0 {
            assert_eq!(complaint(&serde_json::to_value(object).unwrap()), None);
        }
    }
}

#[test]
fn the_container_runs_the_exporter_as_the_image_does() {
    let (objects, image) = (Objects::shipped(), Image::new());
    let (spec, container) = (&objects.pod()["spec"], objects.container());
    let expected = format!("registry.example.com/avepoint-exporter:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container["image"], expected.as_str());
    assert!(container["command"].is_null(), "the image says what is run");
    assert!(arguments(&texts(&container["args"])).options.auto_reload, "the ConfigMap is followed");
    for key in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(spec["securityContext"][key], image.user, "{key}");
    }
    assert_eq!(container["ports"][0]["containerPort"], image.port);
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["path"], "/-/healthy");
        assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["name"]);
    }
}

#[test]
fn the_pod_may_do_nothing_that_it_does_not_need() {
    let objects = Objects::shipped();
    let (spec, container) = (&objects.pod()["spec"], objects.container());
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(texts(&container["securityContext"]["capabilities"]["drop"]), ["ALL"]);
    let labels = &objects.one("Namespace")["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted", "the cluster holds it, too");
}

#[test]
fn one_process_at_a_time_holds_the_state() {
    let objects = Objects::shipped();
    let deployment = &objects.one("Deployment")["spec"];
    assert_eq!(deployment["replicas"], 1);
    assert_eq!(deployment["strategy"]["type"], "Recreate");
    let stop = objects.pod()["spec"]["terminationGracePeriodSeconds"].as_u64();
    assert!(stop.is_some_and(|seconds| seconds > 5), "it ends within five seconds");
}

#[test]
fn what_is_mounted_is_what_the_configuration_names() {
    let (objects, image) = (Objects::shipped(), Image::new());
    let mounts = &objects.container()["volumeMounts"];
    assert_eq!(each(mounts, "name"), each(&objects.pod()["spec"]["volumes"], "name"));
    assert_eq!(each(mounts, "mountPath"), [image.config, image.state.clone()]);
    assert!(mounts[0]["subPath"].is_null(), "a single file does not follow the ConfigMap");
    let claim = &objects.pod()["spec"]["volumes"][1]["persistentVolumeClaim"]["claimName"];
    assert_eq!(claim, &objects.one("PersistentVolumeClaim")["metadata"]["name"]);

    let configuration = text(&objects.one("ConfigMap")["data"]["exporter.yaml"]);
    assert_eq!(configuration, read(&format!("{FOLDER}/exporter.yaml")));
    let configuration: Value = serde_yaml::from_str(&configuration).unwrap();
    assert!(is_in(&text(&configuration["state_file"]), &image.state));
    let files = objects.files();
    assert!(files.contains(&text(&configuration["api"]["client_secret_file"])), "{files:?}");
    assert!(files.contains(&"exporter.yaml".to_owned()));
}

#[test]
fn every_selector_finds_the_pod_and_its_port() {
    let objects = Objects::shipped();
    let labels = &objects.pod()["metadata"]["labels"];
    let (service, policy) = (&objects.one("Service"), &objects.one("NetworkPolicy")["spec"]);
    let monitor = objects.one("ServiceMonitor");
    assert_eq!(&objects.one("Deployment")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(&policy["podSelector"]["matchLabels"], labels);
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);

    let port = &objects.container()["ports"][0];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    assert_eq!(service["spec"]["ports"][0]["port"], port["containerPort"]);
    assert_eq!(policy["ingress"][0]["ports"][0]["port"], port["name"]);
    assert_eq!(service["spec"]["ports"][0]["name"], objects.monitor().spec.endpoints[0].port.as_str());
}

#[test]
fn the_network_policy_lets_prometheus_in_and_names_and_https_out() {
    let objects = Objects::shipped();
    let policy = &objects.one("NetworkPolicy")["spec"];
    assert_eq!(texts(&policy["policyTypes"]), ["Ingress", "Egress"]);
    let from = policy["ingress"][0]["from"].as_sequence().unwrap();
    assert_eq!((policy["ingress"].as_sequence().unwrap().len(), from.len()), (1, 1));
    assert_eq!(from[0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "monitoring");
    let egress = policy["egress"].as_sequence().unwrap().iter().flat_map(|rule| rule["ports"].as_sequence().unwrap());
    let ports: Vec<_> = egress.map(|port| (port["port"].as_u64().unwrap(), text(&port["protocol"]))).collect();
    assert_eq!(ports, [(53, "UDP".to_owned()), (53, "TCP".to_owned()), (443, "TCP".to_owned())]);
}

#[test]
fn with_a_password_the_exporter_asks_for_it_and_prometheus_knows_it() {
    let objects = Objects::guarded();
    let options = arguments(&texts(&objects.container()["args"])).options;
    let asked = options.web_config_file.unwrap().into_os_string().into_string().unwrap();
    assert!(objects.files().contains(&asked), "{asked} is mounted");
    let login = objects.monitor().spec.endpoints.remove(0).basic_auth.unwrap();
    for SecretKey { name, key } in [login.username, login.password] {
        assert!(objects.keys("Secret", &name).contains(&key), "{key}");
    }
    let open = Objects::shipped().monitor().spec.endpoints.remove(0);
    assert!(open.basic_auth.is_none() && open.scheme.is_none() && open.tls_config.is_none());
}

#[test]
fn the_example_of_users_admits_whom_prometheus_logs_in_as() {
    let secret = Objects::guarded().one("Secret")["data"].clone();
    let decoded = |key: &str| String::from_utf8(BASE64_STANDARD.decode(text(&secret[key])).unwrap()).unwrap();
    let users: Value = serde_yaml::from_str(&decoded("web.yml")).unwrap();
    let hash = text(&users["basic_auth_users"][decoded("username").as_str()]);
    assert!(bcrypt::verify(decoded("password"), &hash).unwrap(), "{hash}");
}

#[test]
fn with_tls_probes_and_scrapes_speak_it() {
    let objects = Objects::guarded();
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(objects.container()[probe]["httpGet"]["scheme"], "HTTPS");
        assert!(Objects::shipped().container()[probe]["httpGet"]["scheme"].is_null());
    }
    let endpoint = objects.monitor().spec.endpoints.remove(0);
    assert_eq!(endpoint.scheme.as_deref(), Some("https"));
    let tls = endpoint.tls_config.unwrap();
    let service = &objects.one("Service")["metadata"];
    assert_eq!(tls.server_name, format!("{}.{}.svc", text(&service["name"]), text(&service["namespace"])));
    let sources = &objects.pod()["spec"]["volumes"][0]["projected"]["sources"];
    assert_eq!(
        sources[2]["secret"]["name"],
        tls.ca.secret.name.as_str(),
        "the certificate that is shown is the one trusted"
    );
}

#[test]
fn the_shipped_secret_is_a_placeholder() {
    assert_eq!(read(&format!("{FOLDER}/client_secret.example")), "replace-this-with-the-client-secret\n");
    let ignored = read("deploy/.gitignore");
    for name in ["client_secret", "web.yml"] {
        assert!(ignored.lines().any(|line| line == name), "{name} is not committed by accident");
        assert!(!root().join(FOLDER).join(name).exists());
    }
}

#[test]
fn each_dashboard_is_a_config_map_for_grafanas_sidecar() {
    let mut files = BTreeSet::new();
    for map in Objects::built(&root().join("dashboards")).0 {
        let [(file, _)] = &map["data"].as_mapping().unwrap().iter().collect::<Vec<_>>()[..] else { panic!("one file") };
        let file = text(file);
        assert_eq!(complaint(&serde_json::to_value(&map).unwrap()), None, "{file}");
        assert_eq!(map["kind"], "ConfigMap", "{file}");
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1", "{file}");
        assert_eq!(format!("{}.json", text(&map["metadata"]["name"])), format!("avepoint-exporter-dashboard-{file}"));
        // `kubectl apply` keeps a copy in an annotation, which may have so many bytes.
        let size = serde_json::to_string(&map).unwrap().len();
        assert!(size < 262_144, "{file}: {size} bytes: say in dashboards/kustomization.yaml to use --server-side");
        files.insert(file);
    }
    assert_eq!(files, ending("dashboards", ".json"));
}
