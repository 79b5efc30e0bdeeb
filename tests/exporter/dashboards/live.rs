//! What the dashboards show of a running exporter and of its past.

use std::collections::{BTreeMap, BTreeSet};

use elements_api::CATALOG;
use elements_sim::{Effect, Operation, Rule, Simulator};
use hyper::StatusCode;

use super::board::{Board, HEALTH, Query, SEATS, keys, text};
use super::choices::Choices;
use super::history::now;
use super::scene::{CONTOSO, Scene, Series, ask, options, scraping};
use super::structure::organize;
use crate::harness::prometheus::Prometheus;
use crate::harness::{Exporter, Folder, Yaml, world};

const JOBS: &[&str] = &["avepoint"];
const M365: &str = "Cloud Backup for Microsoft 365";

#[tokio::test]
async fn every_query_finds_data_and_the_labels_that_it_shows() {
    let scene = Scene::start().await;
    for board in Board::all() {
        let choices = Choices::all(&board, JOBS, soon());
        for query in board.queries() {
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
            let mut fields = BTreeSet::from(["Time".to_owned()]);
            for query in board.queries_of(panel) {
                // As Grafana names the column of a query that is not alone.
                fields.insert(format!("Value #{}", text(&query.target["refId"])));
                for series in ask(&scene.prometheus, &query, &choices).await {
                    fields.extend(series.labels.into_keys());
                }
            }
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
    for (letter, changes) in [("B", [6.0, -5.0]), ("C", [10.0, -50.0])] {
        let mut found = rows(table, letter).await;
        found.retain(|_, value| !value.is_nan());
        assert_eq!(found, expected(&[(CONTOSO, M365, changes[0]), ("Fabrikam", M365, changes[1])]), "{letter}");
    }
    // Every row is in every column, so that Grafana can join them; what does not exist is NaN.
    for letter in ["B", "C", "D"] {
        let found = rows(table, letter).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), rows(table, "A").await.keys().collect::<Vec<_>>());
        assert!(found[&(CONTOSO.to_owned(), "Fly".to_owned())].is_nan(), "{letter}");
    }
    let changed = rows(table, "D").await[&(CONTOSO.to_owned(), M365.to_owned())] / 1000.0;
    assert!((to - 60..to).contains(&rounded(changed)), "{changed} is the change just now");
    let line = ask(&scene.prometheus, board.queries().last().unwrap(), &choices).await;
    let [line] = &line[..] else { panic!("one change: {line:?}") };
    assert_eq!((line.label("name"), line.label("product"), line.value), (CONTOSO, M365, changed * 1000.0));

    let graph = ask(&scene.prometheus, &board.query("Seats by product over time", "A"), &choices).await;
    let graph = graph.iter().find(|series| series.label("product") == M365).unwrap();
    assert_eq!((graph.values[0], graph.value), (332.0, 330.0), "seven days ago, and now");

    assert_eq!(rows("Largest gains", "A").await, expected(&[(CONTOSO, M365, 8.0)]));
    assert_eq!(rows("Largest losses", "A").await, expected(&[("Fabrikam", M365, 10.0)]));
    assert_eq!(rows("Arrived and gone", "A").await, expected(&fly));
    assert_eq!(rows("Arrived and gone", "B").await, expected(&[("Lamna Healthcare", "Fly", 12.0)]));
    assert_eq!(rows("Latest changes", "B").await, expected(&[(CONTOSO, M365, 25.0)]));
    assert_eq!(rows("Latest changes", "C").await, expected(&[(CONTOSO, M365, 30.0)]));
    for (title, value) in [
        ("Total seats", 350.0),
        ("Customers with seats", 4.0),
        ("Products with seats", 2.0),
        // One target fails with a number from before, and one has none.
        ("Targets without a number", 1.0),
        ("Change over 24 h", 350.0 - 329.0),
        ("Change over 30 d", 350.0 - 382.0),
    ] {
        assert_eq!(one(&scene.prometheus, &board, title, &choices).await, Some(value), "{title}");
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
    for file in [SEATS, HEALTH] {
        let board = Board::read(file);
        let without = one(&prometheus, &board, "Targets without a number", &Choices::all(&board, JOBS, soon())).await;
        assert_eq!(without.map(rounded), products.try_into().ok(), "{file}");
    }
    let board = Board::read(HEALTH);
    let fails = ask(&prometheus, &board.query("Customers that fail", "A"), &Choices::all(&board, JOBS, soon())).await;
    let [fails] = &fails[..] else { panic!("{fails:?}") };
    assert_eq!((fails.label("customer"), rounded(fails.value)), ("c-2", products.try_into().unwrap()));
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
    let contoso = all.clone().only("customer", &[CONTOSO]);
    assert_eq!(one(&scene.prometheus, &board, "Change over 30 d", &contoso).await, Some(17.0));
    scene.stop().await;
}

#[tokio::test]
async fn health_shows_who_fails_and_since_when() {
    let scene = Scene::start().await;
    let board = Board::read(HEALTH);
    let to = soon();
    let choices = Choices::all(&board, JOBS, to);
    for (title, value) in [
        ("Exporter", 1.0),
        ("AvePoint API", 1.0),
        ("Numbers", 1.0),
        ("Failing targets", 2.0),
        ("Targets without a number", 1.0),
        ("Customers watched", 4.0),
        ("Products watched", 2.0),
    ] {
        assert_eq!(one(&scene.prometheus, &board, title, &choices).await, Some(value), "{title}");
    }
    let fails = ask(&scene.prometheus, &board.query("Customers that fail", "A"), &choices).await;
    let [fails] = &fails[..] else { panic!("{fails:?}") };
    assert_eq!((fails.label("name"), fails.label("customer"), fails.value), ("Adventure Works", "c-4", 2.0));
    let cycle = ask(&scene.prometheus, &board.query("Targets of the last cycle", "A"), &choices).await;
    let cycle: BTreeMap<_, _> = cycle.iter().map(|series| (series.label("result"), rounded(series.value))).collect();
    assert_eq!(cycle, [("answered", 6), ("failed", 2), ("left", 0)].into());
    let answered = one(&scene.prometheus, &board, "Access token expires", &choices).await.unwrap() / 1000.0;
    assert!((to + 3000..to + 3700).contains(&rounded(answered)), "{answered}");
    let certificate = one(&scene.prometheus, &board, "Client certificate expires", &choices).await.unwrap();
    assert!(rounded(certificate - crate::harness::keys::EXPIRY) <= 60 - to && certificate > 1e9, "{certificate}");

    let prometheus = scene.stop().await;
    prometheus.until("up", "0").await;
    let choices = Choices::all(&board, JOBS, soon());
    assert_eq!(one(&prometheus, &board, "Exporter", &choices).await, Some(0.0), "down, and still known");
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
