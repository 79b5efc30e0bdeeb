//! What the dashboards show of moments and days: changes of each day, reloads, and requests held back.

use std::time::Duration;

use super::board::{Board, HEALTH, SEATS};
use super::choices::Choices;
use super::history::{DAY, HOUR, History, MINUTE, now};
use super::scene::{ask, quiet};
use crate::harness::prometheus::Prometheus;
use crate::harness::{Folder, Yaml};

/// A Prometheus with this past, and its folder.
async fn remembering(past: &History) -> (Folder, Prometheus) {
    let folder = Folder::new(&Yaml { api: Vec::new(), poll: Vec::new(), rest: String::new() });
    past.write(&folder);
    let prometheus = quiet(&folder).await;
    (folder, prometheus)
}

const HERE: &str = "job=\"avepoint\",instance=\"one:1\"";

/// Products with so many seats each, of which some change at a moment, some are missing for a while, and a customer that
/// comes.
fn moving(midnight: i64) -> History {
    let mut past = History::default();
    let (begin, end) = (midnight - 3 * DAY, midnight + 6 * HOUR);
    for (customer, from) in [("c-1", begin), ("c-2", midnight - DAY - HOUR)] {
        let labels = format!("{HERE},customer=\"{customer}\",customer_id=\"{customer}\",name=\"{customer}\"");
        past.gauge(&format!("avepoint_customer_info{{{labels}}}"), 1, from..=end);
    }
    let mut seats = |customer: &str, product: &str, number, during| {
        let labels = format!("{HERE},customer=\"{customer}\",product=\"{product}\"");
        past.gauge(&format!("avepoint_purchased_user_seats{{{labels}}}"), number, during);
    };
    for product in 0..8 {
        seats("c-1", &format!("large {product}"), 1000, begin..=end);
    }
    // Today 5 more, and the first 3. Two days ago one was returned and, the same day, gone.
    seats("c-1", "small", 10, begin..=midnight + HOUR);
    seats("c-1", "small", 15, midnight + HOUR + 1..=end);
    seats("c-1", "first", 0, begin..=midnight + HOUR);
    seats("c-1", "first", 3, midnight + HOUR + 1..=end);
    seats("c-1", "returned", 7, begin..=midnight - DAY - 12 * HOUR);
    seats("c-2", "large 0", 40, midnight - DAY - HOUR..=end);
    // AvePoint stopped to answer for one yesterday, and did not for another from one day to the next.
    let [noon, again] = [midnight - 12 * HOUR, midnight - DAY + 6 * HOUR];
    seats("c-1", "missing", 50, begin..=noon);
    seats("c-1", "back", 60, begin..=again - 12 * HOUR);
    seats("c-1", "back", 60, again..=end);
    for (customer, product, success, during) in [
        // A number that is still shown counts, whether AvePoint answers or not.
        ("c-2", "large 0", 0, midnight - DAY - HOUR..=end),
        ("c-1", "missing", 1, begin..=noon),
        ("c-1", "missing", 0, noon + 1..=end),
        ("c-1", "back", 0, again - 12 * HOUR..=again - 1),
        ("c-1", "back", 1, again..=end),
    ] {
        let labels = format!("{HERE},customer=\"{customer}\",product=\"{product}\"");
        past.gauge(&format!("avepoint_poll_success{{{labels}}}"), success, during);
    }
    let others = ["small", "first", "returned", "missing", "back"].map(str::to_owned);
    for product in (0..8).map(|product| format!("large {product}")).chain(others) {
        past.gauge(&format!("avepoint_product_info{{{HERE},product=\"{product}\"}}"), 1, begin..=end);
    }
    past
}

#[tokio::test]
async fn each_day_has_what_was_gained_and_lost_in_it_and_today_what_was_so_far() {
    let midnight = (now() - 12 * HOUR) / DAY * DAY;
    let (_folder, prometheus) = remembering(&moving(midnight)).await;
    let board = Board::read(SEATS);
    let choices = Choices::all(&board, &["avepoint"], midnight + 5 * HOUR).over(Duration::from_hours(24 * 3));
    let change = ask(&prometheus, &board.query("Change", "A"), &choices).await;
    assert_eq!(change.iter().map(|series| series.value).collect::<Vec<_>>(), [40.0 + 5.0 + 3.0 - 7.0]);
    let shares = ask(&prometheus, &board.query("Seats by product", "C"), &choices).await;
    let changed = shares.iter().filter(|series| series.value != 0.0);
    let changed: Vec<_> = changed.map(|series| format!("{} {:.1}", series.label("product"), series.value)).collect();
    assert_eq!(changed, ["large 0 4.0", "small 50.0"], "of nothing there is no share");
    for (letter, expected) in [
        ("A", [("large 0", [40, 0, 0]), ("others", [0, 0, 8])]),
        ("B", [("large 0", [0, 0, 0]), ("others", [-7, 0, 0])]),
    ] {
        let query = board.query("Gained and lost per day", letter);
        for (product, days) in expected {
            for (day, seats) in (0..).zip(days) {
                let start = (midnight - 2 * DAY + day * DAY).to_string();
                let asked = [("query", choices.fill(query.expr)), ("time", start)];
                let asked = asked.each_ref().map(|(name, value)| (*name, value.as_str()));
                let answer = prometheus.ask("query", &asked).await.unwrap();
                let found = answer["result"].as_array().unwrap();
                let bar = found.iter().find(|series| series["metric"]["shown"] == product);
                let bar = bar.map_or(0, |bar| bar["value"][1].as_str().unwrap().parse::<i32>().unwrap());
                assert_eq!(bar, seats, "{letter}: {product} on day {day}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_reload_is_marked_and_the_load_at_the_start_is_none() {
    let at = now() - 5 * HOUR;
    let mut past = History::default();
    let during = at - 3 * HOUR..=at;
    past.gauge(&format!("avepoint_exporter_build_info{{{HERE}}}"), 1, during.clone());
    past.gauge(&format!("process_start_time_seconds{{{HERE}}}"), at - 3 * HOUR, during);
    let reloaded = at - HOUR;
    for (value, during) in [(at - 3 * HOUR + 1, at - 3 * HOUR..=reloaded), (reloaded, reloaded + 1..=at)] {
        let load = "avepoint_exporter_config_last_reload_success_timestamp_seconds";
        past.gauge(&format!("{load}{{{HERE}}}"), value, during);
    }
    let (_folder, prometheus) = remembering(&past).await;
    let board = Board::read(HEALTH);
    let choices = Choices::all(&board, &["avepoint"], at);
    for (name, moment) in [("Restarts", at - 3 * HOUR), ("Reloads", reloaded)] {
        let queries = board.queries();
        let query = queries.iter().find(|query| query.place.contains(&format!(", \"{name}\", "))).unwrap();
        let found = ask(&prometheus, query, &choices).await;
        let [marked] = &found[..] else { panic!("{name}: {found:?}") };
        let milliseconds = f64::from(u32::try_from(moment).unwrap()) * 1000.0;
        assert_eq!(marked.values, vec![milliseconds; marked.values.len()], "{name}");
        assert_eq!(marked.label("instance"), "one:1");
    }
}

#[tokio::test]
async fn for_how_long_requests_are_held_back_is_shown_while_they_are() {
    let at = now() - 5 * HOUR;
    let mut past = History::default();
    let until = at - 20 * MINUTE;
    past.gauge(&format!("avepoint_api_hold_until_timestamp_seconds{{{HERE}}}"), until, at - 30 * MINUTE..=at);
    let (_folder, prometheus) = remembering(&past).await;
    let board = Board::read(HEALTH);
    for (before, minutes) in [(4, Some(4.0)), (-15, None)] {
        let choices = Choices::all(&board, &["avepoint"], until - before * MINUTE).over(Duration::from_mins(10));
        let found = ask(&prometheus, &board.query("Throttling", "B"), &choices).await;
        assert_eq!(found.first().map(|series| series.value), minutes, "{before} minutes before: {found:?}");
    }
}

/// Two exporters: one is as it should be, the other has polled for the last time an hour ago, and its only number is
/// gone.
fn one_of_two_stopped(at: i64) -> History {
    let mut past = History::default();
    for (instance, polled, listed) in [("one:1", at - 5 * MINUTE, at - 5 * MINUTE), ("two:1", at - HOUR, at - HOUR)] {
        let here = format!("job=\"avepoint\",instance=\"{instance}\"");
        let during = at - 30 * MINUTE..=at;
        for (family, labels, value) in [
            ("avepoint_exporter_build_info", "", 1),
            ("up", "", 1),
            ("avepoint_poll_interval_seconds", "", 15 * MINUTE),
            ("avepoint_poll_stale_after_seconds", "", 45 * MINUTE),
            ("avepoint_poll_cycle_last_completed_timestamp_seconds", "", polled),
            ("avepoint_discovery_success", "", 1),
            ("avepoint_discovery_last_success_timestamp_seconds", "", listed),
            ("avepoint_api_up", "", i64::from(instance == "one:1")),
            ("avepoint_poll_targets", ",state=\"failing\"", i64::from(instance == "two:1")),
            ("avepoint_poll_last_success_timestamp_seconds", ",customer=\"c-1\",product=\"Fly\"", polled),
        ] {
            past.gauge(&format!("{family}{{{here}{labels}}}"), value, during.clone());
        }
        if instance == "one:1" {
            let target = format!("{here},customer=\"c-1\",product=\"Fly\"");
            past.gauge(&format!("avepoint_purchased_user_seats{{{target}}}"), 7, during);
        }
    }
    past
}

#[tokio::test]
async fn an_exporter_that_stopped_polling_is_told_from_one_that_polls_on_time() {
    let at = now() - 5 * HOUR;
    let (_folder, prometheus) = remembering(&one_of_two_stopped(at)).await;
    let board = Board::read(HEALTH);
    let all = Choices::all(&board, &["avepoint"], at).over(Duration::from_mins(10));
    let value = async |title: &str, letter: &str, choices: &Choices| {
        let found = ask(&prometheus, &board.query(title, letter), choices).await;
        found.iter().map(|series| format!("{:.2}", series.value)).collect::<Vec<_>>()
    };
    let [one, two] = ["one:1", "two:1"].map(|instance| all.clone().only("instance", &[instance]));
    // In intervals: below two it is on time, from three on it has stopped.
    assert_eq!(value("Every exporter", "E", &one).await, ["0.33"]);
    assert_eq!(value("Every exporter", "E", &two).await, ["4.00"]);
    assert_eq!(value("Every exporter", "C", &one).await, ["1.00"], "listed on time");
    assert_eq!(value("Every exporter", "C", &two).await, ["0.50"], "listed late");
    assert_eq!(value("Oldest number", "A", &one).await, ["11.11"], "5 of 45 minutes");
    assert_eq!(value("Oldest number", "A", &two).await, ["-1.00"], "none is left");
    assert_eq!(value("AvePoint API", "A", &all).await, ["0.00"], "the worst of both");
    for (letter, health) in [("A", "1.00"), ("B", "0.50"), ("F", "0.50")] {
        assert_eq!(value("Health over time", letter, &all).await, [health], "{letter}: some failed");
    }
}
