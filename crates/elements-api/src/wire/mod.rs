//! The vendor's JSON, read strictly: what is not there is not invented.

mod subscriptions;
mod tenants;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalog::ProductType;
use crate::error::BadResponse;
use crate::excerpt::Excerpt;
use crate::listing::Page;
use crate::model::{Answer, CustomerId, ListedCustomer, Seats};
use crate::object::Object;
use crate::secret::Secret;

pub(crate) use subscriptions::subscriptions_page;
pub(crate) use tenants::tenants_page;

/// Answer of `…/avpt-products/type/{productType}/overview`.
///
/// # Errors
///
/// It is not the documented object, or it is about another product than was asked for.
pub(crate) fn overview(body: &[u8], asked: ProductType) -> Result<Answer, BadResponse> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Overview {
        product_type: Number,
        purchased_user_seat: Quantity,
    }
    let overview: Overview =
        json(body, "an object with productType and purchasedUserSeat, a whole number of 0 or more, null or \"N/A\"")?;
    if overview.product_type.0 != u64::from(asked.number()) {
        return Err(BadResponse::OtherProduct { asked: asked.number(), found: overview.product_type.0 });
    }
    Ok(overview.purchased_user_seat.0.map_or(Answer::NotApplicable, Answer::Seats))
}

/// A token and for how long it is good.
pub(crate) struct IssuedToken {
    pub(crate) token: Secret,
    pub(crate) lifetime: Duration,
}

/// What the vendor gives its tokens. The standard only recommends that the answer tells it.
const USUAL_LIFETIME: Duration = Duration::from_hours(1);

/// Answer of the token endpoint (RFC 6749, section 5.1).
pub(crate) fn token(body: &[u8]) -> Result<IssuedToken, BadResponse> {
    #[derive(Deserialize)]
    struct Issued {
        access_token: String,
        expires_in: Option<Number>,
        token_type: String,
    }
    const EXPECTED: &str =
        "an object with access_token, token_type Bearer and, if it tells it, expires_in in whole seconds";
    let Issued { access_token, expires_in, token_type } = json(body, EXPECTED)?;
    let printable = !access_token.is_empty() && access_token.bytes().all(|byte| byte.is_ascii_graphic());
    let lifetime = expires_in.map_or(USUAL_LIFETIME, |seconds| Duration::from_secs(seconds.0));
    if printable && !lifetime.is_zero() && token_type.eq_ignore_ascii_case("bearer") {
        Ok(IssuedToken { token: Secret::new(access_token), lifetime })
    } else {
        Err(BadResponse::Unreadable { line: 1, column: 1, expected: EXPECTED })
    }
}

/// The `error` of the token endpoint's answer (RFC 6749, section 5.2).
pub(crate) fn token_error(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct TokenError {
        error: String,
    }
    serde_json::from_slice(without_bom(body)).ok().map(|Object(TokenError { error })| error)
}

/// Answer of `…/customers/batch`.
pub(crate) fn customers_page(body: &[u8]) -> Result<Page<ListedCustomer>, BadResponse> {
    page(body, listed_customer)
}

/// One page of a listing, whose rows `read` reads. A row that it cannot read spoils no other.
///
/// # Errors
///
/// It is not the documented object.
fn page<R>(body: &[u8], mut read: impl FnMut(&RawValue) -> Result<R, String>) -> Result<Page<R>, BadResponse> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        /// `null` may stand for an empty list, but nothing may not.
        #[serde(borrow, deserialize_with = "Option::deserialize")]
        data: Option<Vec<&'a RawValue>>,
        metadata: Object<Metadata>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        page_index: Number,
        total_count: Number,
    }
    let body = whole_characters(body);
    let Answer { data, metadata: Object(Metadata { page_index, total_count }) } =
        json(&body, "an object with data (a list) and metadata (pageIndex, totalCount)")?;
    let (index, total) = (page_index.0, total_count.0);
    if data.is_none() && total > 0 {
        return Err(BadResponse::Listing(Excerpt::of(format_args!("the total is {total}, but the data is null"))));
    }
    let mut page = Page { rows: Vec::new(), lost: Vec::new(), index, total };
    for (number, row) in (1..).zip(data.unwrap_or_default()) {
        match read(row) {
            Ok(row) => page.rows.push(row),
            Err(problem) => page.lost.push(format!("row {number} of page {index} {problem}")),
        }
    }
    Ok(page)
}

/// # Errors
///
/// What is wrong with the row, as words that follow its name.
fn listed_customer(row: &RawValue) -> Result<ListedCustomer, String> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(default)]
        id: Value,
        #[serde(default)]
        organization: Value,
    }
    let Ok(Object(Row { id, organization })) = serde_json::from_str(row.get()) else {
        return Err("is no object".to_owned());
    };
    Ok(ListedCustomer { id: customer_id(&id)?, organization: organization.as_str().and_then(name) })
}

/// # Errors
///
/// What is wrong with it, as words that follow the row's name.
fn customer_id(id: &Value) -> Result<CustomerId, String> {
    /// More of an id that is not valid is not repeated.
    const LONGEST_SHOWN: usize = 100;
    match id {
        Value::Null => Err("has no id".to_owned()),
        Value::String(id) => CustomerId::parse(id).ok_or_else(|| {
            let shown = shown(id, LONGEST_SHOWN);
            format!("has the id {shown}, which is not valid: expected {}", CustomerId::FORM)
        }),
        _ => Err("has an id that is no text".to_owned()),
    }
}

/// What an answer says, as a message repeats it: no more than so many characters, those for control escaped.
fn shown(text: &str, most: usize) -> String {
    format!("{:?}", text.chars().take(most).collect::<String>())
}

/// A name as it is kept: of one line, without what a terminal obeys, and not too long, since there may be 100,000. `None`
/// if it is blank.
fn name(text: &str) -> Option<String> {
    const LONGEST_NAME: usize = 200;
    let breaks_lines = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let text = text[..text.floor_char_boundary(LONGEST_NAME)].replace(breaks_lines, " ");
    (!text.trim().is_empty()).then_some(text)
}

/// JSON whose strings hold no half of a surrogate pair: a character that something has cut in two costs itself alone, and
/// not the row that it stands in. The body is copied only where there is one.
fn whole_characters(body: &[u8]) -> Cow<'_, [u8]> {
    let code_unit = |at: usize| {
        let digits = body.get(at..)?.strip_prefix(br"\u")?.get(..4)?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut whole, mut at) = (Cow::Borrowed(body), 0);
    // Only a string holds a backslash, and what follows one belongs to it.
    while let Some(next) = body[at..].iter().position(|byte| *byte == b'\\') {
        at += next;
        at += match (code_unit(at), code_unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.to_mut()[at..at + 6].copy_from_slice(br"\ufffd");
                6
            }
            _ => 2.min(body.len() - at),
        };
    }
    whole
}

/// serde's own words may repeat what was found, and in a token's answer that is the token: they go no further.
fn json<'a, T: Deserialize<'a>>(body: &'a [u8], expected: &'static str) -> Result<T, BadResponse> {
    let Object(read) = serde_json::from_slice(without_bom(body)).map_err(|error| BadResponse::Unreadable {
        line: error.line(),
        column: error.column(),
        expected,
    })?;
    Ok(read)
}

/// .NET writes a byte order mark before its text where nobody tells it not to.
fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A whole number, written as a number or as a string: the vendor's table and its sample disagree. `25.0` is whole, too.
#[derive(Clone, Copy)]
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Found::Number(number) = deserializer.deserialize_any(FoundVisitor)? else {
            return Err(de::Error::custom("expected a number"));
        };
        Ok(Self(number))
    }
}

/// Seats, or `None` for a number that does not apply: `null` or `"N/A"`.
#[derive(Clone, Copy)]
struct Quantity(Option<Seats>);

impl<'de> Deserialize<'de> for Quantity {
    // `deserialize_any` and not `deserialize_option`: an `Option` would read a missing field as null.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(FoundVisitor)? {
            Found::NotApplicable => Ok(Self(None)),
            Found::Number(number) => match Seats::new(number) {
                Some(seats) => Ok(Self(Some(seats))),
                None => Err(de::Error::custom("more seats than a float can hold exactly")),
            },
        }
    }
}

enum Found {
    Number(u64),
    NotApplicable,
}

struct FoundVisitor;

impl Visitor<'_> for FoundVisitor {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 0 or more")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Found, E> {
        Ok(Found::Number(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Found, E> {
        whole(number).map(Found::Number).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Found, E> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("N/A") {
            return Ok(Found::NotApplicable);
        }
        // `parse` alone would accept a leading plus sign.
        let number = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().ok()
        } else {
            serde_json::from_str(text).ok().and_then(whole)
        };
        number.map(Found::Number).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Found, E> {
        Ok(Found::NotApplicable)
    }
}

/// `None` for a fraction, a negative number, and one so large that a float may have rounded it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only what fits exactly is converted")]
fn whole(number: f64) -> Option<u64> {
    /// 2^53.
    const INEXACT_FROM: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && (0.0..INEXACT_FROM).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &str) -> Result<Answer, BadResponse> {
        overview(body.as_bytes(), ProductType::new(2048).unwrap())
    }

    fn seats(number: u64) -> Answer {
        Answer::Seats(Seats::new(number).unwrap())
    }

    #[test]
    fn numbers_and_strings_are_both_read() {
        assert_eq!(ask(r#"{"productType": 2048, "purchasedUserSeat": 25}"#), Ok(seats(25)));
        assert_eq!(ask(r#"{"productType": "2048", "purchasedUserSeat": "25"}"#), Ok(seats(25)));
        assert_eq!(ask(r#"{"productType": 2048, "purchasedUserSeat": 0, "new": {}}"#), Ok(seats(0)));
    }

    #[test]
    fn a_whole_number_is_whole_however_it_is_written() {
        for (value, number) in [
            ("25.0", 25),
            (r#""25.0""#, 25),
            ("1e3", 1000),
            (r#""1e3""#, 1000),
            ("2.5e1", 25),
            ("0.0", 0),
            ("9007199254740991.0", 9_007_199_254_740_991),
        ] {
            assert_eq!(ask(&format!(r#"{{"productType": 2048.0, "purchasedUserSeat": {value}}}"#)), Ok(seats(number)));
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_json() {
        assert_eq!(ask("\u{feff}{\"productType\": 2048, \"purchasedUserSeat\": 25}"), Ok(seats(25)));
        let listing = "\u{feff}{\"data\": [], \"metadata\": {\"pageIndex\": 1, \"totalCount\": 0}}";
        assert!(customers_page(listing.as_bytes()).is_ok());
        assert!(token("\u{feff}{\"access_token\": \"abc\", \"token_type\": \"Bearer\"}".as_bytes()).is_ok());
        let refused = "\u{feff}{\"error\": \"invalid_client\"}";
        assert_eq!(token_error(refused.as_bytes()).as_deref(), Some("invalid_client"));
        assert!(ask("\u{feff}\u{feff}{}").is_err());
    }

    #[test]
    fn null_and_not_applicable_are_absent_and_never_zero() {
        for value in ["null", r#""N/A""#, r#""n/a""#] {
            let body = format!(r#"{{"productType": 2048, "purchasedUserSeat": {value}}}"#);
            assert_eq!(ask(&body), Ok(Answer::NotApplicable), "{value}");
        }
    }

    #[test]
    fn nothing_is_invented() {
        for value in [
            "-1",
            "-1.0",
            "2.5",
            "25e-1",
            "1e300",
            r#""""#,
            r#""-1""#,
            r#""+1""#,
            r#""2.5""#,
            r#""25.""#,
            r#""inf""#,
            r#""null""#,
            "true",
            "[]",
            "9007199254740993",
            "9007199254740993.0",
        ] {
            let body = format!(r#"{{"productType": 2048, "purchasedUserSeat": {value}}}"#);
            assert!(matches!(ask(&body), Err(BadResponse::Unreadable { .. })), "{value}");
        }
        for body in [
            "",
            "null",
            "[]",
            "25",
            r#"{"productType": 2048}"#,
            r#"{"purchasedUserSeat": 25}"#,
            r#"{"productType": null, "purchasedUserSeat": 25}"#,
            r#"{"productType": 2048, "purchasedUserSeat": 25, "purchasedUserSeat": 26}"#,
            r#"{"productType": 2048, "purchasedUserSeat": 25"#,
            r#"{"productType": 2048, "purchasedUserSeat": 25} x"#,
            "[2048, 77]",
            r#"[{"productType": 2048, "purchasedUserSeat": 25}]"#,
            "<html></html>",
        ] {
            assert!(matches!(ask(body), Err(BadResponse::Unreadable { .. })), "{body}");
        }
    }

    #[test]
    fn another_products_number_is_not_taken_for_this_one() {
        let answer = ask(r#"{"productType": 4096, "purchasedUserSeat": 25}"#);
        assert_eq!(answer, Err(BadResponse::OtherProduct { asked: 2048, found: 4096 }));
    }

    #[test]
    fn a_token_needs_its_type_and_a_lifetime_if_any_that_is_one() {
        let read = |body: &str| token(body.as_bytes()).map(|issued| issued.lifetime);
        assert_eq!(
            read(r#"{"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}"#),
            Ok(Duration::from_hours(1))
        );
        for (lifetime, seconds) in [(r#""expires_in": 3599.0,"#, 3599), (r#""expires_in": null,"#, 3600), ("", 3600)] {
            let body = format!(r#"{{"access_token": "abc", {lifetime} "token_type": "Bearer"}}"#);
            assert_eq!(read(&body), Ok(Duration::from_secs(seconds)), "{body}");
        }
        for body in [
            r#"{"access_token": "abc", "expires_in": 3600}"#,
            r#"{"access_token": "abc", "expires_in": "N/A", "token_type": "Bearer"}"#,
            r#"{"access_token": "abc", "expires_in": 0.5, "token_type": "Bearer"}"#,
            r#"{"access_token": "abc", "expires_in": -3600, "token_type": "Bearer"}"#,
            r#"{"access_token": "abc", "expires_in": 3600, "token_type": "mac"}"#,
            r#"{"access_token": "", "expires_in": 3600, "token_type": "Bearer"}"#,
            r#"{"access_token": "a\r\nb", "expires_in": 3600, "token_type": "Bearer"}"#,
            r#"{"access_token": 5, "expires_in": 3600, "token_type": "Bearer"}"#,
            r#"{"access_token": "abc", "expires_in": 0, "token_type": "Bearer"}"#,
            r#"["abc", 3600, "Bearer"]"#,
        ] {
            let error = read(body).unwrap_err();
            assert!(!error.to_string().contains("abc"), "{error}");
        }
    }

    #[test]
    fn a_page_lists_customers_and_leaves_personal_data_unread() {
        let page = customers_page(
            br#"{"data": [{"id": "a-1", "organization": "Contoso", "ownerEmail": "someone@example.com"},
                 {"id": "a-2", "organization": " "}], "metadata": {"pageIndex": 1, "pageSize": 100, "totalCount": 2}}"#,
        )
        .unwrap();
        assert_eq!((page.index, page.total), (1, 2));
        assert_eq!(page.rows[0].organization.as_deref(), Some("Contoso"));
        assert_eq!(page.rows[1].organization, None);
        assert!(!format!("{page:?}").contains("example.com"));
    }

    #[test]
    fn no_data_at_all_is_an_empty_listing_only_where_the_total_is_0() {
        let read = |data: &str, total: u32| {
            let body = format!(r#"{{{data} "metadata": {{"pageIndex": 1, "totalCount": {total}}}}}"#);
            customers_page(body.as_bytes()).map(|page| page.rows.len()).map_err(|error| error.to_string())
        };
        assert_eq!(read(r#""data": null,"#, 0), Ok(0));
        assert_eq!(read(r#""data": null,"#, 3), Err("the total is 3, but the data is null".to_owned()));
        assert!(read("", 0).is_err());
    }

    #[test]
    fn a_list_is_never_taken_for_an_object() {
        let read = |metadata: &str| {
            let body = format!(r#"{{"data": [{{"id": "a"}}, ["b", "Contoso"]], "metadata": {metadata}}}"#);
            customers_page(body.as_bytes())
        };
        let page = read(r#"{"pageIndex": 1, "totalCount": 2}"#).unwrap();
        assert_eq!((page.rows.len(), page.lost.len()), (1, 1));
        assert!(matches!(read("[1, 2]"), Err(BadResponse::Unreadable { .. })));
        assert!(customers_page(br#"[[{"id": "a"}], {"pageIndex": 1, "totalCount": 1}]"#).is_err());
        assert_eq!(token_error(br#"["invalid_client"]"#), None);
        assert_eq!(token_error(br#"{"error": "invalid_client"}"#).as_deref(), Some("invalid_client"));
    }

    #[test]
    fn a_row_that_names_no_customer_spoils_no_other() {
        let long = format!("{{\"id\": \"{}\"}}", "é".repeat(300));
        for (row, problem) in [
            ("{}", "has no id".to_owned()),
            (r#"{"id": null}"#, "has no id".to_owned()),
            (r#"{"id": 5}"#, "has an id that is no text".to_owned()),
            (r#"{"id": ""}"#, format!(r#"has the id "", which is not valid: expected {}"#, CustomerId::FORM)),
            (
                r#"{"id": "../x\n\u001b"}"#,
                format!(r#"has the id "../x\n\u{{1b}}", which is not valid: expected {}"#, CustomerId::FORM),
            ),
            (&long, format!("has the id {:?}, which is not valid: expected {}", "é".repeat(100), CustomerId::FORM)),
            ("null", "is no object".to_owned()),
            (r#""hunter2""#, "is no object".to_owned()),
        ] {
            let body =
                format!(r#"{{"data": [{{"id": "a"}}, {row}], "metadata": {{"pageIndex": 3, "totalCount": 2}}}}"#);
            let page = customers_page(body.as_bytes()).unwrap();
            assert_eq!(page.rows.len(), 1);
            assert_eq!(page.lost, [format!("row 2 of page 3 {problem}")]);
        }
    }

    #[test]
    fn half_of_a_character_costs_itself_alone() {
        let row = r#"{"id": "a", "organization": "C\ud83d \udE00\\ud800 \ud83d\ude00\ud800", "x\udfff": "\udc00"}"#;
        let page = |data: &str| format!(r#"{{"data": [{data}], "metadata": {{"pageIndex": 1, "totalCount": 1}}}}"#);
        let customers = customers_page(page(row).as_bytes()).unwrap();
        let names: Vec<_> = customers.rows.iter().map(|row| row.organization.as_deref()).collect();
        assert_eq!((names, customers.lost), (vec![Some("C\u{fffd} \u{fffd}\\ud800 \u{1f600}\u{fffd}")], Vec::new()));
        let row = r#"{"customerId": "a", "products": [{"service": "Fly\ud800", "purchasedUserSeats": "5"}]}"#;
        let subscriptions = subscriptions_page(page(row).as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(subscriptions.rows[0].subscriptions[0].purchased_user_seats, Seats::new(5));
        assert!(customers_page(br#"{"data": ["\ud8"#).is_err(), "what is cut off is no JSON");
        assert!(customers_page(b"{\"data\": [\"\\").is_err(), "what is cut off is no JSON");
    }

    #[test]
    fn a_name_is_one_short_line_or_none() {
        let organization = |json: &str| {
            let row = format!(r#"{{"id": "a", "organization": {json}}}"#);
            let body = format!(r#"{{"data": [{row}], "metadata": {{"pageIndex": 1, "totalCount": 1}}}}"#);
            customers_page(body.as_bytes()).unwrap().rows.remove(0).organization
        };
        assert_eq!(organization(r#""A\n\u0000\u0085\u2028\u001b[31mB é""#).as_deref(), Some("A    \u{20}[31mB é"));
        assert_eq!(organization(&format!("\"x{}\"", "é".repeat(10_000))).map(|name| name.len()), Some(199));
        for none in ["null", "5", r#"["A"]"#, r#"" \n""#] {
            assert_eq!(organization(none), None, "{none}");
        }
    }
}
