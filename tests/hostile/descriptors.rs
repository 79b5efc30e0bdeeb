//! More clients than the system has descriptors for.

use std::process::Command;
use std::time::{Duration, Instant};

use elements_sim::Simulator;
use procfs::process::Process;

use super::victim::{Victim, alone, crowd};
use crate::harness::{Exporter, Folder, Yaml, world};

fn cpu(exporter: &Exporter) -> Duration {
    let stat = Process::new(exporter.pid().cast_signed()).unwrap().stat().unwrap();
    Duration::from_secs(stat.utime + stat.stime) / u32::try_from(procfs::ticks_per_second()).unwrap()
}

/// As `folder` configures it, with at most 64 descriptors.
async fn confined(folder: &Folder) -> Exporter {
    let exporter = folder.command(&["--web.listen-address", "127.0.0.1:0"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]).arg(exporter.get_program());
    Exporter::spawn(command.args(exporter.get_args()).current_dir(folder.file("")).env_clear()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_it_slows_down_and_recovers() {
    let _alone = alone().await;
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = confined(&Folder::new(&Yaml::new(&simulator))).await;
    let (begun, before) = (Instant::now(), cpu(&exporter));
    let clients = crowd(&exporter, 300, b"").await;
    exporter.until_logged("cannot accept connections now").await;
    exporter.until_logged("accepting connections again").await;
    let victim = Victim::of(exporter, simulator).await;
    victim.scraped_again(40).await;
    let (took, used) = (begun.elapsed(), cpu(&victim.exporter).saturating_sub(before));
    assert!(used < took / 2, "{used:?} of CPU in {took:?}");
    drop(clients);
    victim.survived(32).await;
}
