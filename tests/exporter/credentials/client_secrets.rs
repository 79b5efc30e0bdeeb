//! Client secrets, and how often the wrong ones are tried.

use std::fs;

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;

use super::{API_UP, AUTH_FAILURES, is_accepted};
use crate::harness::{Exporter, Folder, Yaml, make_pipe, seats, value, world};

/// A folder whose secret is in the file `secret`.
fn with_secret_file(simulator: &Simulator, secret: &str) -> Folder {
    let yaml = Yaml::new(simulator).with_api("client_secret", "").with_api("client_secret_file", "secret");
    // On a slow machine a number would be stale before it is looked at.
    let folder = Folder::new(&yaml.with_poll("stale_after", "1h"));
    folder.write("secret", secret);
    folder
}

fn change_secret(simulator: &Simulator, secret: &str) {
    simulator.change(|world| world.client_secret = Some(secret.to_owned()));
    simulator.revoke_tokens();
}

#[tokio::test]
async fn a_changed_secret_is_used_at_the_next_token_request() {
    let simulator = Simulator::start(world()).await.unwrap();
    change_secret(&simulator, "first");
    for (before, after) in [("", ""), ("", "\n"), ("", "\r\n"), ("\u{feff}", "\r\n"), (" \t", "  \n\n")] {
        is_accepted(&with_secret_file(&simulator, &format!("{before}first{after}")), after).await;
    }
    let folder = with_secret_file(&simulator, "first\n");
    let exporter = Exporter::start(&folder).await;
    exporter.until(API_UP, 1.0).await;
    folder.write("secret", "second\n");
    change_secret(&simulator, "second");
    exporter.cycles(2).await;
    assert_eq!(exporter.value(AUTH_FAILURES).await, Some(0.0), "{}", exporter.log());
    assert_eq!(exporter.value(API_UP).await, Some(1.0));
    exporter.stop().await;
}

/// As many token requests are made as cycles pass; one more cycle may be under way.
async fn one_token_request_a_cycle(exporter: &Exporter, simulator: &Simulator) {
    simulator.clear_record();
    exporter.cycles(1).await;
    let cycles = "avepoint_poll_cycles_total";
    let before = value(&exporter.metrics().await, cycles).unwrap();
    exporter.cycles(3).await;
    let requests = f64::from(u32::try_from(simulator.count(Operation::Token)).unwrap());
    let passed = exporter.value(cycles).await.unwrap() - before;
    assert!((passed..=passed + 2.0).contains(&requests), "{requests} token requests in {passed} cycles");
}

#[tokio::test]
async fn refused_credentials_cost_one_token_request_a_cycle_until_they_are_right() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = with_secret_file(&simulator, "wrong");
    let yaml = Yaml::new(&simulator).with_api("client_secret", "").with_api("client_secret_file", "secret");
    folder.configure(&yaml.with_api("max_retries", 3));
    let exporter = Exporter::start(&folder).await;
    exporter.until(API_UP, 0.0).await;
    let line = exporter.until_logged("target fails").await;
    assert!(line.contains("reason=auth") && line.contains("invalid_client"), "{line}");
    one_token_request_a_cycle(&exporter, &simulator).await;
    assert_eq!(simulator.count(Operation::Overview), 0);
    folder.write("secret", World::default().client_secret.unwrap());
    exporter.until(API_UP, 1.0).await;

    simulator.inject(Rule::on(Operation::Token, Effect::status(StatusCode::UNAUTHORIZED)));
    simulator.revoke_tokens();
    exporter.until(API_UP, 0.0).await;
    one_token_request_a_cycle(&exporter, &simulator).await;
    simulator.clear_faults();
    exporter.until(API_UP, 1.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn discovery_with_refused_credentials_costs_no_second_token_request() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_api("client_secret", "wrong").and("discovery: {enabled: true}\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until(API_UP, 0.0).await;
    one_token_request_a_cycle(&exporter, &simulator).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_missing_secret_file_is_reported_until_it_is_back() {
    let simulator = Simulator::start(world()).await.unwrap();
    change_secret(&simulator, "first");
    let folder = with_secret_file(&simulator, "first");
    let exporter = Exporter::start(&folder).await;
    // The API is up once anybody was answered.
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    let secret = folder.file("secret");
    let gone = || fs::remove_file(&secret).unwrap();
    let troubles: [(&dyn Fn(), &str); 4] = [
        (&gone, "No such file or directory"),
        (&|| fs::write(&secret, "\n").unwrap(), "is empty: it must hold the client secret"),
        (&|| fs::File::create(&secret).unwrap().set_len(300 << 20).unwrap(), "it is larger than 64 KiB"),
        // Opening it would wait for a writer, for ever.
        (
            &|| {
                gone();
                make_pipe(&secret);
            },
            "it is not a regular file",
        ),
    ];
    for (trouble, message) in troubles {
        trouble();
        simulator.revoke_tokens();
        exporter.until(API_UP, 0.0).await;
        let line = exporter.until_logged(message).await;
        assert!(line.contains("reason=auth") && line.contains("target fails"), "{line}");
        assert_eq!(exporter.value(&seats("contoso", "Fly")).await, Some(7.0), "the last number stays");
        let memory = exporter.value("process_resident_memory_bytes").await.unwrap();
        assert!(memory < 128.0 * 1024.0 * 1024.0, "{message}: {memory} bytes");
        let _ = fs::remove_file(&secret);
        folder.write("secret", "first");
        exporter.until(API_UP, 1.0).await;
    }
    exporter.stop().await;
}
