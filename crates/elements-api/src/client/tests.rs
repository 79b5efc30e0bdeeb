//! The client against a scripted vendor, on a paused clock.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::catalog::ProductType;
use crate::model::{Answer, CustomerId, Reason, Seats};
use crate::testing::{Reply, Vendor};
use crate::{
    CertificateSource, Client, Code, Credential, Error, Observer, Operation, Platform, Round, SecretSource,
    TenantListing,
};

const DAY: Duration = Duration::from_hours(24);

async fn ask(round: &Arc<Round>, customer: &str) -> Result<Answer, Error> {
    let slot = round.slot().await.ok_or(Error::NotBegun)?;
    round.overview(&CustomerId::parse(customer).unwrap(), ProductType::new(4).unwrap(), slot, |_| true).await
}

async fn ask_once(client: &Arc<Client>) -> Result<Answer, Error> {
    ask(&Round::begin(client, Instant::now() + DAY), "a").await
}

async fn ask_all(client: &Arc<Client>, requests: usize, deadline: Instant) -> Vec<Result<Answer, Error>> {
    let round = Round::begin(client, deadline);
    let mut tasks = JoinSet::new();
    for number in 0..requests {
        let round = round.clone();
        tasks.spawn(async move { ask(&round, &format!("c{number}")).await });
    }
    tasks.join_all().await
}

fn seats(seats: u64) -> Answer {
    Answer::Seats(Seats::new(seats).unwrap())
}

/// A vendor that gives tokens, and to everything else replies in this order; the last reply serves all the rest.
fn replies<const N: usize>(replies: [Reply; N]) -> Vendor {
    let mut asked = 0;
    Vendor::new(move |what| {
        if what == "token" {
            return Reply::token();
        }
        asked += 1;
        replies[asked.min(N) - 1].clone()
    })
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_up_to_max_retries() {
    for status in [408, 429, 500, 503] {
        let vendor = replies([Reply::status(status), Reply::status(status), Reply::seats("4", 7)]);
        assert_eq!(ask_once(&vendor.client(|_| {})).await, Ok(seats(7)), "{status}");
        let vendor = replies([Reply::status(status)]);
        ask_once(&vendor.client(|settings| settings.max_retries = 2)).await.unwrap_err();
        assert_eq!(vendor.whats().len(), 3, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_asked_once() {
    for status in [400, 403, 405, 418, 302, 206] {
        let vendor = replies([Reply::status(status)]);
        ask_once(&vendor.client(|_| {})).await.unwrap_err();
        assert_eq!(vendor.whats().len(), 1, "{status}");
    }
    let vendor = replies([Reply::json("<html>")]);
    let error = ask_once(&vendor.client(|_| {})).await.unwrap_err();
    assert_eq!((error.reason(), vendor.whats().len()), (Some(Reason::BadResponse), 1));
}

#[tokio::test(start_paused = true)]
async fn a_404_is_an_answer() {
    let vendor = replies([Reply::status(404)]);
    assert_eq!(ask_once(&vendor.client(|_| {})).await, Ok(Answer::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_204_is_an_answer_of_an_overview_alone() {
    let vendor = replies([Reply { body: Vec::new(), ..Reply::status(204) }]);
    let client = vendor.client(|settings| settings.discovery = true);
    assert_eq!(ask_once(&client).await, Ok(Answer::NotFound));
    let error = Round::begin(&client, Instant::now() + DAY).customers().await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::BadResponse));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_times_out_and_is_tried_again() {
    let vendor = replies([Reply::seats("4", 1).after(DAY), Reply::seats("4", 7)]);
    let start = Instant::now();
    assert_eq!(ask_once(&vendor.client(|_| {})).await, Ok(seats(7)));
    assert!(start.elapsed() < Duration::from_secs(31), "{:?}", start.elapsed());
}

/// Asks once, where others decide whether there may be retries, and tells how often they were asked.
async fn ask_if(client: &Arc<Client>, may_retry: impl Fn(usize, Reason) -> bool + Sync + Send) -> (Error, usize) {
    let round = Round::begin(client, Instant::now() + DAY);
    let (slot, asked) = (round.slot().await.unwrap(), AtomicUsize::new(0));
    let may_retry = |reason| may_retry(asked.fetch_add(1, Ordering::SeqCst), reason);
    let customer = CustomerId::parse("a").unwrap();
    let outcome = round.overview(&customer, ProductType::new(4).unwrap(), slot, may_retry).await;
    (outcome.unwrap_err(), asked.into_inner())
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_retried_ends_at_once_and_keeps_its_failure() {
    let vendor = replies([Reply::seats("4", 1).after(DAY)]);
    let client = vendor.client(|_| {});
    let start = Instant::now();
    let (error, asked) = ask_if(&client, |_, reason| reason != Reason::Timeout).await;
    assert_eq!((error.reason(), asked, vendor.whats().len()), (Some(Reason::Timeout), 1, 1));
    assert!(start.elapsed() < Duration::from_millis(30_100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whether_a_retry_may_begin_is_asked_again_after_its_wait() {
    let vendor = replies([Reply::status(503).retry_after(50)]);
    let start = Instant::now();
    let (error, asked) = ask_if(&vendor.client(|_| {}), |asked, _| asked < 1).await;
    assert_eq!((error.reason(), asked, vendor.whats().len()), (Some(Reason::ServerError), 2, 1));
    assert!(start.elapsed() >= Duration::from_secs(50), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_429_that_may_not_be_retried_holds_back_all_others_even_so() {
    let vendor = replies([Reply::status(429).retry_after(100), Reply::seats("4", 7)]);
    let client = vendor.client(|_| {});
    let (error, _) = ask_if(&client, |_, _| false).await;
    assert_eq!(error.reason(), Some(Reason::Throttled));
    let start = Instant::now();
    assert_eq!(ask_once(&client).await, Ok(seats(7)));
    assert!(start.elapsed() >= Duration::from_secs(99), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_back_every_request() {
    let mut first = true;
    let vendor = Vendor::new(move |what| match what {
        "token" => Reply::token(),
        _ if std::mem::take(&mut first) => Reply::status(429).retry_after(100),
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|settings| settings.requests_per_second = NonZeroU32::new(20).unwrap());
    let outcomes = ask_all(&client, 40, Instant::now() + DAY).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(seats(7))));
    let asked = vendor.asked();
    let refused_at = asked.iter().find(|asked| asked.what != "token").unwrap().at + Duration::from_millis(20);
    let held = refused_at + Duration::from_secs(100);
    let early: Vec<_> = asked.iter().filter(|asked| asked.at > refused_at && asked.at < held).collect();
    assert!(early.is_empty(), "{early:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_by_the_one_request_that_got_it() {
    let vendor = replies([Reply::status(503).retry_after(50), Reply::seats("4", 7)]);
    let start = Instant::now();
    assert_eq!(ask_once(&vendor.client(|_| {})).await, Ok(seats(7)));
    assert!((50..51).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_limits_hold_for_retries_too() {
    let mut asked = 0;
    let vendor = Vendor::new(move |what| {
        asked += 1;
        match what {
            "token" => Reply::token(),
            _ if asked % 3 == 0 => Reply::status(500).after(Duration::from_millis(900)),
            _ => Reply::seats("4", 7).after(Duration::from_millis(900)),
        }
    });
    let client = vendor.client(|settings| {
        settings.requests_per_second = NonZeroU32::new(20).unwrap();
        settings.max_in_flight = NonZeroUsize::new(5).unwrap();
    });
    ask_all(&client, 200, Instant::now() + DAY).await;
    assert_eq!(vendor.most_in_flight(), 5);
    let moments: Vec<_> = vendor.asked().iter().map(|asked| asked.at).collect();
    assert!(moments.len() > 250, "retries were made");
    for (index, window) in moments.windows(21).enumerate() {
        assert!(window[20] >= window[0] + Duration::from_secs(1), "request {index} and the 20 after it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_to_try_again_gives_its_slot_to_others() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "c0/4" => Reply::status(503).retry_after(500),
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|settings| settings.max_in_flight = NonZeroUsize::new(1).unwrap());
    let round = Round::begin(&client, Instant::now() + DAY);
    let stuck = tokio::spawn({
        let round = round.clone();
        async move { ask(&round, "c0").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    ask(&round, "c1").await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    stuck.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_after_the_deadline_and_what_was_not_begun_is_no_failure() {
    let vendor = replies([Reply::seats("4", 7).after(Duration::from_secs(1))]);
    let client = vendor.client(|settings| settings.max_in_flight = NonZeroUsize::new(1).unwrap());
    let start = Instant::now();
    let outcomes = ask_all(&client, 20, start + Duration::from_secs(5)).await;
    let left = outcomes.iter().filter(|outcome| **outcome == Err(Error::NotBegun)).count();
    assert_eq!(left, 20 - 5);
    assert!(vendor.asked().iter().all(|asked| asked.at < Duration::from_secs(5)));
    assert!(start.elapsed() <= Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_come_too_late_ends_as_the_failure_that_it_is() {
    let vendor = replies([Reply::status(429).retry_after(3600)]);
    let client = vendor.client(|_| {});
    let deadline = Instant::now() + Duration::from_mins(15);
    let error = ask(&Round::begin(&client, deadline), "a").await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Throttled));
    assert_eq!(ask(&Round::begin(&client, deadline), "a").await, Err(Error::NotBegun));
    assert_eq!(vendor.whats().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_token_serves_all_and_is_renewed_before_it_expires() {
    let vendor = replies([Reply::seats("4", 7)]);
    let client = vendor.client(|_| {});
    ask_all(&client, 50, Instant::now() + DAY).await;
    assert_eq!(vendor.tokens(), 1);
    tokio::time::sleep(Duration::from_secs(3250)).await;
    ask_once(&client).await.unwrap();
    assert_eq!(vendor.tokens(), 1);
    tokio::time::sleep(Duration::from_secs(100)).await;
    ask_all(&client, 50, Instant::now() + DAY).await;
    assert_eq!(vendor.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_renewed_is_used_until_it_expires() {
    let mut tokens = 0;
    let vendor = Vendor::new(move |what| match what {
        "token" => {
            tokens += 1;
            if tokens == 1 { Reply::token() } else { Reply::status(400) }
        }
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|_| {});
    ask_once(&client).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3590)).await;
    ask_once(&client).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    ask_once(&client).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_401_gets_one_new_token_and_one_more_try() {
    let vendor = replies([Reply::status(401), Reply::seats("4", 7)]);
    assert_eq!(ask_once(&vendor.client(|_| {})).await, Ok(seats(7)));
    assert_eq!((vendor.tokens(), vendor.whats().len()), (2, 2));
    let vendor = replies([Reply::status(401)]);
    let error = ask_once(&vendor.client(|_| {})).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Auth));
    assert_eq!((vendor.tokens(), vendor.whats().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_takes_no_token_costs_no_token_request_per_target() {
    let vendor = replies([Reply::status(401)]);
    let client = vendor.client(|_| {});
    for tokens in [2, 3, 4] {
        ask_all(&client, 100, Instant::now() + DAY).await;
        assert_eq!(vendor.tokens(), tokens);
    }
}

/// A vendor whose tokens are `t1`, `t2` and so on, and who answers 401 where the number of the last token and that of
/// the one that came with the request are `refused`.
fn vendor_that_refuses(mut refused: impl FnMut(&str, u32, u32) -> bool + Send + 'static) -> Vendor {
    let mut issued = 0;
    Vendor::seeing_tokens(move |what, token| {
        if what == "token" {
            issued += 1;
            return Reply::token_named(&format!("t{issued}"));
        }
        let number = token.trim_start_matches('t').parse().unwrap();
        if refused(what, issued, number) { Reply::status(401) } else { Reply::seats("4", 7) }
    })
}

fn answered(outcomes: &[Result<Answer, Error>]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_customer_that_takes_no_token_spoils_no_other_though_tokens_are_revoked() {
    for in_flight in [1, 8, 64] {
        let (mut asked, mut oldest) = (0, 1);
        let vendor = vendor_that_refuses(move |what, issued, token| {
            asked += 1;
            // Once in each round, in its middle.
            if asked % 400 == 200 {
                oldest = issued + 1;
            }
            what == "c7/4" || token < oldest
        });
        let client = vendor.client(|settings| settings.max_in_flight = NonZeroUsize::new(in_flight).unwrap());
        for round in 1..=4 {
            let outcomes = ask_all(&client, 400, Instant::now() + DAY).await;
            assert_eq!(answered(&outcomes), 399, "round {round}, {in_flight} in flight");
        }
        assert!(vendor.tokens() <= 1 + 4 * 2, "{} token requests", vendor.tokens());
    }
}

#[tokio::test(start_paused = true)]
async fn customers_that_take_no_token_cost_at_most_one_each_and_later_one_a_round() {
    let number = |what: &str| what.trim_end_matches("/4").trim_start_matches('c').parse::<u32>().unwrap();
    let bad: [fn(u32) -> bool; 3] = [|number| number % 2 == 0, |number| number < 200, |number| number >= 200];
    for (bad, in_flight) in bad.into_iter().flat_map(|bad| [1, 8, 64].map(|in_flight| (bad, in_flight))) {
        let vendor = vendor_that_refuses(move |what, _, _| bad(number(what)));
        let client = vendor.client(|settings| settings.max_in_flight = NonZeroUsize::new(in_flight).unwrap());
        let mut before = 1;
        for most in [200, 5, 5] {
            let outcomes = ask_all(&client, 400, Instant::now() + DAY).await;
            let tokens = vendor.tokens() - before;
            assert_eq!(answered(&outcomes), 200);
            assert!(tokens <= most, "{tokens} token requests with {in_flight} in flight");
            before = vendor.tokens();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_that_are_refused_with_one_token_cost_one_renewal() {
    for accepted_before in [0, 1] {
        let vendor = vendor_that_refuses(move |what, _, token| what != "c0/4" && token == 1);
        let client = vendor.client(|settings| settings.max_in_flight = NonZeroUsize::new(100).unwrap());
        ask_all(&client, accepted_before, Instant::now() + DAY).await;
        let outcomes = ask_all(&client, 100, Instant::now() + DAY).await;
        assert_eq!((answered(&outcomes), vendor.tokens()), (100, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn where_each_token_ends_the_one_before_every_good_customer_is_answered() {
    let vendor = vendor_that_refuses(|what, issued, token| what.ends_with("5/4") || token < issued);
    let client = vendor.client(|_| {});
    for _ in 0..3 {
        assert_eq!(answered(&ask_all(&client, 100, Instant::now() + DAY).await), 90);
    }
}

#[tokio::test(start_paused = true)]
async fn a_customer_that_is_accepted_again_may_get_a_new_token_again() {
    // It is refused at first, and accepted in the second round; the third one begins after its token was revoked.
    let refused = Arc::new(AtomicUsize::new(usize::MAX));
    let vendor = vendor_that_refuses({
        let refused = refused.clone();
        move |what, _, token| what == "c0/4" && token as usize <= refused.load(Ordering::SeqCst)
    });
    let client = vendor.client(|_| {});
    let c0 = async |round: &Arc<Round>| ask(round, "c0").await.is_ok();
    let round = Round::begin(&client, Instant::now() + DAY);
    assert!(!c0(&round).await);
    assert!(ask(&round, "c1").await.is_ok());
    assert!(!c0(&round).await);
    assert_eq!(vendor.tokens(), 2, "it is known to take none");
    refused.store(0, Ordering::SeqCst);
    assert!(c0(&round).await);
    refused.store(2, Ordering::SeqCst);
    assert!(c0(&round).await);
    assert_eq!(vendor.tokens(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_takes_no_token_spoils_no_customer_and_costs_one_a_round() {
    let (mut asked, mut oldest) = (0, 1);
    let vendor = vendor_that_refuses(move |what, issued, token| {
        asked += 1;
        if asked % 50 == 0 {
            oldest = issued + 1;
        }
        what.starts_with("customers") || token < oldest
    });
    let client = vendor.client(|settings| settings.discovery = true);
    for _ in 0..3 {
        let round = Round::begin(&client, Instant::now() + DAY);
        for customer in 0..60 {
            if customer % 20 == 0 {
                assert_eq!(round.customers().await.unwrap_err().reason(), Some(Reason::Auth));
            }
            assert_eq!(ask(&round, &format!("c{customer}")).await, Ok(seats(7)));
        }
    }
    assert!(vendor.tokens() <= 1 + 3 * 3, "{} token requests", vendor.tokens());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_renewed_for_one_customer_still_serves_the_others() {
    let mut tokens = 0;
    let vendor = Vendor::new(move |what| match what {
        "token" => {
            tokens += 1;
            if tokens == 1 { Reply::token() } else { Reply::status(400) }
        }
        "c0/4" => Reply::status(401),
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|_| {});
    for tokens in [2, 3] {
        let outcomes = ask_all(&client, 50, Instant::now() + DAY).await;
        assert_eq!((answered(&outcomes), vendor.tokens()), (49, tokens));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_holds_up_nobody_who_can_still_use_the_token() {
    let mut tokens = 0;
    let vendor = Vendor::new(move |what| match what {
        "token" => {
            tokens += 1;
            Reply::token().after(Duration::from_secs(if tokens == 1 { 0 } else { 20 }))
        }
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|_| {});
    ask_once(&client).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3400)).await;
    let round = Round::begin(&client, Instant::now() + DAY);
    let renewing = tokio::spawn({
        let round = round.clone();
        async move { ask(&round, "a").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    assert_eq!(ask(&round, "b").await, Ok(seats(7)));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(renewing.await.unwrap(), Ok(seats(7)));
    assert_eq!(vendor.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_during_a_renewal_is_not_used() {
    let mut tokens = 0;
    let vendor = Vendor::new(move |what| match what {
        "token" => {
            tokens += 1;
            if tokens == 1 { Reply::token() } else { Reply::status(503).retry_after(600) }
        }
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|settings| settings.max_retries = 1);
    ask_once(&client).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3400)).await;
    assert_eq!(ask_once(&client).await.unwrap_err().reason(), Some(Reason::ServerError));
    assert_eq!(vendor.whats().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn once_nothing_may_begin_nothing_is_prepared_any_more() {
    let vendor = replies([Reply::status(429).retry_after(3600)]);
    let client = vendor.client(|settings| settings.max_retries = 0);
    ask_once(&client).await.unwrap_err();
    let round = Round::begin(&client, Instant::now() + Duration::from_mins(15));
    assert_eq!(ask(&round, "a").await, Err(Error::NotBegun));
    assert!(round.slot().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_kept_over_a_change_of_the_settings() {
    let vendor = replies([Reply::status(429).retry_after(100), Reply::seats("4", 7)]);
    let before = vendor.client(|settings| settings.max_retries = 0);
    ask_once(&before).await.unwrap_err();
    let after = vendor.client(|_| {});
    after.hold_until(before.held_until());
    let start = Instant::now();
    assert_eq!(ask_once(&after).await, Ok(seats(7)));
    assert!(start.elapsed() >= Duration::from_secs(99), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_short_holds_alone_makes_no_request_in_a_long_one() {
    for (seconds, asked) in [(60, 5), (61, 1)] {
        let vendor = replies([Reply::status(429).retry_after(seconds), Reply::seats("4", 7)]);
        let client = vendor.client(|settings| settings.max_in_flight = NonZeroUsize::new(1).unwrap());
        let client = Arc::new(Arc::into_inner(client).unwrap().with_holds_up_to(Duration::from_mins(1)));
        let start = Instant::now();
        let outcomes = ask_all(&client, 4, start + DAY).await;
        let left = outcomes.iter().filter(|outcome| **outcome == Err(Error::NotBegun)).count();
        let is_held = seconds > 60;
        assert_eq!((left, vendor.whats().len()), (if is_held { 3 } else { 0 }, asked), "{seconds}: {outcomes:?}");
        assert_eq!(start.elapsed() < Duration::from_secs(5), is_held, "{seconds}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_nothing_is_no_hold() {
    #[derive(Debug, Default)]
    struct Holds(AtomicUsize);
    impl Observer for Holds {
        fn request(&self, _: Operation, _: Code, _: Duration) {}
        fn retry(&self, _: Reason) {}
        fn held_back(&self, _: SystemTime) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn token_expires(&self, _: Option<SystemTime>) {}
        fn certificate_expires(&self, _: Option<SystemTime>) {}
    }
    for (seconds, told) in [(0, 0), (1, 1)] {
        let holds = Arc::new(Holds::default());
        let vendor = replies([Reply::status(429).retry_after(seconds), Reply::seats("4", 7)]);
        ask_once(&vendor.observed_client(holds.clone(), |_| {})).await.unwrap();
        assert_eq!(holds.0.load(Ordering::Relaxed), told, "Retry-After: {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_credential_s_files_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key_file) = (folder.path().join("first"), folder.path().join("second"));
    let secret = Credential::Secret(SecretSource::File(file.clone()));
    let pem = CertificateSource::Pem { cert_file: file.clone(), key_file: key_file.clone() };
    let pfx = CertificateSource::Pfx { pfx_file: file.clone(), password_file: Some(key_file.clone()) };
    for (credential, last) in
        [(secret, &file), (Credential::Certificate(pem), &key_file), (Credential::Certificate(pfx), &key_file)]
    {
        std::fs::write(&file, "one").unwrap();
        std::fs::write(&key_file, "one").unwrap();
        let vendor = Vendor::new(|_| Reply { status: 400, ..Reply::json(r#"{"error": "invalid_client"}"#) });
        let client = vendor.client(|settings| settings.credential = credential);
        assert!(!client.credentials_changed().await, "nothing was asked yet");
        ask_once(&client).await.unwrap_err();
        assert!(!client.credentials_changed().await);
        std::fs::write(last, "two").unwrap();
        assert!(client.credentials_changed().await);
        std::fs::remove_file(last).unwrap();
        assert!(!client.credentials_changed().await, "it cannot be read");
        ask_once(&client).await.unwrap_err();
        assert!(!client.credentials_changed().await, "it still cannot be read");
        std::fs::write(last, "two").unwrap();
        assert!(client.credentials_changed().await, "it can be read now");
        ask_once(&client).await.unwrap_err();
        assert!(!client.credentials_changed().await, "it was used");
    }
    let client = replies([Reply::seats("4", 7)]).client(|_| {});
    ask_once(&client).await.unwrap();
    assert!(!client.credentials_changed().await, "there is no file");
}

#[tokio::test(start_paused = true)]
async fn where_no_scope_is_granted_a_round_costs_one_token_request() {
    let vendor = Vendor::new(|_| Reply { status: 400, ..Reply::json(r#"{"error": "invalid_scope"}"#) });
    let client = vendor.client(|settings| settings.discovery = true);
    for tokens in [2, 3, 4] {
        ask_all(&client, 10, Instant::now() + DAY).await;
        assert_eq!(vendor.tokens(), tokens);
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_cost_one_token_request_a_round() {
    let vendor = Vendor::new(|_| Reply { status: 400, ..Reply::json(r#"{"error": "invalid_client"}"#) });
    let client = vendor.client(|_| {});
    for round in 1..=3 {
        let outcomes = ask_all(&client, 100, Instant::now() + DAY).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap_err().reason() == Some(Reason::Auth)));
        assert_eq!(vendor.asked().len(), round);
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_service_that_gives_no_token_is_no_answer_of_the_api() {
    for (status, reason) in
        [(400, Reason::Auth), (401, Reason::Auth), (403, Reason::Auth), (404, Reason::Auth), (503, Reason::ServerError)]
    {
        let vendor = Vendor::new(move |_| Reply::status(status));
        let error = ask_once(&vendor.client(|_| {})).await.expect_err("no token");
        assert_eq!(error.reason(), Some(reason), "{status}");
        assert_eq!(vendor.tokens(), if status == 503 { 4 } else { 1 }, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_to_list_the_licences_are_still_read() {
    let mut tokens = 0;
    let vendor = Vendor::new(move |what| match what {
        "token" => {
            tokens += 1;
            let refused = Reply { status: 400, ..Reply::json(r#"{"error": "invalid_scope"}"#) };
            if tokens == 1 { refused } else { Reply::token() }
        }
        _ => Reply::seats("4", 7),
    });
    let client = vendor.client(|settings| settings.discovery = true);
    let round = Round::begin(&client, Instant::now() + DAY);
    let error = round.customers().await.unwrap_err();
    assert!(error.to_string().contains("elements.customers.read.all"), "{error}");
    assert_eq!(ask(&round, "a").await, Ok(seats(7)));
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_every_page_or_nothing() {
    let page = |page: u64, from: u64, to: u64| {
        let data: Vec<_> = (from..to).map(|id| format!(r#"{{"id": "c{id}"}}"#)).collect();
        let data = data.join(",");
        Reply::json(format!(
            r#"{{"data": [{data}], "metadata": {{"pageIndex": {page}, "pageSize": 100, "totalCount": 150}}}}"#
        ))
    };
    let vendor = replies([page(1, 0, 100), page(2, 100, 150)]);
    let round = Round::begin(&vendor.client(|settings| settings.discovery = true), Instant::now() + DAY);
    assert_eq!(round.customers().await.unwrap().customers.len(), 150);
    assert_eq!(vendor.whats(), ["customers/1", "customers/2"]);

    let vendor = replies([page(1, 0, 100), Reply::status(403)]);
    let round = Round::begin(&vendor.client(|settings| settings.discovery = true), Instant::now() + DAY);
    assert_eq!(round.customers().await.unwrap_err().reason(), Some(Reason::Forbidden));
}

/// Answers of every kind that hold a secret wherever one may stand.
fn echoes() -> Vec<Reply> {
    let everywhere = r#"{"error": "hunter2", "error_description": "hunter2", "hunter2": "hunter2",
        "access_token": "hunter2", "token_type": "hunter2", "expires_in": "hunter2", "productType": "hunter2",
        "purchasedUserSeat": "hunter2", "data": ["hunter2"], "metadata": {"hunter2": "hunter2"}}"#;
    let bodies =
        [everywhere, r#""hunter2""#, r#"["hunter2"]"#, "hunter2", r#"{"productType": 4, "productType": "hunter2"}"#];
    let statuses = [200, 204, 302, 400, 401, 403, 404, 408, 429, 500];
    bodies.iter().flat_map(|body| statuses.map(|status| Reply { status, ..Reply::json(*body) })).collect()
}

#[tokio::test(start_paused = true)]
async fn no_error_repeats_what_an_answer_says() {
    for echo in echoes() {
        for asked in ["token", "customers/1", "a/4"] {
            let reply = echo.clone();
            let vendor = Vendor::new(move |what| if what == asked { reply.clone() } else { Reply::token() });
            let client = vendor.client(|settings| settings.discovery = true);
            let round = Round::begin(&client, Instant::now() + DAY);
            let outcomes = [ask(&round, "a").await.map(drop), round.customers().await.map(drop), round.sign_in().await];
            let errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
            assert!(!errors.is_empty());
            for error in errors {
                let text = format!("{error} {error:?}");
                assert!(!text.contains("hunter2"), "{asked} answered {}: {text}", echo.status);
            }
        }
    }
}

#[test]
fn what_holds_a_secret_shows_none() {
    let vendor = Vendor::new(|_| Reply::token());
    let client = vendor.client(|_| {});
    let settings = crate::testing::settings();
    assert!(!format!("{client:?} {settings:?}").contains("hunter2"));
}

/// A page of subscriptions of customers that are called by these numbers.
fn subscriptions_page(index: u64, total: usize, customers: std::ops::Range<usize>) -> Reply {
    let row =
        |n| format!(r#"{{"customerId": "c-{n}", "products": [{{"service": "Fly", "purchasedUserSeats": "{n}"}}]}}"#);
    let rows: Vec<_> = customers.map(row).collect();
    let metadata = format!(r#"{{"pageIndex": {index}, "totalCount": {total}}}"#);
    Reply::json(format!(r#"{{"data": [{}], "metadata": {metadata}}}"#, rows.join(",")))
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_listed_page_by_page_with_the_scope_that_overviews_need() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "subscriptions/1" => subscriptions_page(1, 150, 0..100),
        "subscriptions/2" => subscriptions_page(2, 150, 100..150),
        other => panic!("{other}"),
    });
    let client = vendor.client(|settings| settings.discovery = false);
    let listing = Round::begin(&client, Instant::now() + DAY).subscriptions(None).await.unwrap();
    assert_eq!((listing.customers.len(), listing.lost, listing.unreadable.len()), (150, None, 0));
    assert_eq!(listing.customers[149].subscriptions[0].purchased_user_seats, Seats::new(149));
    assert_eq!(vendor.whats(), ["subscriptions/1", "subscriptions/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_listing_whose_pages_are_too_large_is_asked_for_again_in_smaller_ones() {
    let mut pages = [subscriptions_page(1, 60, 0..50), subscriptions_page(2, 60, 50..60)].into_iter();
    let mut is_first = true;
    let vendor = Vendor::new(move |what| match what {
        "token" => Reply::token(),
        _ if std::mem::take(&mut is_first) => Reply::too_large(),
        _ => pages.next().unwrap(),
    });
    let client = vendor.client(|_| ());
    let listing = Round::begin(&client, Instant::now() + DAY).subscriptions(None).await.unwrap();
    assert_eq!(listing.customers.len(), 60);
    assert_eq!(vendor.whats(), ["subscriptions/1", "subscriptions/1", "subscriptions/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_does_not_end_in_the_time_of_its_round_has_failed() {
    let vendor = Vendor::new(|what| match what.split_once('/') {
        Some((_, page)) => {
            let page: u32 = page.parse().unwrap();
            subscriptions_page(page.into(), 400_000, page as usize..page as usize + 1)
        }
        None => Reply::token(),
    });
    let client = vendor.client(|_| ());
    let error = Round::begin(&client, Instant::now() + Duration::from_mins(1)).subscriptions(None).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Timeout));
    let error = Round::begin(&client, Instant::now()).subscriptions(None).await.unwrap_err();
    assert_eq!(error, Error::NotBegun, "what was never asked has not failed");
}

#[tokio::test(start_paused = true)]
async fn a_customer_may_have_several_rows_but_not_the_same_one_on_two_pages() {
    let ask = async |pages: [Reply; 2]| {
        let mut pages = pages.into_iter();
        let vendor = Vendor::new(move |what| if what == "token" { Reply::token() } else { pages.next().unwrap() });
        let client = vendor.client(|_| ());
        Round::begin(&client, Instant::now() + DAY).subscriptions(None).await
    };
    let error = ask([subscriptions_page(1, 101, 0..100), subscriptions_page(2, 101, 99..100)]).await.unwrap_err();
    assert!(error.to_string().contains("customer c-99 is listed twice, on two pages"), "{error}");
    let other = r#"{"data": [{"customerId": "C-99", "products": [{"service": "Opus"}]}],
                     "metadata": {"pageIndex": 2, "totalCount": 101}}"#;
    let listing = ask([subscriptions_page(1, 101, 0..100), Reply::json(other)]).await.unwrap();
    assert_eq!((listing.customers.len(), listing.customers[99].subscriptions.len()), (100, 2));
}

#[tokio::test(start_paused = true)]
async fn tenants_that_nobody_knows_of_are_none_and_a_refusal_is_no_answer() {
    let vendor = Vendor::new(|what| match what {
        "token" => Reply::token(),
        "tenants/a/0/1" => Reply::json(
            r#"{"data": [{"tenantId": "t", "assignedUserSeat": 25}, {"assignedUserSeat": 9}],
                "metadata": {"pageIndex": 1, "totalCount": 2}}"#,
        ),
        "tenants/a/2/1" => Reply::status(404),
        _ => Reply::status(403),
    });
    let client = vendor.client(|_| ());
    let round = Round::begin(&client, Instant::now() + DAY);
    let ask = async |platform| round.tenants(&CustomerId::parse("a").unwrap(), platform).await;
    let listing = ask(Platform::Microsoft365).await.unwrap();
    assert_eq!(listing.tenants.iter().map(|tenant| tenant.assigned).collect::<Vec<_>>(), [Seats::new(25)]);
    let lost = listing.lost.unwrap();
    assert_eq!((lost.count, lost.first.contains("has no tenantId")), (1, true), "{}", lost.first);
    assert_eq!(ask(Platform::Google).await, Ok(TenantListing::default()));
    assert_eq!(ask(Platform::Salesforce).await.unwrap_err().reason(), Some(Reason::Forbidden));
}
