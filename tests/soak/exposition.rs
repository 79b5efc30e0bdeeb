//! What one scrape shows of each target.

use std::collections::{BTreeMap, BTreeSet};

use elements_api::CATALOG;
use elements_sim::service_of;

/// A customer's id, which is its label here, and the name of a product.
pub type Key = (String, String);

/// The series of one target.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shown {
    pub seats: Option<f64>,
    pub previous: Option<f64>,
    pub changed: Option<f64>,
    pub success: Option<f64>,
    pub answered: Option<f64>,
}

/// One answer of `/metrics`.
#[derive(Debug)]
pub struct Scrape {
    pub text: String,
    pub targets: BTreeMap<Key, Shown>,
    /// What is purchased by the listing of subscriptions.
    pub subscribed: BTreeMap<Key, f64>,
    /// The seats that each customer's tenant has assigned.
    pub assigned: BTreeMap<String, f64>,
    /// Whoever has a series in any family.
    pub customers: BTreeSet<String>,
    /// How many cycles this process has ended.
    pub cycles: u64,
}

impl Scrape {
    /// Reads the families of targets; whatever is not as the text format has it is an error.
    pub fn read(text: String) -> Result<Self, String> {
        let mut targets: BTreeMap<Key, Shown> = BTreeMap::new();
        let (mut subscribed, mut assigned) = (BTreeMap::new(), BTreeMap::new());
        let (mut customers, mut cycles) = (BTreeSet::new(), None);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').ok_or_else(|| format!("no sample: {line:?}"))?;
            let value: f64 = value.parse().map_err(|_| format!("no number: {line:?}"))?;
            let Some((family, labels)) = series.split_once('{') else {
                if series == "avepoint_poll_cycles_total" {
                    cycles = Some(whole(value).ok_or_else(|| format!("no count: {line:?}"))?);
                }
                continue;
            };
            let customer = label(labels, "customer").map(str::to_owned);
            customers.extend(customer.clone());
            if family == "avepoint_tenant_assigned_user_seats" {
                assigned.extend(customer.map(|customer| (customer, value)));
                continue;
            }
            if let "avepoint_subscription_purchased_user_seats" | "avepoint_subscription_purchased_units" = family {
                let key = subscribed_key(labels).ok_or_else(|| format!("other labels: {line:?}"))?;
                if subscribed.insert(key, value).is_some() {
                    return Err(format!("twice in one scrape: {series}"));
                }
                continue;
            }
            let field: fn(&mut Shown) -> &mut Option<f64> = match family {
                "avepoint_purchased_user_seats" => |shown| &mut shown.seats,
                "avepoint_purchased_user_seats_previous" => |shown| &mut shown.previous,
                "avepoint_purchased_user_seats_last_change_timestamp_seconds" => |shown| &mut shown.changed,
                "avepoint_poll_success" => |shown| &mut shown.success,
                "avepoint_poll_last_success_timestamp_seconds" => |shown| &mut shown.answered,
                _ => continue,
            };
            let key = key(labels).ok_or_else(|| format!("other labels: {line:?}"))?;
            if field(targets.entry(key).or_default()).replace(value).is_some() {
                return Err(format!("twice in one scrape: {series}"));
            }
        }
        let cycles = cycles.ok_or("avepoint_poll_cycles_total is missing")?;
        Ok(Self { text, targets, subscribed, assigned, customers, cycles })
    }

    /// The value of a series without labels.
    pub fn value(&self, series: &str) -> Option<f64> {
        let line = self.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }
}

fn key(labels: &str) -> Option<Key> {
    Some((label(labels, "customer")?.to_owned(), label(labels, "product")?.to_owned()))
}

/// Of the product that a subscription is of: each has a service of its own.
fn subscribed_key(labels: &str) -> Option<Key> {
    let service = label(labels, "subscribed_service")?;
    let product = CATALOG.iter().find(|product| service_of(product.product_type.number()) == service)?;
    Some((label(labels, "customer")?.to_owned(), product.name.to_owned()))
}

/// The value of a label. None has a quote in it here.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    let mut labels = labels.strip_suffix('}')?.split("\",");
    labels.find_map(|label| label.strip_prefix(name)?.strip_prefix("=\"")).map(|value| value.trim_end_matches('"'))
}

/// A number of seats or cycles.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number that is not below 0")]
pub fn whole(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0).then_some(value as u64)
}
