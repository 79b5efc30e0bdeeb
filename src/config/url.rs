//! The addresses of the vendor.

use checked_yaml::Field;
use checked_yaml::value::{expected, text};
use elements_api::is_loopback;
use url::Url;

/// The URL of the API or of its tokens, without a trailing slash.
pub(super) fn url(field: &Field) -> Result<Url, String> {
    let Some(mut url) = text(field)?.parse::<Url>().ok().filter(Url::has_host) else {
        return expected("a URL such as https://graph.avepointonlineservices.com", field);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not hold a user or password: remove it".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL that ends with its path: remove `?` or `#` and what follows".to_owned());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("http:// would expose the secrets to the network: write https://".to_owned()),
        _ => return expected("a URL that begins with https://", field),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Field {
        Field::Text(text.to_owned())
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for text in ["http://localhost:1/x", "http://127.9.9.9", "http://[::1]:80", "https://example.com"] {
            assert!(url(&of(text)).is_ok(), "{text}");
        }
        for text in ["http://example.com", "http://localhost.example.com", "http://10.0.0.1", "http://[::2]"] {
            assert!(url(&of(text)).expect_err(text).contains("write https://"), "{text}");
        }
    }

    #[test]
    fn a_url_loses_its_trailing_slash() {
        let path = |text| url(&of(text)).expect("valid").to_string();
        assert_eq!(path("https://example.com/a/b//"), "https://example.com/a/b");
        assert_eq!(path("https://example.com"), "https://example.com/");
    }

    #[test]
    fn a_url_is_an_address_and_nothing_else() {
        for text in
            ["x", "https://", "ftp://h", "file:///x", "mailto:a@b.c", "https://h/?", "https://h/#", "https://u@h"]
        {
            assert!(url(&of(text)).is_err(), "{text}");
        }
    }
}
