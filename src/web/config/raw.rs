//! The shape of the web configuration file: which keys there are and where.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use checked_yaml::Field;

/// The whole file. An empty section (everything in it commented out) is as good as none.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub(super) struct Document {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Option<Http>,
    pub(super) basic_auth_users: Option<Users>,
    pub(super) rate_limit: Option<RateLimit>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub(super) struct Tls {
    pub(super) cert: Field,
    pub(super) key: Field,
    pub(super) client_ca: Field,
    pub(super) cert_file: Field,
    pub(super) key_file: Field,
    pub(super) client_auth_type: Field,
    pub(super) client_ca_file: Field,
    pub(super) client_allowed_sans: Field,
    pub(super) min_version: Field,
    pub(super) max_version: Field,
    pub(super) cipher_suites: Field,
    pub(super) prefer_server_cipher_suites: Field,
    pub(super) curve_preferences: Field,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub(super) struct Http {
    pub(super) http2: Field,
    pub(super) headers: Option<Headers>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub(super) struct Headers {
    #[serde(rename = "Content-Security-Policy")]
    pub(super) content_security_policy: Field,
    #[serde(rename = "X-Frame-Options")]
    pub(super) x_frame_options: Field,
    #[serde(rename = "X-Content-Type-Options")]
    pub(super) x_content_type_options: Field,
    #[serde(rename = "X-XSS-Protection")]
    pub(super) x_xss_protection: Field,
    #[serde(rename = "Strict-Transport-Security")]
    pub(super) strict_transport_security: Field,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub(super) struct RateLimit {
    pub(super) interval: Field,
    pub(super) burst: Field,
}

/// The users in the order of the file, and one more than once where the file says so.
#[derive(Debug, Default)]
pub(super) struct Users(pub(super) Vec<(String, Field)>);

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UsersVisitor)
    }
}

struct UsersVisitor;

impl<'de> Visitor<'de> for UsersVisitor {
    type Value = Users;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Users, A::Error> {
        let mut users = Vec::new();
        while let Some(user) = map.next_entry()? {
            users.push(user);
        }
        Ok(Users(users))
    }
}
