//! What the daemon asks the vendor, according to the simulator's record.

use std::time::{Duration, SystemTime};

use elements_sim::{Effect, Latency, Operation, Rule, Simulator, World};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::time::Instant;

use crate::harness::{Exporter, Folder, M365, Yaml, eventually, seats, world};

async fn failing(effect: Effect, reason: &str) -> Simulator {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, effect).customer("c-2").product(M365));
    let yaml = Yaml::new(&simulator).with_api("timeout", "2s");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    let series = format!("avepoint_poll_failures_total{{reason=\"{reason}\"}}");
    eventually(&format!("a failure for {reason}: {}", exporter.log()), || async {
        (exporter.value(&series).await? >= 1.0).then_some(())
    })
    .await;
    let metrics = exporter.metrics().await;
    let number = seats("c-2", "Cloud Backup for Microsoft 365");
    assert!(!metrics.contains(&number), "a bad answer is no number");
    exporter.stop().await;
    simulator
}

#[tokio::test]
async fn the_requests_are_exactly_the_documented_ones() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.cycles(2).await;
    exporter.stop().await;
    let record = simulator.record();
    let tokens: Vec<_> = record.iter().filter(|exchange| exchange.operation == Operation::Token).collect();
    assert_eq!(tokens.len(), 1, "one token serves all");
    assert_eq!(tokens[0].request.method(), "POST");
    assert_eq!(tokens[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(tokens[0].header("authorization"), None);
    assert_eq!(
        tokens[0].body(),
        "grant_type=client_credentials&client_id=5e1f0000-51a1-4a7e-8000-00000000c11e&scope=elements.license.read.all\
         &client_secret=simulated-client-secret"
    );
    let overviews: Vec<_> = record.iter().filter(|exchange| exchange.operation == Operation::Overview).collect();
    let mut paths: Vec<_> = overviews.iter().take(4).map(|exchange| exchange.path()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "/partner/external/v3/general/customers/c-1/avpt-products/type/16777216/overview",
            "/partner/external/v3/general/customers/c-1/avpt-products/type/2048/overview",
            "/partner/external/v3/general/customers/c-2/avpt-products/type/16777216/overview",
            "/partner/external/v3/general/customers/c-2/avpt-products/type/2048/overview",
        ]
    );
    for exchange in overviews {
        assert_eq!(exchange.request.method(), "GET");
        assert!(exchange.header("authorization").unwrap().starts_with("Bearer "));
        assert_eq!(exchange.header("content-type"), Some("application/json"), "though there is no body");
        assert!(exchange.body().is_empty());
    }
    assert_eq!(simulator.count(Operation::Other), 0);
}

#[tokio::test]
async fn numbers_written_as_strings_are_read() {
    let simulator = Simulator::start(World { numbers_as_text: true, ..world() }).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn odd_but_legal_answers_are_read() {
    let simulator = Simulator::start(world()).await.unwrap();
    let answer = |body: &'static str, customer: &str| {
        simulator.inject(Rule::on(Operation::Overview, Effect::json(body)).customer(customer).product(M365));
    };
    answer("\u{feff}{\"productType\": 2048, \"purchasedUserSeat\": 26.0}", "c-1");
    simulator
        .inject(Rule::on(Operation::Overview, Effect::status(StatusCode::NO_CONTENT)).customer("c-2").product(M365));
    let token = "\u{feff}{\"access_token\": \"any\", \"token_type\": \"Bearer\"}";
    simulator.inject(Rule::on(Operation::Token, Effect::json(token)));
    let folder = Folder::new(&Yaml::new(&simulator).rest("customers: [{id: C-1}, {id: c-2}]\nproducts: [2048]\n"));
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("C-1", "Cloud Backup for Microsoft 365"), 26.0).await;
    exporter.until("avepoint_poll_targets{state=\"absent\"}", 1.0).await;
    let expiry = exporter.value("avepoint_api_token_expiry_timestamp_seconds").await.unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((3_500.0..3_601.0).contains(&(expiry - now)), "an hour, where nobody says how long");
    exporter.stop().await;
}

#[tokio::test]
async fn requests_spell_an_id_as_the_listing_does_and_a_row_without_one_costs_itself() {
    let simulator = Simulator::start(world()).await.unwrap();
    let rows = r#"{"id": "c-1", "organization": "Contoso"}, {"organization": "nobody"}, {"id": "c-2"}"#;
    let listing = format!(r#"{{"data": [{rows}], "metadata": {{"pageIndex": 1, "pageSize": 100, "totalCount": 3}}}}"#);
    simulator.inject(Rule::on(Operation::Customers, Effect::json(listing)));
    let rest = "customers: [{id: C-1, name: contoso}]\ndiscovery: {enabled: true}\nproducts: [2048]\n";
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).rest(rest))).await;
    exporter.until("avepoint_discovery_customers", 2.0).await;
    let line = exporter.until_logged("rows that name no customer").await;
    assert!(line.contains("level=warn") && line.contains("rows=1"), "{line}");
    exporter.cycles(2).await;
    simulator.clear_record();
    exporter.cycles(2).await;
    let asked: Vec<_> = simulator.record().into_iter().filter(|asked| asked.operation == Operation::Overview).collect();
    assert!(asked.len() >= 2 && asked.iter().all(|asked| !asked.path().contains("C-1")), "{asked:?}");
    assert_eq!(exporter.log_lines("rows that name no customer").len(), 1);
    exporter.stop().await;
}

#[tokio::test]
async fn rows_that_are_left_out_of_a_listing_are_told_once_for_each() {
    let simulator = Simulator::start(world()).await.unwrap();
    let page = |rows: &str| {
        format!(r#"{{"data": [{rows}], "metadata": {{"pageIndex": 1, "pageSize": 100, "totalCount": 2}}}}"#)
    };
    let tenants = r#"{"tenantId": "t-1", "assignedUserSeat": 3}, {"assignedUserSeat": 9}"#;
    simulator.inject(Rule::on(Operation::Tenants, Effect::json(page(tenants))).customer("c-1"));
    let subscribed = r#"{"customerId": "c-1", "products": []}, {"products": []}"#;
    simulator.inject(Rule::on(Operation::Subscriptions, Effect::json(page(subscribed))));
    let rest = "discovery: {enabled: true}\ncustomers: [{id: elsewhere}]\nproducts: [2048]\nsubscriptions: {enabled: true}\n\
                tenants: {platforms: [google], interval: 1s}\n";
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).rest(rest))).await;
    let line = exporter.until_logged("the list of tenants has rows that cannot be read").await;
    assert!(line.contains("level=warn") && line.contains("platform=google rows=1"), "{line}");
    exporter.until_logged("the listing of subscriptions has rows that name no customer").await;
    exporter.cycles(4).await;
    for told in ["the list of tenants has rows", "the listing of subscriptions has rows"] {
        assert_eq!(exporter.log_lines(told).len(), 1, "{told}");
    }
    exporter.stop().await;
}

#[tokio::test]
async fn bad_answers_are_failures_and_never_numbers() {
    for body in [
        r#"{"productType": 2048}"#,
        r#"{"productType": 2048, "purchasedUserSeat": 2.5}"#,
        r#"{"productType": 2048, "purchasedUserSeat": -1}"#,
        r#"{"productType": 4096, "purchasedUserSeat": 25}"#,
        r#"{"productType": 2048, "purchasedUserSeats": 25}"#,
    ] {
        failing(Effect::json(body), "bad_response").await;
    }
    failing(Effect::html(), "bad_response").await;
    failing(Effect::Garbage, "network").await;
    failing(Effect::Truncate, "network").await;
    failing(Effect::Reset, "network").await;
    failing(Effect::Drip(Duration::from_millis(300)), "timeout").await;
    failing(Effect::status(StatusCode::METHOD_NOT_ALLOWED), "bad_request").await;
    failing(Effect::status(StatusCode::REQUEST_TIMEOUT), "timeout").await;
    failing(Effect::status(StatusCode::BAD_GATEWAY), "server_error").await;
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_the_end() {
    let simulator = failing(Effect::Flood { mebibytes: 256 }, "bad_response").await;
    let record = simulator.record();
    let flood = record.iter().find(|exchange| exchange.bytes_sent() > 1 << 20).expect("the flood was read from");
    assert!(flood.bytes_sent() < 32 << 20, "{} bytes were taken", flood.bytes_sent());
}

#[tokio::test]
async fn a_redirect_never_carries_the_token() {
    let elsewhere = Simulator::start(World::default()).await.unwrap();
    let target = HeaderValue::from_str(elsewhere.base_url()).unwrap();
    failing(Effect::redirect(target), "bad_response").await;
    assert!(elsewhere.record().is_empty());
}

#[tokio::test]
async fn a_401_gets_one_new_token() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.cycles(1).await;
    simulator.revoke_tokens();
    exporter.cycles(2).await;
    assert_eq!(simulator.count(Operation::Token), 2);
    assert_eq!(exporter.value("avepoint_poll_failures_total{reason=\"auth\"}").await, Some(0.0));
    exporter.stop().await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let lifetime = Duration::from_secs(10);
    let simulator = Simulator::start(World { token_lifetime: lifetime, ..world() }).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    simulator.reached(Operation::Token, 2).await;
    exporter.cycles(3).await;
    let refused =
        simulator.record().iter().filter(|exchange| exchange.status == Some(StatusCode::UNAUTHORIZED)).count();
    assert_eq!(refused, 0, "no request carried a token that had expired");
    exporter.stop().await;
}

#[tokio::test]
async fn the_limits_hold_at_the_vendors_door() {
    let latency = Latency::of(Duration::from_millis(50));
    let world = World { latency, ..World::sized(40, &[2048, 4]) };
    let simulator = Simulator::start(world).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::SERVICE_UNAVAILABLE)).every(5));
    let customers: Vec<_> = (1..=40).map(|number| format!("{{id: c0000000-0000-4000-8000-{number:012x}}}")).collect();
    let yaml = Yaml::new(&simulator)
        .with_api("requests_per_second", 40)
        .with_api("max_in_flight", 3)
        .with_api("max_retries", 10)
        .with_poll("interval", "1h")
        .rest(&format!("customers: [{}]\nproducts: [2048, 4]\n", customers.join(", ")));
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 80.0).await;
    exporter.stop().await;
    assert!(simulator.max_in_flight() <= 3);
    let arrivals: Vec<Instant> = simulator.record().iter().map(|exchange| exchange.arrived).collect();
    assert!(arrivals.len() > 90, "retries were made");
    // A request that was held up on its way comes closer to the next: this may happen to a few, and evens out.
    for window in arrivals.windows(40 + 20) {
        let took = window[window.len() - 1] - window[0];
        assert!(took >= Duration::from_secs(1), "60 requests within {took:?}");
    }
    let allowed = u32::try_from(arrivals.len() - 10).unwrap() * Duration::from_secs(1) / 40;
    assert!(*arrivals.last().unwrap() - arrivals[0] >= allowed);
}

#[tokio::test]
async fn a_429_holds_back_every_request_at_the_vendors_door() {
    let simulator = Simulator::start(World::sized(20, &[2048])).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::throttled(2)).once());
    let customers: Vec<_> = (1..=20).map(|number| format!("{{id: c0000000-0000-4000-8000-{number:012x}}}")).collect();
    let yaml = Yaml::new(&simulator)
        .with_api("requests_per_second", 50)
        .with_api("max_in_flight", 1)
        .with_api("max_retries", 1)
        .with_poll("interval", "1h")
        .rest(&format!("customers: [{}]\nproducts: [2048]\n", customers.join(", ")));
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 20.0).await;
    assert_eq!(exporter.value("avepoint_api_retries_total{reason=\"throttled\"}").await, Some(1.0));
    exporter.stop().await;
    let record = simulator.record();
    let throttled = record.iter().position(|exchange| exchange.status == Some(StatusCode::TOO_MANY_REQUESTS)).unwrap();
    let next = &record[throttled + 1];
    assert!(next.arrived - record[throttled].arrived >= Duration::from_secs(2));
}

#[tokio::test]
async fn of_numbers_that_never_were_nobody_says_that_they_stay() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Subscriptions, Effect::status(StatusCode::FORBIDDEN)));
    let yaml = Yaml::new(&simulator);
    let exporter = Exporter::start(&Folder::new(&yaml.clone().and("subscriptions: {enabled: true}\n"))).await;
    let failed = exporter.until_logged("subscriptions could not be listed").await;
    assert!(failed.contains("none were listed before") && failed.contains("asked=\"c-1, c-2\""), "{failed}");
    exporter.stop().await;

    simulator.inject(Rule::on(Operation::Overview, Effect::throttled(3600)));
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until_logged("AvePoint asked for no requests until then: nothing was answered yet").await;
    let page = exporter.get("/").await.body;
    assert!(page.contains("It answered 429 with Retry-After. Nothing was answered yet."), "{page}");
    let cycle = exporter.until_logged("no target was asked").await;
    assert!(cycle.contains("level=warn"), "{cycle}");
    exporter.stop().await;
}
