//! The section `http_server_config`.

use ::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use checked_yaml::value::{expected, flag, text};
use checked_yaml::{Field, Key, Problems, Refused};

use super::document;

/// Whether HTTP/2 is offered, which it is over TLS alone.
pub(crate) fn http2(raw: &document::Http, problems: &mut Problems<'_>) -> Result<bool, Refused> {
    Ok(problems.read(&section().then("http2"), &raw.http2, flag)?.unwrap_or(true))
}

/// The headers that every answer gets unless it has them already.
pub(crate) fn headers(
    raw: &document::Headers,
    problems: &mut Problems<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Refused> {
    let settings = [
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY, &raw.content_security_policy, &[][..]),
        ("X-Frame-Options", X_FRAME_OPTIONS, &raw.x_frame_options, &["deny", "sameorigin"]),
        ("X-Content-Type-Options", X_CONTENT_TYPE_OPTIONS, &raw.x_content_type_options, &["nosniff"]),
        ("X-XSS-Protection", X_XSS_PROTECTION, &raw.x_xss_protection, &[]),
        ("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY, &raw.strict_transport_security, &[]),
    ];
    let mut headers = Vec::new();
    let mut refused = Ok(());
    for (key, name, field, accepted) in settings {
        match problems.read(&section().then("headers").then(key), field, |field| value(field, accepted)) {
            Ok(value) => headers.extend(value.flatten().map(|value| (name, value))),
            Err(refusal) => refused = Err(refusal),
        }
    }
    refused.map(|()| headers)
}

fn section() -> Key {
    Key::of("http_server_config")
}

/// `None` for a blank, which is as good as leaving the header out. Where `accepted` has none, every value is.
fn value(field: &Field, accepted: &[&str]) -> Result<Option<HeaderValue>, String> {
    if matches!(field, Field::Null) || matches!(field, Field::Text(text) if text.trim().is_empty()) {
        return Ok(None);
    }
    // Unquoted, the `0` of X-XSS-Protection is a number.
    let number = if let Field::Number(Some(number)) = field { Some(number.to_string()) } else { None };
    let text = number.as_deref().map_or_else(|| text(field), Ok)?;
    if !accepted.is_empty() && !accepted.contains(&text) {
        return expected(&accepted.join(" or "), field);
    }
    HeaderValue::from_str(text).map(Some).map_err(|_| "holds a character that no header may hold".to_owned())
}
