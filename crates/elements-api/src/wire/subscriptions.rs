//! The listing of subscriptions. Its mail addresses are personal data, and are not even read.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::text::{self, Said};
use super::{customer_id, name, page};
use crate::error::BadResponse;
use crate::listing::Page;
use crate::object::Object;
use crate::subscription::{SubscribedCustomer, Subscription, UnreadableValue};

/// Answer of `…/customers/services/batch`. A value that cannot be read costs itself alone; one of each field is put to
/// `unreadable`.
pub(crate) fn subscriptions_page(
    body: &[u8],
    unreadable: &mut Vec<UnreadableValue>,
) -> Result<Page<SubscribedCustomer>, BadResponse> {
    page(body, |row| subscribed_customer(row, unreadable))
}

fn subscribed_customer(row: &RawValue, unreadable: &mut Vec<UnreadableValue>) -> Result<SubscribedCustomer, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row<'a> {
        #[serde(default)]
        customer_id: Value,
        #[serde(default)]
        organization: Value,
        #[serde(default, borrow)]
        products: Option<&'a RawValue>,
    }
    let Ok(Object(Row { customer_id: id, organization, products })) = serde_json::from_str(row.get()) else {
        return Err("is no object".to_owned());
    };
    let id = customer_id(&id)?;
    let products = products.map_or("null", RawValue::get);
    let Ok(products) = serde_json::from_str::<Option<Vec<&RawValue>>>(products) else {
        return Err("has products that are no list".to_owned());
    };
    let mut note = Note(unreadable);
    let subscriptions =
        products.unwrap_or_default().into_iter().filter_map(|row| subscription(row, &mut note)).collect();
    Ok(SubscribedCustomer { id, organization: organization.as_str().and_then(name), subscriptions })
}

/// Where the first unreadable value of each field goes.
struct Note<'a>(&'a mut Vec<UnreadableValue>);

impl Note<'_> {
    fn read<T>(&mut self, field: &'static str, said: Said<T>) -> Option<T> {
        said.unwrap_or_else(|value| {
            if self.0.iter().all(|noted| noted.field != field) {
                self.0.push(UnreadableValue { field, value });
            }
            None
        })
    }
}

fn subscription(row: &RawValue, note: &mut Note<'_>) -> Option<Subscription> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct Row {
        service: Value,
        subscription_name: Value,
        package: Value,
        source: Value,
        subscription_model: Value,
        payment_type: Value,
        storage: Value,
        retention: Value,
        purchased_user_seats: Value,
        purchased_units: Value,
        microsoft_license_assigned: Value,
        microsoft_license_available: Value,
        change: Value,
        purchased_capacity: Value,
        consumed_storage: Value,
        expiration_date: Value,
        contract_end_date: Value,
    }
    let row = serde_json::from_str::<Object<Row>>(row.get()).map_err(|_| "a row that is no object".to_owned());
    let Object(row) = note.read("products", row.map(Some))?;
    Some(Subscription {
        service: note.read("service", text::words(&row.service)),
        name: note.read("subscriptionName", text::words(&row.subscription_name)),
        package: note.read("package", text::words(&row.package)),
        source: note.read("source", text::words(&row.source)),
        model: note.read("subscriptionModel", text::words(&row.subscription_model)),
        payment_type: note.read("paymentType", text::words(&row.payment_type)),
        storage: note.read("storage", text::words(&row.storage)),
        retention: note.read("retention", text::words(&row.retention)),
        purchased_user_seats: note.read("purchasedUserSeats", text::count(&row.purchased_user_seats)),
        purchased_units: note.read("purchasedUnits", text::count(&row.purchased_units)),
        microsoft_licenses_assigned: note
            .read("microsoftLicenseAssigned", text::count(&row.microsoft_license_assigned)),
        microsoft_licenses_available: note
            .read("microsoftLicenseAvailable", text::count(&row.microsoft_license_available)),
        pooled_change: note.read("change", text::change(&row.change)),
        purchased_capacity_bytes: note.read("purchasedCapacity", text::purchased_capacity(&row.purchased_capacity)),
        consumed_storage_bytes: note.read("consumedStorage", text::consumed_capacity(&row.consumed_storage)),
        expiration: note.read("expirationDate", text::date(&row.expiration_date)),
        contract_end: note.read("contractEndDate", text::date(&row.contract_end_date)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;
    use crate::model::Seats;

    fn read(data: &Value) -> (Page<SubscribedCustomer>, Vec<UnreadableValue>) {
        let mut unreadable = Vec::new();
        let total = data.as_array().map_or(0, Vec::len);
        let body =
            json!({"data": data, "metadata": {"pageIndex": 1, "pageSize": 100, "totalCount": total}}).to_string();
        (subscriptions_page(body.as_bytes(), &mut unreadable).unwrap(), unreadable)
    }

    #[test]
    fn a_row_is_read_as_the_live_api_writes_it() {
        let (page, unreadable) = read(&json!([{
            "customerId": "c-1", "organization": "Contoso", "customer": "someone@example.com", "products": [{
                "service": "Cloud Backup for Microsoft 365", "subscriptionModel": "Unlimited organizations",
                "purchasedUserSeats": "25", "purchasedUnits": "N/A", "microsoftLicenseAssigned": "124",
                "microsoftLicenseAvailable": "133", "purchasedCapacity": "0/1 GB", "protectedCapacity": "0 GB",
                "consumedStorage": "1.42 GB", "storage": "AvePoint storage", "retention": "Retain data for 1 month",
                "source": "AvePoint pooled subscription", "paymentType": "Prepaid", "package": "Standard",
                "expirationDate": "03-14-2026T12:00:00Z", "contractEndDate": "N/A", "change": "+2",
                "subscriptionName": "N/A", "somethingNew": {"a": 1}
            }]
        }]));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(unreadable, []);
        assert!(!format!("{page:?}").contains("example.com"));
        assert_eq!(page.rows[0].organization, text("Contoso"));
        let expected = Subscription {
            service: text("Cloud Backup for Microsoft 365"),
            model: text("Unlimited organizations"),
            package: text("Standard"),
            source: text("AvePoint pooled subscription"),
            payment_type: text("Prepaid"),
            storage: text("AvePoint storage"),
            retention: text("Retain data for 1 month"),
            purchased_user_seats: Seats::new(25),
            microsoft_licenses_assigned: Seats::new(124),
            microsoft_licenses_available: Seats::new(133),
            pooled_change: Some(2),
            purchased_capacity_bytes: Some(1_000_000_000),
            consumed_storage_bytes: Some(1_420_000_000),
            expiration: Some(UNIX_EPOCH + Duration::from_hours(492_636)),
            ..Subscription::default()
        };
        assert_eq!(page.rows[0].subscriptions, [expected]);
    }

    #[test]
    fn a_value_that_cannot_be_read_costs_itself_and_is_told_once_for_its_field() {
        let broken = json!({"service": "Fly", "purchasedUserSeats": "many", "expirationDate": "soon"});
        let (page, unreadable) = read(&json!([
            {"customerId": "a", "products": [broken, {"service": ["x"], "purchasedUserSeats": "lots"}]},
            {"customerId": "b", "products": ["no object", broken, null]},
        ]));
        let fly = Subscription { service: Some("Fly".to_owned()), ..Subscription::default() };
        assert_eq!(page.rows[0].subscriptions, [fly.clone(), Subscription::default()]);
        assert_eq!(page.rows[1].subscriptions, [fly]);
        let told: Vec<_> = unreadable.iter().map(|noted| (noted.field, noted.value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("purchasedUserSeats", "\"many\""),
                ("expirationDate", "\"soon\""),
                ("service", "something that is neither text nor a number"),
                ("products", "a row that is no object"),
            ]
        );
    }

    #[test]
    fn a_customer_without_subscriptions_has_an_empty_list_or_none() {
        let (page, unreadable) = read(&json!([
            {"customerId": "a"}, {"customerId": "b", "products": null}, {"customerId": "c", "products": []}
        ]));
        assert_eq!(page.rows.len(), 3);
        assert!(page.rows.iter().all(|row| row.subscriptions.is_empty()) && unreadable.is_empty());
    }

    #[test]
    fn a_row_that_names_no_customer_spoils_no_other() {
        let (page, _) =
            read(&json!([{"organization": "x"}, {"customerId": "a"}, {"customerId": "b", "products": {}}, 5]));
        assert_eq!(page.rows.len(), 1);
        assert_eq!(
            page.lost,
            [
                "row 1 of page 1 has no id",
                "row 3 of page 1 has products that are no list",
                "row 4 of page 1 is no object"
            ]
        );
    }
}
