//! When tenants are asked for.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use elements_api::Platform;

use super::*;

fn tenants(assigned: u64) -> Reply {
    let tenant = format!(r#"{{"tenantId": "t", "tenantName": "T", "assignedUserSeat": {assigned}}}"#);
    Reply::json(format!(r#"{{"data": [{tenant}], "metadata": {{"pageIndex": 1, "totalCount": 1}}}}"#))
}

/// Everybody has a tenant on Microsoft 365, nobody on Google, and nobody may ask for Salesforce.
fn vendor() -> Vendor {
    Vendor::new(|what| match what {
        "token" => Reply::token(),
        _ if what.starts_with("tenants/") => match what.split('/').nth(2) {
            Some("0") => tenants(33),
            Some("2") => Reply::status(404),
            _ => Reply::status(403),
        },
        _ => overview(what, 7),
    })
}

fn with_tenants(customers: usize, platforms: &[Platform]) -> Selection {
    Selection { platforms: platforms.to_vec(), ..selection(customers) }
}

fn asked_for_tenants(vendor: &Vendor) -> Vec<Duration> {
    vendor.asked().into_iter().filter(|asked| asked.what.starts_with("tenants/")).map(|asked| asked.at).collect()
}

#[tokio::test(start_paused = true)]
async fn tenants_are_asked_for_behind_the_overviews_and_then_evenly_over_their_interval() {
    let vendor = vendor();
    let _running = Running::start(vendor.client(|_| {}), with_tenants(48, &[Platform::Microsoft365]), timing());
    sleep(Duration::from_mins(1)).await;
    let whats = vendor.whats();
    assert!(whats[..48].iter().all(|what| !what.starts_with("tenants/")), "{whats:?}");
    assert_eq!(asked_for_tenants(&vendor).len(), 48);
    sleep(Duration::from_hours(6)).await;
    let later: Vec<_> = asked_for_tenants(&vendor).into_iter().skip(48).map(|at| at.as_secs() / 900).collect();
    assert_eq!(later.len(), 48);
    let most = later.chunk_by(|a, b| a == b).map(<[u64]>::len).max();
    assert!(most <= Some(8), "of 24 intervals none has them all: {later:?}");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_tenant_is_an_answer_and_a_refusal_is_none() {
    let vendor = vendor();
    let platforms = [Platform::Microsoft365, Platform::Google, Platform::Salesforce];
    let running = Running::start(vendor.client(|_| {}), with_tenants(1, &platforms), timing());
    sleep(Duration::from_mins(1)).await;
    let known = running.store.snapshot();
    let success = |platform| {
        let tenants = &known.customers[&customer_id("c0000")].tenants[&platform];
        tenants.success(clock().now(), known.freshness)
    };
    assert_eq!(platforms.map(success), [Some(true), Some(true), Some(false)]);
    assert_eq!(running.status.snapshot().api_up, Some(true));
    running.change_plan(|plan| plan.selection = Arc::new(selection(1)));
    sleep(Duration::from_secs(1)).await;
    assert!(running.store.snapshot().customers[&customer_id("c0000")].tenants.is_empty(), "their series go at once");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_was_answered_keeps_its_turn() {
    let vendor = vendor();
    let selection = with_tenants(4, &[Platform::Microsoft365]);
    let running = Running::start(vendor.client(|_| {}), selection.clone(), timing());
    sleep(Duration::from_mins(1)).await;
    let saved = Saved::from(&running.store.snapshot());
    running.shutdown.cancel();
    let before = asked_for_tenants(&vendor).len();
    let _again = Running::start_with(vendor.client(|_| {}), selection, timing(), &saved);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(asked_for_tenants(&vendor).len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_an_earlier_run_has_failed_until_it_is_answered() {
    let fails = Arc::new(AtomicBool::default());
    let vendor = Vendor::new({
        let fails = fails.clone();
        move |what| match what {
            "token" => Reply::token(),
            _ if !what.starts_with("tenants/") => overview(what, 7),
            _ if fails.load(Relaxed) => Reply::status(403),
            _ => tenants(33),
        }
    });
    let selection = with_tenants(1, &[Platform::Microsoft365]);
    let key = (customer_id("c0000"), Platform::Microsoft365);
    let running = Running::start(vendor.client(|_| {}), selection.clone(), timing());
    sleep(Duration::from_mins(1)).await;
    let success = |running: &Running| {
        let known = running.store.snapshot();
        known.customers[&key.0].tenants[&key.1].success(clock().now(), known.freshness)
    };
    assert_eq!(success(&running), Some(true));
    fails.store(true, Relaxed);
    sleep(Duration::from_hours(6)).await;
    assert_eq!(success(&running), Some(false));
    let saved = Saved::from(&running.store.snapshot());
    running.shutdown.cancel();
    let again = Running::start_with(vendor.client(|_| {}), selection, timing(), &saved);
    assert_eq!(success(&again), Some(false), "before anybody asks");
    fails.store(false, Relaxed);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(success(&again), Some(true), "it was due at once");
}
