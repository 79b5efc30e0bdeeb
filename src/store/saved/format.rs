//! How the state file is written: a line of JSON, the same bytes for the same content, and its checksum. Whatever
//! differs from it is damaged.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use elements_api::{Account, Answer, CustomerId, Excerpt, ListedCustomer, Object, ProductType, Seats};
use serde::{Deserialize, Serialize};

use super::subscriptions::{self, RawSubscribed};
use super::tenants::{self, RawTenants};
use super::{Saved, Unusable, checksum};
use crate::rfc3339;
use crate::store::{Answered, Change, Record, Target};

/// Raised with every change to the format: an exporter reads its own alone.
pub(super) const VERSION: u64 = 4;

pub(super) fn encode(to: impl Write, saved: &Saved, account: &Account) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        base_url: account.base_url.as_str().into(),
        client_id: account.client_id.as_str().into(),
        listing: saved
            .listing
            .as_ref()
            .map(|listing| listing.iter().map(|one| Object(RawCustomer::new(one, saved))).collect()),
        subscriptions: saved.subscriptions.as_deref().map(subscriptions::write),
        tenants: tenants::write(&saved.tenants),
        targets: saved.records.iter().map(|record| Object(record.into())).collect(),
        billed: saved.billed.iter().map(|target| Object(target.into())).collect(),
    };
    Ok(serde_json::to_writer(to, &document)?)
}

pub(super) fn decode(bytes: &[u8], account: &Account) -> Result<Saved, Unusable> {
    // The version comes first, and alone: what else another version holds, and whether it has a checksum, is not known
    // here.
    let mut first = serde_json::Deserializer::from_slice(bytes);
    let Object(Version { version }) = Object::deserialize(&mut first).map_err(|error| unreadable(&error))?;
    if version != VERSION {
        return Err(Unusable::OtherVersion(version));
    }
    let bytes = checksum::verified(bytes).ok_or_else(|| damaged("its checksum is not that of what it holds"))?;
    let Object(document): Object<Document<'_>> = parse(bytes)?;
    if document.base_url != account.base_url.as_str() || document.client_id != account.client_id {
        let quoted = |text: &str| Excerpt::of(format_args!("{text:?}"));
        let (base_url, client_id) = (quoted(&document.base_url), quoted(&document.client_id));
        return Err(Unusable::OtherAccount { base_url, client_id });
    }
    let (listing, added) = document.listing.map(read_listing).transpose().map_err(damaged)?.unzip();
    let records = read_targets(document.targets).map_err(damaged)?;
    let subscriptions = document.subscriptions.map(subscriptions::read).transpose().map_err(damaged)?;
    let tenants = tenants::read(document.tenants).map_err(damaged)?;
    let billed = document.billed.iter().map(|Object(raw)| target(&raw.customer, raw.product));
    let billed = billed.collect::<Result<_, _>>().map_err(damaged)?;
    let (added, subscriptions) = (added.unwrap_or_default(), subscriptions.map(Arc::new));
    Ok(Saved { listing, added, subscriptions, tenants, records, billed })
}

/// `at` as a part of a file name.
pub(super) fn stamp(at: SystemTime) -> String {
    rfc3339::seconds(at).to_string().replace(['-', ':'], "")
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    version: u64,
    base_url: Cow<'a, str>,
    client_id: Cow<'a, str>,
    #[serde(borrow)]
    listing: Option<Vec<Object<RawCustomer<'a>>>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    subscriptions: Option<Vec<Object<RawSubscribed<'a>>>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    tenants: Vec<Object<RawTenants<'a>>>,
    #[serde(borrow)]
    targets: Vec<Object<RawTarget<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    billed: Vec<Object<RawBilled<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCustomer<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    organization: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<Object<RawAdded>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdded {
    #[serde(with = "timestamp")]
    at: SystemTime,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget<'a> {
    #[serde(borrow)]
    customer: Cow<'a, str>,
    product: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<Object<RawAnswered>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seats: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Object<RawChange>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBilled<'a> {
    #[serde(borrow)]
    customer: Cow<'a, str>,
    product: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswered {
    #[serde(with = "timestamp")]
    at: SystemTime,
    answer: RawAnswer,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawAnswer {
    Seats(u64),
    NotApplicable,
    NotFound,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    #[serde(with = "timestamp")]
    at: SystemTime,
    previous: u64,
}

impl<'a> RawCustomer<'a> {
    fn new(customer: &'a ListedCustomer, saved: &Saved) -> Self {
        Self {
            id: customer.id.as_str().into(),
            organization: customer.organization.as_deref().map(Cow::from),
            added: saved.added.get(&customer.id).map(|at| Object(RawAdded { at: *at })),
        }
    }
}

impl<'a> From<(&'a Target, &'a Record)> for RawTarget<'a> {
    fn from((target, record): (&'a Target, &'a Record)) -> Self {
        Self {
            customer: target.customer.as_str().into(),
            product: target.product.number(),
            answered: record
                .answer
                .map(|Answered { answer, at, .. }| Object(RawAnswered { at, answer: answer.into() })),
            last_seats: record.last_seats.map(Seats::get),
            change: record.change.map(|Change { previous, at }| Object(RawChange { at, previous: previous.get() })),
        }
    }
}

impl<'a> From<&'a Target> for RawBilled<'a> {
    fn from(target: &'a Target) -> Self {
        Self { customer: target.customer.as_str().into(), product: target.product.number() }
    }
}

impl From<Answer> for RawAnswer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Seats(seats) => Self::Seats(seats.get()),
            Answer::NotApplicable => Self::NotApplicable,
            Answer::NotFound => Self::NotFound,
        }
    }
}

/// What no exporter would have written. Nothing of the file's text is in it, which may be anything.
pub(super) type Flaw = &'static str;

type Listing = (Arc<[ListedCustomer]>, BTreeMap<CustomerId, SystemTime>);

fn read_listing(listing: Vec<Object<RawCustomer<'_>>>) -> Result<Listing, Flaw> {
    let mut seen = HashSet::new();
    let mut added = BTreeMap::new();
    let customers = listing.into_iter().map(|Object(RawCustomer { id, organization, added: raw })| {
        let id = customer_id(&id)?;
        if !seen.insert(id.clone()) {
            return Err("it lists a customer twice");
        }
        if let Some(Object(RawAdded { at })) = raw {
            added.insert(id.clone(), at);
        }
        Ok(ListedCustomer { id, organization: organization.map(Cow::into_owned) })
    });
    let customers = customers.collect::<Result<_, _>>()?;
    Ok((customers, added))
}

fn read_targets(targets: Vec<Object<RawTarget<'_>>>) -> Result<BTreeMap<Target, Record>, Flaw> {
    let mut records = BTreeMap::new();
    for Object(raw) in targets {
        let (target, record) = read_target(raw)?;
        if records.insert(target, record).is_some() {
            return Err("it holds a target twice");
        }
    }
    Ok(records)
}

fn read_target(raw: RawTarget<'_>) -> Result<(Target, Record), Flaw> {
    let RawTarget { customer, product, answered, last_seats, change } = raw;
    let target = target(&customer, product)?;
    let last_seats = last_seats.map(seats).transpose()?;
    let answer = match answered {
        Some(Object(RawAnswered { at, answer })) => Some(Answered { at, came: None, answer: read_answer(answer)? }),
        None => None,
    };
    let change = match change {
        Some(Object(RawChange { at, previous })) => Some(Change { at, previous: seats(previous)? }),
        None => None,
    };
    if answer.and_then(|answered| answered.answer.seats()).is_some_and(|answered| last_seats != Some(answered)) {
        return Err("it holds an answer that is not the last number");
    }
    if change.is_some_and(|change| last_seats.is_none_or(|last| last == change.previous)) {
        return Err("it holds a change that changed nothing");
    }
    Ok((target, Record { answer, last_seats, change, failure: None }))
}

fn target(customer: &str, product: u32) -> Result<Target, Flaw> {
    let product = ProductType::new(product).ok_or("it holds a product 0")?;
    Ok(Target { customer: customer_id(customer)?, product })
}

fn read_answer(raw: RawAnswer) -> Result<Answer, Flaw> {
    Ok(match raw {
        RawAnswer::Seats(number) => Answer::Seats(seats(number)?),
        RawAnswer::NotApplicable => Answer::NotApplicable,
        RawAnswer::NotFound => Answer::NotFound,
    })
}

pub(super) fn customer_id(text: &str) -> Result<CustomerId, Flaw> {
    CustomerId::parse(text).ok_or("it holds a customer id that is none")
}

pub(super) fn seats(number: u64) -> Result<Seats, Flaw> {
    Seats::new(number).ok_or("it holds a number of seats that is too large")
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unusable> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Unusable {
    let (line, column) = (error.line(), error.column());
    Unusable::Damaged(format!("at line {line} column {column} it is not what an exporter writes"))
}

fn damaged(flaw: Flaw) -> Unusable {
    Unusable::Damaged(flaw.to_owned())
}

/// RFC 3339 with nanoseconds: readable, and exact, so that no timestamp that is served moves at a restart.
pub(super) mod timestamp {
    use std::borrow::Cow;
    use std::time::SystemTime;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::rfc3339;

    pub(in super::super) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&rfc3339::nanos(*at))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::saved::checksum::Summed;

    const GOOD: &str = r#"{"version":4,"base_url":"https://api.example/","client_id":"app","listing":[
        {"id":"a","organization":"Contoso","added":{"at":"2026-11-20T15:30:00Z"}},{"id":"b","organization":null}],"targets":[
        {"customer":"a","product":1,"answered":{"at":"2026-11-22T15:30:00.000000001Z","answer":{"seats":5}},
         "last_seats":5,"change":{"at":"2026-11-21T15:30:00Z","previous":4}},
        {"customer":"a","product":4,"answered":{"at":"2026-11-22T15:30:00Z","answer":"not_found"}}]}"#;

    fn account() -> Account {
        Account { base_url: "https://api.example".parse().unwrap(), client_id: "app".to_owned() }
    }

    /// With the checksum of it, whatever it is.
    fn summed(text: impl AsRef<[u8]>) -> Vec<u8> {
        let mut to = Summed::new(Vec::new(), u64::MAX);
        to.write_all(text.as_ref()).unwrap();
        to.finish().unwrap()
    }

    fn refusal(text: impl AsRef<[u8]>) -> String {
        decode(&summed(text), &account()).unwrap_err().to_string()
    }

    #[test]
    fn the_documented_form_is_read_and_written_again() {
        let saved = decode(&summed(GOOD), &account()).unwrap();
        assert_eq!(saved.listing.as_ref().unwrap().len(), 2);
        assert_eq!((saved.added.len(), saved.records.len()), (1, 2));
        let mut written = Vec::new();
        encode(&mut written, &saved, &account()).unwrap();
        assert_eq!(decode(&summed(&written), &account()).unwrap(), saved);
        let exact = r#"{"at":"2026-11-22T15:30:00.000000001Z","answer":{"seats":5}}"#;
        assert!(String::from_utf8(written).unwrap().contains(exact));
    }

    #[test]
    fn what_an_exporter_would_not_write_is_damaged() {
        let swaps = [
            (r#""product":1"#, r#""product":0"#),
            (r#""product":1"#, r#""product":4"#),
            (r#""product":1"#, r#""product":1,"product":1"#),
            (r#""customer":"a","product":4"#, r#""customer":"A","product":1"#),
            (r#""customer":"a""#, r#""customer":"../a""#),
            (r#""customer":"a""#, r#""customer":"a","extra":1"#),
            (r#""id":"b""#, r#""id":"A""#),
            (r#""id":"b""#, r#""id":".""#),
            (r#""last_seats":5"#, r#""last_seats":-5"#),
            (r#""last_seats":5"#, r#""last_seats":NaN"#),
            (r#""last_seats":5"#, r#""last_seats":5.5"#),
            (r#""last_seats":5"#, r#""last_seats":6"#),
            (r#""last_seats":5"#, r#""last_seats":9007199254740993"#),
            (r#""previous":4"#, r#""previous":5"#),
            (r#""not_found""#, r#""lost""#),
            (r#""not_found""#, r#"{"seats":7}"#),
            ("2026-11-21T15:30:00Z", "2026-13-21T15:30:00Z"),
            ("2026-11-21T15:30:00Z", "1969-12-31T23:59:59Z"),
            ("2026-11-21T15:30:00Z", "yesterday"),
            (r#"{"at":"2026-11-20T15:30:00Z"}"#, r#"["2026-11-20T15:30:00Z"]"#),
            (r#""version":4,"#, ""),
            (r#""version":4"#, r#""version":-1"#),
            ("Contoso", r"\ud800"),
            // serde alone would take the values of a list for the fields in their order.
            (r#"{"id":"b","organization":null}"#, r#"["b",null]"#),
            (r#"{"at":"2026-11-21T15:30:00Z","previous":4}"#, r#"["2026-11-21T15:30:00Z",4]"#),
            (r#"{"at":"2026-11-22T15:30:00Z","answer":"not_found"}"#, r#"["2026-11-22T15:30:00Z","not_found"]"#),
            (r#"{"customer":"a","product":4,"#, r#"["a",4],{"customer":"a","product":5,"#),
        ];
        for (from, to) in swaps {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from} is in the good file");
            assert!(refusal(&text).starts_with("is damaged"), "{from} -> {to}");
        }
    }

    #[test]
    fn every_truncation_is_damaged() {
        for end in 0..GOOD.len() {
            assert!(refusal(&GOOD[..end]).starts_with("is damaged"), "cut at {end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = summed(GOOD);
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, &account()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn hostile_bytes_are_damaged() {
        let nested = GOOD.replace("null", &"[".repeat(1_000_000));
        for bytes in [nested.as_bytes(), b"\xff\xfe", &[0; 4096], GOOD.replace("Contoso", "\0").as_bytes()] {
            assert!(refusal(bytes).starts_with("is damaged"));
        }
        let not_utf8 = GOOD.bytes().map(|byte| if byte == b'C' { 0xff } else { byte }).collect::<Vec<_>>();
        assert!(refusal(not_utf8).starts_with("is damaged"));
    }

    #[test]
    fn nothing_of_a_damaged_file_is_repeated() {
        for text in [GOOD.replace("not_found", "hunter2"), GOOD.replace("\"a\"", "\"hunter 2\"")] {
            assert!(!refusal(text).contains("hunter"));
        }
    }

    #[test]
    fn another_version_is_told_from_damage_whatever_else_it_holds() {
        let message = refusal(r#"{"version":5,"shards":[{"a":[]}]}"#);
        assert_eq!(message, "is of another version (its format is 5, and this exporter's 4)");
    }

    #[test]
    fn another_account_is_named() {
        let message = refusal(GOOD.replace("app", "other\u{202e}"));
        assert_eq!(message, r#"is of another account (client id "other\u{202e}" at "https://api.example/")"#);
        assert!(refusal(GOOD.replace("api.example", "api.test")).starts_with("is of another account"));
        assert!(refusal(GOOD.replace("app", &"a".repeat(1 << 20))).len() < 1000, "however much it holds");
    }

    #[test]
    fn times_that_the_format_does_not_have_are_moved_into_it() {
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(stamp(epoch - Duration::from_secs(1)), "19700101T000000Z");
        assert_eq!(stamp(epoch + Duration::from_secs(1 << 40)), "99991231T235959Z");
    }
}
