//! What the listing of subscriptions does to the poll.

use super::*;

/// The listing, of one row a customer: its service and seats.
fn subscriptions(rows: &[(&str, &str, u64)]) -> Reply {
    let row = |(id, service, seats): &(&str, &str, u64)| {
        let product =
            format!(r#"{{"service": "{service}", "purchasedUserSeats": "{seats}", "consumedStorage": "N/A"}}"#);
        format!(r#"{{"customerId": "{id}", "organization": "{id} Ltd", "products": [{product}]}}"#)
    };
    let data = rows.iter().map(row).collect::<Vec<_>>().join(",");
    let metadata = format!(r#"{{"pageIndex": 1, "pageSize": 100, "totalCount": {}}}"#, rows.len());
    Reply::json(format!(r#"{{"data": [{data}], "metadata": {metadata}}}"#))
}

type Rows = Vec<(&'static str, &'static str, u64)>;

/// A vendor with that listing, where everybody has nothing; `None` refuses the listing.
fn vendor(rows: &Arc<Mutex<Option<Rows>>>) -> Vendor {
    let rows = rows.clone();
    Vendor::new(move |what| match what {
        "token" => Reply::token(),
        "subscriptions/1" => match &*rows.lock().unwrap() {
            Some(rows) => subscriptions(rows),
            None => Reply::status(403),
        },
        _ => overview(what, 0),
    })
}

fn everything(customers: usize) -> Selection {
    Selection { products: ProductList::All, ..selection(customers) }
}

fn told() -> Timing {
    Timing { subscriptions: Some(INTERVAL), ..Timing::every(INTERVAL) }
}

fn asked(vendor: &Vendor, wanted: impl Fn(&str) -> bool) -> usize {
    vendor.whats().iter().filter(|what| wanted(what)).count()
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_listed_every_interval_of_theirs() {
    for (interval, expected) in [(INTERVAL, 5), (INTERVAL / 3, 13), (INTERVAL * 2, 3)] {
        let vendor = vendor(&Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5)]))));
        let timing = Timing { subscriptions: Some(interval), ..told() };
        let running = Running::start(vendor.client(|_| {}), selection(1), timing);
        sleep(INTERVAL * 4 + Duration::from_secs(1)).await;
        assert_eq!(asked(&vendor, |what| what == "subscriptions/1"), expected, "every {interval:?}");
        assert_eq!(running.cycles(), 5);
        let known = running.store.snapshot();
        assert_eq!(known.customers[&customer_id("c0000")].customer.name.as_str(), "c0000 Ltd");
        assert_eq!(running.status.snapshot().subscriptions.as_ref().unwrap().success(), Some(true));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_again_after_a_reload_is_listed_at_once() {
    let vendor = vendor(&Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5)]))));
    let running = Running::start(vendor.client(|_| {}), selection(1), told());
    for (reload, listed) in [(None, true), (Some(None), false), (Some(Some(INTERVAL)), true)] {
        if let Some(subscriptions) = reload {
            running.change_plan(|plan| plan.timing.subscriptions = subscriptions);
        }
        sleep(Duration::from_secs(10)).await;
        let known = running.store.snapshot();
        assert_eq!(known.subscriptions_of(&customer_id("c0000"), clock().now()).is_some(), listed, "{reload:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_the_listings_of_one_account_went_says_nothing_of_another() {
    let good = vendor(&Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5)]))));
    let running = Running::start(good.client(|_| {}), selection(1), told());
    sleep(Duration::from_secs(10)).await;
    let listed = || running.status.snapshot().subscriptions.clone().unwrap();
    assert!(listed().last_success.is_some());
    let bad = vendor(&Arc::new(Mutex::new(None)));
    running.change_plan(|plan| plan.client = bad.client(|settings| settings.client_id = "another".to_owned()));
    sleep(Duration::from_secs(10)).await;
    assert_eq!((listed().success(), listed().last_success), (Some(false), None));
}

#[tokio::test(start_paused = true)]
async fn who_has_bought_something_else_is_asked_at_once_and_nobody_else_is() {
    let rows = Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5), ("c0001", "Fly", 5)])));
    let vendor = vendor(&rows);
    let _running = Running::start(vendor.client(|_| {}), everything(3), told());
    sleep(Duration::from_mins(1)).await;
    let of = |customer: &'static str| move |what: &str| what.starts_with(customer);
    let all = ["c0000", "c0001", "c0002"];
    assert_eq!(all.map(|customer| asked(&vendor, of(customer))), [22, 22, 22]);
    // More seats for one, a first purchase of another.
    *rows.lock().unwrap() = Some(vec![("c0000", "Fly", 6), ("c0001", "Fly", 5), ("c0002", "Fly", 1)]);
    sleep(INTERVAL).await;
    let [first, second, third] = all.map(|customer| asked(&vendor, of(customer)));
    assert_eq!((first, third), (44, 44));
    assert!(second < 25, "its turns are spread over a day: {second}");
    *rows.lock().unwrap() = Some(vec![("c0000", "Fly", 6), ("c0002", "Fly", 1)]);
    sleep(INTERVAL).await;
    assert_eq!(asked(&vendor, of("c0001")) / 22, 2, "that it has nothing any more is a change, too");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_bought_is_asked_once_a_day_while_a_listing_tells_of_purchases() {
    let rows = Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5)])));
    for (rows, expected) in [(rows, 22), (Arc::new(Mutex::new(None)), 4 * 22)] {
        let vendor = vendor(&rows);
        let running = Running::start(vendor.client(|_| {}), everything(1), told());
        sleep(Duration::from_mins(5)).await;
        let first = asked(&vendor, |what| what.starts_with("c0000"));
        sleep(DAY).await;
        assert_eq!(asked(&vendor, |what| what.starts_with("c0000")) - first, expected);
        let states = running.store.snapshot().states(clock().now());
        assert_eq!(states[&TargetState::Absent], 22, "and stays known until then");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_cycle_begins_with_what_is_called_like_a_service() {
    let rows = vec![("c0002", "CLOUD BACKUP FOR GOOGLE WORKSPACE - something", 5)];
    let vendor = vendor(&Arc::new(Mutex::new(Some(rows))));
    let two_at_a_time = |settings: &mut elements_api::Settings| {
        settings.max_in_flight = std::num::NonZeroUsize::new(2).unwrap();
    };
    let _running = Running::start(vendor.client(two_at_a_time), everything(3), told());
    sleep(Duration::from_mins(1)).await;
    let whats = vendor.whats();
    let place = whats.iter().position(|what| what == "c0002/33554432").unwrap();
    assert!(place < 8, "{place}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_leaves_what_was_listed_until_it_is_stale() {
    let rows = Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5)])));
    let vendor = vendor(&rows);
    let running = Running::start(vendor.client(|_| {}), selection(1), told());
    sleep(Duration::from_mins(1)).await;
    *rows.lock().unwrap() = None;
    let counts = || running.store.snapshot().subscriptions_of(&customer_id("c0000"), clock().now()).is_some();
    sleep(INTERVAL).await;
    let listed = running.status.snapshot().subscriptions.clone().unwrap();
    assert_eq!((listed.success(), listed.last_success.is_some(), counts()), (Some(false), true, true));
    sleep(INTERVAL * 2).await;
    assert!(!counts());
    running.change_plan(|plan| plan.timing.subscriptions = None);
    sleep(Duration::from_secs(1)).await;
    assert!(running.store.snapshot().subscriptions.is_none() && running.status.snapshot().subscriptions.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_was_told_is_there_at_once_and_no_change() {
    let vendor = vendor(&Arc::new(Mutex::new(Some(vec![("c0000", "Fly", 5)]))));
    let running = Running::start(vendor.client(|_| {}), everything(2), told());
    sleep(Duration::from_mins(1)).await;
    let saved = Saved::from(&running.store.snapshot());
    running.shutdown.cancel();
    let before = asked(&vendor, |what| what.starts_with('c'));
    let again = Running::start_with(vendor.client(|_| {}), everything(2), told(), &saved);
    let listed = again.status.snapshot().subscriptions.clone().unwrap();
    assert!(listed.success().is_none() && listed.last_success.is_some());
    assert!(again.store.snapshot().subscriptions_of(&customer_id("c0000"), clock().now()).is_some());
    sleep(Duration::from_mins(1)).await;
    assert_eq!(asked(&vendor, |what| what.starts_with('c')), before, "no target is due, and none has changed");
}
