//! Whose turn it is, and that nobody's trouble is another's.

use super::*;

/// How often each target was asked for or answered.
type Counts = BTreeMap<String, usize>;

/// A vendor who counts what it answers with a number.
struct Counting {
    vendor: Vendor,
    answered: Arc<Mutex<Counts>>,
}

impl Counting {
    /// `refusal` gives the reply where there is no number.
    fn new(mut refusal: impl FnMut(&str) -> Option<Reply> + Send + 'static) -> Self {
        let answered = Arc::new(Mutex::new(Counts::new()));
        let counts = answered.clone();
        let vendor = Vendor::new(move |what| match refusal(what) {
            Some(reply) => reply,
            None if what == "token" => Reply::token(),
            None => {
                *counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
                overview(what, 7)
            }
        });
        Self { vendor, answered }
    }

    /// Since it was asked the last time.
    fn answered(&self) -> Counts {
        std::mem::take(&mut *self.answered.lock().unwrap())
    }
}

fn number(what: &str) -> usize {
    what.trim_start_matches('c').split('/').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_region_that_hangs_delays_nobody_else() {
    for hangs in [|number| number < 200, |number| number >= 800, |number| number % 5 == 0] as [fn(usize) -> bool; 3] {
        let hang = move |what: &str| what != "token" && hangs(number(what));
        let vendor = Counting::new(move |what| hang(what).then(|| overview(what, 7).after(DAY)));
        let running = Running::start(vendor.vendor.client(|_| {}), selection(1000), timing());
        for cycle in 0..6 {
            sleep(INTERVAL).await;
            let answered = vendor.answered();
            assert_eq!(answered.len(), 800, "cycle {cycle}");
            assert!(answered.values().all(|count| *count == 1), "cycle {cycle}");
        }
        let targets = running.status.snapshot().cycle.unwrap().targets;
        assert_eq!((targets.answered, targets.left), (800, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_hung_is_answered_in_the_first_cycle_after_it_is_well_again() {
    let well = Arc::new(Mutex::new(false));
    let vendor = Counting::new({
        let well = well.clone();
        move |what| (what.starts_with("c00") && !*well.lock().unwrap()).then(|| overview(what, 7).after(DAY))
    });
    let _running = Running::start(vendor.vendor.client(|_| {}), selection(1000), timing());
    sleep(INTERVAL * 3).await;
    *well.lock().unwrap() = true;
    vendor.answered();
    sleep(Duration::from_mins(2)).await;
    assert_eq!(vendor.answered().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_shared_in_turn() {
    let begun = tokio::time::Instant::now();
    let mut spent = (0, 0);
    let vendor = Counting::new(move |what| {
        let now = begun.elapsed().as_secs() / INTERVAL.as_secs();
        if spent.0 != now {
            spent = (now, 0);
        }
        spent.1 += usize::from(what != "token");
        (what != "token" && spent.1 > 30).then(|| Reply::status(429))
    });
    let _running = Running::start(vendor.vendor.client(|_| {}), selection(60), timing());
    let mut answered = Counts::new();
    for _ in 0..3 {
        sleep(INTERVAL).await;
        answered.extend(vendor.answered());
    }
    assert_eq!(answered.len(), 60, "in three intervals");
    let mut turns = Counts::new();
    for _ in 0..20 {
        sleep(INTERVAL).await;
        vendor.answered().into_iter().for_each(|(what, count)| *turns.entry(what).or_default() += count);
    }
    let (fewest, most) = (turns.values().min(), turns.values().max());
    assert!(turns.len() == 60 && fewest >= Some(&9) && most <= Some(&11), "{fewest:?} to {most:?} answers of a target");
}

#[tokio::test(start_paused = true)]
async fn at_half_the_pace_turns_differ_by_at_most_one() {
    let vendor = healthy();
    let client = vendor.client(|settings| settings.requests_per_second = NonZeroU32::new(1).unwrap());
    let timing = Timing {
        interval: Duration::from_secs(45),
        stale_after: INTERVAL,
        absent_interval: INTERVAL,
        ..Timing::every(INTERVAL)
    };
    let _running = Running::start(client, selection(90), timing);
    for _ in 0..40 {
        sleep(Duration::from_secs(37)).await;
        let mut turns = Counts::new();
        vendor.whats().into_iter().for_each(|what| *turns.entry(what).or_default() += 1);
        let fewest = if turns.len() < 90 { 0 } else { *turns.values().min().unwrap() };
        let most = *turns.values().max().unwrap();
        assert!(most - fewest <= 1, "{fewest} to {most} requests for a target");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_customers_who_are_forbidden_cost_nobody_a_turn() {
    let vendor = Counting::new(|what| (what != "token" && number(what) < 100).then(|| Reply::status(403)));
    let client = vendor.vendor.client(|settings| settings.requests_per_second = NonZeroU32::new(1).unwrap());
    // At a pace that asks for two thirds of them.
    let timing = Timing {
        interval: Duration::from_secs(200),
        stale_after: INTERVAL,
        absent_interval: INTERVAL,
        ..Timing::every(INTERVAL)
    };
    let _running = Running::start(client, selection(300), timing);
    sleep(Duration::from_mins(50)).await;
    let answered = vendor.answered();
    let (fewest, most) = (answered.values().min(), answered.values().max());
    assert!(answered.len() == 200 && fewest >= Some(&9) && most <= Some(&11), "{fewest:?} to {most:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_seats_comes_before_what_was_never_purchased() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        _ if what.ends_with("/2048") => overview(what, 7),
        _ => overview(what, 0),
    });
    let selection = Selection { products: ProductList::All, ..selection(2) };
    let _running = Running::start(vendor.client(|_| {}), selection, timing());
    sleep(INTERVAL + Duration::from_secs(1)).await;
    let asked = vendor.whats();
    assert_eq!(asked.len(), 88, "everything is due in every cycle");
    assert_eq!(asked[44..46], ["c0000/2048", "c0001/2048"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_once_is_made_again_when_nobody_else_waits() {
    let mut hung = false;
    let vendor = Vendor::new(move |what| match what {
        "token" => Reply::token(),
        "c0000/4" if !std::mem::replace(&mut hung, true) => overview(what, 7).after(DAY),
        _ => overview(what, 7).after(Duration::from_secs(1)),
    });
    let running = Running::start(vendor.client(|_| {}), selection(400), timing());
    sleep(Duration::from_mins(2)).await;
    let targets = running.status.snapshot().cycle.unwrap().targets;
    assert_eq!((targets.answered, targets.failed), (400, 0));
    let asked = vendor.whats();
    assert_eq!((asked.len(), asked.last().map(String::as_str)), (401, Some("c0000/4")), "after all others");
}

#[tokio::test(start_paused = true)]
async fn what_hung_and_has_no_second_try_in_time_has_failed() {
    let vendor = Counting::new(|what| (what == "c0000/4").then(|| overview(what, 7).after(DAY)));
    let client = vendor.vendor.client(|settings| settings.requests_per_second = NonZeroU32::new(1).unwrap());
    let timing = Timing {
        interval: Duration::from_mins(1),
        stale_after: INTERVAL,
        absent_interval: INTERVAL,
        ..Timing::every(INTERVAL)
    };
    let running = Running::start(client, selection(100), timing);
    sleep(Duration::from_secs(89)).await;
    let targets = running.status.snapshot().cycle.unwrap().targets;
    assert_eq!((targets.failed, running.failures(Reason::Timeout)), (1, 1));
    assert_eq!(running.record("c0000").failure, Some(Reason::Timeout));
}

#[tokio::test(start_paused = true)]
async fn more_than_fit_a_cycle_may_hang_and_nobody_else_misses_one() {
    // 600 that hang for their whole time are 18,000 s of slots, and a cycle has 14,400.
    let began = Arc::new(Mutex::new(false));
    for reply in [overview("c/4", 7).after(DAY), Reply::status(504).after(Duration::from_secs(29))] {
        let begins = began.clone();
        *begins.lock().unwrap() = false;
        let vendor = Counting::new(move |what| {
            let struck = *begins.lock().unwrap() && what != "token" && number(what).is_multiple_of(5);
            struck.then(|| reply.clone())
        });
        let client = vendor.vendor.client(|settings| settings.max_in_flight = 16.try_into().unwrap());
        let running = Running::start(client, selection(3_000), timing());
        sleep(Duration::from_secs(890)).await;
        assert_eq!(vendor.answered().len(), 3_000);
        *began.lock().unwrap() = true;
        for cycle in 1..5 {
            sleep(INTERVAL).await;
            assert_eq!(vendor.answered().len(), 2_400, "cycle {cycle}");
            assert_eq!(running.status.snapshot().api_up, Some(true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_slot_is_shared_with_whoever_hung_once() {
    let well = Arc::new(Mutex::new(false));
    let vendor = Counting::new({
        let well = well.clone();
        move |what| (what == "c0007/4" && !*well.lock().unwrap()).then(|| overview(what, 7).after(DAY))
    });
    let client = vendor.vendor.client(|settings| {
        settings.max_in_flight = 1.try_into().unwrap();
        settings.requests_per_second = NonZeroU32::new(1).unwrap();
    });
    let timing = Timing {
        interval: Duration::from_mins(2),
        stale_after: INTERVAL,
        absent_interval: INTERVAL,
        ..Timing::every(INTERVAL)
    };
    // The others alone fill every cycle.
    let running = Running::start(client, selection(300), timing);
    sleep(Duration::from_mins(20)).await;
    *well.lock().unwrap() = true;
    sleep(Duration::from_mins(6)).await;
    assert_eq!(running.record("c0007").last_seats, Seats::new(7));
}
