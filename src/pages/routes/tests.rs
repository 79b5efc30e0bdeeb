use std::future::pending;
use std::io::Read as _;

use elements_api::Reason;
use exporter_web::{Handler, Server, ServerConfig};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::pages::{ReloadHandle, ReloadRequests, WebObserver};
use crate::testing::{scene, seats, target};

/// Routes over the scene of the metrics as their clients see them, and where requests to reload arrive.
fn routes() -> (Handler<Routes>, ReloadRequests) {
    let (sources, requests) = sources();
    (handler(sources, true), requests)
}

fn handler(sources: Sources, enable_lifecycle: bool) -> Handler<Routes> {
    let observer = WebObserver::new(&sources, TelemetryPath::default());
    Handler::new(Routes::new(sources, TelemetryPath::default(), enable_lifecycle), observer)
}

fn sources() -> (Sources, ReloadRequests) {
    let (store, status) = scene();
    let exposition = crate::metrics::exposition::Exposition::new(store.reader(), status.clone());
    let (reload, requests) = ReloadHandle::new();
    (Sources { exposition: exposition.into(), store: store.reader(), status, reload }, requests)
}

async fn ask(routes: &Handler<Routes>, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    routes.answer(&request.body(()).unwrap()).await
}

async fn get(routes: &Handler<Routes>, path: &str) -> (StatusCode, String) {
    let response = ask(routes, "GET", path, &[]).await;
    (response.status(), body(response).await)
}

async fn body(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn metrics_are_text_unless_openmetrics_is_asked_for() {
    let (routes, _requests) = routes();
    let text = ask(&routes, "GET", "/metrics?name[]=x", &[]).await;
    assert_eq!(header(&text, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(header(&text, "content-encoding"), None);
    assert_eq!(header(&text, "vary"), Some("Accept, Accept-Encoding"));
    let text = body(text).await;
    assert!(text.contains("avepoint_poll_targets{state=\"pending\"}"), "{text}");
    assert!(text.contains("process_cpu_seconds_total "), "{text}");

    let headers =
        [("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), ("accept-encoding", "gzip")];
    let zipped = ask(&routes, "GET", "/metrics", &headers).await;
    assert_eq!(header(&zipped, "content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(header(&zipped, "content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn every_answer_tells_its_length_and_head_has_no_body() {
    let (routes, _requests) = routes();
    for path in ["/", "/subscriptions", "/-/healthy", "/-/ready", "/nowhere", "/metrics"] {
        let got = ask(&routes, "GET", path, &[]).await;
        let head = ask(&routes, "HEAD", path, &[]).await;
        assert_eq!(got.status(), head.status());
        assert_eq!(header(&got, "x-content-type-options"), Some("nosniff"));
        let length: usize = header(&got, "content-length").unwrap().parse().unwrap();
        // The metrics count the request between the two, which may take another digit.
        if path != "/metrics" {
            assert_eq!(got.headers(), head.headers());
        }
        assert_eq!(body(got).await.len(), length, "{path}");
        assert_eq!(body(head).await, "", "{path}");
    }
}

#[tokio::test]
async fn downloads_have_a_type_and_a_file_name_and_head_has_the_same_without_them() {
    let (routes, _requests) = routes();
    for (path, content_type, file) in [
        ("/seats.csv", "text/csv; charset=utf-8; header=present", "attachment; filename=\"seats.csv\""),
        ("/seats.json", "application/json", "attachment; filename=\"seats.json\""),
        ("/subscriptions.csv", "text/csv; charset=utf-8; header=present", "attachment; filename=\"subscriptions.csv\""),
        ("/subscriptions.json", "application/json", "attachment; filename=\"subscriptions.json\""),
    ] {
        let got = ask(&routes, "GET", path, &[]).await;
        assert_eq!(
            (header(&got, "content-type"), header(&got, "content-disposition")),
            (Some(content_type), Some(file))
        );
        assert_eq!(header(&got, "x-content-type-options"), Some("nosniff"));
        let head = ask(&routes, "HEAD", path, &[]).await;
        assert_eq!(got.headers(), head.headers());
        // The clock of the scene is long ago: what it listed is too old.
        let part = if path.starts_with("/subscriptions") { "" } else { "Contoso" };
        assert!(body(got).await.contains(part));
        assert_eq!(body(head).await, "");
    }
}

#[tokio::test]
async fn the_pages_take_their_parameters_from_their_address() {
    let (routes, _requests) = routes();
    let (status, html) = get(&routes, "/subscriptions?ends=90d").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("<option value=\"90d\" selected>"), "{html}");
    let (status, html) = get(&routes, "/?q=nobody%20like%20this").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("No target is like that.") && html.contains("value=\"nobody like this\""), "{html}");
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let (routes, _requests) = routes();
    for (method, path, allow) in [
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/-/healthy", "GET, HEAD"),
        ("GET", "/-/reload", "POST, PUT"),
        ("get", "/-/ready", "GET, HEAD"),
    ] {
        let response = ask(&routes, method, path, &[]).await;
        assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[tokio::test]
async fn an_unknown_path_says_where_the_metrics_are() {
    let (routes, _requests) = routes();
    for path in ["/metrics/", "//", "/-/", "/Metrics"] {
        let (status, text) = get(&routes, path).await;
        assert_eq!((status, text.contains("/metrics")), (StatusCode::NOT_FOUND, true), "{path}");
    }
}

#[tokio::test]
async fn ready_says_why_not() {
    let (sources, _requests) = sources();
    let store = crate::testing::store();
    store.watch(&[crate::testing::watched("a", "a", "a", &[1])]);
    let routes = handler(Sources { store: store.reader(), ..sources }, false);
    store.record(&target("a", 1), Err(Reason::Forbidden), Now::read());
    let (status, text) = get(&routes, "/-/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "Not ready: no answer yet: 1 target failed (forbidden: 1), 0 are not polled yet.\n");
    assert_eq!(get(&routes, "/-/healthy").await.0, StatusCode::OK);
    store.record(&target("a", 1), seats(1), Now::read());
    assert_eq!(get(&routes, "/-/ready").await.0, StatusCode::OK);
}

#[tokio::test]
async fn reload_answers_what_came_of_it() {
    let (routes, mut requests) = routes();
    let loader = tokio::spawn(async move {
        for result in [Ok(()), Err("exporter.yaml: no customers".to_owned())] {
            requests.recv().await.unwrap().answer(&result);
        }
    });
    assert_eq!(ask(&routes, "POST", "/-/reload", &[]).await.status(), StatusCode::OK);
    let refused = ask(&routes, "PUT", "/-/reload", &[]).await;
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body(refused).await.ends_with("stays in effect: exporter.yaml: no customers\n"));
    loader.await.unwrap();
    let stopping = ask(&routes, "PUT", "/-/reload", &[]).await;
    assert!(body(stopping).await.ends_with("the exporter is stopping\n"));
}

#[tokio::test]
async fn reload_is_refused_unless_enabled() {
    let (sources, mut requests) = sources();
    let routes = handler(sources, false);
    let refused = ask(&routes, "POST", "/-/reload", &[]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(body(refused).await.contains("--web.enable-lifecycle"));
    drop(routes);
    assert!(requests.recv().await.is_none(), "nobody asked");
}

#[tokio::test]
async fn requests_are_counted_from_zero_by_route_and_status() {
    let (sources, _requests) = sources();
    let status = sources.status.clone();
    let routes = handler(sources, true);
    let count = |handler, code| status.http_requests().get(&(handler, code)).copied();
    for route in Route::ALL.into_iter().filter(|route| *route != Route::Other) {
        assert_eq!(count(route.handler(), 200), Some(0), "{route:?}");
        assert_eq!(count(route.handler(), 401), None, "nobody has to sign in: {route:?}");
    }
    assert_eq!((count("other", 200), count("other", 404)), (None, Some(1)), "the scene has one");
    for path in ["/metrics", "/", "/nowhere/1", "/nowhere/2"] {
        get(&routes, path).await;
    }
    assert_eq!((count("/metrics", 200), count("/", 200), count("/-/healthy", 200)), (Some(1), Some(1), Some(0)));
    assert_eq!(count("other", 404), Some(3));
}

#[tokio::test]
async fn the_pages_allow_nothing_to_run() {
    let (routes, _requests) = routes();
    for path in ["/", "/subscriptions"] {
        let page = ask(&routes, "GET", path, &[("host", "evil.example")]).await;
        assert!(header(&page, "content-security-policy").unwrap().starts_with("default-src 'none';"));
        assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
        assert!(!body(page).await.contains("evil.example"));
    }
}

#[tokio::test]
async fn pages_and_downloads_have_so_many_places_each_and_metrics_need_none() {
    let (routes, _requests) = routes();
    let downloads = &["/seats.csv", "/seats.json", "/subscriptions.csv", "/subscriptions.json"][..];
    let mut all = Vec::new();
    for (paths, places) in [(downloads, MOST_DOWNLOADS), (&["/", "/subscriptions"], MOST_PAGES)] {
        let mut taken = Vec::new();
        for path in paths.iter().cycle().take(places) {
            let response = ask(&routes, "GET", path, &[]).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            taken.push(response);
        }
        for path in paths {
            let refused = ask(&routes, "GET", path, &[]).await;
            let retry = header(&refused, "retry-after");
            assert_eq!((refused.status(), retry), (StatusCode::SERVICE_UNAVAILABLE, Some("1")), "{path}");
            assert_eq!(ask(&routes, "HEAD", path, &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(get(&routes, "/metrics").await.0, StatusCode::OK);
        taken.pop();
        assert_eq!(get(&routes, paths[0]).await.0, StatusCode::OK);
        all.push(taken);
    }
}

#[tokio::test]
async fn a_scrape_with_gzip_can_be_read() {
    let (sources, _requests) = sources();
    let config = ServerConfig { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ServerConfig::default() };
    let routes = Routes::new(sources, TelemetryPath::default(), true);
    let server = Server::bind(config, routes, ()).await.unwrap();
    let mut stream = TcpStream::connect(server.addresses()[0]).await.unwrap();
    let _serving = AbortOnDropHandle::new(tokio::spawn(server.run(pending())));
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer[body..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("avepoint_poll_targets{state=\"ok\"}"), "{text}");
}
