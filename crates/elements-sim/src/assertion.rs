//! Client assertions: JSON Web Tokens (RFC 7519, RFC 7523), checked with the registered certificate.
//!
//! Taken apart by hand: a client uses a JWT library, and two sides with one library would share its faults.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What an assertion is checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The DER of the registered certificate.
    pub(crate) certificate: &'a [u8],
    pub(crate) client_id: &'a str,
    /// The token URL.
    pub(crate) audience: &'a str,
    /// Seconds since 1970, by the server's clock.
    pub(crate) now: u64,
}

/// What has to be remembered of a good assertion, so that it is not accepted twice.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) jti: String,
    pub(crate) exp: u64,
}

/// Checks everything that the vendor documents. The error says what is wrong.
pub(crate) fn verify(assertion: &str, expected: &Expected<'_>) -> Result<Accepted, &'static str> {
    let mut parts = assertion.split('.');
    let (Some(head), Some(body), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the assertion does not have three parts");
    };
    let header: Header = decode(head).ok_or("the assertion's header cannot be read")?;
    let claims: Claims = decode(body).ok_or("the assertion's claims cannot be read")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the assertion's signature is not base64url")?;
    let signed = &assertion[..=head.len() + body.len()];

    check_header(&header, expected.certificate)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(expected.certificate)
        .map_err(|_| "the registered certificate cannot be read")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.public_key().subject_public_key.data)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "the assertion's signature is wrong")?;
    check_claims(&claims, expected)?;
    Ok(Accepted { jti: claims.jti, exp: claims.exp })
}

/// An assertion is good for minutes.
const LONGEST_LIFE: u64 = 15 * 60;

/// By how many seconds the client's clock may be ahead.
const LEEWAY: u64 = 60;

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    x5t: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    iat: u64,
    nbf: u64,
    exp: u64,
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn check_header(header: &Header, certificate: &[u8]) -> Result<(), &'static str> {
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
    let mut hex = String::new();
    for byte in thumbprint.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02X}");
    }
    let checks = [
        (header.alg == "RS256", "the assertion's alg is not RS256"),
        (header.typ == "JWT", "the assertion's typ is not JWT"),
        (header.kid == hex, "the assertion's kid is not the thumbprint of the registered certificate"),
        (header.x5t == URL_SAFE_NO_PAD.encode(thumbprint), "the assertion's x5t is not that thumbprint in base64url"),
    ];
    first_failed(&checks)
}

fn check_claims(claims: &Claims, expected: &Expected<'_>) -> Result<(), &'static str> {
    let latest_start = expected.now + LEEWAY;
    let checks = [
        (claims.iss == expected.client_id, "the assertion's iss is not the client id"),
        (claims.sub == expected.client_id, "the assertion's sub is not the client id"),
        (claims.aud == expected.audience, "the assertion's aud is not the token URL"),
        (!claims.jti.is_empty(), "the assertion's jti is empty"),
        (claims.iat <= latest_start, "the assertion's iat lies in the future"),
        (claims.nbf <= latest_start, "the assertion's nbf lies in the future"),
        (claims.exp > expected.now, "the assertion has expired"),
        (claims.exp > claims.nbf, "the assertion's exp is not after its nbf"),
        (claims.exp <= claims.iat.saturating_add(LONGEST_LIFE), "the assertion lives longer than 15 minutes"),
    ];
    first_failed(&checks)
}

fn first_failed(checks: &[(bool, &'static str)]) -> Result<(), &'static str> {
    checks.iter().find(|(good, _)| !good).map_or(Ok(()), |(_, why)| Err(why))
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Identity;

    const AUDIENCE: &str = "http://127.0.0.1:1/connect/token";

    fn check(identity: &Identity, assertion: &str) -> Result<Accepted, &'static str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        verify(assertion, &Expected { certificate: &identity.certificate, client_id: "app", audience: AUDIENCE, now })
    }

    #[test]
    fn a_documented_assertion_is_accepted() {
        let identity = Identity::generate();
        let accepted = check(&identity, &identity.sign(&identity.parts("app", AUDIENCE, "j1"))).expect("accepted");
        assert_eq!(accepted.jti, "j1");
    }

    #[test]
    fn every_departure_from_the_documents_is_refused() {
        let identity = Identity::generate();
        let good = identity.parts("app", AUDIENCE, "j1");
        let now = good.1["iat"].as_u64().expect("a number");
        let kid = good.0["kid"].as_str().expect("text");
        let wrong: [(&str, Value); 18] = [
            ("alg", json!("RS512")),
            ("typ", json!("at+jwt")),
            ("typ", Value::Null),
            ("kid", json!(kid.to_lowercase())),
            ("x5t", json!(kid)),
            ("iss", json!("other")),
            ("sub", json!("other")),
            ("aud", json!("http://127.0.0.1:1/")),
            ("jti", json!("")),
            ("jti", Value::Null),
            ("iat", Value::Null),
            ("iat", json!(now + 120)),
            ("nbf", Value::Null),
            ("nbf", json!(now + 120)),
            ("exp", Value::Null),
            ("exp", json!(now - 1)),
            ("exp", json!(now + 3600)),
            ("exp", json!(now.to_string())),
        ];
        for (name, value) in wrong {
            let mut parts = good.clone();
            let part = if parts.0.get(name).is_some() { &mut parts.0 } else { &mut parts.1 };
            part[name] = value.clone();
            check(&identity, &identity.sign(&parts)).expect_err(&format!("{name}: {value}"));
        }
    }

    #[test]
    fn another_key_is_refused_even_under_the_registered_thumbprint() {
        let (registered, other) = (Identity::generate(), Identity::generate());
        let forged = other.sign(&registered.parts("app", AUDIENCE, "j1"));
        assert_eq!(check(&registered, &forged).expect_err("forged"), "the assertion's signature is wrong");
        for text in ["", "a.b", "a.b.c.d", "!.!.!"] {
            check(&registered, text).expect_err(text);
        }
    }
}
