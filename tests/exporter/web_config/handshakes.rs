//! Clients that do not finish what they began.

use super::Secured;
use crate::victim::{Victim, crowd};

/// The beginning of a record with a ClientHello, which promises 512 bytes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_not_finished_leave_room_for_scrapes() {
    let secured = Secured::tls("").await;
    let client = secured.client();
    let url = format!("https://{}/metrics", secured.exporter.address());
    let victim = Victim::scraped(secured.exporter, secured.simulator, client, url).await;
    let silent = crowd(&victim.exporter, 600, b"").await;
    victim.scraped_again(20).await;
    let half = crowd(&victim.exporter, 600, HALF_A_HELLO).await;
    victim.scraped_again(20).await;
    drop((silent, half));
    victim.survived(64).await;
}
