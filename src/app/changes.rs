//! What a reload changes, in the words of the configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use humantime::format_duration;

use crate::poll::{ExpectedSeatsFile, Plan, ProductList};

/// Each key that is not as it was, and what it was and is where that is short.
pub(super) fn changes(before: &Plan, after: &Plan) -> Vec<String> {
    let every = |interval: Duration| format!("every {}", format_duration(interval));
    let on = |text: Option<String>| text.unwrap_or_else(|| "off".to_owned());
    let mut changes = Vec::new();
    let mut note = |key: &str, differs: bool, shown: &dyn Fn(&Plan) -> String| {
        let (was, is) = (shown(before), shown(after));
        if was != is {
            changes.push(format!("{key} from {was} to {is}"));
        } else if differs {
            changes.push(key.to_owned());
        }
    };
    let (was, is) = (&before.selection, &after.selection);
    note("api", !Arc::ptr_eq(&before.client, &after.client), &|_| String::new());
    note("poll.interval", false, &|plan| format_duration(plan.timing.interval).to_string());
    note("poll.stale_after", false, &|plan| format_duration(plan.timing.stale_after).to_string());
    note("poll.absent_interval", false, &|plan| format_duration(plan.timing.absent_interval).to_string());
    note("customers", was.customers != is.customers, &|plan| plan.selection.customers.len().to_string());
    note("discovery", was.discovery != is.discovery, &|plan| {
        on(plan.selection.discovery.as_ref().map(|_| "on".to_owned()))
    });
    note("products", was.products != is.products, &|plan| match &plan.selection.products {
        ProductList::All => "all".to_owned(),
        ProductList::Listed(products) => products.len().to_string(),
    });
    note("subscriptions", false, &|plan| on(plan.timing.subscriptions.map(every)));
    note("tenants", false, &|plan| {
        let platforms: Vec<_> = plan.selection.platforms.iter().map(|platform| platform.as_str()).collect();
        on((!platforms.is_empty()).then(|| format!("{} {}", platforms.join(", "), every(plan.timing.tenants))))
    });
    note("expected_seats_file", false, &|plan| {
        on(plan.expected.as_ref().map(ExpectedSeatsFile::path).map(Path::display).map(|path| path.to_string()))
    });
    changes
}

#[cfg(test)]
mod tests {
    use elements_api::Platform;
    use elements_api::testing::{Reply, Vendor};

    use super::*;
    use crate::poll::{ConfiguredCustomer, Discovery, Selection, Timing};
    use crate::testing::{INTERVAL, customer_id, product};

    fn plan() -> Plan {
        let customer = ConfiguredCustomer { id: customer_id("a"), name: None, products: None };
        let selection = Selection {
            customers: vec![customer],
            discovery: None,
            products: ProductList::Listed(vec![product(1), product(4)]),
            platforms: Vec::new(),
        };
        let client = Vendor::new(|_| Reply::status(500)).client(|_| {});
        Plan { client, selection: Arc::new(selection), timing: Timing::every(INTERVAL), expected: None }
    }

    #[test]
    fn listings_that_go_on_or_off_are_told() {
        let before = plan();
        let selection = Selection {
            discovery: Some(Discovery::default()),
            platforms: vec![Platform::Google, Platform::Salesforce],
            ..before.selection.as_ref().clone()
        };
        let after = Plan {
            selection: Arc::new(selection),
            timing: Timing { subscriptions: Some(INTERVAL), ..before.timing },
            expected: Some(ExpectedSeatsFile::read(Path::new("/nowhere/expected.csv"))),
            ..before.clone()
        };
        let on = [
            "discovery from off to on",
            "subscriptions from off to every 15m",
            "tenants from off to google, salesforce every 6h",
            "expected_seats_file from off to /nowhere/expected.csv",
        ];
        assert_eq!(changes(&before, &after), on);
        assert_eq!(changes(&after, &before).len(), 4);
        assert_eq!(changes(&after, &after), [""; 0]);
    }

    #[test]
    fn what_differs_in_more_than_is_shown_is_named() {
        let before = plan();
        let customer = ConfiguredCustomer { id: customer_id("b"), name: None, products: None };
        let products = ProductList::Listed(vec![product(1), product(7)]);
        let selection = Selection { customers: vec![customer], products, ..before.selection.as_ref().clone() };
        let after = Plan { selection: Arc::new(selection), timing: Timing::every(INTERVAL * 2), ..plan() };
        let expected =
            ["api", "poll.interval from 15m to 30m", "poll.stale_after from 45m to 1h 30m", "customers", "products"];
        assert_eq!(changes(&before, &after), expected);
    }
}
