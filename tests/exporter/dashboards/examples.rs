//! The queries that README.md shows.

use super::board::list;
use super::scene::Scene;
use crate::harness::document::Document;

#[tokio::test]
async fn every_query_of_the_readme_finds_data() {
    let scene = Scene::start().await;
    let queries = Document::readme().blocks_of("promql");
    assert!(queries.len() >= 5, "{queries:?}");
    for query in queries {
        let answer = scene.prometheus.ask("query", &[("query", &query)]).await.expect("an answer");
        let found = list(&answer["result"]).iter().filter(|series| series["value"][1] != "NaN");
        assert!(found.count() > 0, "{query}");
    }
    scene.stop().await;
}
