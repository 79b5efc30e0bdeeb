//! What the dashboard of renewals makes of subscriptions, tenants and expected seats, which two exporters tell.

use std::collections::BTreeMap;

use super::board::{Board, RENEWALS};
use super::choices::Choices;
use super::history::{DAY, HOUR, History, MINUTE, now};
use super::scene::{CONTOSO, Scene, ask, quiet};
use crate::harness::prometheus::Prometheus;
use crate::harness::{Folder, Yaml, backups};

const M365: &str = "Cloud Backup for Microsoft 365";
const GOOGLE: &str = "Cloud Backup for Google Workspace";
const SALESFORCE: &str = "Cloud Backup for Salesforce";

/// Subscriptions: of whom, of what, under which name, how they are paid, in how many days they expire and their
/// contract ends, and their seats.
type Subscription = (&'static str, &'static str, &'static str, &'static str, [Option<i64>; 2], Option<i64>);
const SUBSCRIPTIONS: &[Subscription] = &[
    // A contract outlives an expiration.
    ("c-1", "Backup", "", "Prepaid", [Some(5), Some(40)], Some(100)),
    ("c-1", "Insights", "", "Prepaid", [Some(5), None], Some(30)),
    ("c-1", "Fly", "", "Monthly", [Some(3), None], Some(7)),
    ("c-2", "Backup", "", "Prepaid", [Some(-3), None], Some(50)),
    ("c-2", "Insights", "", "Paid by the month", [Some(-3), None], None),
    // Others of the same service end later, or never.
    ("c-2", "Fly", "Old", "Prepaid", [Some(-3), None], Some(10)),
    ("c-2", "Fly", "New", "Prepaid", [Some(300), None], Some(10)),
    ("c-2", "Governance", "Old", "Prepaid", [Some(-3), None], None),
    ("c-2", "Governance", "New", "Prepaid", [None, None], None),
    ("c-2", "Cense", "", "Prepaid", [Some(-20), None], Some(5)),
    ("c-3", "Opus", "", "Prepaid", [None, Some(88)], None),
];

/// Assigned seats of tenants: of whom, where, and how many.
const TENANTS: &[(&str, &str, &str, i64)] = &[
    ("c-1", "microsoft_365", "t-1", 60),
    ("c-1", "microsoft_365", "t-2", 45),
    ("c-2", "google", "t-3", 10),
    // Nothing protects these.
    ("c-2", "microsoft_365", "t-4", 9),
    ("c-3", "salesforce", "t-5", 5),
];

/// Targets: of whom, of what, the purchased and the expected seats, and whether the last poll was answered.
const TARGETS: &[(&str, &str, [Option<i64>; 2], i64)] = &[
    ("c-1", M365, [Some(100), Some(90)], 1),
    ("c-1", "Fly", [Some(7), None], 1),
    ("c-2", GOOGLE, [Some(12), Some(12)], 1),
    ("c-2", "Opus", [Some(8), Some(5)], 0),
    ("c-2", "MyHub", [None, Some(3)], 1),
    // The file does not name this customer.
    ("c-3", "Fly", [Some(4), None], 1),
    ("c-3", SALESFORCE, [Some(0), None], 1),
];

/// A Prometheus that has seen all this at one moment.
struct Account {
    _folder: Folder,
    prometheus: Prometheus,
    board: Board,
    at: i64,
}

impl Account {
    async fn seen() -> Self {
        let at = now() - 5 * HOUR;
        let folder = Folder::new(&Yaml { api: Vec::new(), poll: Vec::new(), rest: String::new() });
        told(at).write(&folder);
        Self { prometheus: quiet(&folder).await, _folder: folder, board: Board::read(RENEWALS), at }
    }

    fn choices(&self) -> Choices {
        Choices::all(&self.board, &["avepoint"], self.at)
    }

    /// The only value of a panel.
    async fn one(&self, title: &str, choices: &Choices) -> Option<f64> {
        let found = ask(&self.prometheus, &self.board.query(title, "A"), choices).await;
        let [series] = &found[..] else { panic!("{title}: one value, not {found:?}") };
        Some(series.value)
    }

    /// The values of a column by what these labels say.
    async fn column(&self, title: &str, letter: &str, labels: &[&str]) -> BTreeMap<String, f64> {
        let found = ask(&self.prometheus, &self.board.query(title, letter), &self.choices()).await;
        let rows = found.iter().map(|series| {
            let said = labels.iter().map(|label| series.labels.get(*label).map_or("", String::as_str));
            (said.collect::<Vec<_>>().join("/"), series.value)
        });
        let rows: BTreeMap<_, _> = rows.collect();
        assert_eq!(rows.len(), found.len(), "{title}: {found:?}");
        rows
    }
}

fn told(at: i64) -> History {
    let mut past = History::default();
    for instance in ["a:1", "b:1"] {
        let here = format!("job=\"avepoint\",instance=\"{instance}\"");
        let mut tell = |family: &str, labels: &str, value: i64| {
            past.gauge(&format!("avepoint_{family}{{{here},{labels}}}"), value, at - 10 * MINUTE..=at);
        };
        for (id, name) in [("c-1", "Contoso"), ("c-2", "Fabrikam"), ("c-3", "Litware")] {
            tell("customer_info", &format!("customer=\"{id}\",customer_id=\"{id}\",name=\"{name}\""), 1);
        }
        for (customer, service, name, payment, [expires, contract], seats) in SUBSCRIPTIONS {
            let row = format!(
                "customer=\"{customer}\",subscribed_service=\"{service}\",subscription=\"{name}\",package=\"\",source=\"\""
            );
            tell("subscription_info", &format!("{row},model=\"\",payment_type=\"{payment}\""), 1);
            let noon = |days: i64| (at / DAY + days) * DAY + 12 * HOUR;
            let numbers = [
                ("subscription_expiration_timestamp_seconds", expires.map(noon)),
                ("subscription_contract_end_timestamp_seconds", contract.map(noon)),
                ("subscription_purchased_user_seats", *seats),
            ];
            for (family, number) in numbers {
                if let Some(number) = number {
                    tell(family, &row, number);
                }
            }
        }
        for (customer, platform, tenant, seats) in TENANTS {
            let row = format!("customer=\"{customer}\",platform=\"{platform}\",customer_tenant_id=\"{tenant}\"");
            tell("tenant_assigned_user_seats", &row, *seats);
            tell("tenant_available_user_seats", &row, 200);
        }
        for (customer, product, [purchased, expected], answered) in TARGETS {
            let row = format!("customer=\"{customer}\",product=\"{product}\"");
            tell("poll_success", &row, *answered);
            for (family, number) in [("purchased_user_seats", purchased), ("expected_user_seats", expected)] {
                if let Some(number) = *number {
                    tell(family, &row, number);
                }
            }
        }
    }
    past
}

fn rows<const N: usize>(rows: [(&str, f64); N]) -> BTreeMap<String, f64> {
    rows.map(|(labels, value)| (labels.to_owned(), value)).into()
}

#[tokio::test]
async fn what_a_running_exporter_lists_and_compares_is_shown() {
    let scene = Scene::start().await;
    let board = Board::read(RENEWALS);
    let choices = Choices::all(&board, &["avepoint"], now() + 1);
    let rows = async |title, letter, label| {
        let found = ask(&scene.prometheus, &board.query(title, letter), &choices).await;
        let mine = found.iter().filter(|series| series.label("name") == CONTOSO);
        mine.map(|series| (series.label(label).to_owned(), series.value)).collect::<BTreeMap<_, _>>()
    };
    // At midnight a day has passed.
    let left = rows("What ends when", "A", "subscribed_service").await["Opus"];
    assert!((49.0..=50.0).contains(&left), "{left} days left of the contract");
    assert_eq!(rows("Every subscription", "I", "subscription").await, [("Branch offices".to_owned(), 1.024e12)].into());
    let differs = rows("What differs from the bill", "C", "product").await;
    assert_eq!(differs, [(M365.to_owned(), 10.0), ("Fly".to_owned(), 7.0)].into());
    assert_eq!(rows("Assigned against purchased", "D", "platform").await, [("microsoft_365".to_owned(), -3.0)].into());
    for (title, value) in [
        ("Who is short", 1.0),
        ("Platforms failing", 0.0),
        ("Bill differs", 2.0),
        ("Subscription list", 1.0),
        ("Expected seats file", 1.0),
        ("Unmatched rows", 1.0),
    ] {
        let found = ask(&scene.prometheus, &board.query(title, "A"), &choices).await;
        assert_eq!(found.iter().map(|series| series.value).collect::<Vec<_>>(), [value], "{title}");
    }
    scene.stop().await;
}

#[tokio::test]
async fn a_subscription_ends_with_its_contract_and_one_paid_by_the_month_only_when_it_has() {
    let account = Account::seen().await;
    let days = account.column("What ends when", "A", &["name", "subscribed_service", "subscription"]).await;
    let expected = rows([
        ("Contoso/Backup/", 40.0),
        ("Contoso/Insights/", 5.0),
        ("Fabrikam/Backup/", -3.0),
        ("Fabrikam/Insights/", -3.0),
        ("Fabrikam/Fly/Old", -3.0),
        ("Fabrikam/Fly/New", 300.0),
        ("Fabrikam/Governance/Old", -3.0),
        ("Litware/Opus/", 88.0),
    ]);
    assert_eq!(days, expected);
    let seats = account.column("What ends when", "C", &["name", "subscribed_service", "subscription"]).await;
    let expected = rows([
        ("Contoso/Backup/", 100.0),
        ("Contoso/Insights/", 30.0),
        ("Fabrikam/Backup/", 50.0),
        ("Fabrikam/Fly/Old", 10.0),
        ("Fabrikam/Fly/New", 10.0),
    ]);
    assert_eq!(seats, expected);
    let choices = account.choices();
    for (title, value) in
        [("Ended", 2.0), ("Ends in 7 d", 1.0), ("Ends in 30 d", 1.0), ("Ends in 90 d", 3.0), ("Seats, 90 d", 130.0)]
    {
        assert_eq!(account.one(title, &choices).await, Some(value), "{title}");
    }
    assert_eq!(account.one("Next ending", &choices).await, Some(5.0));
    assert_eq!(account.one("Ended", &choices.clone().only("customer", &["Contoso"])).await, Some(0.0));
    assert_eq!(account.one("Ends in 90 d", &choices.only("customer", &["Litware"])).await, Some(1.0));
}

#[tokio::test]
async fn each_of_the_next_months_has_a_bar_although_nothing_ends_in_it() {
    let account = Account::seen().await;
    let seats = account.column("Endings by month", "A", &["month"]).await;
    let months = seats.keys().map(|month| {
        let (year, month) = month.split_once('-').expect("a year and a month");
        year.parse::<u32>().unwrap() * 12 + month.parse::<u32>().unwrap()
    });
    let months: Vec<_> = months.collect();
    assert_eq!(months.len(), 18, "{seats:?}");
    assert!(months.is_sorted_by(|one, next| one + 1 == *next), "{seats:?}");
    assert!(seats.values().filter(|seats| **seats > 0.0).eq(&[30.0, 100.0, 10.0]), "{seats:?}");
    let customers = account.column("Endings by month", "B", &["month"]).await;
    assert!(
        customers.values().eq(&[1.0; 4]) && customers.keys().all(|month| seats.contains_key(month)),
        "{customers:?}"
    );
}

#[tokio::test]
async fn people_of_all_tenants_share_the_seats_of_the_product_that_protects_them() {
    let account = Account::seen().await;
    let title = "Assigned against purchased";
    for (letter, contoso, fabrikam) in [("A", 105.0, 10.0), ("B", 400.0, 200.0), ("C", 100.0, 12.0), ("D", -5.0, 2.0)] {
        let expected = rows([("Contoso/microsoft_365", contoso), ("Fabrikam/google", fabrikam)]);
        assert_eq!(account.column(title, letter, &["name", "platform"]).await, expected, "{letter}");
    }
    assert_eq!(account.one("Who is short", &account.choices()).await, Some(1.0));
    assert_eq!(account.one("Who is short", &account.choices().only("customer", &["Fabrikam"])).await, Some(0.0));
}

#[test]
fn each_platform_has_the_product_of_the_catalogue_that_protects_it() {
    let board = Board::read(RENEWALS);
    let expression = board.query("Assigned against purchased", "C").expr;
    for (platform, product) in backups() {
        let pair = format!("\"platform\", \"{platform}\", \"product\", \"{product}\"");
        assert!(expression.contains(&pair), "{pair} in {expression}");
    }
}

#[tokio::test]
async fn the_bill_differs_where_an_answer_says_so_and_only_for_whom_it_names() {
    let account = Account::seen().await;
    let column = async |letter| account.column("What differs from the bill", letter, &["name", "product"]).await;
    let [m365, fly, hub] = ["Contoso/Cloud Backup for Microsoft 365", "Contoso/Fly", "Fabrikam/MyHub"];
    assert_eq!(column("A").await, rows([(m365, 100.0), (fly, 7.0), (hub, 0.0)]));
    assert_eq!(column("B").await, rows([(m365, 90.0), (hub, 3.0)]));
    assert_eq!(column("C").await, rows([(m365, 10.0), (fly, 7.0), (hub, -3.0)]));
    assert_eq!(account.one("Bill differs", &account.choices()).await, Some(3.0));
    assert_eq!(account.one("Bill differs", &account.choices().only("customer", &["Litware"])).await, Some(0.0));
}
