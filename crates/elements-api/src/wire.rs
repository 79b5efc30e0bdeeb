//! The vendor's JSON, read strictly: what is not there is not invented.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

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
        expires_in: Number,
        token_type: String,
    }
    const EXPECTED: &str = "an object with access_token, expires_in and token_type Bearer";
    let Issued { access_token, expires_in, token_type } = json(body, EXPECTED)?;
    let printable = !access_token.is_empty() && access_token.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && expires_in.0 > 0 && token_type.eq_ignore_ascii_case("bearer") {
        Ok(IssuedToken { token: Secret::new(access_token), lifetime: Duration::from_secs(expires_in.0) })
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
    serde_json::from_slice(body).ok().map(|Object(TokenError { error })| error)
}

/// One page of the customers that the credentials can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustomersPage {
    pub(crate) customers: Vec<ListedCustomer>,
    pub(crate) index: u64,
    /// Of all pages.
    pub(crate) total: u64,
}

/// Answer of `…/customers/batch`.
pub(crate) fn customers_page(body: &[u8]) -> Result<CustomersPage, BadResponse> {
    #[derive(Deserialize)]
    struct Page {
        data: Vec<Object<Entry>>,
        metadata: Object<Metadata>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        #[serde(default)]
        organization: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        page_index: Number,
        total_count: Number,
    }
    let page: Page = json(body, "an object with data (customers with an id) and metadata (pageIndex, totalCount)")?;
    let customers = page.data.into_iter().map(|Object(Entry { id, organization })| {
        let id = CustomerId::parse(&id).ok_or_else(|| {
            BadResponse::Listing(format!("the customer id {id:?} is not valid: expected {}", CustomerId::FORM))
        })?;
        let organization = organization.filter(|organization| !organization.trim().is_empty());
        Ok(ListedCustomer { id, organization })
    });
    Ok(CustomersPage {
        customers: customers.collect::<Result<_, _>>()?,
        index: page.metadata.0.page_index.0,
        total: page.metadata.0.total_count.0,
    })
}

/// serde's own words may repeat what was found, and in a token's answer that is the token: they go no further.
fn json<T: DeserializeOwned>(body: &[u8], expected: &'static str) -> Result<T, BadResponse> {
    let Object(read) = serde_json::from_slice(body).map_err(|error| BadResponse::Unreadable {
        line: error.line(),
        column: error.column(),
        expected,
    })?;
    Ok(read)
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

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Found, E> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("N/A") {
            return Ok(Found::NotApplicable);
        }
        // `parse` alone would accept a leading plus sign.
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
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
        for value in ["-1", "2.5", "1e3", r#""""#, r#""-1""#, r#""+1""#, r#""2.5""#, "true", "[]", "9007199254740993"] {
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
    fn a_token_needs_its_lifetime_and_its_type() {
        let read = |body: &str| token(body.as_bytes()).map(|issued| issued.lifetime);
        assert_eq!(
            read(r#"{"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}"#),
            Ok(Duration::from_hours(1))
        );
        for body in [
            r#"{"access_token": "abc", "expires_in": 3600}"#,
            r#"{"access_token": "abc", "token_type": "Bearer"}"#,
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
        assert_eq!(page.customers[0].organization.as_deref(), Some("Contoso"));
        assert_eq!(page.customers[1].organization, None);
        assert!(!format!("{page:?}").contains("example.com"));
    }

    #[test]
    fn a_list_is_never_taken_for_an_object() {
        let read = |data: &str, metadata: &str| {
            customers_page(format!(r#"{{"data": [{data}], "metadata": {metadata}}}"#).as_bytes())
        };
        let (entry, metadata) = (r#"{"id": "a"}"#, r#"{"pageIndex": 1, "totalCount": 1}"#);
        assert!(read(entry, metadata).is_ok());
        for (entry, metadata) in [(r#"["a", "Contoso"]"#, metadata), (entry, "[1, 1]")] {
            assert!(matches!(read(entry, metadata), Err(BadResponse::Unreadable { .. })), "{entry} {metadata}");
        }
        assert!(customers_page(br#"[[{"id": "a"}], {"pageIndex": 1, "totalCount": 1}]"#).is_err());
        assert_eq!(token_error(br#"["invalid_client"]"#), None);
        assert_eq!(token_error(br#"{"error": "invalid_client"}"#).as_deref(), Some("invalid_client"));
    }

    #[test]
    fn an_id_that_could_leave_its_place_in_a_url_spoils_the_page() {
        let body = br#"{"data": [{"id": "../x"}], "metadata": {"pageIndex": 1, "pageSize": 100, "totalCount": 1}}"#;
        assert!(matches!(customers_page(body), Err(BadResponse::Listing(_))));
    }
}
