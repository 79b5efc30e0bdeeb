//! Clients that say little or nothing.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::interval;

use super::victim::{Victim, alone, crowd, is_closed};
use crate::harness::{PATIENCE, eventually};

/// How many connections the exporter keeps open.
const CONNECTIONS: usize = 512;

/// Lets this process open more connections than it usually may.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thousand_idle_connections_the_longest_idle_make_room() {
    let _alone = alone().await;
    raise_descriptor_limit();
    let victim = Victim::start().await;
    let clients = crowd(&victim.exporter, 2000, b"").await;
    eventually("the surplus is closed", || async {
        (clients.iter().filter(|client| !is_closed(client)).count() <= CONNECTIONS).then_some(())
    })
    .await;
    victim.scraped_again(20).await;
    // Scrapes took places, too, and who came within one millisecond counts as equally old.
    let (older, younger) = clients.split_at(clients.len() - CONNECTIONS);
    assert!(older[..older.len() - CONNECTIONS / 2].iter().all(is_closed), "somebody younger was closed");
    assert!(!younger[CONNECTIONS / 2..].iter().any(is_closed), "there was room for these");
    victim.survived(32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let _alone = alone().await;
    let victim = Victim::start().await;
    let mut clients = crowd(&victim.exporter, 400, b"GET /metrics HTTP/1.1\r\nhost: x\r\nx: ").await;
    let (begun, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
    while !clients.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{} are still waited for", clients.len());
        ticks.tick().await;
        // It fails where the client will be found closed the next time.
        clients.retain(|client| !is_closed(client) && (client.try_write(b"x"), true).1);
    }
    victim.survived(32).await;
}
