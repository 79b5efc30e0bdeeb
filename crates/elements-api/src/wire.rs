//! The vendor's JSON, read strictly: what is not there is not invented.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::catalog::ProductType;
use crate::error::BadResponse;
use crate::model::{Answer, CustomerId, ListedCustomer, Seats};
use crate::object::Object;
use crate::secret::Secret;

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

/// Answer of the token endpoint (RFC 6749, section 5.1).
pub(crate) fn token(body: &[u8]) -> Result<IssuedToken, BadResponse> {
    #[derive(Deserialize)]
    struct Issued {
        access_token: String,
        #[serde(default)]
        expires_in: Option<Number>,
        token_type: String,
    }
    const EXPECTED: &str = "an object with access_token, expires_in and token_type Bearer";
    let Issued { access_token, expires_in, token_type } = json(body, EXPECTED)?;
    let printable = !access_token.is_empty() && access_token.bytes().all(|byte| byte.is_ascii_graphic());
    // RFC 6749 leaves it to the server to say it here; an hour is what this one's documents say.
    let lifetime = expires_in.map_or(3600, |Number(seconds)| seconds);
    if printable && lifetime > 0 && token_type.eq_ignore_ascii_case("bearer") {
        Ok(IssuedToken { token: Secret::new(access_token), lifetime: Duration::from_secs(lifetime) })
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

/// One page of the customers that the credentials can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustomersPage {
    /// What each row has; an error says why a row names no customer.
    pub(crate) rows: Vec<Result<ListedCustomer, String>>,
    pub(crate) index: u64,
    /// Of all pages.
    pub(crate) total: u64,
}

/// Answer of `…/customers/batch`.
pub(crate) fn customers_page(body: &[u8]) -> Result<CustomersPage, BadResponse> {
    #[derive(Deserialize)]
    struct Page {
        // Named, so that a missing field is no null.
        #[serde(deserialize_with = "Option::deserialize")]
        data: Option<Vec<Row<Entry>>>,
        metadata: Object<Metadata>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        id: Text,
        #[serde(default)]
        organization: Text,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        page_index: Number,
        total_count: Number,
    }
    const EXPECTED: &str = "an object with data (customers with an id) and metadata (pageIndex, totalCount)";
    let Page { data, metadata: Object(Metadata { page_index, total_count }) } = json(body, EXPECTED)?;
    if data.is_none() && total_count.0 > 0 {
        let total = total_count.0;
        return Err(BadResponse::Listing(format!("the total is {total}, but data is null")));
    }
    let rows = data.unwrap_or_default().into_iter().map(|Row(entry)| {
        let Some(Entry { id: Text(id), organization: Text(organization) }) = entry else {
            return Err("a row is no object".to_owned());
        };
        let id = id.ok_or("a row has no id that is text")?;
        let id = CustomerId::parse(&id).ok_or_else(|| {
            format!("the customer id {:?} is not valid: expected {}", cut(&id, MOST_REPEATED), CustomerId::FORM)
        })?;
        let organization = organization.filter(|organization| !organization.trim().is_empty());
        Ok(ListedCustomer { id, organization: organization.map(|name| cut(&name, LONGEST_NAME).to_owned()) })
    });
    Ok(CustomersPage { rows: rows.collect(), index: page_index.0, total: total_count.0 })
}

/// A longer name of an organization is cut: a hundred thousand of them are kept.
const LONGEST_NAME: usize = 200;

/// So much of what was found stands in an error at most.
const MOST_REPEATED: usize = 100;

/// At most so many bytes of `text`, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// serde's own words may repeat what was found, and in a token's answer that is the token: they go no further.
fn json<T: DeserializeOwned>(body: &[u8], expected: &'static str) -> Result<T, BadResponse> {
    let Object(read) = serde_json::from_slice(without_bom(body)).map_err(|error| BadResponse::Unreadable {
        line: error.line(),
        column: error.column(),
        expected,
    })?;
    Ok(read)
}

/// Some servers write a byte order mark before their JSON.
fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// An entry of a list that is read from an object, or `None` for anything else.
struct Row<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor(PhantomData)).map(Self)
    }
}

struct RowVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RowVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        IgnoredAny::deserialize(SeqAccessDeserializer::new(list)).map(|_| None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

/// A field's text, or `None` where it is anything else.
#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Found {
            Text(String),
            Other(IgnoredAny),
        }
        Ok(match Found::deserialize(deserializer)? {
            Found::Text(text) => Self(Some(text)),
            Found::Other(_) => Self(None),
        })
    }
}

/// A whole number, written as a number or as a string: the vendor's table and its sample disagree.
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

/// `number` as what it is, unless it has a fraction, is negative, or is so large that its neighbours are missing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
fn whole(number: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && (0.0..=LARGEST).contains(&number)).then_some(number as u64)
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

    /// 25.0 is whole.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Found, E> {
        whole(number).map(Found::Number).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Found, E> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("N/A") {
            return Ok(Found::NotApplicable);
        }
        // `parse` alone would accept a leading plus sign.
        let digits = text.split_once('.').map_or(text, |(digits, zeros)| {
            if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') { digits } else { text }
        });
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        number.map(Found::Number).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Found, E> {
        Ok(Found::NotApplicable)
    }
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
        for whole in ["25.0", "2.5e1", r#""25.00""#, r#"" 25 ""#] {
            let body = format!(r#"{{"productType": 2048.0, "purchasedUserSeat": {whole}}}"#);
            assert_eq!(ask(&body), Ok(seats(25)), "{whole}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_json() {
        let marked = |body: &str| format!("\u{feff}{body}").into_bytes();
        let answer = overview(&marked(r#"{"productType": 4, "purchasedUserSeat": 1}"#), ProductType::new(4).unwrap());
        assert_eq!(answer, Ok(seats(1)));
        assert!(token(&marked(r#"{"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}"#)).is_ok());
        assert_eq!(token_error(&marked(r#"{"error": "invalid_scope"}"#)).as_deref(), Some("invalid_scope"));
        assert!(customers_page(&marked(r#"{"data": [], "metadata": {"pageIndex": 1, "totalCount": 0}}"#)).is_ok());
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
            "1e300",
            r#""25.""#,
            r#"".0""#,
            r#""""#,
            r#""-1""#,
            r#""+1""#,
            r#""2.5""#,
            "true",
            "[]",
            "9007199254740993",
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
    fn a_token_needs_its_type_and_may_say_how_long_it_is_good() {
        let read = |body: &str| token(body.as_bytes()).map(|issued| issued.lifetime);
        assert_eq!(
            read(r#"{"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}"#),
            Ok(Duration::from_hours(1))
        );
        for (expires_in, seconds) in [(r#""expires_in": 3599.0,"#, 3599), ("", 3600), (r#""expires_in": null,"#, 3600)]
        {
            let body = format!(r#"{{"access_token": "abc", {expires_in} "token_type": "Bearer"}}"#);
            assert_eq!(read(&body), Ok(Duration::from_secs(seconds)), "{expires_in}");
        }
        for body in [
            r#"{"access_token": "abc", "expires_in": 3600}"#,
            r#"{"access_token": "abc", "expires_in": "soon", "token_type": "Bearer"}"#,
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
        let organizations = page.rows.iter().map(|row| row.as_ref().unwrap().organization.as_deref());
        assert_eq!(organizations.collect::<Vec<_>>(), [Some("Contoso"), None]);
        assert!(!format!("{page:?}").contains("example.com"));
    }

    #[test]
    fn a_list_is_never_taken_for_an_object() {
        let read = |data: &str, metadata: &str| {
            customers_page(format!(r#"{{"data": [{data}], "metadata": {metadata}}}"#).as_bytes())
        };
        let (entry, metadata) = (r#"{"id": "a"}"#, r#"{"pageIndex": 1, "totalCount": 1}"#);
        assert!(read(entry, metadata).unwrap().rows[0].is_ok());
        assert!(read(r#"["a", "Contoso"]"#, metadata).unwrap().rows[0].is_err());
        assert!(matches!(read(entry, "[1, 1]"), Err(BadResponse::Unreadable { .. })));
        assert!(customers_page(br#"[[{"id": "a"}], {"pageIndex": 1, "totalCount": 1}]"#).is_err());
        assert_eq!(token_error(br#"["invalid_client"]"#), None);
        assert_eq!(token_error(br#"{"error": "invalid_client"}"#).as_deref(), Some("invalid_client"));
    }

    #[test]
    fn null_instead_of_data_is_an_empty_page_if_the_total_says_so() {
        let read = |data: &str, total: u64| {
            customers_page(format!(r#"{{{data} "metadata": {{"pageIndex": 1, "totalCount": {total}}}}}"#).as_bytes())
        };
        assert_eq!(read(r#""data": null,"#, 0).unwrap().rows, []);
        assert_eq!(read(r#""data": null,"#, 3).unwrap_err().to_string(), "the total is 3, but data is null");
        assert!(matches!(read("", 0), Err(BadResponse::Unreadable { .. })), "what is missing is no null");
    }

    #[test]
    fn a_row_without_a_usable_id_costs_itself_alone() {
        let long = format!(r#"{{"id": "{}"}}"#, "\\u001b".repeat(50_000));
        for row in [
            "null",
            "5",
            "-5",
            "0.5",
            "true",
            r#""a""#,
            r#"[{"id": "a"}]"#,
            "{}",
            r#"{"id": null}"#,
            r#"{"id": 7}"#,
            r#"{"id": ""}"#,
            r#"{"id": "../x"}"#,
            r#"{"id": {"id": "a"}}"#,
            &long,
        ] {
            let body = format!(
                r#"{{"data": [{{"id": "a", "organization": 5}}, {row}, {{"id": "b"}}], "metadata": {{"pageIndex": 1, "totalCount": 3}}}}"#
            );
            let rows = customers_page(body.as_bytes()).unwrap().rows;
            assert_eq!(rows.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{row}");
            assert!(rows[1].as_ref().unwrap_err().len() < 1_000, "{row}");
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let body = format!(
            r#"{{"data": [{{"id": "a", "organization": "x{}"}}], "metadata": {{"pageIndex": 1, "totalCount": 1}}}}"#,
            "é".repeat(10_000)
        );
        let rows = customers_page(body.as_bytes()).unwrap().rows;
        assert_eq!(rows[0].as_ref().unwrap().organization.as_ref().unwrap().len(), 199);
    }
}
