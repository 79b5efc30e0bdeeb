//! The shape of the web configuration file: which keys there are and where.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use checked_yaml::Field;

/// The whole file. An empty section (everything in it commented out) is as good as none.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    pub(crate) tls_server_config: Option<Tls>,
    pub(crate) http_server_config: Option<Http>,
    pub(crate) basic_auth_users: Option<Users>,
    pub(crate) rate_limit: Option<RateLimit>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Tls {
    pub(crate) cert: Field,
    pub(crate) key: Field,
    pub(crate) client_ca: Field,
    pub(crate) cert_file: Field,
    pub(crate) key_file: Field,
    pub(crate) client_auth_type: Field,
    pub(crate) client_ca_file: Field,
    pub(crate) client_allowed_sans: Field,
    pub(crate) min_version: Field,
    pub(crate) max_version: Field,
    pub(crate) cipher_suites: Field,
    pub(crate) prefer_server_cipher_suites: Field,
    pub(crate) curve_preferences: Field,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Http {
    pub(crate) http2: Field,
    pub(crate) headers: Option<Headers>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    #[serde(rename = "Content-Security-Policy")]
    pub(crate) content_security_policy: Field,
    #[serde(rename = "X-Frame-Options")]
    pub(crate) x_frame_options: Field,
    #[serde(rename = "X-Content-Type-Options")]
    pub(crate) x_content_type_options: Field,
    #[serde(rename = "X-XSS-Protection")]
    pub(crate) x_xss_protection: Field,
    #[serde(rename = "Strict-Transport-Security")]
    pub(crate) strict_transport_security: Field,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct RateLimit {
    pub(crate) interval: Field,
    pub(crate) burst: Field,
}

/// The users in the order of the file, and one more than once where the file says so.
#[derive(Default)]
pub(crate) struct Users(pub(crate) Vec<(String, Field)>);

/// A password may have slipped to where a name belongs.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.0.len())
    }
}

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
