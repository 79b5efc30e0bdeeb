//! `/subscriptions`, and what `/` tells of them.

use elements_sim::{Customer, Day, Simulator, Subscription, World, demo};

use super::chromium::browse;
use super::{CUSTOMERS, DISCOVERED, FIRST_CUSTOMER, SEATS, configuration_of_the_demo, exporter, exporter_with};
use crate::harness::{Exporter, Folder, M365, Yaml, world};

/// An exporter that has listed the subscriptions of the demo.
async fn exporter_of_the_demo() -> (Simulator, Exporter) {
    let simulator = Simulator::start(demo::world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "15m").rest(&configuration_of_the_demo());
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_subscriptions_success", 1.0).await;
    (simulator, exporter)
}

#[tokio::test]
async fn what_ends_first_is_on_top_and_rows_are_filtered_searched_and_sorted() {
    let (_simulator, exporter) = exporter_of_the_demo().await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/subscriptions").await;
        assert_eq!(browser.text(".headline h2").await, "3 subscriptions end within 7 days");
        assert_eq!(browser.text(FIRST_CUSTOMER).await, "northwind-traders", "its migration has ended");
        assert_eq!(browser.texts("th[aria-sort=ascending]").await, ["Ends"]);

        browser.go(".states .warning").await;
        let soon = browser.texts(CUSTOMERS).await;
        assert_eq!((soon.len(), soon[0].as_str(), soon[6].as_str()), (7, "litware", "fabrikam"));
        browser.follow("Seats").await;
        assert_eq!(browser.texts(SEATS).await[0], "1180");
        browser.click("[name=q]").await;
        browser.write("salesforce").await;
        browser.submit().await;
        assert_eq!(browser.place().await, "/subscriptions?q=salesforce&ends=30d&sort=seats&dir=desc");
        assert_eq!(browser.texts(CUSTOMERS).await, ["litware"]);
        let download = browser.script("return document.querySelector('header a[href*=csv]').href").await;
        assert!(download.as_str().unwrap().ends_with("/subscriptions.csv?q=salesforce&ends=30d"), "{download}");
        browser.follow("Show all, what ends first on top").await;
        assert_eq!(browser.place().await, "/subscriptions?");
        browser.follow("Ends").await;
        assert_eq!(browser.text(FIRST_CUSTOMER).await, "proseware", "the longest contract");

        browser.choose("[name=ends]", "ended").await;
        browser.go("form button").await;
        assert_eq!(browser.texts(CUSTOMERS).await, ["northwind-traders"]);
    })
    .await;
}

#[tokio::test]
async fn the_status_page_has_the_next_five_endings_and_leads_to_all_of_a_customer() {
    let (_simulator, exporter) = exporter_of_the_demo().await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/").await;
        let next = ["litware", "fabrikam", "alpine-ski-house", "northwind-traders", "wide-world-importers"];
        assert_eq!(browser.texts(".endings li bdi:first-child").await.len(), 10);
        assert_eq!(browser.texts(".endings li a").await, next);
        browser.follow("litware").await;
        assert_eq!(browser.place().await, "/subscriptions?q=litware");
        assert_eq!(browser.texts(CUSTOMERS).await, ["litware"; 3]);
        browser.follow("Status").await;
        browser.follow("Subscriptions").await;
        assert_eq!(browser.place().await, "/subscriptions?");
    })
    .await;
}

#[tokio::test]
async fn a_phone_and_a_dark_room_have_all_of_it() {
    let (_simulator, exporter) = exporter_of_the_demo().await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        for path in ["/subscriptions", "/"] {
            for width in [320, 360, 768, 1280] {
                browser.resize(width, 800).await;
                browser.open(path).await;
                assert_eq!(browser.overflow().await, 0, "{path} at {width} pixels");
            }
        }
        browser.resize(360, 800).await;
        browser.open("/subscriptions").await;
        browser.follow("Customer").await;
        assert_eq!(browser.place().await, "/subscriptions?sort=customer", "cards can be sorted, too");
        browser.prefer("prefers-color-scheme", "dark").await;
        let ground = browser.script("return getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(ground, "rgb(18, 22, 28)");
    })
    .await;
}

#[tokio::test]
async fn without_listings_it_says_how_to_have_them() {
    let (_simulator, exporter) = exporter(world()).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/").await;
        assert_eq!(browser.text(".endings p").await, "Subscriptions are not listed.");
        browser.follow("What ends next").await;
        assert!(browser.text(".headline p").await.contains("subscriptions: {enabled: true}"));
    })
    .await;
}

#[tokio::test]
async fn a_hostile_service_stays_text() {
    let hostile = "</bdi></td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
    let row = Subscription::new(hostile).seats(3).expires(Day::from_now(3));
    let mut customer = Customer::new("c-9", "Nine").product(M365, 1);
    customer.subscriptions.push(row);
    let simulator = Simulator::start(World::with([customer])).await.unwrap();
    let rest = format!("{DISCOVERED}subscriptions: {{enabled: true}}\n");
    let (_simulator, exporter) = exporter_with(simulator, &rest).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/subscriptions").await;
        assert_eq!(browser.text("td.service bdi").await, hostile);
        let title = browser.script("return document.title").await;
        assert_eq!(title, "1 subscription ends within 7 days – AvePoint exporter");
    })
    .await;
}
