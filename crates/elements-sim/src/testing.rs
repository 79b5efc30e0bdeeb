//! A client for the simulator's own tests.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::{RequestBuilder, Response, redirect};
use serde_json::{Value, json};

use crate::{CUSTOMERS_SCOPE, LICENSE_SCOPE, Simulator, World};

/// A simulator and someone who calls it.
pub(crate) struct Caller {
    pub(crate) sim: Simulator,
    pub(crate) http: reqwest::Client,
}

impl Caller {
    pub(crate) async fn new(world: World) -> Self {
        let sim = Simulator::start(world).await.expect("a free port");
        let http = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
        Self { sim, http: http.build().expect("a client") }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sim.base_url())
    }

    /// A form that gets a token.
    pub(crate) fn secret_form(&self) -> Vec<(&'static str, String)> {
        let (id, secret) = self.sim.change(|world| (world.client_id.clone(), world.client_secret.clone()));
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", id),
            ("client_secret", secret.expect("the world has a secret")),
            ("scope", format!("{LICENSE_SCOPE} {CUSTOMERS_SCOPE}")),
        ]
    }

    pub(crate) async fn post_form(&self, form: &[(&'static str, String)]) -> (u16, Value) {
        read(self.http.post(self.sim.token_url()).form(form)).await
    }

    pub(crate) async fn token_for(&self, scope: &str) -> String {
        let mut form = self.secret_form();
        form[3].1 = scope.to_owned();
        let (status, body) = self.post_form(&form).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) fn get_overview(&self, token: &str, customer: &str, product: u32) -> RequestBuilder {
        let path = format!("/partner/external/v3/general/customers/{customer}/avpt-products/type/{product}/overview");
        self.http.get(self.url(&path)).bearer_auth(token)
    }

    /// The answer to the whole way from a token to an overview.
    pub(crate) async fn overview(&self, customer: &str, product: u32) -> (u16, Value) {
        let token = self.token_for(LICENSE_SCOPE).await;
        read(self.get_overview(&token, customer, product)).await
    }

    pub(crate) fn post_batch(&self, token: &str, query: &str) -> RequestBuilder {
        self.post(token, &format!("batch{query}"))
    }

    pub(crate) fn post_services(&self, token: &str, query: &str) -> RequestBuilder {
        self.post(token, &format!("services/batch{query}"))
    }

    pub(crate) fn post_tenants(&self, token: &str, customer: &str, platform: u32) -> RequestBuilder {
        self.post(token, &format!("{customer}/3rd-party-products/type/{platform}/tenants/batch"))
    }

    pub(crate) fn post(&self, token: &str, end: &str) -> RequestBuilder {
        let url = self.url(&format!("/partner/external/v3/general/customers/{end}"));
        self.http.post(url).bearer_auth(token).header("content-type", "application/json").body("{}")
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

/// The status, and the body as JSON; null where it is none.
pub(crate) async fn read(request: RequestBuilder) -> (u16, Value) {
    let response = send(request).await;
    let status = response.status().as_u16();
    let body = response.text().await.expect("a body");
    (status, serde_json::from_str(&body).unwrap_or_default())
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    key: RsaKeyPair,
}

impl Identity {
    pub(crate) fn generate() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        let certificate = CertificateParams::default().self_signed(&key).expect("a certificate");
        let signer = RsaKeyPair::from_pkcs8(&key.serialize_der()).expect("the same key");
        Self { certificate: certificate.der().to_vec(), key: signer }
    }

    /// A good assertion's header and claims.
    pub(crate) fn parts(&self, client_id: &str, audience: &str, jti: &str) -> (Value, Value) {
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.certificate);
        let hex: Vec<_> = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let x5t = URL_SAFE_NO_PAD.encode(thumbprint);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": hex.concat(), "x5t": x5t });
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": jti,
            "iat": now, "nbf": now, "exp": now + 300,
        });
        (header, claims)
    }

    pub(crate) fn sign(&self, (header, claims): &(Value, Value)) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
