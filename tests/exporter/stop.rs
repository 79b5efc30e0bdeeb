//! Signals, and the ends that nobody asked for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;
use rustix::process::getuid;

use crate::harness::{Exporter, Folder, Yaml, binary, eventually, world};

#[tokio::test]
async fn a_signal_stops_it_in_time_even_while_a_request_hangs() {
    for signal in ["TERM", "INT"] {
        let simulator = Simulator::start(world()).await.unwrap();
        simulator.inject(Rule::on(Operation::Overview, Effect::Stall));
        let yaml = Yaml::new(&simulator).with_api("timeout", "1h").with_poll("interval", "1h");
        let mut exporter = Exporter::start(&Folder::new(&yaml)).await;
        simulator.reached(Operation::Overview, 4).await;
        let start = Instant::now();
        exporter.signal(signal);
        assert_eq!(exporter.ended().await.code(), Some(0), "{signal}: {}", exporter.log());
        assert!(start.elapsed() < Duration::from_secs(5), "{signal}: {:?}", start.elapsed());
        assert_eq!(exporter.log_lines("stopping").len(), 1);
    }
}

#[tokio::test]
async fn a_signal_stops_it_while_the_identity_service_hangs() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Token, Effect::Stall));
    let mut exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).with_api("timeout", "1h"))).await;
    simulator.reached(Operation::Token, 1).await;
    exporter.signal("TERM");
    assert_eq!(exporter.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_signal_ends_every_command_even_as_process_1() {
    for arguments in [&["poll"][..], &["check", "--live"], &["customers"], &["subscriptions"], &["tenants"]] {
        for signal in ["TERM", "INT"] {
            let simulator = Simulator::start(world()).await.unwrap();
            simulator.inject(Rule::on(Operation::Token, Effect::Stall));
            let folder = Folder::new(&Yaml::new(&simulator).with_api("timeout", "1h"));
            let (mut command, _unread) = Exporter::unread(&mut folder.command(arguments));
            simulator.reached(Operation::Token, 1).await;
            command.signal(signal);
            // An exit code, and no death by the signal: it was heard, which is what counts for process 1.
            assert_eq!(command.ended().await.code(), Some(1), "{arguments:?} {signal}");
        }
    }
}

const DROPPED: &str = "avepoint_exporter_log_lines_dropped_total";

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let simulator = Simulator::start(World::sized(500, &[4])).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::FORBIDDEN)));
    let yaml = Yaml::new(&simulator).with_api("requests_per_second", 100_000).with_poll("interval", "1s");
    let yaml = yaml.rest("discovery: {enabled: true}\nproducts: [1, 4, 32, 2048]\n");
    // A log that nobody reads keeps it for some seconds.
    let (mut exporter, _unread) = Exporter::start_unread(&Folder::new(&yaml), &["--log.level=trace"]).await;
    eventually("lines are dropped", || async { (exporter.value(DROPPED).await? > 0.0).then_some(()) }).await;
    exporter.signal("TERM");
    let healthy = format!("http://{}/-/healthy", exporter.address());
    eventually("it stops", || async { reqwest::get(&healthy).await.is_err().then_some(()) }).await;
    exporter.signal("INT");
    assert_eq!(exporter.ended().await.code(), Some(1), "0 would say that all was done");
}

/// The limit holds for all processes of a user, so it takes one that has no others. A user who may not become another has
/// more than the limit already, and gets no thread at all.
#[test]
fn a_machine_that_gives_too_few_threads_is_told_of_and_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = folder.path().join("exporter");
    fs::copy(binary().get_program(), &exporter).unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let user = (1_000_000 + process::id()).to_string();
    let as_user: &[&str] =
        if getuid().is_root() { &["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"] } else { &[] };
    for limit in 1..20 {
        let mut command = Command::new("timeout");
        command.arg("20").args(as_user).arg("prlimit").arg(format!("--nproc={limit}")).arg(&exporter);
        command.args(["demo", "--web.listen-address", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut last = String::new();
        if lines.any(|line| {
            last = line;
            last.contains("listening")
        }) {
            assert!(limit > 1, "one thread is not enough");
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
            assert_eq!(child.wait().unwrap().code(), Some(0), "it serves with {limit} threads");
            return;
        }
        assert_eq!(child.wait().unwrap().code(), Some(1), "with {limit} threads: {last}");
        assert!(last.starts_with("avepoint-exporter: ") && last.contains("thread"), "with {limit} threads: {last}");
    }
    assert!(!getuid().is_root(), "it takes fewer threads than that");
}
