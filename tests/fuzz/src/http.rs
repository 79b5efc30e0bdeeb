use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, iter};

use avepoint_exporter::metrics::exposition::Exposition;
use avepoint_exporter::pages::{ReloadHandle, ReloadRequests, Routes, Sources, TelemetryPath};
use avepoint_exporter::status::Status;
use avepoint_exporter::store::{Customer, Freshness, Label, Now, StoreWriter, Target, WatchedCustomer};
use elements_api::{Answer, CustomerId, ProductType, Seats, SubscribedCustomer, Subscription};
use exporter_web::WebConfig;
use exporter_web::testing::{Protocol, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::join;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::paused::block_on;
use crate::place::Place;

/// The bytes of a client that speaks HTTP/1, after a first one that says how it sends them. The connection ends when the
/// client has said all, and everything that is answered is HTTP/1, and no fault of this program.
pub fn http1(input: &[u8]) -> bool {
    let answered = connect(Protocol::Http1, b"", input);
    assert!(answered.is_empty() || answered.starts_with(b"HTTP/1."), "{:.200}", answered.escape_ascii());
    let fault = b"HTTP/1.1 500 Internal";
    assert!(!answered.windows(fault.len()).any(|window| window == fault), "{}", answered.escape_ascii());
    answered.starts_with(b"HTTP/1.1 200")
}

/// The same of a client that speaks HTTP/2: what follows its preface.
pub fn http2(input: &[u8]) -> bool {
    let answered = connect(Protocol::Http2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", input);
    // HPACK's static table has 200 at place 8, and 500 at place 14.
    let has = |place: u8| statuses(&answered).any(|status| status == 0x80 | place);
    assert!(!has(14), "{}", answered.escape_ascii());
    has(8)
}

/// The first byte of each HEADERS frame, which is the status wherever the static table has it.
fn statuses(mut frames: &[u8]) -> impl Iterator<Item = u8> {
    const HEADERS: u8 = 1;
    iter::from_fn(move || {
        let (head, rest) = frames.split_first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, others) = rest.split_at_checked(length)?;
        frames = others;
        Some((head[3], payload))
    })
    .filter_map(|(kind, payload)| payload.first().copied().filter(|_| kind == HEADERS))
}

/// What a client gets that begins with `preface`. Of the first byte of the input, the lowest bit says whether users need a
/// password, and the next four how many bytes are sent at a time, as a power of two.
fn connect(protocol: Protocol, preface: &[u8], input: &[u8]) -> Vec<u8> {
    let Some((how, sent)) = input.split_first() else { return Vec::new() };
    let (config, at_a_time) = (if how & 1 == 1 { guarded() } else { WebConfig::default() }, 1 << (how >> 1 & 0xf));
    let (client, server) = duplex(64 << 10);
    let (mut answers, mut requests) = tokio::io::split(client);
    let mut answered = Vec::new();
    let asking = async {
        for bytes in preface.chunks(preface.len().max(1)).chain(sent.chunks(at_a_time)) {
            // Whoever has answered and closed reads no more.
            if requests.write_all(bytes).await.is_err() {
                return;
            }
            yield_now().await;
        }
        let _ = requests.shutdown().await;
    };
    let reading = async {
        let _ = answers.read_to_end(&mut answered).await;
    };
    let (routes, mut reloads) = routes();
    let reloading = async {
        while let Some(asked) = reloads.recv().await {
            asked.answer(&Ok(()));
        }
    };
    let conversation = async { join!(serve(routes, config, protocol, server), asking, reading, reloading) };
    // On a paused clock this is as long as anything goes on by itself.
    let ended = block_on(async { timeout(Duration::from_hours(1), conversation).await });
    assert!(ended.is_ok(), "the connection goes on after its client has said all");
    answered
}

/// One user, `ops` with the password `x`.
fn guarded() -> WebConfig {
    thread_local!(static PLACE: Place = Place::of("web.yml"));
    let users = "basic_auth_users: {ops: $2b$04$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e}\n";
    PLACE.with(|place| {
        let path = place.beside("web.yml");
        if !path.exists() {
            fs::write(&path, users).unwrap();
        }
        WebConfig::load(&path).unwrap()
    })
}

/// Everything that can be asked, of a customer of whom everything is known, and where reloads are asked for.
fn routes() -> (Routes, ReloadRequests) {
    let store = StoreWriter::new(Freshness {
        stale_after: Duration::from_hours(1),
        dormant_stale_after: Duration::from_hours(24),
        subscriptions: Duration::from_hours(1),
        tenants: Duration::from_hours(24),
    });
    let now = Now::read();
    let target = Target { customer: CustomerId::parse("c-1").unwrap(), product: ProductType::new(2048).unwrap() };
    let customer =
        Customer { id: target.customer.clone(), label: Label::from("contoso"), name: Label::from("Contoso") };
    store.watch(&[WatchedCustomer {
        customer,
        products: vec![target.product],
        listed: true,
        expected: BTreeMap::from([(target.product, Seats::new(30))]),
    }]);
    store.record(&target, Ok(Answer::Seats(Seats::new(25).unwrap())), now);
    let subscription = Subscription {
        service: Some("Cloud Backup".to_owned()),
        expiration: Some(now.wall + Duration::from_hours(48)),
        ..Subscription::default()
    };
    let subscribed = SubscribedCustomer { id: target.customer, organization: None, subscriptions: vec![subscription] };
    store.set_subscriptions(vec![subscribed], |_| true, now);
    let status = Arc::new(Status::new(Duration::from_mins(15), SystemTime::now(), None));
    let exposition = Arc::new(Exposition::new(store.reader(), status.clone()));
    let (reload, reloads) = ReloadHandle::new();
    let sources = Sources { exposition, store: store.reader(), status, reload };
    (Routes::new(sources, TelemetryPath::default(), true), reloads)
}
