//! The partner API: product overviews and the customer listing, as the vendor documents them.

use std::collections::HashSet;

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::form_urlencoded;

use crate::answer::{error, json, method_not_allowed, no_content};
use crate::control::State;
use crate::world::{CUSTOMERS_SCOPE, Customer, LICENSE_SCOPE, NeverBought};

/// What the paths of both operations begin with.
pub(crate) const CUSTOMERS_PATH: &str = "/partner/external/v3/general/customers/";

/// Answers how many seats a customer has purchased of a product.
pub(crate) fn overview(state: &State, request: &Request<Bytes>, customer: &str, product: &str) -> Response<Bytes> {
    if request.method() != Method::GET {
        return method_not_allowed("GET");
    }
    authorize(state, request, LICENSE_SCOPE)
        .and_then(|()| seats(state, request, customer, product))
        .unwrap_or_else(|(status, why)| error(status, why))
}

/// Answers one page of the customers.
pub(crate) fn customers(state: &State, request: &Request<Bytes>) -> Response<Bytes> {
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    authorize(state, request, CUSTOMERS_SCOPE)
        .and_then(|()| page(state, request))
        .unwrap_or_else(|(status, why)| error(status, why))
}

/// The bearer token that a request carries (RFC 6750).
pub(crate) fn bearer(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The page that a request asks for, if that is clear.
pub(crate) fn page_index(request: &Request<Bytes>) -> Option<usize> {
    Paging::of(request).ok().map(|paging| paging.index)
}

/// A status, and why.
type ApiError = (StatusCode, &'static str);

fn authorize(state: &State, request: &Request<Bytes>, scope: &str) -> Result<(), ApiError> {
    let token = bearer(request).and_then(|text| state.tokens.get(text)).filter(|token| token.expires > Instant::now());
    match token {
        None => Err((StatusCode::UNAUTHORIZED, "the token is missing, unknown or expired")),
        Some(token) if !token.scopes.contains(&scope) => {
            Err((StatusCode::FORBIDDEN, "the token lacks the permission for this"))
        }
        Some(_) => Ok(()),
    }
}

fn seats(state: &State, request: &Request<Bytes>, customer: &str, product: &str) -> Result<Response<Bytes>, ApiError> {
    if request.uri().query().is_some() || !request.body().is_empty() {
        return Err((StatusCode::BAD_REQUEST, "an overview has neither query nor body"));
    }
    let number = match product.parse::<u32>() {
        Ok(number) if number.to_string() == product => number,
        _ => return Err((StatusCode::BAD_REQUEST, "the product type is not an integer")),
    };
    let customer = state.world.customers.get(customer).ok_or((StatusCode::NOT_FOUND, "there is no such customer"))?;
    let seats = match (customer.seats.get(&number), state.world.never_bought) {
        (Some(seats), _) => seats.clone(),
        (None, NeverBought::Zero) => 0.into(),
        (None, NeverBought::Null) => Value::Null,
        (None, NeverBought::NotApplicable) => "N/A".into(),
        (None, NeverBought::NotFound) => return Err((StatusCode::NOT_FOUND, "the customer has no such product")),
        (None, NeverBought::NoContent) => return Ok(no_content()),
    };
    let written = |value: Value| match value {
        Value::Number(number) if state.world.numbers_as_text => Value::String(number.to_string()),
        other => other,
    };
    let overview = json!({ "productType": written(number.into()), "purchasedUserSeat": written(seats) });
    Ok(json(StatusCode::OK, &overview))
}

#[derive(Debug, Clone, Copy)]
struct Paging {
    index: usize,
    size: usize,
}

impl Paging {
    const DEFAULT_SIZE: usize = 50;
    const MAX_SIZE: usize = 100;

    fn of(request: &Request<Bytes>) -> Result<Self, &'static str> {
        let (mut index, mut size) = (None, None);
        for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
            let number = value.parse().map_err(|_| "a query parameter is not an integer")?;
            let known = match &*name {
                "pageIndex" => &mut index,
                "pageSize" => &mut size,
                _ => return Err("a query parameter is unknown"),
            };
            if known.replace(number).is_some() {
                return Err("a query parameter is repeated");
            }
        }
        let paging = Self { index: index.unwrap_or(1), size: size.unwrap_or(Self::DEFAULT_SIZE) };
        match paging {
            Self { index: 0, .. } => Err("pageIndex begins at 1"),
            Self { size: 1..=Self::MAX_SIZE, .. } => Ok(paging),
            _ => Err("pageSize is not between 1 and 100"),
        }
    }
}

/// The ids that are asked for, in lower case; `None` for all.
fn filter(request: &Request<Bytes>) -> Result<Option<HashSet<String>>, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Filter {
        customer_ids: Option<Vec<String>>,
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err("the content type is not application/json");
    }
    let filter: Filter = serde_json::from_slice(request.body()).map_err(|_| "the body is not as documented")?;
    Ok(filter.customer_ids.map(|ids| ids.iter().map(|id| id.to_ascii_lowercase()).collect()))
}

fn page(state: &State, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let bad_request = |why| (StatusCode::BAD_REQUEST, why);
    let Paging { index, size } = Paging::of(request).map_err(bad_request)?;
    let ids = filter(request).map_err(bad_request)?;
    let wanted = |customer: &&Customer| ids.as_ref().is_none_or(|ids| ids.contains(&customer.id.to_ascii_lowercase()));
    let matching: Vec<_> = state.world.customers.iter().filter(wanted).collect();
    let data: Vec<_> =
        matching.iter().skip((index - 1).saturating_mul(size)).take(size).map(|one| entry(one)).collect();
    let page = json!({
        "data": data,
        "metadata": { "pageIndex": index, "pageSize": size, "totalCount": matching.len() },
    });
    Ok(json(StatusCode::OK, &page))
}

fn entry(customer: &Customer) -> Value {
    json!({
        "id": customer.id,
        "organization": customer.organization,
        "ownerEmail": customer.owner_email,
        "jobStatus": 1,
        "countryOrRegion": "Germany",
        "managementMode": 1,
        "tenants": [{ "id": customer.id, "name": customer.organization }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Caller, read, send};
    use crate::{Control, World};

    async fn contoso() -> Caller {
        let contoso = Customer::new("c1", "Contoso").product(4, 25).product(32, Value::Null).product(40, "N/A");
        Caller::new(World::with([contoso])).await
    }

    fn expire_tokens(control: &Control) {
        control.change(|world| world.token_lifetime = std::time::Duration::ZERO);
    }

    #[tokio::test]
    async fn an_overview_has_the_seats() {
        let caller = contoso().await;
        assert_eq!(caller.overview("C1", 4).await, (200, json!({ "productType": 4, "purchasedUserSeat": 25 })));
        assert_eq!(caller.overview("c1", 32).await.1["purchasedUserSeat"], Value::Null);
        assert_eq!(caller.overview("c1", 40).await.1["purchasedUserSeat"], "N/A");
        assert_eq!(caller.overview("c2", 4).await.0, 404);
    }

    #[tokio::test]
    async fn what_was_never_bought_is_answered_in_one_of_the_ways_that_the_vendor_leaves_open() {
        let caller = contoso().await;
        let seats = |seats: Value| json!({ "productType": 41, "purchasedUserSeat": seats });
        assert_eq!(caller.overview("c1", 41).await, (200, seats(json!(0))), "as the live API was seen to do");
        for (never_bought, status, body) in [
            (NeverBought::NotFound, 404, json!({ "message": "the customer has no such product" })),
            (NeverBought::Null, 200, seats(Value::Null)),
            (NeverBought::NotApplicable, 200, seats(json!("N/A"))),
            (NeverBought::NoContent, 204, Value::Null),
        ] {
            caller.sim.change(|world| world.never_bought = never_bought);
            assert_eq!(caller.overview("c1", 41).await, (status, body), "{never_bought:?}");
            assert_eq!(caller.overview("c2", 41).await.0, 404, "there is no such customer");
            assert_eq!(caller.overview("c1", 4).await.1["purchasedUserSeat"], 25, "this one was bought");
        }
    }

    #[tokio::test]
    async fn changes_are_in_the_next_answer() {
        let caller = contoso().await;
        caller.sim.set_seats("c1", 4, 26);
        assert_eq!(caller.overview("c1", 4).await.1["purchasedUserSeat"], 26);
        caller.sim.remove_product("c1", 4);
        assert_eq!(caller.overview("c1", 4).await.1["purchasedUserSeat"], 0);
        caller.sim.change(|world| world.customers.insert(Customer::new("c2", "Fabrikam").product(4, 7)));
        caller.sim.change(|world| world.numbers_as_text = true);
        assert_eq!(caller.overview("c2", 4).await, (200, json!({ "productType": "4", "purchasedUserSeat": "7" })));
    }

    #[tokio::test]
    async fn an_overview_is_asked_for_exactly_as_documented() {
        let caller = contoso().await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let path = |end: &str| caller.url(&format!("{CUSTOMERS_PATH}c1/avpt-products/type/{end}"));
        let status = async |request: reqwest::RequestBuilder| read(request.bearer_auth(&token)).await.0;
        assert_eq!(status(caller.http.get(path("4/overview"))).await, 200);
        let as_documented = caller.http.get(path("4/overview")).header("content-type", "application/json");
        assert_eq!(status(as_documented).await, 200);
        assert_eq!(status(caller.http.get(path("4/overview?a=b"))).await, 400);
        assert_eq!(status(caller.http.get(path("4/overview")).body("{}")).await, 400);
        assert_eq!(status(caller.http.get(path("04/overview"))).await, 400);
        assert_eq!(status(caller.http.get(path("Fly/overview"))).await, 400);
        assert_eq!(status(caller.http.get(path("4/overview/"))).await, 404);
        assert_eq!(status(caller.http.post(path("4/overview"))).await, 405);
    }

    #[tokio::test]
    async fn a_token_must_be_known_and_alive_and_permit_the_request() {
        let caller = contoso().await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let status = async |token: &str| send(caller.get_overview(token, "c1", 4)).await.status().as_u16();
        assert_eq!(status(&token).await, 200);
        assert_eq!(status("unknown").await, 401);
        assert_eq!(status(&caller.token_for(CUSTOMERS_SCOPE).await).await, 403);
        let bare = caller.get_overview(&token, "c1", 4).build().expect("a request").url().clone();
        assert_eq!(send(caller.http.get(bare.clone())).await.status(), 401);
        assert_eq!(send(caller.http.get(bare).header("authorization", &token)).await.status(), 401);
        caller.sim.revoke_tokens();
        assert_eq!(status(&token).await, 401);
        expire_tokens(&caller.sim);
        assert_eq!(status(&caller.token_for(LICENSE_SCOPE).await).await, 401);
    }

    #[tokio::test]
    async fn customers_come_in_pages() {
        let caller = Caller::new(World::sized(120, &[])).await;
        let token = caller.token_for(CUSTOMERS_SCOPE).await;
        let page = async |query: &str| {
            let (status, body) = read(caller.post_batch(&token, query)).await;
            assert_eq!(status, 200, "{query}: {body}");
            let first = body["data"][0]["organization"].as_str().unwrap_or_default().to_owned();
            (body["data"].as_array().expect("a list").len(), first, body["metadata"].clone())
        };
        let metadata = |index, size| json!({ "pageIndex": index, "pageSize": size, "totalCount": 120 });
        assert_eq!(page("").await, (50, "Customer 1".to_owned(), metadata(1, 50)));
        assert_eq!(page("?pageIndex=3").await, (20, "Customer 101".to_owned(), metadata(3, 50)));
        assert_eq!(page("?pageIndex=2&pageSize=100").await, (20, "Customer 101".to_owned(), metadata(2, 100)));
        assert_eq!(page("?pageIndex=99").await, (0, String::new(), metadata(99, 50)));
    }

    #[tokio::test]
    async fn a_customer_is_listed_as_documented() {
        let caller = contoso().await;
        let token = caller.token_for(CUSTOMERS_SCOPE).await;
        let asked = |ids: &str| caller.post_batch(&token, "").body(format!("{{\"customerIds\": [{ids}]}}"));
        let (_, body) = read(asked("\"C1\"")).await;
        let contoso = json!({
            "id": "c1", "organization": "Contoso", "ownerEmail": "owner@example.com", "jobStatus": 1,
            "countryOrRegion": "Germany", "managementMode": 1, "tenants": [{ "id": "c1", "name": "Contoso" }],
        });
        assert_eq!(body["data"], json!([contoso]));
        assert_eq!(read(asked("\"c2\"")).await.1["data"], json!([]));
    }

    #[tokio::test]
    async fn a_listing_is_asked_for_exactly_as_documented() {
        let caller = contoso().await;
        let token = caller.token_for(CUSTOMERS_SCOPE).await;
        for query in [
            "?pageSize=101",
            "?pageSize=0",
            "?pageIndex=0",
            "?pageIndex=-1",
            "?pageIndex=x",
            "?page=1",
            "?pageSize=1&pageSize=2",
        ] {
            assert_eq!(read(caller.post_batch(&token, query)).await.0, 400, "{query}");
        }
        for body in ["", "[]", "{\"customerId\": \"c1\"}", "{\"customerIds\": \"c1\"}"] {
            assert_eq!(read(caller.post_batch(&token, "").body(body)).await.0, 400, "{body}");
        }
        let url = caller.url(&format!("{CUSTOMERS_PATH}batch"));
        let post = || caller.http.post(&url).bearer_auth(&token).body("{}");
        assert_eq!(read(post()).await.0, 400, "no content type");
        assert_eq!(read(post().header("content-type", "text/plain")).await.0, 400, "another content type");
        assert_eq!(read(caller.http.get(&url).bearer_auth(&token)).await.0, 405);
        assert_eq!(read(caller.post_batch("unknown", "")).await.0, 401);
        assert_eq!(read(caller.post_batch(&caller.token_for(LICENSE_SCOPE).await, "")).await.0, 403);
    }
}
