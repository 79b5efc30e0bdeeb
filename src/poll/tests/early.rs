//! What failed and may be answered by now does not wait for the interval.

use std::time::SystemTime;

use super::*;

/// A vendor who has a trouble until it is over.
struct Troubled {
    vendor: Vendor,
    trouble: Arc<Mutex<Option<Reply>>>,
}

impl Troubled {
    /// `struck`: what it is that the trouble is with.
    fn with(reply: Reply, struck: fn(&str) -> bool) -> Self {
        let trouble = Arc::new(Mutex::new(Some(reply)));
        let now = trouble.clone();
        let vendor = Vendor::new(move |what| match &*now.lock().unwrap() {
            Some(reply) if struck(what) => reply.clone(),
            _ if what == "token" => Reply::token(),
            _ if what == "customers/1" => listing(&["a", "b"]),
            _ => overview(what, 7),
        });
        Self { vendor, trouble }
    }

    fn is_over(&self) {
        *self.trouble.lock().unwrap() = None;
    }
}

fn everything(_: &str) -> bool {
    true
}

fn answered(running: &Running) -> usize {
    let known = running.store.snapshot();
    known.targets().filter(|(_, _, target)| target.record.failure.is_none() && target.record.answer.is_some()).count()
}

#[tokio::test(start_paused = true)]
async fn numbers_come_within_a_minute_of_the_end_of_a_trouble_at_start() {
    let refused = Reply { status: 400, ..Reply::json(r#"{"error": "invalid_client"}"#) };
    for reply in [Reply::status(503), Reply::status(401), Reply::status(403), Reply::json("<html>"), refused] {
        for seconds in [1, 12, 25] {
            let troubled = Troubled::with(reply.clone(), everything);
            let running = Running::start(troubled.vendor.client(|_| {}), selection(3), timing());
            sleep(Duration::from_secs(seconds)).await;
            troubled.is_over();
            sleep(Duration::from_mins(1)).await;
            assert_eq!(answered(&running), 3, "{reply:?}, over after {seconds} s");
            assert_eq!(running.status.snapshot().api_up, Some(true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_failed_is_asked_for_again_early() {
    let troubled = Troubled::with(Reply::status(503), |what| what == "customers/1");
    let selection = Selection { discovery: Some(Discovery::default()), ..selection(1) };
    let running = Running::start(troubled.vendor.client(|settings| settings.discovery = true), selection, timing());
    sleep(Duration::from_secs(12)).await;
    assert_eq!(running.store.snapshot().customers.len(), 1);
    troubled.is_over();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(answered(&running), 3);
}

#[tokio::test(start_paused = true)]
async fn an_identity_service_that_was_away_at_a_renewal_costs_half_a_minute() {
    // Good for less than an interval, so that every cycle needs another.
    let away = Arc::new(Mutex::new(false));
    let vendor = Vendor::new({
        let away = away.clone();
        move |what| match what {
            "token" if *away.lock().unwrap() => Reply::status(503),
            "token" => Reply::json(r#"{"access_token": "t", "expires_in": 600, "token_type": "Bearer"}"#),
            _ => overview(what, 7),
        }
    });
    let running = Running::start(vendor.client(|_| {}), selection(100), timing());
    sleep(Duration::from_secs(899)).await;
    *away.lock().unwrap() = true;
    sleep(Duration::from_secs(6)).await;
    *away.lock().unwrap() = false;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(answered(&running), 100);
    assert_eq!(running.cycles(), 2);
}

#[tokio::test(start_paused = true)]
async fn early_cycles_ask_only_what_failed_and_leave_the_rhythm_as_it_is() {
    let troubled = Troubled::with(Reply::status(500), |what| what == "c0001/4");
    let client = troubled.vendor.client(|settings| settings.max_retries = 0);
    let running = Running::start(client, selection(3), timing());
    sleep(Duration::from_mins(4)).await;
    let times = |wanted: &str| {
        let asked = troubled.vendor.asked().into_iter().filter(|asked| asked.what == wanted);
        asked.map(|asked| asked.at.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(times("c0001/4"), [0, 30, 90, 210]);
    assert_eq!((running.cycles(), running.failures(Reason::ServerError)), (1, 1), "full cycles count alone");
    assert_eq!(running.status.snapshot().cycle.unwrap().targets.failed, 1);
    assert_eq!(running.status.snapshot().api_up, Some(true), "one target is not the API");
    troubled.is_over();
    sleep(INTERVAL).await;
    assert_eq!(times("c0001/4"), [0, 30, 90, 210, 450, 900]);
    assert_eq!(times("c0000/4"), [0, 900]);
    assert_eq!(running.status.snapshot().api_up, Some(true));
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_by_itself_waits_for_the_next_cycle() {
    for (status, reason) in [(400, Reason::BadRequest), (403, Reason::Forbidden), (429, Reason::Throttled)] {
        let vendor = Vendor::new(move |what| match what {
            "token" => Reply::token(),
            "c0001/4" => Reply::status(status),
            _ => overview(what, 7),
        });
        let running = Running::start(vendor.client(|settings| settings.max_retries = 0), selection(3), timing());
        sleep(Duration::from_secs(899)).await;
        assert_eq!(vendor.whats().len(), 3, "{status}");
        assert_eq!(running.failures(reason), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_cycle_does_not_delay_the_next_full_one() {
    let troubled = Troubled::with(overview("c/4", 7).after(DAY), |what| what == "c0001/4");
    let running = Running::start(troubled.vendor.client(|_| {}), selection(3), timing());
    sleep(INTERVAL * 6 + Duration::from_secs(1)).await;
    let times: Vec<_> = troubled.vendor.asked().into_iter().filter(|asked| asked.what == "c0000/4").collect();
    let times: Vec<_> = times.iter().map(|asked| asked.at.as_secs()).collect();
    assert_eq!(times, [0, 900, 1800, 2700, 3600, 4500, 5400]);
    assert_eq!(running.cycles(), 6);
}

#[tokio::test(start_paused = true)]
async fn other_credentials_are_tried_at_once() {
    let refused = Vendor::new(|_| Reply { status: 400, ..Reply::json(r#"{"error": "invalid_client"}"#) });
    let running = Running::start(refused.client(|_| {}), selection(3), timing());
    sleep(Duration::from_mins(5)).await;
    assert_eq!(running.status.snapshot().api_up, Some(false));
    running.change_plan(|plan| plan.client = healthy().client(|_| {}));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((answered(&running), running.status.snapshot().api_up), (3, Some(true)));
}

#[tokio::test(start_paused = true)]
async fn what_a_reload_adds_says_nothing_of_the_api_or_the_last_cycle() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "c0003/4" => Reply::status(403),
        _ => overview(what, 7),
    });
    let running = Running::start(vendor.client(|_| {}), selection(3), timing());
    sleep(Duration::from_mins(1)).await;
    let before = running.status.snapshot();
    running.change_plan(|plan| plan.selection = Arc::new(selection(4)));
    sleep(Duration::from_mins(1)).await;
    let after = running.status.snapshot();
    assert_eq!(running.record("c0003").failure, Some(Reason::Forbidden));
    assert_eq!(
        (after.api_up, after.cycle, &after.counts.poll_failures),
        (before.api_up, before.cycle, &before.counts.poll_failures)
    );
}

/// A poller whose wall clock somebody sets while it runs.
fn set_clock(vendor: &Vendor, targets: usize) -> (Running, impl Fn(i64)) {
    let offset = Arc::new(Mutex::new(0_i64));
    let wall = {
        let offset = offset.clone();
        move || -> SystemTime {
            let (now, offset) = (clock().now().wall, *offset.lock().unwrap());
            let distance = Duration::from_secs(offset.unsigned_abs());
            if offset < 0 { now - distance } else { now + distance }
        }
    };
    let client = vendor.client(|_| {});
    let running = Running::start_at(client, selection(targets), timing(), &Saved::default(), Clock::with(wall));
    (running, move |seconds| *offset.lock().unwrap() = seconds)
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_makes_no_gap_longer_than_a_minute() {
    for step in [-120, 2 * 3600, -86_400, 86_400] {
        let vendor = healthy();
        let (running, set) = set_clock(&vendor, 3);
        sleep(Duration::from_mins(5)).await;
        set(step);
        sleep(Duration::from_mins(1)).await;
        let now = running.clock.now();
        let states = running.store.snapshot().states(now);
        assert_eq!(states[&TargetState::Ok], 3, "{step} s");
        // Only what no longer counts is asked for again.
        assert_eq!(vendor.whats().len(), if step > 2_700 { 6 } else { 3 }, "{step} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_right_has_what_failed_tried_again() {
    let troubled = Troubled::with(Reply { status: 400, ..Reply::json(r#"{"error": "invalid_client"}"#) }, everything);
    let (running, set) = set_clock(&troubled.vendor, 3);
    set(-86_400);
    sleep(INTERVAL * 2 + Duration::from_mins(5)).await;
    set(0);
    troubled.is_over();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(answered(&running), 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_hold_is_the_beginning_of_the_next_cycle() {
    let mut asked = 0;
    let vendor = Vendor::new(move |what| {
        asked += usize::from(what != "token");
        match what {
            "token" => Reply::token(),
            _ if asked == 10 => Reply::status(429).retry_after(600),
            _ => overview(what, 7),
        }
    });
    let client = vendor.client(|settings| settings.max_in_flight = 1.try_into().unwrap());
    let timing = Timing { interval: Duration::from_mins(7), ..timing() };
    let running = Running::start(client, selection(50), timing);
    sleep(Duration::from_secs(590)).await;
    assert_eq!(vendor.whats().len(), 10, "nothing is asked meanwhile");
    sleep(Duration::from_secs(12)).await;
    assert_eq!(answered(&running), 50, "and the rest at once");
}

#[tokio::test(start_paused = true)]
async fn another_account_is_not_held_back() {
    let held = Vendor::new(|what| if what == "token" { Reply::token() } else { Reply::status(429).retry_after(3600) });
    let status = Arc::new(Status::new(INTERVAL, clock().now().wall, None));
    let client = held.observed_client(status.clone(), |_| {});
    let running = Running::observed(client, selection(3), timing(), &Saved::default(), clock(), status);
    sleep(Duration::from_secs(10)).await;
    assert!(running.status.snapshot().held_until.is_some());
    running.change_plan(|plan| plan.client = healthy().client(|settings| settings.client_id = "other".to_owned()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((answered(&running), running.status.snapshot().held_until), (3, None));
    let back = held.observed_client(running.status.clone(), |_| {});
    back.hold_until(Instant::now() + Duration::from_mins(59));
    let asked = held.whats().len();
    running.change_plan(|plan| plan.client = back);
    sleep(Duration::from_secs(1)).await;
    let now = clock().now().wall;
    let left = running.status.snapshot().held_until(now).and_then(|until| until.duration_since(now).ok());
    assert!(left.is_some_and(|left| left > Duration::from_mins(58)), "of the first one it is still asked: {left:?}");
    assert_eq!(held.whats().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn what_failed_at_the_beginning_of_a_long_cycle_is_tried_again_in_it() {
    let troubled = Troubled::with(Reply::status(503), |what| what != "token");
    let client = troubled.vendor.client(|settings| {
        settings.max_retries = 0;
        settings.requests_per_second = 20.try_into().unwrap();
    });
    let running = Running::start(client, selection(12_000), timing());
    sleep(Duration::from_secs(5)).await;
    troubled.is_over();
    sleep(Duration::from_secs(595)).await;
    let failing = running.store.snapshot().states(clock().now())[&TargetState::Failing];
    assert!(failing > 0, "they wait for all that were never asked");
    sleep(Duration::from_secs(30)).await;
    assert_eq!((answered(&running), running.cycles()), (12_000, 1), "in the first cycle, which took 10 minutes");
    assert_eq!(running.failures(Reason::ServerError), 0, "none ended it without an answer");
}

#[tokio::test(start_paused = true)]
async fn a_customer_whose_row_lost_its_id_stays() {
    let lost = Arc::new(Mutex::new(false));
    let vendor = Vendor::new({
        let lost = lost.clone();
        move |what| match what {
            "token" => Reply::token(),
            "customers/1" if *lost.lock().unwrap() => Reply::json(
                r#"{"data": [{"id": "a"}, {"id": null}], "metadata": {"pageIndex": 1, "pageSize": 100, "totalCount": 2}}"#,
            ),
            "customers/1" => listing(&["a", "b"]),
            _ => overview(what, 7),
        }
    });
    let selection = Selection { discovery: Some(Discovery::default()), ..selection(0) };
    let running = Running::start(vendor.client(|settings| settings.discovery = true), selection, timing());
    sleep(Duration::from_mins(1)).await;
    for _ in 0..3 {
        *lost.lock().unwrap() ^= true;
        sleep(INTERVAL).await;
        let known = running.store.snapshot();
        assert_eq!((known.customers.len(), known.added.len()), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_is_asked_again_as_the_listing_spells_it_and_what_it_has_is_no_purchase() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "customers/1" => listing(&["abc"]).after(Duration::from_secs(2)),
        _ if what.starts_with("ABC") => Reply::status(404),
        _ => overview(what, 25),
    });
    let configured = ConfiguredCustomer { id: customer_id("ABC"), name: None, products: None };
    let selection = Selection {
        customers: vec![configured],
        discovery: Some(Discovery::default()),
        products: ProductList::All,
        platforms: Vec::new(),
    };
    let timing = Timing { absent_interval: DAY, ..timing() };
    let running = Running::start(vendor.client(|settings| settings.discovery = true), selection, timing);
    sleep(Duration::from_secs(10)).await;
    let record = running.record("abc");
    assert_eq!((record.last_seats, record.change), (Seats::new(25), None));
}

#[tokio::test(start_paused = true)]
async fn what_one_account_did_not_answer_is_not_said_of_another() {
    let silent = Vendor::new(|what| if what == "token" { Reply::token() } else { Reply::status(403) });
    let running = Running::start(silent.client(|_| {}), selection(3), timing());
    sleep(INTERVAL / 2).await;
    assert_eq!(running.status.snapshot().api_up, Some(false));
    running.change_plan(|plan| plan.client = healthy().client(|settings| settings.client_id = "other".to_owned()));
    sleep(Duration::from_secs(5)).await;
    let status = running.status.snapshot();
    let targets = status.cycle.map(|cycle| (cycle.targets.answered, cycle.targets.failed));
    assert_eq!((status.api_up, targets), (Some(true), Some((3, 0))), "all of it was asked for, as after a start");
}

#[tokio::test(start_paused = true)]
async fn another_account_in_the_middle_of_an_interval_is_polled_at_once_and_every_interval_from_then_on() {
    let running = Running::start(healthy().client(|_| {}), selection(3), timing());
    sleep(INTERVAL / 2).await;
    let vendor = healthy();
    let other = vendor.client(|settings| settings.client_id = "other".to_owned());
    running.change_plan(|plan| plan.client = other);
    sleep(INTERVAL * 9 / 10).await;
    assert_eq!(vendor.whats().len(), 3);
    sleep(INTERVAL / 5).await;
    assert_eq!(vendor.whats().len(), 6);
}
