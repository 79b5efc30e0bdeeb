//! One request, from its head to its answer, with whatever goes wrong on the way.

use std::error::Error;
use std::fmt;
use std::future;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::task;
use tokio::time::{self, Instant};

use crate::answer::{Body, error};
use crate::control::{Control, State};
use crate::fault::{Asked, Effect};
use crate::record::Operation;
use crate::tenant::Platform;
use crate::{identity, partner};

/// The connection ends without an answer that hyper could write.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Reset it.
    Reset,
    /// Write this, then close it.
    Raw(Vec<u8>),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was broken on purpose")
    }
}

impl Error for Broken {}

/// Answers `request`, or breaks the connection.
pub(crate) async fn serve(control: Control, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST_BODY).collect().await else { return Err(Broken::Reset) };
    let request = Arc::new(Request::from_parts(head, body.to_bytes()));
    let route = Route::of(request.uri().path());
    let arrival = control.arrive(&route.asked(&request), Arc::clone(&request), arrived);

    if !arrival.latency.is_zero() {
        sleep_exactly(arrival.latency).await;
    }
    match &arrival.effect {
        Some(Effect::Stall) => future::pending().await,
        Some(Effect::Reset) => return Err(Broken::Reset),
        Some(Effect::Garbage) => return Err(Broken::Raw(GARBAGE.to_vec())),
        Some(Effect::Delay(delay)) => time::sleep(*delay).await,
        _ => {}
    }
    let response = respond(&mut control.state(), &route, &request, arrival.effect.as_ref(), &arrival.request_id);
    arrival.in_flight.answered(response.status());
    let (head, body) = response.into_parts();
    let body = match arrival.effect {
        Some(Effect::Truncate) => return Err(Broken::Raw(truncated(&Response::from_parts(head, body)))),
        Some(Effect::Drip(every)) => Body::drip(body, every, arrival.sent),
        Some(Effect::Flood { mebibytes }) => Body::flood(body, mebibytes, arrival.sent),
        _ => Body::whole(body, arrival.sent),
    };
    Ok(Response::from_parts(head, body))
}

/// Sleeps to a fraction of a millisecond. tokio's timer rounds up to milliseconds, and its wait for events rounds up again,
/// so that 20 ms become 22: a thread sleeps the last part.
async fn sleep_exactly(duration: Duration) {
    const ROUNDED_UP: Duration = Duration::from_millis(2);
    let end = Instant::now() + duration;
    if let Some(most) = duration.checked_sub(ROUNDED_UP) {
        time::sleep(most).await;
    }
    // A thread that panicked has ended its sleep as well.
    let _ = task::spawn_blocking(move || thread::sleep(end.saturating_duration_since(Instant::now()))).await;
}

const MAX_REQUEST_BODY: usize = 1 << 20;

/// Looks like the start of a TLS record, as a port sends that speaks TLS where plain HTTP is expected.
const GARBAGE: &[u8] = b"\x16\x03\x03\x00\x50\x02\x00\x00\x00\xff\xfe\r\n\r\n";

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Token,
    Overview { customer: &'a str, product: &'a str },
    Customers,
    Subscriptions,
    Tenants { customer: &'a str, platform: &'a str },
    Unknown,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        if path == identity::PATH {
            return Self::Token;
        }
        match path.strip_prefix(partner::CUSTOMERS_PATH).map(|rest| rest.split('/').collect::<Vec<_>>()).as_deref() {
            Some(["batch"]) => Self::Customers,
            Some(["services", "batch"]) => Self::Subscriptions,
            Some([customer, "avpt-products", "type", product, "overview"]) if !customer.is_empty() => {
                Self::Overview { customer, product }
            }
            Some([customer, "3rd-party-products", "type", platform, "tenants", "batch"]) if !customer.is_empty() => {
                Self::Tenants { customer, platform }
            }
            _ => Self::Unknown,
        }
    }

    fn asked(self, request: &Request<Bytes>) -> Asked<'a> {
        let listing = |operation| Asked { page: partner::page_index(request), ..Asked::about(operation) };
        match self {
            Self::Token => Asked::about(Operation::Token),
            Self::Overview { customer, product } => {
                Asked { customer: Some(customer), product: product.parse().ok(), ..Asked::about(Operation::Overview) }
            }
            Self::Customers => listing(Operation::Customers),
            Self::Subscriptions => listing(Operation::Subscriptions),
            Self::Tenants { customer, platform } => {
                let platform = Platform::of(platform);
                Asked { customer: Some(customer), platform, ..listing(Operation::Tenants) }
            }
            Self::Unknown => Asked::about(Operation::Other),
        }
    }
}

fn respond(
    state: &mut State,
    route: &Route<'_>,
    request: &Request<Bytes>,
    effect: Option<&Effect>,
    request_id: &str,
) -> Response<Bytes> {
    if let (Some(Effect::ExpireToken), Some(token)) = (effect, partner::bearer(request)) {
        state.tokens.remove(token);
    }
    let mut response = match (effect, *route) {
        (Some(Effect::Answer(response)), _) => response.clone(),
        (_, Route::Token) => identity::token(state, request),
        (_, Route::Overview { customer, product }) => partner::overview(state, request, customer, product),
        (_, Route::Customers) => partner::customers(state, request),
        (_, Route::Subscriptions) => partner::subscriptions(state, request),
        (_, Route::Tenants { customer, platform }) => partner::tenants(state, request, customer, platform),
        (_, Route::Unknown) => error(StatusCode::NOT_FOUND, "there is no such path"),
    };
    let date = httpdate::fmt_http_date(state.now());
    for (name, value) in [(header::DATE, date.as_str()), (REQUEST_ID, request_id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().entry(name).or_insert(value);
        }
    }
    response
}

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The bytes of `response` with only half of the body that its `Content-Length` promises.
fn truncated(response: &Response<Bytes>) -> Vec<u8> {
    let body = response.body();
    let mut bytes = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", response.status(), body.len()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body[..body.len() / 2]);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::testing::{Caller, read, send};
    use crate::{Customer, LICENSE_SCOPE, Latency, Rule, World};

    async fn contoso() -> (Caller, String) {
        let caller = Caller::new(World::with([Customer::new("c1", "Contoso").product(4, 25)])).await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        (caller, token)
    }

    /// What the socket says to a request, until it closes.
    async fn raw(caller: &Caller) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(caller.sim.addr()).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: sim\r\n\r\n").await?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await?;
        Ok(said)
    }

    #[tokio::test]
    async fn an_injected_answer_replaces_the_true_one_as_often_as_the_rule_says() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::on(Operation::Overview, Effect::throttled(7)).times(2));
        for status in [429, 429, 200] {
            let response = send(caller.get_overview(&token, "c1", 4)).await;
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().get("retry-after").is_some(), status == 429);
            assert!(response.headers().contains_key("request-id"));
        }
        caller.sim.inject(Rule::new(Effect::json(r#"{"seats":1.5}"#)));
        assert_eq!(read(caller.get_overview(&token, "c1", 4)).await, (200, json!({ "seats": 1.5 })));
        caller.sim.clear_faults();
        caller.sim.inject(Rule::new(Effect::redirect(HeaderValue::from_static("http://elsewhere.test/"))));
        let response = send(caller.get_overview(&token, "c1", 4)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["location"]),
            (307, &"http://elsewhere.test/".parse().unwrap())
        );
        caller.sim.clear_faults();
        caller.sim.inject(Rule::new(Effect::html()));
        assert_eq!(send(caller.get_overview(&token, "c1", 4)).await.headers()["content-type"], "text/html");
        caller.sim.clear_faults();
        assert_eq!(read(caller.get_overview(&token, "c1", 4)).await.1["purchasedUserSeat"], 25);
    }

    #[tokio::test]
    async fn a_page_can_fail_alone() {
        let caller = Caller::new(World::sized(3, &[])).await;
        let token = caller.token_for(crate::CUSTOMERS_SCOPE).await;
        caller.sim.inject(Rule::on(Operation::Customers, Effect::status(StatusCode::BAD_GATEWAY)).page(2));
        for (page, status) in [(1, 200), (2, 502), (3, 200)] {
            let query = format!("?pageIndex={page}&pageSize=1");
            assert_eq!(read(caller.post_batch(&token, &query)).await.0, status);
        }
    }

    #[tokio::test]
    async fn a_page_of_subscriptions_or_one_platform_of_a_customer_can_fail_alone() {
        let caller = Caller::new(World::sized(3, &[4])).await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let broken = || Effect::status(StatusCode::BAD_GATEWAY);
        caller.sim.inject(Rule::on(Operation::Subscriptions, broken()).page(2));
        for (page, status) in [(1, 200), (2, 502), (3, 200)] {
            let query = format!("?pageIndex={page}&pageSize=1");
            assert_eq!(read(caller.post_services(&token, &query)).await.0, status);
        }
        let id = |nth: u32| format!("c0000000-0000-4000-8000-{nth:012x}");
        caller.sim.inject(Rule::on(Operation::Tenants, broken()).customer(id(1)).platform(Platform::Google));
        for (customer, platform, status) in [(1, 2, 502), (1, 0, 200), (2, 2, 200)] {
            assert_eq!(read(caller.post_tenants(&token, &id(customer), platform)).await.0, status);
        }
        assert_eq!((caller.sim.count(Operation::Subscriptions), caller.sim.count(Operation::Tenants)), (3, 3));
    }

    #[tokio::test]
    async fn an_expired_token_stays_expired() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::new(Effect::ExpireToken).once());
        for _ in 0..2 {
            assert_eq!(read(caller.get_overview(&token, "c1", 4)).await.0, 401);
        }
        assert_eq!(caller.overview("c1", 4).await.0, 200);
    }

    #[tokio::test]
    async fn a_reset_is_a_reset() {
        let (caller, _) = contoso().await;
        caller.sim.inject(Rule::new(Effect::Reset));
        let error = raw(&caller).await.expect_err("no clean end");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(caller.sim.record().last().expect("recorded").status, None);
    }

    #[tokio::test]
    async fn garbage_is_no_http() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::new(Effect::Garbage));
        assert_eq!(raw(&caller).await.expect("a clean end"), GARBAGE);
        caller.get_overview(&token, "c1", 4).send().await.expect_err("no answer");
    }

    #[tokio::test]
    async fn a_truncated_answer_ends_before_its_length() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::new(Effect::Truncate));
        let mut response = send(caller.get_overview(&token, "c1", 4)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.content_length(), Some(40));
        assert_eq!(response.chunk().await.expect("half of it").expect("not empty").len(), 20);
        response.chunk().await.expect_err("the connection closed");
    }

    #[tokio::test]
    async fn a_stalled_request_stays_in_flight_beside_others() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::on(Operation::Overview, Effect::Stall).once());
        let stalled = tokio::spawn(caller.get_overview(&token, "c1", 4).send());
        caller.sim.reached(Operation::Overview, 1).await;
        assert_eq!(read(caller.get_overview(&token, "c1", 4)).await.0, 200);
        assert_eq!(caller.sim.max_in_flight(), 2);
        assert!(!stalled.is_finished());
        stalled.abort();
        let in_flight = || {
            caller.sim.clear_record();
            caller.sim.max_in_flight()
        };
        while in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_delayed_answer_is_the_true_one_later() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::on(Operation::Overview, Effect::Delay(Duration::from_millis(5))));
        assert_eq!(read(caller.get_overview(&token, "c1", 4)).await.1["purchasedUserSeat"], 25);
        let delayed = caller.sim.record().pop().expect("recorded");
        assert!(delayed.answered.expect("answered") - delayed.arrived >= Duration::from_millis(5));
    }

    #[tokio::test]
    async fn a_dripping_body_comes_byte_by_byte() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::new(Effect::Drip(Duration::from_millis(1))));
        let mut response = send(caller.get_overview(&token, "c1", 4)).await;
        assert_eq!(response.content_length(), Some(40));
        assert!(response.chunk().await.expect("some").expect("not empty").len() < 40);
        assert!(response.text().await.expect("the rest").ends_with('}'));
    }

    #[tokio::test]
    async fn a_flood_counts_how_much_of_it_was_taken() {
        let (caller, token) = contoso().await;
        caller.sim.inject(Rule::new(Effect::Flood { mebibytes: 2 }).once());
        let (status, body) = read(caller.get_overview(&token, "c1", 4)).await;
        assert_eq!((status, &body["purchasedUserSeat"]), (200, &json!(25)));
        assert_eq!(caller.sim.record().last().expect("recorded").bytes_sent(), (2 << 20) + 40);

        caller.sim.inject(Rule::new(Effect::Flood { mebibytes: 1 << 20 }));
        drop(send(caller.get_overview(&token, "c1", 4)).await);
        let flood = caller.sim.record().pop().expect("recorded");
        caller.sim.stop().await;
        assert!((1..64 << 20).contains(&flood.bytes_sent()), "{} bytes", flood.bytes_sent());
    }

    #[tokio::test]
    async fn the_record_has_what_was_asked_and_answered() {
        let (caller, token) = contoso().await;
        caller.sim.change(|world| world.latency = Latency::of(Duration::from_millis(5)));
        read(caller.get_overview(&token, "c2", 41).header("content-type", "application/json")).await;
        let [asked_token, asked_overview] = &caller.sim.record()[..] else { panic!("two exchanges") };
        assert_eq!(asked_token.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(asked_token.operation, Operation::Token);
        assert!(asked_token.body().starts_with("grant_type=client_credentials&"));
        assert_eq!(asked_overview.operation, Operation::Overview);
        assert_eq!(asked_overview.request.method(), "GET");
        assert!(asked_overview.path().ends_with("/customers/c2/avpt-products/type/41/overview"));
        assert_eq!(asked_overview.header("content-type"), Some("application/json"));
        assert_eq!(asked_overview.status, Some(StatusCode::NOT_FOUND));
        let took = asked_overview.answered.expect("answered") - asked_overview.arrived;
        assert!(took >= Duration::from_millis(5), "{took:?}");
        caller.sim.clear_record();
        assert!(caller.sim.record().is_empty());
    }

    #[tokio::test]
    async fn every_answer_has_a_date_by_the_servers_clock_and_an_id_of_its_own() {
        let (caller, token) = contoso().await;
        caller.sim.change(|world| world.clock_skew = -86_400);
        let first = send(caller.get_overview(&token, "c1", 4)).await;
        let second = send(caller.http.get(caller.url("/unknown"))).await;
        assert_eq!(second.status(), 404);
        assert_ne!(first.headers()["request-id"], second.headers()["request-id"]);
        let date = httpdate::parse_http_date(first.headers()["date"].to_str().expect("text")).expect("a date");
        let behind = date.elapsed().expect("in the past").as_secs();
        assert!((86_390..86_500).contains(&behind), "{behind} s");
    }

    #[test]
    fn only_the_documented_paths_lead_anywhere() {
        let base = "/partner/external/v3/general/customers";
        let route = |path: &str| match Route::of(&format!("{base}{path}")) {
            Route::Overview { customer, product } => format!("{customer} {product}"),
            Route::Tenants { customer, platform } => format!("{customer} on {platform}"),
            other => format!("{other:?}"),
        };
        assert_eq!(route("/c1/avpt-products/type/2048/overview"), "c1 2048");
        assert_eq!(route("/batch"), "Customers");
        assert_eq!(route("/services/batch"), "Subscriptions");
        assert_eq!(route("/c1/3rd-party-products/type/0/tenants/batch"), "c1 on 0");
        for path in [
            "",
            "/",
            "/batch/",
            "/services",
            "/services/batch/",
            "//3rd-party-products/type/0/tenants/batch",
            "/c1/3rd-party-products/type/0/tenants",
            "/c1/3rd-party-products/type/0/tenants/batch/",
            "//avpt-products/type/2048/overview",
            "/c1/avpt-products/type/2048/overview/",
            "/c1/avpt-products/type/2048",
            "/c1/x/avpt-products/type/2048/overview",
            "/c1/AVPT-products/type/2048/overview",
        ] {
            assert_eq!(route(path), "Unknown", "{path}");
        }
        assert_eq!(Route::of("/connect/token"), Route::Token);
        assert_eq!(Route::of("/connect/token/"), Route::Unknown);
    }
}
