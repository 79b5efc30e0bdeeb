//! What the README says about the demo.

use std::collections::BTreeSet;

use hyper::Method;

use crate::harness::document::Document;
use crate::harness::{Exporter, binary, eventually};

#[tokio::test]
async fn the_demo_shows_what_the_readme_says_and_has_every_route_that_it_lists() {
    let readme = Document::readme();
    let demo = Exporter::spawn(binary().args(["demo", "--web.listen-address=127.0.0.1:0"])).await;
    let series = |line: &str| line.rsplit_once(' ').map(|(series, _)| series.to_owned());
    let excerpt = readme.blocks_of("text").concat();
    let expected: BTreeSet<_> = excerpt.lines().filter_map(series).collect();
    assert!(expected.len() >= 5);
    eventually("the demo shows what README.md shows of it", || async {
        let metrics = demo.metrics().await;
        let shown = metrics.lines().filter_map(series).collect();
        expected.is_subset(&shown).then_some(())
    })
    .await;
    for row in readme.table("| route |") {
        let route = row[0].trim_matches('`');
        for method in row[1].split(", ") {
            let status = demo.ask(method.parse().unwrap(), route).await.status;
            assert_eq!(status, if route == "/-/reload" { 403 } else { 200 }, "{method} {route}");
        }
        assert_eq!(demo.ask(Method::DELETE, route).await.status, 405, "{route}");
    }
    demo.stop().await;
}
