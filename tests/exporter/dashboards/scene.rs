//! What the dashboards are tested with: a Prometheus with a past, and an exporter in which something of everything
//! happens.

use std::collections::BTreeMap;

use elements_sim::{Customer, Day, Effect, Operation, Platform, Rule, Simulator, Subscription, Tenant, World};
use hyper::StatusCode;
use serde_json::Value;

use super::board::{Query, list, text};
use super::choices::Choices;
use super::history::{DAY, HOUR, History, now};
use crate::harness::keys::Identity;
use crate::harness::prometheus::Prometheus;
use crate::harness::{Exporter, FLY, Folder, M365, Yaml, eventually, root};

/// Long enough for everything that a dashboard asks for.
pub const RETENTION: &str = "--storage.tsdb.retention.time=60d";

/// A name that is special to regular expressions, to PromQL and to URLs.
pub const CONTOSO: &str = "Contoso \"East\" (Söhne) + Co. 50% \\ [1|2]";

/// An exporter with a certificate and discovery, some of whose targets fail, and the Prometheus that scrapes it and
/// remembers another exporter of the same account.
pub struct Scene {
    _simulator: Simulator,
    _folder: Folder,
    exporter: Exporter,
    pub prometheus: Prometheus,
}

impl Scene {
    pub async fn start() -> Self {
        let identity = Identity::new();
        let customers = [
            Customer::new("c-1", CONTOSO)
                .product(M365, 25)
                .product(FLY, 7)
                .subscription(everything())
                .tenant(Platform::Microsoft365, Tenant::new("t-1", "contoso.example").available(40).assigned(33)),
            Customer::new("c-2", "Fabrikam").product(M365, 300),
            Customer::new("c-4", "Adventure Works").product(FLY, 9),
        ];
        let world = World { certificate: Some(identity.der()), client_secret: None, ..World::with(customers) };
        let simulator = Simulator::start(world).await.unwrap();
        let fails = || Rule::on(Operation::Overview, Effect::status(StatusCode::SERVICE_UNAVAILABLE)).customer("c-4");
        simulator.inject(fails().product(M365));
        let throttled = Rule::on(Operation::Overview, Effect::throttled(1)).customer("c-2").product(FLY);
        simulator.inject(throttled.once());

        let yaml = Yaml::new(&simulator)
            .with_api("client_secret", "")
            .with_api("certificate", "{cert_file: app.crt, key_file: app.key}")
            .with_api("max_retries", 1)
            .with_poll("stale_after", "1h")
            .rest("customers: [{id: c-1, name: contoso}]\ndiscovery: {enabled: true}\nproducts: [2048, Fly]\n")
            .and("subscriptions: {enabled: true}\ntenants: {platforms: [microsoft_365]}\nexpected_seats_file: expected.csv\n");
        let folder = Folder::new(&yaml);
        identity.write_pem(&folder);
        folder.write("expected.csv", "customer,product,seats\ncontoso,2048,20\nnobody,2048,5\n");
        past().write(&folder);
        let exporter = Exporter::start(&folder).await;
        let prometheus = scraping(&folder, exporter.address());

        let m365 = "{customer=\"contoso\",product=\"Cloud Backup for Microsoft 365\"}";
        prometheus.until(&format!("avepoint_purchased_user_seats{m365}"), "25").await;
        prometheus.until("avepoint_purchased_user_seats{customer=\"c-4\"}", "9").await;
        simulator.change(|world| world.customers.insert(Customer::new("c-5", "Litware").product(FLY, 4)));
        prometheus.until("avepoint_purchased_user_seats{customer=\"c-5\",product=\"Fly\"}", "4").await;
        simulator.set_seats("c-1", M365, 30);
        simulator.inject(fails().product(FLY));
        prometheus.until(&format!("avepoint_purchased_user_seats_previous{m365}"), "25").await;
        prometheus.until("avepoint_poll_targets{state=\"failing\"}", "2").await;
        prometheus.until("avepoint_tenant_assigned_user_seats", "33").await;
        // Whose purchases changed is asked at once, which the cycle then counts, too.
        prometheus.until("avepoint_poll_cycle_targets{result=\"answered\"}", "6").await;
        prometheus.until("ALERTS{alertname=\"AvePointCustomerAdded\", alertstate=\"firing\"}", "1").await;
        // A rate needs two samples, and what failed must have failed in both.
        prometheus.until("count_over_time(avepoint_poll_targets{state=\"failing\"}[1m]) > bool 3", "1").await;
        Self { _simulator: simulator, _folder: folder, exporter, prometheus }
    }

    pub fn instance(&self) -> &str {
        self.exporter.address()
    }

    /// Prometheus goes on, and will find that nobody is there to scrape.
    pub async fn stop(self) -> Prometheus {
        self.exporter.stop().await;
        self.prometheus
    }
}

/// A subscription that says something in every field.
fn everything() -> Subscription {
    let fields = [
        ("subscriptionModel", "Action and store"),
        ("purchasedUserSeats", "12"),
        ("purchasedUnits", "1"),
        ("microsoftLicenseAssigned", "124"),
        ("microsoftLicenseAvailable", "133"),
        ("purchasedCapacity", "1024 GB"),
        ("consumedStorage", "1.42 GB"),
        ("storage", "AvePoint storage (Microsoft Azure Blob)"),
        ("retention", "Retain data for 1 month"),
        ("source", "AvePoint pooled subscription"),
        ("paymentType", "Prepaid"),
        ("package", "Standard"),
        ("change", "12"),
        ("subscriptionName", "Branch offices"),
    ];
    let row = Subscription::new("Opus").expires(Day::from_now(20)).contract_ends(Day::from_now(50));
    fields.into_iter().fold(row, |row, (field, says)| row.field(field, says))
}

/// What an exporter of another name, and a customer of another name, had until three hours ago.
fn past() -> History {
    let mut past = History::default();
    let (begin, end) = (now() - 31 * DAY, now() - 3 * HOUR);
    let at = |rest: &str| format!("{{job=\"avepoint\",instance=\"before:10878\",{rest}}}");
    for (customer, id, name) in
        [("contoso", "c-1", "Contoso East"), ("c-2", "c-2", "Fabrikam"), ("c-3", "c-3", "Lamna Healthcare")]
    {
        let labels = at(&format!("customer=\"{customer}\",customer_id=\"{id}\",name=\"{name}\""));
        past.gauge(&format!("avepoint_customer_info{labels}"), 1, begin..=end);
    }
    let mut seats = |customer: &str, product: &str, number, during| {
        let labels = at(&format!("customer=\"{customer}\",product=\"{product}\""));
        past.gauge(&format!("avepoint_purchased_user_seats{labels}"), number, during);
    };
    // The numbers of 30 days ago and of yesterday stood for four hours, so that no other moment is taken for theirs.
    let around = |days: i64| [now() - days * DAY - 2 * HOUR, now() - days * DAY + 2 * HOUR];
    let [[month, after_month], [day, after_day]] = [around(30), around(1)];
    let spans = [(begin, month), (month, after_month), (after_month, day), (day, after_day), (after_day, end)];
    for (customer, numbers) in [("contoso", [19, 20, 22, 24, 23]), ("c-2", [360, 350, 310, 305, 307])] {
        for ((from, to), number) in spans.into_iter().zip(numbers) {
            seats(customer, "Cloud Backup for Microsoft 365", number, from + 1..=to);
        }
    }
    seats("c-3", "Fly", 12, begin..=now() - 2 * DAY);
    past
}

/// A Prometheus with the folder's past and the shipped rules that scrapes this target every second.
pub fn scraping(folder: &Folder, target: &str) -> Prometheus {
    let rules = root().join("alerts/*.yaml").display().to_string();
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{rules}']\n\
         scrape_configs: [{{job_name: avepoint, static_configs: [{{targets: ['{target}']}}]}}]\n"
    );
    folder.write("prometheus.yml", configuration);
    Prometheus::start(folder, &[RETENTION])
}

/// A Prometheus that scrapes nothing, and has the folder's past if there is one.
pub async fn quiet(folder: &Folder) -> Prometheus {
    folder.write("prometheus.yml", "global: {}\n");
    let prometheus = Prometheus::start(folder, &[RETENTION]);
    eventually("Prometheus answers", || prometheus.ask("query", &[("query", "vector(1)")])).await;
    prometheus
}

/// A series of an answer.
#[derive(Debug)]
pub struct Series {
    pub labels: BTreeMap<String, String>,
    /// The last value, or the only one.
    pub value: f64,
    pub values: Vec<f64>,
}

impl Series {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).unwrap_or_else(|| panic!("no label {name}: {self:?}"))
    }
}

/// Asks as Grafana does for a panel that is a hundred points wide.
pub async fn ask(prometheus: &Prometheus, query: &Query<'_>, choices: &Choices) -> Vec<Series> {
    let expr = choices.fill(query.expr);
    let (from, to) = (choices.from().to_string(), choices.to.to_string());
    let step = (choices.range.as_secs() / 100).to_string();
    let answer = if query.instant {
        prometheus.ask("query", &[("query", &expr), ("time", &to)]).await
    } else {
        let range = [("query", expr.as_str()), ("start", &from), ("end", &to), ("step", &step)];
        prometheus.ask("query_range", &range).await
    };
    let answer = answer.unwrap_or_else(|| panic!("{}: Prometheus does not answer", query.place));
    let value = |point: &Value| text(&point[1]).parse::<f64>().unwrap();
    let series = list(&answer["result"]).iter().map(|series| {
        let values: Vec<_> = if query.instant {
            vec![value(&series["value"])]
        } else {
            list(&series["values"]).iter().map(value).collect()
        };
        let labels = serde_json::from_value(series["metric"].clone()).unwrap();
        Series { labels, value: *values.last().unwrap(), values }
    });
    series.collect()
}

/// The values of a variable.
pub async fn options(prometheus: &Prometheus, variable: &Value, choices: &Choices) -> Vec<String> {
    let inside = text(&variable["query"]["query"]).strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
    let (series, label) = inside.rsplit_once(", ").unwrap();
    let (from, to) = (choices.from().to_string(), choices.to.to_string());
    let parameters = [("match[]", &*choices.fill(series)), ("start", &from), ("end", &to)];
    let answer = prometheus.ask(&format!("label/{label}/values"), &parameters).await.unwrap();
    list(&answer).iter().map(|value| text(value).to_owned()).collect()
}
