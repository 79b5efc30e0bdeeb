//! The identity service: OAuth 2.0 client credentials, as the vendor documents them.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use serde_json::json;
use tokio::time::Instant;
use url::form_urlencoded;

use crate::answer::{json, method_not_allowed};
use crate::assertion;
use crate::control::{State, Token};
use crate::world::{CUSTOMERS_SCOPE, LICENSE_SCOPE};

/// The path of the token endpoint.
pub(crate) const PATH: &str = "/connect/token";

/// Answers a request for a token.
pub(crate) fn token(state: &mut State, request: &Request<Bytes>) -> Response<Bytes> {
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    let granted = form(request).and_then(|form| {
        authenticate(state, &form)?;
        scopes(state, &form)
    });
    match granted {
        Ok(scopes) => issue(state, scopes),
        Err(OAuthRefusal { error, description }) => {
            json(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": description }))
        }
    }
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The two documented requests, by the names of their fields in rising order.
const SECRET_FIELDS: [&str; 4] = ["client_id", "client_secret", "grant_type", "scope"];
const ASSERTION_FIELDS: [&str; 5] = ["client_assertion", "client_assertion_type", "client_id", "grant_type", "scope"];

/// OAuth 2.0's error (RFC 6749, section 5.2).
struct OAuthRefusal {
    error: &'static str,
    description: &'static str,
}

fn refuse<T>(error: &'static str, description: &'static str) -> Result<T, OAuthRefusal> {
    Err(OAuthRefusal { error, description })
}

type Form = BTreeMap<String, String>;

fn form(request: &Request<Bytes>) -> Result<Form, OAuthRefusal> {
    const INVALID: &str = "invalid_request";
    if request.uri().query().is_some() {
        return refuse(INVALID, "the token endpoint has no query");
    }
    if request.headers().contains_key(header::AUTHORIZATION) {
        return refuse(INVALID, "credentials belong in the body, not in a header");
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).map(header::HeaderValue::as_bytes);
    if content_type != Some(b"application/x-www-form-urlencoded") {
        return refuse(INVALID, "the content type is not application/x-www-form-urlencoded");
    }
    let mut form = Form::new();
    for (name, value) in form_urlencoded::parse(request.body()) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return refuse(INVALID, "a field is repeated");
        }
    }
    if !form.keys().eq(&SECRET_FIELDS) && !form.keys().eq(&ASSERTION_FIELDS) {
        return refuse(INVALID, "the fields are not those of either documented request");
    }
    if form["grant_type"] != "client_credentials" {
        return refuse("unsupported_grant_type", "the grant type is not client_credentials");
    }
    Ok(form)
}

fn authenticate(state: &mut State, form: &Form) -> Result<(), OAuthRefusal> {
    const INVALID: &str = "invalid_client";
    if form["client_id"] != state.world.client_id {
        return refuse(INVALID, "the client is unknown");
    }
    let Some(text) = form.get("client_assertion") else {
        return match &state.world.client_secret {
            Some(secret) if *secret == form["client_secret"] => Ok(()),
            _ => refuse(INVALID, "the secret is wrong or expired"),
        };
    };
    if form["client_assertion_type"] != ASSERTION_TYPE {
        return refuse(INVALID, "the assertion type is not that of a JWT");
    }
    let Some(certificate) = &state.world.certificate else {
        return refuse(INVALID, "no certificate is registered");
    };
    let now = state.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let expected =
        assertion::Expected { certificate, client_id: &state.world.client_id, audience: &state.token_url, now };
    let accepted = match assertion::verify(text, &expected) {
        Ok(accepted) => accepted,
        Err(why) => return refuse(INVALID, why),
    };
    state.assertions.retain(|_, exp| *exp >= now);
    match state.assertions.insert(accepted.jti, accepted.exp) {
        None => Ok(()),
        Some(_) => refuse(INVALID, "the assertion's jti was seen before"),
    }
}

fn scopes(state: &State, form: &Form) -> Result<Vec<&'static str>, OAuthRefusal> {
    let mut granted = Vec::new();
    for asked in form["scope"].split(' ') {
        let Some(&scope) = [LICENSE_SCOPE, CUSTOMERS_SCOPE].iter().find(|scope| **scope == asked) else {
            return refuse("invalid_scope", "a scope is unknown");
        };
        if !state.world.scopes.contains(&scope) {
            return refuse("invalid_scope", "a scope is not permitted to this app registration");
        }
        granted.push(scope);
    }
    Ok(granted)
}

fn issue(state: &mut State, scopes: Vec<&'static str>) -> Response<Bytes> {
    let now = Instant::now();
    let lifetime = state.world.token_lifetime;
    state.tokens.retain(|_, token| token.expires > now);
    state.tokens_issued += 1;
    let text = format!("simulated-access-token-{}", state.tokens_issued);
    let answer = json!({
        "access_token": text,
        "expires_in": lifetime.as_secs(),
        "token_type": "Bearer",
        "scope": scopes.join(" "),
    });
    state.tokens.insert(text, Token { scopes, expires: now + lifetime });
    json(StatusCode::OK, &answer)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::World;
    use crate::testing::{Caller, Identity, read, send};

    #[tokio::test]
    async fn the_right_secret_gets_a_token() {
        let caller = Caller::new(World::default()).await;
        let (status, body) = caller.post_form(&caller.secret_form()).await;
        assert_eq!(status, 200);
        assert_eq!(body["expires_in"], 3600);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["scope"], "elements.license.read.all elements.customers.read.all");
        assert!(body["access_token"].is_string());
    }

    #[tokio::test]
    async fn every_field_must_be_as_documented() {
        let caller = Caller::new(World::default()).await;
        let good = caller.secret_form();
        let with = |index: usize, field: (&'static str, &str)| {
            let mut form = good.clone();
            form[index] = (field.0, field.1.to_owned());
            form
        };
        let plus = |name: &'static str| [good.clone(), vec![(name, "x".to_owned())]].concat();
        let refused = [
            ("unsupported_grant_type", with(0, ("grant_type", "password"))),
            ("invalid_request", with(0, ("granttype", "client_credentials"))),
            ("invalid_client", with(1, ("client_id", "other"))),
            ("invalid_client", with(2, ("client_secret", "other"))),
            ("invalid_client", with(2, ("client_secret", ""))),
            ("invalid_scope", with(3, ("scope", "elements.everything"))),
            ("invalid_scope", with(3, ("scope", "elements.license.read.all  elements.customers.read.all"))),
            ("invalid_scope", with(3, ("scope", ""))),
            ("invalid_request", good[..3].to_vec()),
            ("invalid_request", plus("resource")),
            ("invalid_request", plus("scope")),
            ("invalid_request", plus("client_assertion")),
        ];
        for (error, form) in refused {
            let (status, body) = caller.post_form(&form).await;
            assert_eq!((status, &body["error"]), (400, &Value::from(error)), "{form:?}");
        }
    }

    #[tokio::test]
    async fn only_a_plain_form_is_read() {
        let caller = Caller::new(World::default()).await;
        let (url, form) = (caller.sim.token_url(), caller.secret_form());
        let refused = [
            caller.http.post(&url).basic_auth("app", Some("secret")).form(&form),
            caller.http.post(format!("{url}?a=b")).form(&form),
            caller.http.post(&url).header("content-type", "application/json").body("{}"),
            caller.http.post(&url).body("grant_type=client_credentials"),
        ];
        for request in refused {
            let (status, body) = read(request).await;
            assert_eq!((status, &body["error"]), (400, &Value::from("invalid_request")), "{body}");
        }
        let response = send(caller.http.get(&url)).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST");
    }

    #[tokio::test]
    async fn an_app_without_the_permission_gets_no_such_scope() {
        let caller = Caller::new(World { scopes: vec![LICENSE_SCOPE], ..World::default() }).await;
        let mut form = caller.secret_form();
        assert_eq!(caller.post_form(&form).await.1["error"], "invalid_scope");
        form[3].1 = LICENSE_SCOPE.to_owned();
        assert_eq!(caller.post_form(&form).await.1["scope"], LICENSE_SCOPE);
    }

    #[tokio::test]
    async fn a_changed_secret_replaces_the_old_one() {
        let caller = Caller::new(World::default()).await;
        let old = caller.secret_form();
        caller.sim.change(|world| world.client_secret = Some("new".to_owned()));
        assert_eq!(caller.post_form(&old).await.1["error"], "invalid_client");
        assert_eq!(caller.post_form(&caller.secret_form()).await.0, 200);
    }

    #[tokio::test]
    async fn an_assertion_gets_one_token() {
        let identity = Identity::generate();
        let caller = Caller::new(World { certificate: Some(identity.certificate.clone()), ..World::default() }).await;
        let id = caller.sim.change(|world| world.client_id.clone());
        let form = |jti: &str, assertion_type: &str| {
            let assertion = identity.sign(&identity.parts(&id, &caller.sim.token_url(), jti));
            vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", id.clone()),
                ("scope", LICENSE_SCOPE.to_owned()),
                ("client_assertion_type", assertion_type.to_owned()),
                ("client_assertion", assertion),
            ]
        };
        assert_eq!(caller.post_form(&form("j1", ASSERTION_TYPE)).await.0, 200);
        let (status, body) = caller.post_form(&form("j1", ASSERTION_TYPE)).await;
        assert_eq!((status, &body["error"]), (400, &Value::from("invalid_client")), "a jti is good once");
        assert_eq!(caller.post_form(&form("j2", "urn:other")).await.0, 400);

        caller.sim.change(|world| world.clock_skew = 3600);
        assert_eq!(caller.post_form(&form("j3", ASSERTION_TYPE)).await.0, 400, "expired by the server's clock");
        caller.sim.change(|world| (world.clock_skew, world.certificate) = (0, None));
        assert_eq!(caller.post_form(&form("j4", ASSERTION_TYPE)).await.0, 400, "no certificate is registered");
    }
}
