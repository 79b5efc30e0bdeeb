//! What the daemon serves, and when.

use elements_sim::{Effect, NeverBought, Operation, Rule, Simulator};
use hyper::StatusCode;
use reqwest::Method;

use crate::harness::{Exporter, FLY, Folder, M365, Yaml, eventually, http, labels, seats, value, world};

#[tokio::test]
async fn purchased_seats_are_on_metrics() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.until(&seats("contoso", "Cloud Backup for Microsoft 365"), 25.0).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    exporter.until(&seats("c-2", "Cloud Backup for Microsoft 365"), 300.0).await;
    let metrics = exporter.metrics().await;
    assert_eq!(value(&metrics, &seats("c-2", "Fly")), Some(0.0), "what was never bought is answered with 0");
    assert_eq!(value(&metrics, &format!("avepoint_poll_success{}", labels("c-2", "Fly"))), Some(1.0));
    assert_eq!(value(&metrics, "avepoint_poll_targets{state=\"ok\"}"), Some(3.0));
    assert_eq!(value(&metrics, "avepoint_poll_targets{state=\"absent\"}"), Some(1.0));
    assert_eq!(value(&metrics, "avepoint_api_up"), Some(1.0));
    exporter.stop().await;
}

#[tokio::test]
async fn a_change_arrives_with_the_number_before_it_and_its_time() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    let fly = labels("contoso", "Fly");
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    let previous = format!("avepoint_purchased_user_seats_previous{fly}");
    let changed = format!("avepoint_purchased_user_seats_last_change_timestamp_seconds{fly}");
    assert_eq!((exporter.value(&previous).await, exporter.value(&changed).await), (None, None));
    simulator.set_seats("c-1", FLY, 9);
    exporter.until(&previous, 7.0).await;
    exporter.until(&seats("contoso", "Fly"), 9.0).await;
    assert!(exporter.value(&changed).await.unwrap() > 1.7e9);

    simulator.change(|world| world.never_bought = NeverBought::NotFound);
    simulator.remove_product("c-1", FLY);
    exporter.until_gone(&seats("contoso", "Fly")).await;
    assert_eq!(exporter.value(&format!("avepoint_poll_success{fly}")).await, Some(1.0));
    assert_eq!(exporter.value(&previous).await, Some(7.0), "the change stays known");
    exporter.stop().await;
}

#[tokio::test]
async fn it_serves_from_the_first_moment_whatever_the_api_does() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::new(Effect::Stall));
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).with_api("timeout", "2s"))).await;
    assert_eq!(exporter.get("/-/healthy").await.status, StatusCode::OK);
    let ready = exporter.get("/-/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!ready.body.trim().is_empty(), "it says why");
    assert_eq!(exporter.get("/").await.status, StatusCode::OK);
    let metrics = exporter.metrics().await;
    assert_eq!(value(&metrics, "avepoint_poll_targets{state=\"pending\"}"), Some(4.0));
    assert_eq!(value(&metrics, "avepoint_api_up"), None, "nothing is known yet");

    exporter.until("avepoint_api_up", 0.0).await;
    simulator.clear_faults();
    exporter.until("avepoint_api_up", 1.0).await;
    eventually("it is ready", || async { (exporter.get("/-/ready").await.status == 200).then_some(()) }).await;
    exporter.stop().await;
}

#[tokio::test]
async fn one_targets_trouble_spoils_no_other() {
    let simulator = Simulator::start(world()).await.unwrap();
    let fault =
        |effect, customer: &str, product| Rule::on(Operation::Overview, effect).customer(customer).product(product);
    simulator.inject(fault(Effect::Stall, "c-1", M365));
    simulator.inject(fault(Effect::status(StatusCode::FORBIDDEN), "c-1", FLY));
    simulator.inject(fault(Effect::html(), "c-2", FLY));
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).with_api("timeout", "500ms"))).await;
    exporter.until(&seats("c-2", "Cloud Backup for Microsoft 365"), 300.0).await;
    exporter.until("avepoint_poll_targets{state=\"failing\"}", 3.0).await;
    for reason in ["timeout", "forbidden", "bad_response"] {
        let series = format!("avepoint_poll_failures_total{{reason=\"{reason}\"}}");
        assert!(exporter.value(&series).await.unwrap() >= 1.0, "{reason}");
    }
    assert_eq!(exporter.value("avepoint_api_up").await, Some(1.0));
    exporter.stop().await;
}

#[tokio::test]
async fn a_failure_keeps_the_number_until_it_is_stale() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("stale_after", "4s");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    let fly = seats("contoso", "Fly");
    exporter.until(&fly, 7.0).await;
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::INTERNAL_SERVER_ERROR)));
    let success = format!("avepoint_poll_success{}", labels("contoso", "Fly"));
    exporter.until(&success, 0.0).await;
    assert_eq!(exporter.value(&fly).await, Some(7.0), "the last number is kept");
    exporter.until_gone(&fly).await;
    let last_success = format!("avepoint_poll_last_success_timestamp_seconds{}", labels("contoso", "Fly"));
    assert!(exporter.value(&last_success).await.is_some(), "the time of the last answer stays");
    simulator.clear_faults();
    exporter.until(&fly, 7.0).await;
    let changed = format!("avepoint_purchased_user_seats_previous{}", labels("contoso", "Fly"));
    assert_eq!(exporter.value(&changed).await, None, "the same number is no change");
    exporter.stop().await;
}

#[tokio::test]
async fn the_routes_answer_as_documented() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let exporter = Exporter::start_with(&folder, &["--web.telemetry-path", "/seats"]).await;
    eventually("it is ready", || async { (exporter.get("/-/ready").await.status == 200).then_some(()) }).await;
    for (method, path, status) in [
        (Method::GET, "/seats", 200),
        (Method::HEAD, "/seats", 200),
        (Method::GET, "/", 200),
        (Method::HEAD, "/", 200),
        (Method::GET, "/-/healthy", 200),
        (Method::GET, "/-/ready", 200),
        (Method::GET, "/metrics", 404),
        (Method::GET, "/-/nothing", 404),
        (Method::POST, "/seats", 405),
        (Method::DELETE, "/", 405),
        (Method::GET, "/-/reload", 405),
        (Method::POST, "/-/reload", 403),
    ] {
        let answer = exporter.ask(method.clone(), path).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {path}");
        assert_eq!(answer.body.is_empty(), method == Method::HEAD, "{method} {path}");
    }
    let reload = exporter.ask(Method::POST, "/-/reload").await;
    assert!(reload.body.contains("--web.enable-lifecycle"), "{}", reload.body);
    let metrics = exporter.get("/seats").await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    exporter.stop().await;
}

#[tokio::test]
async fn several_addresses_are_served_including_ipv6() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let exporter = Exporter::start_with(&folder, &["--web.listen-address", "[::1]:0"]).await;
    let log = exporter.until_logged("listening").await;
    let (_, v6) = log.split_once("[::1]:").expect("the second address is logged");
    let port: String = v6.chars().take_while(char::is_ascii_digit).collect();
    let answer = http().get(format!("http://[::1]:{port}/-/healthy")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    exporter.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = std::net::TcpListener::bind(taken).unwrap();
    let refusal = folder.run(&["--web.listen-address", &taken.to_string()]).refusal();
    assert!(refusal.contains(&taken.to_string()) && refusal.contains("--web.listen-address"), "{refusal}");
}

#[tokio::test]
async fn listening_beyond_this_machine_without_a_password_is_warned_about() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let exporter = Exporter::spawn(&mut folder.command(&["--web.listen-address", "0.0.0.0:0"])).await;
    assert_eq!(exporter.log_lines("without a password").len(), 1);
    exporter.stop().await;
    let exporter = Exporter::start(&folder).await;
    assert!(exporter.log_lines("without a password").is_empty());
    exporter.stop().await;
}

#[tokio::test]
async fn many_cores_do_not_mean_many_threads() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let mut command = folder.command(&["--web.listen-address", "127.0.0.1:0"]);
    // The runtime's own way to pretend that there are so many.
    let exporter = Exporter::spawn(command.env("TOKIO_WORKER_THREADS", "72")).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 3.0).await;
    let threads = std::fs::read_dir(format!("/proc/{}/task", exporter.pid())).unwrap().count();
    assert!(threads < 64, "{threads} threads, and deploy/systemd allows 64");
    exporter.stop().await;
}
