//! The partner API: product overviews and listings, as the vendor documents them.

mod listing;

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::{error, json, method_not_allowed, no_content};
use crate::control::State;
use crate::world::{Customer, LICENSE_SCOPE, NeverBought};

pub(crate) use listing::{customers, page_index, subscriptions, tenants};

/// What the paths of all operations begin with.
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

/// The bearer token that a request carries (RFC 6750).
pub(crate) fn bearer(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
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

/// The customer that a path names.
fn customer<'a>(state: &'a State, id: &str) -> Result<&'a Customer, ApiError> {
    if state.world.is_out_of_scope(id) {
        return Err(OUT_OF_SCOPE);
    }
    state.world.customers.get(id).ok_or((StatusCode::NOT_FOUND, "there is no such customer"))
}

const OUT_OF_SCOPE: ApiError = (StatusCode::FORBIDDEN, "a customer is outside the app's scope");

fn seats(state: &State, request: &Request<Bytes>, customer: &str, product: &str) -> Result<Response<Bytes>, ApiError> {
    if request.uri().query().is_some() || !request.body().is_empty() {
        return Err((StatusCode::BAD_REQUEST, "an overview has neither query nor body"));
    }
    let number = match product.parse::<u32>() {
        Ok(number) if number.to_string() == product => number,
        _ => return Err((StatusCode::BAD_REQUEST, "the product type is not an integer")),
    };
    let seats = match (self::customer(state, customer)?.seats.get(&number), state.world.never_bought) {
        (Some(seats), _) => seats.clone(),
        (None, NeverBought::Zero) => 0.into(),
        (None, NeverBought::Null) => Value::Null,
        (None, NeverBought::NotApplicable) => "N/A".into(),
        (None, NeverBought::NotFound) => return Err((StatusCode::NOT_FOUND, "the customer has no such product")),
        (None, NeverBought::NoContent) => return Ok(no_content()),
    };
    let written = |value| state.world.number(value);
    let overview = json!({ "productType": written(number.into()), "purchasedUserSeat": written(seats) });
    Ok(json(StatusCode::OK, &overview))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Caller, read, send};
    use crate::{CUSTOMERS_SCOPE, Control, World};

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
    async fn a_customer_outside_the_scope_is_refused() {
        let caller = contoso().await;
        caller.sim.change(|world| world.out_of_scope.push("C1".to_owned()));
        assert_eq!(caller.overview("c1", 4).await.0, 403);
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
}
