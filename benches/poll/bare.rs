//! The least that a client can do: what it takes is this machine's and the simulator's share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use elements_api::CATALOG;
use elements_sim::World;
use procfs::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::cycle::cpu;
use crate::shared::{Result, Role};
use crate::{IN_FLIGHT, PRODUCTS, TARGETS};

/// What asking for every target once took.
#[derive(Debug)]
pub(super) struct Bare {
    pub(super) took: Duration,
    pub(super) cpu: Duration,
}

/// Asks for every target once, over connections that stay open, with requests that are nothing but bytes.
pub(super) fn run(vendor: &Role) -> Result<Bare> {
    let host = vendor.address.trim_start_matches("http://").to_owned();
    let world = World::default();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=elements.license.read.all",
        world.client_id,
        world.client_secret.unwrap_or_default()
    );
    let process = Process::myself()?;
    let before = cpu(&process)?;
    let took = Runtime::new()?.block_on(async {
        let mut stream = TcpStream::connect(&host).await?;
        let ask = format!(
            "POST /connect/token HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = exchange(&mut stream, &ask).await?;
        let token = answer.split_once("\"access_token\":\"").and_then(|(_, rest)| rest.split('"').next());
        let token: Arc<str> = token.ok_or("no token")?.into();

        let start = Instant::now();
        let (next, mut clients) = (Arc::new(AtomicU32::new(0)), JoinSet::new());
        for _ in 0..IN_FLIGHT {
            clients.spawn(client(host.clone(), token.clone(), next.clone()));
        }
        for outcome in clients.join_all().await {
            outcome?;
        }
        Result::Ok(start.elapsed())
    })?;
    Ok(Bare { took, cpu: cpu(&process)?.saturating_sub(before) })
}

async fn client(host: String, token: Arc<str>, next: Arc<AtomicU32>) -> Result<()> {
    let mut stream = TcpStream::connect(&host).await?;
    stream.set_nodelay(true)?;
    loop {
        let target = next.fetch_add(1, Ordering::Relaxed);
        if target >= TARGETS {
            return Ok(());
        }
        let (customer, product) = (target / PRODUCTS + 1, &CATALOG[(target % PRODUCTS) as usize]);
        let ask = format!(
            "GET /partner/external/v3/general/customers/c0000000-0000-4000-8000-{customer:012x}/avpt-products/type/{}\
             /overview HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\nauthorization: Bearer {token}\r\n\r\n",
            product.product_type.number()
        );
        let answer = exchange(&mut stream, &ask).await?;
        if !answer.contains("\"purchasedUserSeat\"") {
            return Err(answer.into());
        }
    }
}

/// Sends `ask`, and returns the whole answer.
async fn exchange(stream: &mut TcpStream, ask: &str) -> Result<String> {
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the vendor hung up".into());
        }
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if length == Some(body.len()) {
                return Ok(text.into_owned());
            }
        }
    }
}
