//! The shape of `exporter.yaml`: which keys there are and where, before their values are judged.

use checked_yaml::Field;
use serde::Deserialize;

/// The whole file. An empty section (everything in it commented out) is as good as none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) api: Option<Api>,
    pub(super) poll: Option<Poll>,
    pub(super) state_file: Field,
    pub(super) customers: Option<Vec<Customer>>,
    pub(super) discovery: Option<Discovery>,
    pub(super) products: Field,
    pub(super) subscriptions: Option<Subscriptions>,
    pub(super) tenants: Option<Tenants>,
    pub(super) expected_seats_file: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Api {
    pub(super) environment: Field,
    pub(super) base_url: Field,
    pub(super) token_url: Field,
    pub(super) client_id: Field,
    pub(super) client_secret: Field,
    pub(super) client_secret_file: Field,
    pub(super) certificate: Option<Certificate>,
    pub(super) ca_file: Field,
    pub(super) timeout: Field,
    pub(super) max_in_flight: Field,
    pub(super) requests_per_second: Field,
    pub(super) max_retries: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "these are the names of the keys")]
pub(super) struct Certificate {
    pub(super) pfx_file: Field,
    pub(super) password_file: Field,
    pub(super) cert_file: Field,
    pub(super) key_file: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Poll {
    pub(super) interval: Field,
    pub(super) stale_after: Field,
    pub(super) absent_interval: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Customer {
    pub(super) id: Field,
    pub(super) name: Field,
    pub(super) products: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Discovery {
    pub(super) enabled: Field,
    pub(super) exclude: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Subscriptions {
    pub(super) enabled: Field,
    pub(super) interval: Field,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tenants {
    pub(super) platforms: Field,
    pub(super) interval: Field,
}
