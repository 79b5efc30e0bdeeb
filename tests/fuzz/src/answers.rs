use std::str;
use std::time::Duration;

use elements_api::testing::{Reply, Vendor};
use elements_api::{
    Answer, CustomerId, CustomerListing, LostRows, Platform, ProductType, Round, SubscriptionListing, TenantListing,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::message::is_a_readable_line;
use crate::paused::block_on;

/// What the vendor answers, whatever it is asked: a question (`overview`, `token`, `customers`, `subscriptions`,
/// `tenants`), then the answers, each a line with its status and the body after it, with `---` on a line between two.
///
/// An answer is taken or refused in a line that can be read, and what is taken can be shown.
pub fn answers(input: &[u8]) -> bool {
    let Some((question, answers)) = line(input) else { return false };
    let replies = Replies(answers).take(MOST_ANSWERS).collect();
    block_on(ask(question, replies))
}

/// More say nothing new.
const MOST_ANSWERS: usize = 8;

async fn ask(question: &str, replies: Vec<Reply>) -> bool {
    let written: Vec<_> = replies.iter().filter_map(|reply| seats_in(&reply.body)).collect();
    let mut replies = replies.into_iter();
    let mut next = move || replies.next().unwrap_or_else(|| Reply::status(404));
    let asks_for_a_token = question == "token";
    let vendor = Vendor::new(move |what| match what {
        "token" if asks_for_a_token => next(),
        "token" => Reply::token(),
        _ if asks_for_a_token => Reply::seats("2048", 25),
        _ => next(),
    });
    let client = vendor.client(|settings| settings.max_retries = 1);
    let round = Round::begin(&client, Instant::now() + Duration::from_hours(1));
    let customer = CustomerId::parse("c-1").unwrap();
    let refusal = match question {
        "token" => round.sign_in().await.err(),
        "overview" => {
            let slot = round.slot().await.expect("nobody else wants one");
            let product = ProductType::new(2048).unwrap();
            round.overview(&customer, product, slot, |_| true).await.map(|answer| is_one_of(answer, &written)).err()
        }
        "customers" => {
            let listing = round.customers().await;
            let is_sound = |listing: CustomerListing| {
                are_told(listing.lost.as_ref());
                are_names(listing.customers.iter().map(|customer| &customer.organization));
            };
            listing.map(is_sound).err()
        }
        "subscriptions" => {
            let listing = round.subscriptions(None).await;
            let is_sound = |listing: SubscriptionListing| {
                are_told(listing.lost.as_ref());
                listing.unreadable.iter().for_each(|unreadable| is_a_readable_line(&unreadable.value));
                are_names(listing.customers.iter().map(|customer| &customer.organization));
                let rows = listing.customers.iter().flat_map(|customer| &customer.subscriptions);
                are_names(rows.flat_map(|row| [&row.service, &row.name, &row.package, &row.source, &row.model]));
            };
            listing.map(is_sound).err()
        }
        "tenants" => {
            let listing = round.tenants(&customer, Platform::Microsoft365).await;
            let is_sound = |listing: TenantListing| {
                are_told(listing.lost.as_ref());
                listing.tenants.iter().for_each(|tenant| is_a_name(&tenant.id));
                are_names(listing.tenants.iter().map(|tenant| &tenant.name));
            };
            listing.map(is_sound).err()
        }
        _ => return false,
    };
    if let Some(error) = &refusal {
        is_a_readable_line(&error.to_string());
    }
    refusal.is_none()
}

/// The number of an overview, as another reader finds it.
#[expect(clippy::cast_precision_loss, reason = "no number of seats is above 2^53")]
fn is_one_of(answer: Answer, written: &[f64]) {
    if let Answer::Seats(seats) = answer {
        assert!(written.contains(&(seats.get() as f64)), "{seats:?} in {written:?}");
    }
}

fn seats_in(body: &[u8]) -> Option<f64> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let overview: Value = serde_json::from_slice(body).ok()?;
    let seats = overview.get("purchasedUserSeat")?;
    seats.as_f64().or_else(|| seats.as_str()?.trim().parse().ok())
}

fn are_told(lost: Option<&LostRows>) {
    if let Some(lost) = lost {
        assert!(lost.count > 0);
        is_a_readable_line(&lost.first);
    }
}

fn are_names<'n>(names: impl Iterator<Item = &'n Option<String>>) {
    names.flatten().for_each(|name| is_a_name(name));
}

/// What becomes the value of a label: of one line, not blank, and of 200 bytes at most.
fn is_a_name(name: &str) {
    assert!(name.len() <= 200, "{} bytes in a name", name.len());
    is_a_readable_line(name);
}

/// The answers that follow each other in an input.
struct Replies<'i>(&'i [u8]);

impl Iterator for Replies<'_> {
    type Item = Reply;

    fn next(&mut self) -> Option<Reply> {
        let (status, rest) = line(self.0)?;
        let status = status.parse().ok().filter(|status| (100..1000).contains(status))?;
        let separator = b"\n---\n";
        let end = rest.windows(separator.len()).position(|window| window == separator);
        let (body, others) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + separator.len()..]));
        self.0 = others;
        Some(Reply { body: body.to_vec(), ..Reply::status(status) })
    }
}

/// The first line, if it is text, and what follows it.
fn line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    Some((str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}
