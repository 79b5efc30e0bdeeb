//! What the dashboards show of a running exporter and of its past.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use elements_api::CATALOG;
use elements_sim::{Effect, Operation, Rule, Simulator};
use hyper::StatusCode;

use super::board::{Board, HEALTH, Query, SEATS, keys, text};
use super::choices::Choices;
use super::history::now;
use super::scene::{CONTOSO, Scene, Series, ask, options, scraping};
use super::structure::{organize, transformation};
use crate::harness::prometheus::Prometheus;
use crate::harness::{Exporter, Folder, Yaml, world};

const JOBS: &[&str] = &["avepoint"];
const M365: &str = "Cloud Backup for Microsoft 365";

/// What nothing shows while all is well, or at once: each has a test of its own.
const LATER: [&str; 2] = ["\"Throttling\", \"B\"", "\"Reloads\", \"Anno\""];

#[tokio::test]
async fn every_query_finds_data_and_the_labels_that_it_shows() {
    let scene = Scene::start().await;
    for board in Board::all() {
        let choices = Choices::all(&board, JOBS, soon());
        for query in board.queries().iter().filter(|query| !LATER.iter().any(|later| query.place.ends_with(later))) {
            // What never happened is no line, but it could be one.
            let query = Query { expr: query.expr.strip_suffix(" > 0").unwrap_or(query.expr), ..query.clone() };
            let found = ask(&scene.prometheus, &query, &choices).await;
            let numbers = found.iter().flat_map(|series| &series.values).filter(|value| value.is_finite());
            assert!(numbers.count() > 0, "{} finds nothing: {}", query.place, choices.fill(query.expr));
            let legend = query.target["legendFormat"].as_str().unwrap();
            shows(&query, &found, legend);
        }
        for annotation in board.annotations() {
            let query = board.queries().into_iter().find(|query| query.target == &annotation["target"]).unwrap();
            let found = ask(&scene.prometheus, &query, &choices).await;
            shows(&query, &found, text(&annotation["textFormat"]));
        }
        for variable in board.variables().iter().filter(|variable| variable["type"] == "query") {
            let found = options(&scene.prometheus, variable, &choices).await;
            assert!(!found.is_empty(), "{}: no {}", board.file, variable["name"]);
        }
    }
    scene.stop().await;
}

/// Whatever the legend names in double braces is a label of every series.
fn shows(query: &Query<'_>, found: &[Series], legend: &str) {
    for part in legend.split("{{").skip(1) {
        let (label, _) = part.split_once("}}").unwrap();
        assert!(found.iter().all(|series| series.labels.contains_key(label)), "{} has no {label}", query.place);
    }
}

#[tokio::test]
async fn the_columns_of_tables_are_those_that_prometheus_answers() {
    let scene = Scene::start().await;
    for board in Board::all() {
        let choices = Choices::all(&board, JOBS, soon());
        for panel in board.panels().into_iter().filter(|panel| panel["type"] == "table") {
            let queries = board.queries_of(panel);
            let (mut labels, mut numbers) = (BTreeSet::new(), BTreeSet::new());
            for query in &queries {
                // As Grafana names the column of a query that is not alone.
                let several = format!("Value #{}", text(&query.target["refId"]));
                numbers.insert(if queries.len() == 1 { "Value".to_owned() } else { several });
                for series in ask(&scene.prometheus, query, &choices).await {
                    labels.extend(series.labels.into_keys().filter(|label| label != "__name__"));
                }
            }
            let grouped = &transformation(panel, "groupBy")["fields"];
            let of =
                |operation| keys(grouped).into_iter().filter(move |field| grouped[field]["operation"] == operation);
            assert_eq!(of("groupby").map(str::to_owned).collect::<BTreeSet<_>>(), labels, "{}", panel["title"]);
            assert!(of("aggregate").all(|number| numbers.contains(number)), "{}: {numbers:?}", panel["title"]);
            let mut fields: BTreeSet<_> = of("groupby").map(str::to_owned).collect();
            fields.extend(of("aggregate").map(|number| format!("{number} (lastNotNull)")));
            let layout = organize(panel);
            let (renamed, hidden) = (keys(&layout["renameByName"]), keys(&layout["excludeByName"]));
            let named: BTreeSet<_> = renamed.iter().chain(&hidden).map(|&name| name.to_owned()).collect();
            assert_eq!(named, fields, "{}", panel["title"]);
            assert_eq!(renamed, keys(&layout["indexByName"]), "{}", panel["title"]);
        }
    }
    scene.stop().await;
}

#[tokio::test]
async fn numbers_and_their_changes_are_right_although_exporter_and_customer_were_renamed() {
    let scene = Scene::start().await;
    let board = Board::read(SEATS);
    let to = soon();
    let choices = Choices::all(&board, JOBS, to);
    let rows = async |title: &str, letter: &str| {
        let found = ask(&scene.prometheus, &board.query(title, letter), &choices).await;
        let row =
            |series: &Series| ((series.label("name").to_owned(), series.label("product").to_owned()), series.value);
        found.iter().map(row).collect::<BTreeMap<_, _>>()
    };
    let expected = |rows: &[(&str, &str, f64)]| {
        rows.iter().map(|&(name, product, value)| ((name.to_owned(), product.to_owned()), value)).collect()
    };

    let table = "Seats of every customer";
    let fly = [(CONTOSO, "Fly", 7.0), ("Adventure Works", "Fly", 9.0), ("Litware", "Fly", 4.0)];
    let none = [("Fabrikam", "Fly", 0.0), ("Litware", M365, 0.0)];
    let all = [&[(CONTOSO, M365, 30.0), ("Fabrikam", M365, 300.0)], &none[..], &fly[..]].concat();
    assert_eq!(rows(table, "A").await, expected(&all));
    assert_eq!(rows(table, "B").await, expected(&[(CONTOSO, M365, 8.0), ("Fabrikam", M365, -10.0)]));
    let shares = [(CONTOSO, M365, 800.0 / 22.0), ("Fabrikam", M365, -1000.0 / 310.0)];
    for (name, product, share) in shares {
        let found = rows(table, "C").await[&(name.to_owned(), product.to_owned())];
        assert!((found - share).abs() < 0.001, "{name}: {found} %");
    }
    let changed = rows(table, "D").await;
    let [changed] = &changed.into_values().collect::<Vec<_>>()[..] else { panic!("one change was seen") };
    assert!((to - 60..to).contains(&rounded(changed / 1000.0)), "{changed} is the change just now");
    let line = ask(&scene.prometheus, board.queries().last().unwrap(), &choices).await;
    let [line] = &line[..] else { panic!("one change: {line:?}") };
    assert_eq!((line.label("name"), line.label("product"), line.value), (CONTOSO, M365, *changed));

    let products = ask(&scene.prometheus, &board.query("Seats by product", "B"), &choices).await;
    let product = products.iter().find(|series| series.label("product") == M365).unwrap();
    assert_eq!(rounded(product.value), 330 - 332, "now, and seven days ago");
    let customers = ask(&scene.prometheus, &board.query("Largest customers", "B"), &choices).await;
    let customers: BTreeMap<_, _> = customers.iter().map(|series| (series.label("name"), series.value)).collect();
    assert_eq!(customers, [(CONTOSO, 15.0), ("Fabrikam", -10.0)].into());
    let graph = ask(&scene.prometheus, &board.query("Total seats over time", "A"), &choices).await;
    assert_eq!((graph[0].values[0], graph[0].value), (344.0, 350.0), "seven days ago, and now");

    assert_eq!(rows("Largest gains", "A").await, expected(&[(CONTOSO, M365, 8.0)]));
    assert_eq!(rows("Largest losses", "A").await, expected(&[("Fabrikam", M365, 10.0)]));
    let moved = [&[("Lamna Healthcare", "Fly", -12.0)], &fly[..]].concat();
    assert_eq!(rows("Arrived and gone", "A").await, expected(&moved));
    assert_eq!(rows("Latest changes", "B").await, expected(&[(CONTOSO, M365, 25.0)]));
    assert_eq!(rows("Latest changes", "C").await, expected(&[(CONTOSO, M365, 30.0)]));
    for (title, value) in [
        ("Total seats", 350.0),
        ("Customers", 4.0),
        ("Products", 2.0),
        // One target fails with a number from before, and one has none.
        ("Incomplete data", 1.0),
        ("Change", 350.0 - 344.0),
    ] {
        assert_eq!(one(&scene.prometheus, &board, title, &choices).await, Some(value), "{title}");
    }
    for (days, before) in [(1, 329.0), (30, 382.0)] {
        let choices = choices.clone().over(Duration::from_hours(24 * days));
        assert_eq!(one(&scene.prometheus, &board, "Change", &choices).await, Some(350.0 - before), "{days} days");
        let share = one(&scene.prometheus, &board, "Change in per cent", &choices).await.unwrap();
        assert!((share - 100.0 * (350.0 - before) / before).abs() < 0.001, "{share} % in {days} days");
    }
    scene.stop().await;
}

#[tokio::test]
async fn customers_that_joined_and_how_many_products_each_has_are_shown() {
    let scene = Scene::start().await;
    let board = Board::read(SEATS);
    let to = soon();
    let choices = Choices::all(&board, JOBS, to);
    let values = async |title: &str, letter: &str, label: &str| {
        let found = ask(&scene.prometheus, &board.query(title, letter), &choices).await;
        found.iter().map(|series| (series.label(label).to_owned(), series.value)).collect::<BTreeMap<_, _>>()
    };
    // One of Adventure Works' products was never answered.
    let by_number = values("Customers by number of products", "A", "products").await;
    assert_eq!(by_number, [("1".to_owned(), 2.0), ("2".to_owned(), 1.0)].into());
    let added = values("New customers", "A", "name").await;
    let [(name, added)] = &added.into_iter().collect::<Vec<_>>()[..] else { panic!("one new customer") };
    assert_eq!(name, "Litware");
    assert!((to - 60..=to).contains(&rounded(added / 1000.0)), "{added} is just now");
    assert_eq!(values("New customers", "B", "name").await, [("Litware".to_owned(), 1.0)].into());
    assert_eq!(values("New customers", "C", "name").await, [("Litware".to_owned(), 4.0)].into());
    scene.stop().await;
}

/// Whoever fails without ever having been answered has no series that could be counted.
#[tokio::test]
async fn a_target_without_series_of_its_own_is_missed_too() {
    let simulator = Simulator::start(world()).await.unwrap();
    let forbidden = Effect::status(StatusCode::FORBIDDEN);
    simulator.inject(Rule::on(Operation::Overview, forbidden).customer("c-2"));
    let folder = Folder::new(&Yaml::new(&simulator).rest("customers: [{id: c-1}, {id: c-2}]\nproducts: all\n"));
    let exporter = Exporter::start(&folder).await;
    let prometheus = scraping(&folder, exporter.address());
    let products = CATALOG.len();
    prometheus.until("avepoint_poll_targets{state=\"failing\"}", &products.to_string()).await;
    for (file, title) in [(SEATS, "Incomplete data"), (HEALTH, "Customers failing")] {
        let board = Board::read(file);
        let without = one(&prometheus, &board, title, &Choices::all(&board, JOBS, soon())).await;
        assert_eq!(without, Some(1.0), "{file}: one customer, whatever number of products");
    }
    let board = Board::read(HEALTH);
    let fails = ask(&prometheus, &board.query("Failing customers", "A"), &Choices::all(&board, JOBS, soon())).await;
    let [fails] = &fails[..] else { panic!("{fails:?}") };
    assert_eq!((fails.label("name"), rounded(fails.value)), ("c-2", products.try_into().unwrap()));
    exporter.stop().await;
}

#[tokio::test]
async fn customers_products_and_exporters_are_chosen_whatever_they_are_called() {
    let scene = Scene::start().await;
    let board = Board::read(SEATS);
    let all = Choices::all(&board, JOBS, soon());
    let customers = board.variables().iter().find(|variable| variable["name"] == "customer").unwrap();
    assert!(options(&scene.prometheus, customers, &all).await.contains(&CONTOSO.to_owned()));
    for (variable, chosen, total) in [
        ("customer", &[CONTOSO][..], Some(37.0)),
        ("customer", &["Fabrikam", "Adventure Works"], Some(309.0)),
        ("customer", &["Contoso"], None),
        ("product", &["Fly"], Some(20.0)),
        ("instance", &["before:10878"], None),
        ("instance", &[scene.instance()], Some(350.0)),
        ("job", &["avepoint", "other"], Some(350.0)),
    ] {
        let choices = all.clone().only(variable, chosen);
        assert_eq!(one(&scene.prometheus, &board, "Total seats", &choices).await, total, "{variable} {chosen:?}");
        for query in board.queries() {
            ask(&scene.prometheus, &query, &choices).await;
        }
    }
    // Under its present name it is compared with what it had under its old one.
    let contoso = all.clone().only("customer", &[CONTOSO]).over(Duration::from_hours(24 * 30));
    assert_eq!(one(&scene.prometheus, &board, "Change", &contoso).await, Some(17.0));
    scene.stop().await;
}

#[tokio::test]
async fn health_shows_who_fails_and_since_when() {
    let scene = Scene::start().await;
    let board = Board::read(HEALTH);
    let to = soon();
    let choices = Choices::all(&board, JOBS, to);
    for (title, value) in [("Exporters", 0.0), ("AvePoint API", 1.0), ("Customers failing", 1.0)] {
        assert_eq!(one(&scene.prometheus, &board, title, &choices).await, Some(value), "{title}");
    }
    let oldest = one(&scene.prometheus, &board, "Oldest number", &choices).await.unwrap();
    assert!(oldest > 0.0 && oldest < 10.0, "{oldest} % of an hour");
    let certificate = one(&scene.prometheus, &board, "Client certificate", &choices).await.unwrap();
    assert_eq!(rounded(certificate), (rounded(crate::harness::keys::EXPIRY) - to) / 86400);
    for (letter, value) in [("A", 2.0), ("B", 1.0), ("C", 1.0)] {
        let fails = ask(&scene.prometheus, &board.query("Failing customers", letter), &choices).await;
        let [fails] = &fails[..] else { panic!("{fails:?}") };
        assert_eq!((fails.label("name"), fails.value), ("Adventure Works", value), "{letter}");
    }
    for (letter, value) in [("A", 1.0), ("B", 1.0), ("C", 1.0), ("D", 1.0), ("F", 4.0), ("G", 1.0)] {
        let row = ask(&scene.prometheus, &board.query("Every exporter", letter), &choices).await;
        let [row] = &row[..] else { panic!("{row:?}") };
        assert_eq!((row.label("instance"), row.value), (scene.instance(), value), "{letter}");
    }
    let cycle = ask(&scene.prometheus, &board.query("Targets of the last cycle", "A"), &choices).await;
    let cycle: BTreeMap<_, _> = cycle.iter().map(|series| (series.label("result"), rounded(series.value))).collect();
    assert_eq!(cycle, [("answered", 6), ("failed", 2), ("left", 0)].into());

    let prometheus = scene.stop().await;
    prometheus.until("up", "0").await;
    let choices = Choices::all(&board, JOBS, soon());
    assert_eq!(one(&prometheus, &board, "Exporters", &choices).await, Some(1.0), "down, and still known");
}

#[tokio::test]
async fn alerts_that_fire_are_listed_with_their_severity_and_since_when() {
    let scene = Scene::start().await;
    let (board, to) = (Board::read(HEALTH), soon());
    let choices = Choices::all(&board, JOBS, to);
    let rows = async |letter| {
        let found = ask(&scene.prometheus, &board.query("Firing alerts", letter), &choices).await;
        found.iter().map(|series| (series.label("alertname").to_owned(), series.value)).collect::<BTreeMap<_, _>>()
    };
    let (severity, firing, since) = (rows("A").await, rows("B").await, rows("C").await);
    let added = "AvePointCustomerAdded";
    assert_eq!((severity[added], firing[added]), (1.0, 1.0), "{severity:?} {firing:?}");
    assert!((to - 120..=to).contains(&rounded(since[added] / 1000.0)), "{since:?}");
    scene.stop().await;
}

/// The end of the second that has begun, so that what was scraped in it is seen.
fn soon() -> i64 {
    now() + 1
}

/// The one value of a panel with one query.
async fn one(prometheus: &Prometheus, board: &Board, title: &str, choices: &Choices) -> Option<f64> {
    let found = ask(prometheus, &board.query(title, "A"), choices).await;
    assert!(found.len() <= 1, "{title}: {found:?}");
    found.first().map(|series| series.value)
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 are far from the end of `i64`")]
fn rounded(value: f64) -> i64 {
    value.round() as i64
}
