//! The listings of customers, of their subscriptions and of their tenants, page by page.

use std::collections::HashSet;

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{ApiError, OUT_OF_SCOPE, authorize, customer};
use crate::answer::{error, json, method_not_allowed};
use crate::control::State;
use crate::tenant::Platform;
use crate::world::{CUSTOMERS_SCOPE, Customer, LICENSE_SCOPE};

/// Answers one page of the customers.
pub(crate) fn customers(state: &State, request: &Request<Bytes>) -> Response<Bytes> {
    listing(state, request, CUSTOMERS_SCOPE, |paging| {
        let customers = wanted(state, request)?;
        Ok(paging.answer(&customers, |one| entry(one)))
    })
}

/// Answers one page of the customers' subscriptions.
pub(crate) fn subscriptions(state: &State, request: &Request<Bytes>) -> Response<Bytes> {
    let world = &state.world;
    listing(state, request, LICENSE_SCOPE, |paging| {
        let mut customers = wanted(state, request)?;
        customers.retain(|one| !world.omits_unsubscribed || !one.products(world).is_empty());
        Ok(paging.answer(&customers, |one| {
            json!({
                "customerId": one.id,
                "organization": one.organization,
                "customer": one.owner_email,
                "products": one.products(world),
            })
        }))
    })
}

/// Answers one page of a customer's tenants on a platform.
pub(crate) fn tenants(state: &State, request: &Request<Bytes>, id: &str, platform: &str) -> Response<Bytes> {
    listing(state, request, LICENSE_SCOPE, |paging| {
        if !body::<Map<String, Value>>(request)?.is_empty() {
            return Err(bad_request("the body is not as documented"));
        }
        let platform = Platform::of(platform).ok_or_else(|| bad_request("there is no such platform"))?;
        let tenants = customer(state, id)?.tenants.get(&platform).map_or(&[][..], Vec::as_slice);
        if tenants.is_empty() && state.world.no_tenants_is_not_found {
            return Err((StatusCode::NOT_FOUND, "the customer has no tenant on this platform"));
        }
        Ok(paging.answer(tenants, |tenant| tenant.written(platform, |value| state.world.number(value))))
    })
}

/// The page that a request asks for, if that is clear.
pub(crate) fn page_index(request: &Request<Bytes>) -> Option<usize> {
    Paging::of(request).ok().map(|paging| paging.index)
}

fn listing(
    state: &State,
    request: &Request<Bytes>,
    scope: &str,
    page: impl FnOnce(Paging) -> Result<Response<Bytes>, ApiError>,
) -> Response<Bytes> {
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    authorize(state, request, scope)
        .and_then(|()| Paging::of(request))
        .and_then(page)
        .unwrap_or_else(|(status, why)| error(status, why))
}

#[derive(Debug, Clone, Copy)]
struct Paging {
    index: usize,
    size: usize,
}

impl Paging {
    const DEFAULT_SIZE: usize = 50;
    const MAX_SIZE: usize = 100;

    fn of(request: &Request<Bytes>) -> Result<Self, ApiError> {
        let (mut index, mut size) = (None, None);
        for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
            let number = value.parse().map_err(|_| bad_request("a query parameter is not an integer"))?;
            let known = match &*name {
                "pageIndex" => &mut index,
                "pageSize" => &mut size,
                _ => return Err(bad_request("a query parameter is unknown")),
            };
            if known.replace(number).is_some() {
                return Err(bad_request("a query parameter is repeated"));
            }
        }
        let paging = Self { index: index.unwrap_or(1), size: size.unwrap_or(Self::DEFAULT_SIZE) };
        match paging {
            Self { index: 0, .. } => Err(bad_request("pageIndex begins at 1")),
            Self { size: 1..=Self::MAX_SIZE, .. } => Ok(paging),
            _ => Err(bad_request("pageSize is not between 1 and 100")),
        }
    }

    /// The page of `all` that is asked for.
    fn answer<T>(self, all: &[T], entry: impl Fn(&T) -> Value) -> Response<Bytes> {
        let Self { index, size } = self;
        let data: Vec<_> = all.iter().skip((index - 1).saturating_mul(size)).take(size).map(entry).collect();
        let metadata = json!({ "pageIndex": index, "pageSize": size, "totalCount": all.len() });
        json(StatusCode::OK, &json!({ "data": data, "metadata": metadata }))
    }
}

/// The customers that a request wants, by rising id. It may name unknown ones, and none outside the scope.
fn wanted<'a>(state: &'a State, request: &Request<Bytes>) -> Result<Vec<&'a Customer>, ApiError> {
    let ids = filter(request)?;
    if ids.iter().flatten().any(|id| state.world.is_out_of_scope(id)) {
        return Err(OUT_OF_SCOPE);
    }
    let is_wanted = |one: &&Customer| match &ids {
        Some(ids) => ids.contains(&one.id.to_ascii_lowercase()),
        None => !state.world.is_out_of_scope(&one.id),
    };
    Ok(state.world.customers.iter().filter(is_wanted).collect())
}

/// The ids that are asked for, in lower case; `None` for all.
fn filter(request: &Request<Bytes>) -> Result<Option<HashSet<String>>, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Filter {
        customer_ids: Option<Vec<String>>,
    }
    let filter: Filter = body(request)?;
    Ok(filter.customer_ids.map(|ids| ids.iter().map(|id| id.to_ascii_lowercase()).collect()))
}

fn body<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, ApiError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(bad_request("the content type is not application/json"));
    }
    serde_json::from_slice(request.body()).map_err(|_| bad_request("the body is not as documented"))
}

fn bad_request(why: &'static str) -> ApiError {
    (StatusCode::BAD_REQUEST, why)
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
    use crate::testing::{Caller, read};
    use crate::{Tenant, World};

    async fn contoso() -> Caller {
        Caller::new(World::with([Customer::new("c1", "Contoso").product(4, 25)])).await
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
        let url = caller.post_batch(&token, "").build().expect("a request").url().clone();
        let post = || caller.http.post(url.clone()).bearer_auth(&token).body("{}");
        assert_eq!(read(post()).await.0, 400, "no content type");
        assert_eq!(read(post().header("content-type", "text/plain")).await.0, 400, "another content type");
        assert_eq!(read(caller.http.get(url.clone()).bearer_auth(&token)).await.0, 405);
        assert_eq!(read(caller.post_batch("unknown", "")).await.0, 401);
        assert_eq!(read(caller.post_batch(&caller.token_for(LICENSE_SCOPE).await, "")).await.0, 403);
    }

    fn rows(body: &Value) -> Vec<&str> {
        let rows = body["data"].as_array().expect("a list");
        rows.iter().map(|row| row["organization"].as_str().expect("text")).collect()
    }

    #[tokio::test]
    async fn subscriptions_are_listed_as_the_live_api_does() {
        let contoso = Customer::new("c1", "Contoso").product(2048, 25).product(40, 1);
        let caller = Caller::new(World::with([contoso])).await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let (status, body) = read(caller.post_services(&token, "")).await;
        let row = |service: &str, seats: &str, units: &str| {
            json!({
                "service": service, "subscriptionModel": "Standard", "purchasedUserSeats": seats,
                "purchasedUnits": units, "microsoftLicenseAssigned": "N/A", "microsoftLicenseAvailable": "N/A",
                "purchasedCapacity": "N/A", "protectedCapacity": "N/A", "consumedStorage": "N/A", "storage": "N/A",
                "retention": "N/A", "source": "AvePoint subscription", "paymentType": "Prepaid",
                "package": "Standard", "expirationDate": "03-14-2099T12:00:00Z",
                "contractEndDate": "03-14-2099T12:00:00Z", "change": "N/A", "subscriptionName": "N/A",
            })
        };
        let products = [row("Baseline management", "N/A", "1"), row("Cloud Backup for Microsoft 365", "25", "N/A")];
        let contoso = json!({
            "customerId": "c1", "organization": "Contoso", "customer": "owner@example.com", "products": products,
        });
        let metadata = json!({ "pageIndex": 1, "pageSize": 50, "totalCount": 1 });
        assert_eq!((status, body), (200, json!({ "data": [contoso], "metadata": metadata })));
    }

    #[tokio::test]
    async fn subscriptions_come_in_pages_of_customers_who_may_be_named() {
        let caller = Caller::new(World::sized(120, &[4, 41])).await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let (_, body) = read(caller.post_services(&token, "?pageIndex=2&pageSize=100")).await;
        assert_eq!((rows(&body).len(), rows(&body)[0]), (20, "Customer 101"));
        assert_eq!(body["data"][19]["products"].as_array().map(Vec::len), Some(2));
        assert_eq!(body["metadata"], json!({ "pageIndex": 2, "pageSize": 100, "totalCount": 120 }));

        let named = r#"{"customerIds": ["C0000000-0000-4000-8000-000000000007", "unknown"]}"#;
        let (_, body) = read(caller.post_services(&token, "").body(named)).await;
        assert_eq!((rows(&body), &body["metadata"]["totalCount"]), (vec!["Customer 7"], &json!(1)));
    }

    #[tokio::test]
    async fn changes_are_in_the_next_listing() {
        let caller = contoso().await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        caller.sim.set_seats("c1", 4, 26);
        let (_, body) = read(caller.post_services(&token, "")).await;
        assert_eq!(body["data"][0]["products"][0]["purchasedUserSeats"], "26");
    }

    #[tokio::test]
    async fn who_has_no_subscription_is_listed_with_none_or_not_at_all() {
        let caller = contoso().await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        caller.sim.change(|world| world.customers.insert(Customer::new("c2", "Fabrikam")));
        let (_, body) = read(caller.post_services(&token, "")).await;
        assert_eq!((rows(&body), &body["data"][1]["products"]), (vec!["Contoso", "Fabrikam"], &json!([])));
        caller.sim.change(|world| world.omits_unsubscribed = true);
        let (_, body) = read(caller.post_services(&token, "")).await;
        assert_eq!((rows(&body), &body["metadata"]["totalCount"]), (vec!["Contoso"], &json!(1)));
    }

    #[tokio::test]
    async fn a_named_customer_outside_the_scope_costs_the_whole_request() {
        let caller = Caller::new(World { out_of_scope: vec!["C2".to_owned()], ..World::sized(2, &[4]) }).await;
        caller.sim.change(|world| world.customers.insert(Customer::new("c2", "Fabrikam")));
        let (license, customers) = (caller.token_for(LICENSE_SCOPE).await, caller.token_for(CUSTOMERS_SCOPE).await);
        let named = |ids: &str| format!("{{\"customerIds\": [\"c0000000-0000-4000-8000-000000000001\", {ids}]}}");
        for (ids, status) in [("\"c2\"", 403), ("\"c3\"", 200)] {
            assert_eq!(read(caller.post_services(&license, "").body(named(ids))).await.0, status);
            assert_eq!(read(caller.post_batch(&customers, "").body(named(ids))).await.0, status);
        }
        assert_eq!(rows(&read(caller.post_services(&license, "")).await.1), ["Customer 1", "Customer 2"]);
        assert_eq!(rows(&read(caller.post_batch(&customers, "")).await.1), ["Customer 1", "Customer 2"]);
        assert_eq!(read(caller.post_tenants(&license, "c2", 0)).await.0, 403);
    }

    #[tokio::test]
    async fn tenants_are_listed_by_customer_and_platform() {
        let tenant =
            |nth: u32| Tenant::new(format!("t{nth}"), format!("contoso-{nth}.example")).available(25).assigned(nth);
        let contoso =
            (1..=51).fold(Customer::new("c1", "Contoso"), |one, nth| one.tenant(Platform::Google, tenant(nth)));
        let caller = Caller::new(World::with([contoso])).await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let (status, body) = read(caller.post_tenants(&token, "C1", 2)).await;
        assert_eq!((status, body["data"].as_array().map(Vec::len)), (200, Some(50)));
        let first = json!({
            "type": 2, "tenantId": "t1", "tenantName": "contoso-1.example", "availableUserSeat": 25, "assignedUserSeat": 1,
        });
        assert_eq!(body["data"][0], first);
        assert_eq!(body["metadata"], json!({ "pageIndex": 1, "pageSize": 50, "totalCount": 51 }));

        caller.sim.change(|world| world.numbers_as_text = true);
        let next = "c1/3rd-party-products/type/2/tenants/batch?pageIndex=2";
        let (_, body) = read(caller.post(&token, next)).await;
        assert_eq!((&body["data"][0]["assignedUserSeat"], &body["data"][0]["type"]), (&json!("51"), &json!("2")));
        assert_eq!(body["data"][1], Value::Null);
    }

    #[tokio::test]
    async fn who_has_no_tenant_is_answered_with_none_or_not_found() {
        let caller = contoso().await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        let (status, body) = read(caller.post_tenants(&token, "c1", 0)).await;
        assert_eq!((status, &body["data"], &body["metadata"]["totalCount"]), (200, &json!([]), &json!(0)));
        assert_eq!(read(caller.post_tenants(&token, "c2", 0)).await.0, 404, "there is no such customer");
        caller.sim.change(|world| world.no_tenants_is_not_found = true);
        assert_eq!(read(caller.post_tenants(&token, "c1", 0)).await.0, 404);
    }

    #[tokio::test]
    async fn subscriptions_and_tenants_are_asked_for_exactly_as_documented() {
        let caller = contoso().await;
        let token = caller.token_for(LICENSE_SCOPE).await;
        for end in ["services/batch", "c1/3rd-party-products/type/0/tenants/batch"] {
            let post = |query: &str| caller.post(&token, &format!("{end}{query}"));
            assert_eq!(read(post("?pageIndex=1&pageSize=100")).await.0, 200);
            for query in ["?pageSize=101", "?pageSize=0", "?pageIndex=0", "?pageIndex=x", "?page=1"] {
                assert_eq!(read(post(query)).await.0, 400, "{end}{query}");
            }
            for body in ["", "[]", "null", "{\"customerId\": \"c1\"}", "{\"customerIds\": \"c1\"}"] {
                assert_eq!(read(post("").body(body)).await.0, 400, "{end} {body}");
            }
            let url = post("").build().expect("a request").url().clone();
            let bare = || caller.http.post(url.clone()).bearer_auth(&token).body("{}");
            assert_eq!(read(bare()).await.0, 400, "no content type");
            assert_eq!(read(bare().header("content-type", "text/plain")).await.0, 400, "another content type");
            assert_eq!(read(caller.http.get(url.clone()).bearer_auth(&token)).await.0, 405);
            assert_eq!(read(caller.post("unknown", end)).await.0, 401);
            let wrong = caller.token_for(CUSTOMERS_SCOPE).await;
            assert_eq!(read(caller.post(&wrong, end)).await.0, 403);
        }
        assert_eq!(read(caller.post_tenants(&token, "c1", 4)).await.0, 400, "no such platform");
        let all = "c1/3rd-party-products/type/0/tenants/batch";
        assert_eq!(read(caller.post(&token, all).body("{\"customerIds\": []}")).await.0, 400);
    }
}
