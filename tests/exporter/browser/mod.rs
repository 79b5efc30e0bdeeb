//! The pages of the real binary in a real Chromium.

mod chromium;
mod subscriptions;

use std::fs;

use elements_sim::{Customer, Effect, Operation, Rule, Simulator, World, demo};
use fantoccini::key::Key;
use hyper::StatusCode;

use self::chromium::browse;
use crate::harness::{Exporter, FLY, Folder, M365, Yaml, world};

const DISCOVERED: &str = "customers: [{id: c-1, name: contoso}]\ndiscovery: {enabled: true}\nproducts: [2048, Fly]\n";

const FIRST_CUSTOMER: &str = "tbody tr:first-child td.customer bdi";
const CUSTOMERS: &str = "td.customer div > bdi";
const SEATS: &str = "td.seats";

/// An exporter that has polled every customer of `world`, which discovery finds.
async fn exporter(world: World) -> (Simulator, Exporter) {
    exporter_with(Simulator::start(world).await.unwrap(), DISCOVERED).await
}

async fn exporter_with(simulator: Simulator, rest: &str) -> (Simulator, Exporter) {
    // A browser takes its time to start, and numbers must not be stale by then.
    let yaml = Yaml::new(&simulator).with_poll("stale_after", "1h").rest(rest);
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.cycles(2).await;
    exporter.until("avepoint_poll_targets{state=\"pending\"}", 0.0).await;
    (simulator, exporter)
}

#[tokio::test]
async fn it_says_in_one_look_that_all_is_well_and_follows_its_own_policy() {
    let (_simulator, exporter) = exporter(world()).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/").await;
        assert_eq!(browser.text(".headline h2").await, "All is well");
        assert_eq!(browser.text(".states .ok b").await, "3");
        assert_eq!(browser.texts("tbody tr").await.len(), 4);
        let ground = browser.script("return getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(ground, "rgb(246, 247, 249)", "the policy lets the style through");
    })
    .await;
}

#[tokio::test]
async fn a_failing_target_comes_first_and_says_why() {
    let (simulator, exporter) = exporter(world()).await;
    simulator
        .inject(Rule::on(Operation::Overview, Effect::status(StatusCode::FORBIDDEN)).customer("c-2").product(M365));
    exporter.until("avepoint_poll_targets{state=\"failing\"}", 1.0).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/").await;
        assert_eq!(browser.text(".headline h2").await, "1 of 4 targets fails");
        assert!(browser.text(".causes").await.contains("Not permitted"));
        let first = browser.text("tbody tr:first-child").await;
        for part in ["c-2", "Fabrikam", "300", "failing", "elements.license.read.all", " ago"] {
            assert!(first.contains(part), "{part}: {first}");
        }
    })
    .await;
}

#[tokio::test]
async fn targets_are_searched_sorted_and_filtered_and_one_does_not_undo_the_other() {
    let (_simulator, exporter) = exporter(world()).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/").await;
        browser.follow("Seats").await;
        assert_eq!(browser.texts(SEATS).await, ["300", "25", "7", "0"]);
        assert_eq!(browser.texts("th[aria-sort=descending]").await, ["Seats"]);
        browser.follow("Seats").await;
        assert_eq!(browser.texts(SEATS).await, ["0", "7", "25", "300"]);

        browser.click("[name=q]").await;
        browser.write("FABRI").await;
        browser.submit().await;
        assert_eq!(browser.texts(CUSTOMERS).await, ["c-2", "c-2"]);
        assert_eq!(browser.texts(SEATS).await, ["0", "300"]);

        browser.go(".states .absent").await;
        assert_eq!(browser.texts(SEATS).await, ["0"]);
        assert_eq!(browser.place().await, "/?q=FABRI&state=absent&sort=seats");
        browser.follow("Show the rest, failing first").await;
        assert_eq!(browser.texts("tbody tr").await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn many_targets_come_in_pages() {
    let customers = (0..130).map(|i| Customer::new(format!("id-{i:03}"), format!("Org {i:03}")).product(M365, i));
    let simulator = Simulator::start(World::with(customers)).await.unwrap();
    let (_simulator, exporter) = exporter_with(simulator, "discovery: {enabled: true}\nproducts: [2048]\n").await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/?sort=customer&q=org").await;
        assert_eq!(browser.text("caption").await, "1–100 of 130 targets · 8385 seats");
        browser.follow("Next").await;
        assert_eq!(browser.text("caption").await, "101–130 of 130 targets · 8385 seats");
        assert_eq!(browser.text(FIRST_CUSTOMER).await, "id-100");
        assert_eq!(browser.place().await, "/?q=org&sort=customer&page=2");
        browser.follow("Previous").await;
        assert_eq!(browser.text(FIRST_CUSTOMER).await, "id-000");
    })
    .await;
}

#[tokio::test]
async fn a_keyboard_is_enough() {
    let (_simulator, exporter) = exporter(world()).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/").await;
        assert_eq!(browser.press(Key::Tab).await, "skip");
        let left = browser.script("return document.activeElement.getBoundingClientRect().left").await;
        assert!(left.as_f64().unwrap() >= 0.0, "what has the focus is seen");
        browser.press(Key::Enter).await;
        assert_eq!(browser.press(Key::Tab).await, "q");
        let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_eq!(outline, "solid");
        browser.write("contoso").await;
        browser.submit().await;
        assert_eq!(browser.texts(CUSTOMERS).await, ["contoso", "contoso"]);
    })
    .await;
}

#[tokio::test]
async fn a_hostile_organization_stays_text() {
    let hostile = "</bdi></td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\
                   '\"&amp;\u{202e}txet";
    let world = World::with([Customer::new("c-9", hostile).product(M365, 1)]);
    let simulator = Simulator::start(world).await.unwrap();
    let (_simulator, exporter) = exporter_with(simulator, "discovery: {enabled: true}\nproducts: [2048]\n").await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        browser.open("/?q=%3Cscript%3E").await;
        let name = browser.script("return document.querySelector('td.customer small bdi').textContent").await;
        assert_eq!(name, hostile);
        assert_eq!(browser.script("return document.scripts.length + document.images.length").await, 0);
        assert_eq!(browser.script("return document.title").await, "All is well – AvePoint exporter");
        assert_eq!(browser.script("return document.querySelector('[name=q]').value").await, "<script>");
        // A change of the writing direction ends with the name.
        let bidi = "return getComputedStyle(document.querySelector('td.customer bdi')).unicodeBidi";
        assert_eq!(browser.script(bidi).await, "isolate");
    })
    .await;
}

#[tokio::test]
async fn the_page_fits_a_phone_and_a_dark_theme() {
    let long = "ThisOrganizationHasOneVeryLongWordForAName".repeat(5);
    let mut world = world();
    world.customers.insert(Customer::new("x".repeat(120), long).product(FLY, 123_456_789));
    let (_simulator, exporter) = exporter(world).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        for width in [320, 360, 700, 900, 1280, 2560] {
            browser.resize(width, 800).await;
            browser.open("/").await;
            assert_eq!(browser.overflow().await, 0, "{width} pixels");
        }
        browser.resize(360, 800).await;
        browser.follow("Product").await;
        assert_eq!(browser.place().await, "/?sort=product", "cards can be sorted, too");

        browser.prefer("prefers-color-scheme", "dark").await;
        let ground = browser.script("return getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(ground, "rgb(18, 22, 28)");
    })
    .await;
}

/// What stands after `poll`.
fn configuration_of_the_demo() -> String {
    let names = demo::world().customers.iter().fold(String::new(), |names, customer| {
        names
            + &format!("- {{id: {}, name: {}}}\n", customer.id, customer.organization.to_lowercase().replace(' ', "-"))
    });
    let bill = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo.csv");
    let more = format!("tenants: {{platforms: [microsoft_365]}}\nexpected_seats_file: {bill}\n");
    format!("customers:\n{names}discovery: {{enabled: true}}\nsubscriptions: {{enabled: true}}\nproducts: all\n{more}")
}

/// `UPDATE_SCREENSHOTS=1` takes those of the documentation anew.
#[tokio::test]
async fn the_page_of_the_demo_shows_changes_and_failures() {
    let simulator = Simulator::start(demo::world()).await.unwrap();
    let rest = configuration_of_the_demo();
    // Long enough for a cycle to end before the next, also on a busy machine.
    let folder = Folder::new(&Yaml::new(&simulator).rest(&rest).with_poll("interval", "4s"));
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_poll_targets{state=\"pending\"}", 0.0).await;
    let customer = |number: u32| format!("de300000-0000-4000-8000-{number:012}");
    simulator.set_seats(&customer(3), M365, 2520);
    simulator.set_seats(&customer(1), FLY, 165);
    let fails = |status| Rule::on(Operation::Overview, Effect::status(status));
    simulator.inject(fails(StatusCode::SERVICE_UNAVAILABLE).customer(customer(4)).product(M365));
    simulator.inject(fails(StatusCode::FORBIDDEN).customer(customer(12)).product(FLY));
    exporter.until("avepoint_poll_targets{state=\"failing\"}", 2.0).await;
    exporter.cycles(1).await;
    folder.configure(&Yaml::new(&simulator).rest(&rest).with_poll("interval", "15m"));
    exporter.signal("HUP");
    exporter.until("avepoint_poll_interval_seconds", 900.0).await;
    browse(async move |browser| {
        let browser = browser.at(exporter.address());
        for scheme in ["light", "dark"] {
            browser.prefer("prefers-color-scheme", scheme).await;
            browser.resize(1280, 960).await;
            browser.open("/").await;
            assert_eq!(browser.text(".headline h2").await, "2 of 264 targets fail");
            assert_eq!(browser.overflow().await, 0);
            if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
                let picture = browser.screenshot().await;
                assert!(picture.len() < 200_000, "{} bytes", picture.len());
                fs::write(format!("docs/status-{scheme}.png"), picture).unwrap();
            }
        }
        browser.open("/?sort=seats&dir=desc").await;
        assert!(browser.text("tbody tr:first-child").await.contains("2500 → 2520"));
    })
    .await;
}
