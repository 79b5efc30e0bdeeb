use std::io::Read as _;
use std::time::Duration;

use prometheus::TextEncoder;
use tokio::time::{Instant, advance};

use super::*;
use crate::metrics::tests::families;
use crate::store::{Freshness, StoreWriter};
use crate::testing::{at, clock, freshness, now, scene, seats, status, target, watched};

fn exposition(store: &StoreWriter, status: &Arc<Status>) -> Exposition {
    let status = StatusFamilies::reproducible(store.reader(), status.clone());
    Exposition::with(status, store.reader(), clock())
}

/// One customer of one product.
fn small() -> (StoreWriter, Exposition) {
    let store = crate::testing::store();
    store.watch(&[watched("a", "a", "a", &[1])]);
    let exposition = exposition(&store, &Arc::new(status()));
    (store, exposition)
}

fn answer(store: &StoreWriter, number: u64) {
    store.record(&target("a", 1), seats(number), clock().now()).unwrap();
}

fn segments(rendered: Rendered) -> Vec<Bytes> {
    rendered.segments().collect::<Result<_, _>>().unwrap()
}

fn body(rendered: Rendered) -> Vec<u8> {
    let length = rendered.length();
    let body = segments(rendered).concat();
    assert_eq!(body.len(), length);
    body
}

async fn scrape(exposition: &Exposition) -> String {
    String::from_utf8(body(exposition.render(Format::Text, Encoding::Identity).await)).unwrap()
}

fn shows(text: &str, number: u64) -> bool {
    text.contains(&format!("avepoint_purchased_user_seats{{customer=\"a\",product=\"DocAve Online\"}} {number}\n"))
}

fn of_the_scene() -> Vec<prometheus::proto::MetricFamily> {
    let (store, status) = scene();
    families(&store, &status, now(1_000))
}

fn encoded(format: Format) -> String {
    let mut encoder = Encoder::new(format);
    for family in &of_the_scene() {
        encoder.family(family);
    }
    encoder.end();
    String::from_utf8(encoder.finish()).unwrap()
}

#[test]
fn text_is_what_the_prometheus_crate_writes() {
    assert_eq!(encoded(Format::Text), TextEncoder::new().encode_to_string(&of_the_scene()).unwrap());
}

#[tokio::test]
async fn a_scrape_is_all_families_in_the_order_of_the_catalogue() {
    let (store, status) = scene();
    let status = StatusFamilies::reproducible(store.reader(), status.clone());
    let exposition = Exposition::with(status, store.reader(), Clock::with(|| at(1_000)));
    assert_eq!(scrape(&exposition).await, include_str!("../../../tests/golden/metrics.txt"));
}

#[test]
fn openmetrics_names_counters_without_total_and_ends_with_eof() {
    let text = encoded(Format::OpenMetrics);
    assert!(text.contains("# TYPE avepoint_poll_cycles counter\navepoint_poll_cycles_total 1\n"));
    assert!(text.contains("_bucket{operation=\"token\",le=\"1.0\"} 1\n"));
    assert!(text.contains("_bucket{operation=\"token\",le=\"+Inf\"} 1\n"));
    assert!(text.contains(r#"name="Contoso \"East\" \\ Söhne GmbH"} 1"#));
    assert!(text.ends_with("\n# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[test]
fn what_is_known_can_be_printed_without_a_server() {
    let (store, _) = scene();
    let golden = include_str!("../../../tests/golden/metrics.txt");
    let printed = text(&store.snapshot(), now(1_000));
    assert!(golden.starts_with(&printed), "{printed}");
    assert!(printed.contains("avepoint_poll_targets{"));
}

#[test]
fn all_formats_write_the_target_families_alike() {
    let (store, _) = scene();
    let known = store.snapshot();
    let encode = |format| {
        let mut encoder = Encoder::new(format);
        target_families(&known, now(1_000)).flatten().for_each(|chunk| encoder.family(&chunk.family()));
        encoder.finish()
    };
    assert!(encode(Format::OpenMetrics) == encode(Format::Text));
}

#[test]
fn numbers_beyond_all_bounds_are_written_as_prometheus_reads_them() {
    let mut family = of_the_scene().swap_remove(0);
    for (value, expected) in [(f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf"), (f64::NAN, "NaN"), (0.5, "0.5")] {
        let mut gauge = prometheus::proto::Gauge::default();
        gauge.set_value(value);
        family.set_metric(vec![prometheus::proto::Metric::from_gauge(gauge)]);
        let mut encoder = Encoder::new(Format::Text);
        encoder.family(&family);
        let text = String::from_utf8(encoder.finish()).unwrap();
        assert!(text.ends_with(&format!("avepoint_purchased_user_seats {expected}\n")), "{text}");
    }
}

#[tokio::test]
async fn gzip_holds_the_same_text_in_every_format() {
    let (store, status) = scene();
    let exposition = exposition(&store, &status);
    for format in [Format::Text, Format::OpenMetrics] {
        let plain = body(exposition.render(format, Encoding::Identity).await);
        let zipped = body(exposition.render(format, Encoding::Gzip).await);
        assert!(zipped.len() < plain.len());
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(zipped.as_slice()).read_to_end(&mut text).unwrap();
        assert!(text == plain);
    }
}

#[tokio::test]
async fn what_is_counted_shows_at_the_next_scrape() {
    let (store, status) = scene();
    let exposition = exposition(&store, &status);
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Identity] {
        status.cycle_ended(status.snapshot().cycle, None);
        let cycles = status.snapshot().counts.poll_cycles;
        let body = body(exposition.render(Format::Text, encoding).await);
        let text = match encoding {
            Encoding::Identity => body,
            Encoding::Gzip => {
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut text).unwrap();
                text
            }
        };
        assert!(String::from_utf8(text).unwrap().contains(&format!("avepoint_poll_cycles_total {cycles}\n")));
    }
    status.reloaded(crate::testing::INTERVAL, at(5));
    assert!(scrape(&exposition).await.contains("avepoint_exporter_config_last_reload_successful 1\n"));
}

#[tokio::test(start_paused = true)]
async fn the_first_scrape_after_a_change_shows_it() {
    let (store, exposition) = small();
    assert!(!scrape(&exposition).await.contains("avepoint_purchased_user_seats{"));
    answer(&store, 5);
    advance(Duration::from_secs(1)).await;
    assert!(shows(&scrape(&exposition).await, 5));
}

#[tokio::test(start_paused = true)]
async fn changes_are_rendered_at_most_once_a_second() {
    let (store, exposition) = small();
    answer(&store, 5);
    assert!(shows(&scrape(&exposition).await, 5));
    let first = Instant::now();
    answer(&store, 6);
    advance(Duration::from_millis(900)).await;
    assert!(shows(&scrape(&exposition).await, 5), "{:?}", first.elapsed());
    advance(Duration::from_millis(100)).await;
    assert!(shows(&scrape(&exposition).await, 6));
}

#[tokio::test(start_paused = true)]
async fn scrapes_share_the_bytes_until_something_changes() {
    let (store, exposition) = small();
    answer(&store, 5);
    let chunk = async || segments(exposition.render(Format::Text, Encoding::Identity).await)[0].as_ptr();
    let first = chunk().await;
    advance(freshness().stale_after / 2).await;
    assert_eq!(chunk().await, first);
}

#[tokio::test(start_paused = true)]
async fn a_family_that_a_change_leaves_alone_keeps_its_bytes() {
    let (store, exposition) = small();
    answer(&store, 5);
    let chunks = async || segments(exposition.render(Format::Text, Encoding::Gzip).await);
    let before = chunks().await;
    advance(Duration::from_secs(1)).await;
    answer(&store, 5);
    let after = chunks().await;
    // The header of the stream comes first, then the seats, which stayed, and as the fifth family when they were answered.
    assert_eq!(before[1].as_ptr(), after[1].as_ptr());
    assert_ne!(before[5], after[5]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_bytes_are_made_gets_those_before() {
    let (store, exposition) = small();
    answer(&store, 5);
    scrape(&exposition).await;
    answer(&store, 6);
    advance(Duration::from_secs(1)).await;
    let held = exposition.plain.targets.hold().await;
    assert!(shows(&scrape(&exposition).await, 5));
    drop(held);
    assert!(shows(&scrape(&exposition).await, 6));
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_a_stale_number_even_while_bytes_are_made() {
    let (store, exposition) = small();
    store.set_freshness(Freshness { stale_after: Duration::from_millis(500), ..freshness() });
    store
        .record(
            &target("a", 1),
            seats(5),
            Now { wall: clock().now().wall - Duration::from_millis(300), ..clock().now() },
        )
        .unwrap();
    assert!(shows(&scrape(&exposition).await, 5));
    advance(Duration::from_millis(250)).await;
    let held = exposition.plain.targets.hold().await;
    let (text, ()) = tokio::join!(scrape(&exposition), async {
        tokio::task::yield_now().await;
        drop(held);
    });
    assert!(!text.contains("avepoint_purchased_user_seats{"), "{text}");
    assert!(text.contains("avepoint_poll_targets{state=\"failing\"} 1\n"));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_overtaken_is_sent_to_its_end() {
    let (store, exposition) = small();
    answer(&store, 5);
    let rendered = exposition.render(Format::Text, Encoding::Identity).await;
    answer(&store, 6);
    advance(Duration::from_secs(1)).await;
    assert!(shows(&scrape(&exposition).await, 6));
    assert!(shows(&String::from_utf8(body(rendered)).unwrap(), 5));
}

#[tokio::test(start_paused = true)]
async fn clients_that_stop_in_the_middle_of_ever_new_bytes_hold_few_of_them() {
    let store = crate::testing::store();
    let (label, products) = ("x".repeat(190), (1..=40).collect::<Vec<_>>());
    let customers: Vec<_> =
        (0..150).map(|n| watched(&format!("c{n}"), &format!("{label}{n}"), "x", &products)).collect();
    store.watch(&customers);
    for customer in 0..150 {
        for product in &products {
            store.record(&target(&format!("c{customer}"), *product), seats(5), clock().now()).unwrap();
        }
    }
    let exposition = exposition(&store, &Arc::new(status()));
    let mut stalled = Vec::new();
    for number in 0..5 {
        store.record(&target("c0", 1), seats(number), clock().now()).unwrap();
        let rendered = exposition.render(Format::Text, Encoding::Identity).await;
        assert!(rendered.length() > 4 << 20, "{} bytes", rendered.length());
        let mut segments = rendered.segments();
        assert!(segments.next().unwrap().is_ok());
        stalled.push(segments);
        advance(Duration::from_secs(1)).await;
    }
    let go_on: Vec<_> = stalled.into_iter().map(|segments| segments.collect::<Result<Vec<_>, _>>().is_ok()).collect();
    assert_eq!((go_on[0], &go_on[3..]), (false, &[true, true][..]), "{go_on:?}");
}
