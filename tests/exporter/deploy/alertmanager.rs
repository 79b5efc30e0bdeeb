//! Who is notified of what, by a real Alertmanager with the shipped configuration.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::files::{alerts, in_force, text, texts, yaml};
use crate::harness::alertmanager::{Alertmanager, PACKAGE};
use crate::harness::{eventually, http, printed, read, root, tool};

const FILE: &str = "deploy/compose/alertmanager.yml";

/// News of seats, customers, contracts, bills and certificates, which are no consequence of anything else.
const ALWAYS_SENT: [&str; 12] = [
    "AvePointClientCertificateExpiresWithin7Days",
    "AvePointCustomerAdded",
    "AvePointCustomerLeft",
    "AvePointExpectedSeatsDiffer",
    "AvePointExpectedSeatsMissing",
    "AvePointExporterAbsent",
    "AvePointSeatsDecreased",
    "AvePointSeatsExceeded",
    "AvePointSeatsIncreased",
    "AvePointSeatsVanished",
    "AvePointSubscriptionEnded",
    "AvePointSubscriptionEndsWithin7Days",
];

#[test]
fn amtool_accepts_the_configuration_and_all_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    let optional = in_force(&read(FILE));
    std::fs::write(&path, &optional).unwrap();
    for path in [&root().join(FILE), &path] {
        printed(tool("amtool", PACKAGE).arg("check-config").arg(path));
    }
    let optional: serde_yaml::Value = serde_yaml::from_str(&optional).unwrap();
    for (receiver, kind) in [(0, "webhook_configs"), (1, "slack_configs"), (2, "email_configs")] {
        assert!(optional["receivers"][receiver][kind].is_sequence(), "{kind}");
    }
}

#[test]
fn every_secret_that_alertmanager_reads_is_mounted_and_ignored_by_git() {
    let compose: serde_yaml::Value = serde_yaml::from_str(&in_force(&read("deploy/compose/compose.yaml"))).unwrap();
    let mounted = texts(&compose["services"]["alertmanager"]["volumes"]);
    let configuration = in_force(&read(FILE));
    let files = configuration.lines().filter_map(|line| line.split_once("_file: ")).map(|(_, path)| path);
    let files: Vec<_> = files.collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for path in files {
        let name = path.strip_prefix("/etc/alertmanager/").unwrap();
        assert!(mounted.contains(&format!("./{name}:{path}:ro")), "{path} in {mounted:?}");
        assert!(read("deploy/.gitignore").lines().any(|ignored| ignored == name), "{name}");
    }
}

#[test]
fn every_alert_reaches_the_receiver_of_its_severity() {
    for (alert, severity) in alerts() {
        let receiver = match severity.as_str() {
            "critical" => "on-call",
            "warning" => "team",
            "info" => "news",
            _ => panic!("{alert} has the severity {severity}"),
        };
        let labels = [format!("alertname={alert}"), format!("severity={severity}")];
        let mut amtool = tool("amtool", PACKAGE);
        amtool.args(["config", "routes", "test", "--config.file"]).arg(root().join(FILE)).args(labels);
        assert_eq!(printed(&mut amtool).trim(), receiver, "{alert}");
    }
}

#[test]
fn every_alert_is_either_inhibited_by_a_cause_or_always_sent() {
    let known: BTreeSet<_> = alerts().into_iter().map(|(name, _)| name).collect();
    let (mut sources, mut targets) = (BTreeSet::new(), BTreeSet::new());
    for rule in yaml(FILE)["inhibit_rules"].as_sequence().unwrap() {
        sources.extend(names(&texts(&rule["source_matchers"])));
        targets.extend(names(&texts(&rule["target_matchers"])));
    }
    assert!(sources.is_subset(&known), "{sources:?}");
    let heard: BTreeSet<_> = ALWAYS_SENT.map(str::to_owned).into();
    assert!(heard.is_disjoint(&targets), "{targets:?}");
    assert_eq!(targets.union(&heard).cloned().collect::<BTreeSet<_>>(), known);
}

#[tokio::test]
async fn news_and_trouble_of_many_customers_are_one_message_each_as_are_a_day_of_endings_and_the_changes_of_a_product()
{
    let judge = Judge::start();
    let alert = |name, severity, customer| {
        let ends = if customer == "c-3" { "2027-01-31" } else { "2026-12-31" };
        let product = if customer == "c-3" { "Fly" } else { "Opus" };
        let labels = json!({"alertname": name, "severity": severity, "customer": customer, "product": product,
            "instance": "a", "ends": ends});
        json!({ "labels": labels })
    };
    let sent: Vec<_> = ["c-1", "c-2", "c-3"]
        .into_iter()
        .flat_map(|customer| {
            [
                alert("AvePointCustomerAdded", "info", customer),
                alert("AvePointCustomerFailing", "warning", customer),
                alert("AvePointExpectedSeatsDiffer", "warning", customer),
                alert("AvePointSeatsDecreased", "warning", customer),
                alert("AvePointSeatsExceeded", "warning", customer),
                alert("AvePointSeatsIncreased", "info", customer),
                alert("AvePointSeatsVanished", "warning", customer),
                alert("AvePointSubscriptionEndsWithin30Days", "warning", customer),
                alert("AvePointSubscriptionEndsWithin7Days", "critical", customer),
                alert("AvePointSubscriptionEndsWithin90Days", "info", customer),
            ]
        })
        .collect();
    judge.post(&sent).await;
    let groups = eventually("Alertmanager groups every alert", || async {
        let groups = judge.get("alerts/groups").await?;
        let of = |group: &serde_yaml::Value| {
            (text(&group["alerts"][0]["labels"]["alertname"]), group["alerts"].as_sequence().unwrap().len())
        };
        let mut groups: Vec<_> = groups.iter().map(of).collect();
        groups.sort();
        (groups.iter().map(|(_, alerts)| alerts).sum::<usize>() == sent.len()).then_some(groups)
    })
    .await;
    let sizes: [(&str, &[usize]); 10] = [
        ("CustomerAdded", &[3]),
        ("CustomerFailing", &[3]),
        ("ExpectedSeatsDiffer", &[3]),
        ("SeatsDecreased", &[1, 2]),
        ("SeatsExceeded", &[1, 1, 1]),
        ("SeatsIncreased", &[1, 2]),
        ("SeatsVanished", &[1, 2]),
        ("SubscriptionEndsWithin30Days", &[1, 2]),
        ("SubscriptionEndsWithin7Days", &[1, 2]),
        ("SubscriptionEndsWithin90Days", &[1, 2]),
    ];
    let expected: Vec<_> = sizes
        .iter()
        .flat_map(|(name, sizes)| sizes.iter().map(move |size| (format!("AvePoint{name}"), *size)))
        .collect();
    assert_eq!(groups, expected);
}

/// The names that one matcher is about: `alertname="A"`, or `alertname=~"A(b|c)"`.
fn names(matchers: &[String]) -> Vec<String> {
    let [matcher] = matchers else { panic!("one matcher") };
    if let Some(name) = matcher.strip_prefix("alertname=\"") {
        return vec![name.trim_end_matches('"').to_owned()];
    }
    let pattern = matcher.strip_prefix("alertname=~\"").unwrap();
    let (begin, ends) = pattern.split_once('(').unwrap();
    ends.trim_end_matches(")\"").split('|').map(|end| format!("{begin}{end}")).collect()
}

#[tokio::test]
async fn one_cause_is_one_message_and_silences_only_its_own_exporter() {
    for (cause, instance, silenced, heard) in [
        ("AvePointExporterAbsent", None, &["ExporterDown/a", "ApiDown/b"][..], &["SeatsDecreased/a"][..]),
        ("AvePointExporterDown", Some("a"), &["ApiDown/a", "DataStale/a", "ReloadFailed/a"], &["ApiDown/b"]),
        ("AvePointCredentialsRefused", Some("a"), &["ApiDown/a", "DiscoveryFailing/a"], &["DataStale/b"]),
        (
            "AvePointApiDown",
            Some("a"),
            &["CustomerFailing/a", "Throttled/a", "CyclesTooShort/a", "SubscriptionsFailing/a", "TenantsFailing/a"],
            &["SeatsVanished/a", "ReloadFailed/a", "SubscriptionEndsWithin30Days/a"],
        ),
        ("AvePointNothingPolled", Some("a"), &["DiscoveryFailing/a"], &["DiscoveryFailing/b", "CustomerLeft/a"]),
        ("AvePointThrottled", Some("a"), &["CyclesTooShort/a"], &["CyclesTooShort/b", "CustomerFailing/a"]),
        (
            "AvePointClientCertificateExpiresWithin7Days",
            Some("a"),
            &["ClientCertificateExpiresWithin30Days/a"],
            &["ClientCertificateExpiresWithin30Days/b"],
        ),
        (
            "AvePointSubscriptionEndsWithin7Days",
            Some("a"),
            &["SubscriptionEndsWithin30Days/a"],
            &["SubscriptionEndsWithin30Days/b", "SubscriptionEnded/a"],
        ),
    ] {
        let judge = Judge::start();
        let lesser = silenced.iter().chain(heard).map(|alert| {
            let (name, instance) = alert.split_once('/').unwrap();
            (format!("AvePoint{name}"), Some(instance))
        });
        let sent: Vec<_> = lesser.chain([(cause.to_owned(), instance)]).collect();
        judge.send(&sent).await;
        let inhibited = judge.inhibited(sent.len(), silenced.len()).await;
        let expected: BTreeSet<_> = silenced.iter().map(|alert| format!("AvePoint{alert}")).collect();
        assert_eq!(inhibited, expected, "by {cause}");
    }
}

/// Alertmanager with the shipped configuration.
struct Judge {
    alertmanager: Alertmanager,
    http: reqwest::Client,
    _data: TempDir,
}

impl Judge {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let alertmanager = Alertmanager::start(&root().join(FILE), data.path());
        Self { alertmanager, http: http(), _data: data }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v2/{path}", self.alertmanager.address())
    }

    /// The list at the path, once there is an answer.
    async fn get(&self, path: &str) -> Option<Vec<serde_yaml::Value>> {
        let answer = self.http.get(self.url(path)).send().await.ok()?.text().await.ok()?;
        serde_yaml::from_str(&answer).ok()
    }

    async fn send(&self, alerts: &[(String, Option<&str>)]) {
        let alert = |(name, instance): &(String, Option<&str>)| {
            let mut labels = json!({"alertname": name, "job": "avepoint"});
            if let Some(instance) = instance {
                labels["instance"] = json!(instance);
            }
            json!({"labels": labels})
        };
        self.post(&alerts.iter().map(alert).collect::<Vec<_>>()).await;
    }

    async fn post(&self, alerts: &[Value]) {
        let body = Value::from(alerts).to_string();
        eventually("Alertmanager takes alerts", || async {
            let request =
                self.http.post(self.url("alerts")).header("content-type", "application/json").body(body.clone());
            request.send().await.ok()?.status().is_success().then_some(())
        })
        .await;
    }

    /// The alerts that are inhibited, as `name/instance`, once so many have come and so many are inhibited.
    async fn inhibited(&self, come: usize, silent: usize) -> BTreeSet<String> {
        eventually("Alertmanager judges every alert", || async {
            let alerts = self.get("alerts").await?;
            let judged = alerts.iter().all(|alert| alert["status"]["state"] != "unprocessed");
            let is_inhibited =
                |alert: &&serde_yaml::Value| !alert["status"]["inhibitedBy"].as_sequence().unwrap().is_empty();
            let inhibited = alerts.iter().filter(is_inhibited).map(|alert| {
                let labels = &alert["labels"];
                format!("{}/{}", text(&labels["alertname"]), text(&labels["instance"]))
            });
            let inhibited: BTreeSet<_> = inhibited.collect();
            (judged && alerts.len() == come && inhibited.len() >= silent).then_some(inhibited)
        })
        .await
    }
}
