//! The simulated vendor, and how much it has to say.

use elements_api::CATALOG;
use elements_sim::{Customer, Latency, Platform, Tenant, World};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::CUSTOMERS;
use crate::shared::role::play_vendor;
use crate::shared::{Result, Role};

/// The arguments that make this program the vendor.
pub(crate) const ROLES: [&str; 2] = [INSTANT, SLOW];
/// It answers at once.
pub(super) const INSTANT: &str = "instant-vendor";
/// It takes as long as the live one.
pub(super) const SLOW: &str = "slow-vendor";

const PRODUCTS: usize = 6;

pub(crate) fn play(role: &str) -> Result<()> {
    let products: Vec<u32> = CATALOG.iter().map(|product| product.product_type.number()).collect();
    let bought = World::sized(CUSTOMERS, &products[..PRODUCTS]);
    let with_tenants = bought.customers.iter().enumerate().map(|(number, customer): (usize, &Customer)| {
        let tenant = Tenant::new(format!("d0000000-0000-4000-8000-{number:012x}"), format!("customer{number}.example"));
        customer.clone().tenant(Platform::Microsoft365, tenant.assigned(number).available(number))
    });
    let latency = if role == SLOW { Latency::LIVE } else { Latency::scaled(0.0) };
    play_vendor(World { latency, ..World::with(with_tenants) }, |_| ())
}

/// How many bytes have the answers to so many requests for pages like this.
pub(super) fn bytes(vendor: &Role, page: &str, requests: u32) -> Result<usize> {
    let World { client_id, client_secret, .. } = World::default();
    Runtime::new()?.block_on(async {
        let client = Client::new();
        let scope = "elements.license.read.all";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("client_secret", client_secret.as_deref().unwrap_or_default()),
            ("scope", scope),
        ];
        let token = client.post(format!("{}/connect/token", vendor.address)).form(&form).send().await?;
        let token: Value = serde_json::from_slice(&token.error_for_status()?.bytes().await?)?;
        let token = token["access_token"].as_str().ok_or("no token")?;
        let mut bytes = 0;
        // One customer's answer is as long as another's.
        let asked = requests.min(CUSTOMERS / 100);
        for number in 1..=asked {
            let page = page
                .replace("{page}", &number.to_string())
                .replace("{customer}", &format!("c0000000-0000-4000-8000-{number:012x}"));
            let url = format!("{}/partner/external/v3/general/customers/{page}", vendor.address);
            let asking = client.post(url).bearer_auth(token).header(CONTENT_TYPE, "application/json").body("{}");
            bytes += asking.send().await?.error_for_status()?.bytes().await?.len();
        }
        Ok(bytes * (requests / asked) as usize)
    })
}
