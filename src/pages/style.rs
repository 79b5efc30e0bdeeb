//! How the pages look, and what they may do.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use exporter_web::http::header::HeaderValue;

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("templates/page.css");

/// What a page may do: have this one style, show the picture in its own address bar, and send its search to itself.
pub(super) static PAGE_MAY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    // Base64 fits into a header. Were it otherwise, the page would do without its style.
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{status, subscriptions};
    use crate::testing::{now, scene};

    #[test]
    fn the_policy_allows_this_style_and_no_script() {
        let policy = PAGE_MAY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
        let (store, status) = scene();
        for page in [status::page, subscriptions::page] {
            let html = page(&store, &status, "/metrics", "", now(1_000)).unwrap();
            assert!(html.contains(&format!("<style>{STYLE}</style>")), "as it was hashed");
        }
    }
}
