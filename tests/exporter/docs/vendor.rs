//! What the documents say of AvePoint's side, where one wrong word sends a reader astray.

use crate::harness::document::Document;
use crate::harness::read;

#[test]
fn whoever_registers_the_app_is_led_to_the_elements_portal() {
    let readme = one_line(&Document::readme().text);
    let (first, _) = readme.split_once("It asks").unwrap();
    assert!(first.contains("AvePoint Elements"), "{first}");
    for path in ["README.md", "docs/configuration.md"] {
        let text = one_line(&read(path));
        for part in [
            "Elements portal",
            "*Settings > Additional > API app registration > Public API*",
            "*Create app registration*",
            "elements.license.read.all",
            "elements.customers.read.all",
            "customer scope",
            "details page",
        ] {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{path}: {part}");
        }
    }
}

#[test]
fn nothing_names_the_wrong_portal_a_regional_host_or_what_the_rate_limit_is_counted_by() {
    let mut texts: Vec<_> = Document::all().into_iter().map(|document| (document.path, document.text)).collect();
    texts.extend(["exporter.yaml", "alerts/avepoint-alerts.yaml"].map(|path| (path.to_owned(), read(path))));
    for (path, text) in texts {
        let text = one_line(&text);
        for wrong in [
            "Online Services",
            "per app registration",
            "app registration's rate limit",
            "AvePoint hands out",
            "hosts of a region",
        ] {
            assert!(!text.contains(wrong), "{path}: {wrong}");
        }
        for host in text.split("//").skip(1).filter(|rest| rest.starts_with("graph-")) {
            assert!(["graph-gov.", "graph-aos2."].iter().any(|known| host.starts_with(known)), "{path}: {host:.40}");
        }
    }
}

/// An id that is right is refused all the same where the customer is outside of the scope.
#[test]
fn wherever_a_refusal_is_explained_the_customer_scope_is_named() {
    let readme = Document::readme().table("| symptom |");
    let rows = readme.iter().map(|row| row.join(" ")).filter(|row| row.contains("reason=\"forbidden\""));
    let runbooks = read("docs/runbooks.md");
    let to_do = runbooks.split("**What to do.**").skip(1).map(|rest| rest.split("\n###").next().unwrap().to_owned());
    let explained: Vec<_> = rows.chain(to_do.filter(|text| text.contains("`forbidden`"))).collect();
    assert!(explained.len() >= 3, "{explained:?}");
    for text in explained {
        assert!(one_line(&text).contains("customer scope"), "{text}");
    }
}

/// The same words, wherever lines break.
fn one_line(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "#").collect::<Vec<_>>().join(" ")
}
