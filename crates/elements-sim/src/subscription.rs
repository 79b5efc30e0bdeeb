//! The subscriptions of a customer, as the vendor words them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::day::{DateForm, Day};

/// One row of a customer's subscriptions. Each documented field says `"N/A"` until something else is put there.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// The product whose purchase this row tells of.
    product: Option<u32>,
    fields: BTreeMap<String, Field>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Says(Value),
    Ends(Day),
    /// What the overview of the row's product says.
    Purchased,
}

/// Every field that the vendor's page has.
const FIELDS: [&str; 18] = [
    "service",
    "subscriptionModel",
    "purchasedUserSeats",
    "purchasedUnits",
    "microsoftLicenseAssigned",
    "microsoftLicenseAvailable",
    "purchasedCapacity",
    "protectedCapacity",
    "consumedStorage",
    "storage",
    "retention",
    "source",
    "paymentType",
    "package",
    "expirationDate",
    "contractEndDate",
    "change",
    "subscriptionName",
];

impl Subscription {
    /// A row that says `"N/A"` in every field but `service`.
    pub fn new(service: impl Into<Value>) -> Self {
        let fields = FIELDS.map(|field| (field.to_owned(), Field::Says("N/A".into())));
        Self { product: None, fields: fields.into() }.field("service", service)
    }

    /// The row of a product: with the words of [`service_of`], and with the seats (or units) that its overview says, whenever
    /// it is asked for. It is listed while these are more than 0, and replaces the row that the product has otherwise.
    pub fn of(product: u32) -> Self {
        let mut row = Self::new(service_of(product))
            .field("subscriptionModel", "Standard")
            .field("source", "AvePoint subscription")
            .field("paymentType", "Prepaid")
            .field("package", "Standard");
        let sold_by = if SOLD_BY_THE_UNIT.contains(&product) { "purchasedUnits" } else { "purchasedUserSeats" };
        row.fields.insert(sold_by.to_owned(), Field::Purchased);
        Self { product: Some(product), ..row }
    }

    /// The row with so many seats, as text.
    #[must_use]
    pub fn seats(self, seats: u64) -> Self {
        self.field("purchasedUserSeats", seats.to_string())
    }

    /// The row with this day as its expiration.
    #[must_use]
    pub fn expires(self, day: Day) -> Self {
        self.with("expirationDate", Field::Ends(day))
    }

    /// The row with this day as its contract's end.
    #[must_use]
    pub fn contract_ends(self, day: Day) -> Self {
        self.with("contractEndDate", Field::Ends(day))
    }

    /// The row with a field, documented or not, that says anything: text, null, or what the vendor would never write.
    #[must_use]
    pub fn field(self, name: &str, says: impl Into<Value>) -> Self {
        self.with(name, Field::Says(says.into()))
    }

    /// The row without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.remove(name);
        self
    }

    fn with(mut self, name: &str, field: Field) -> Self {
        self.fields.insert(name.to_owned(), field);
        self
    }

    /// The product whose purchase this row tells of.
    pub(crate) fn product(&self) -> Option<u32> {
        self.product
    }

    /// As it stands in an answer, if its product's overview says `purchased`.
    pub(crate) fn written(&self, purchased: Option<&Value>, dates: DateForm) -> Value {
        let says = |field: &Field| match field {
            Field::Says(value) => value.clone(),
            Field::Ends(day) => day.written(dates).into(),
            Field::Purchased => purchased.map_or_else(|| "N/A".into(), |seats| seats.to_string().into()),
        };
        self.fields.iter().map(|(name, field)| (name.clone(), says(field))).collect::<serde_json::Map<_, _>>().into()
    }
}

const BASELINE_MANAGEMENT: u32 = 40;
const IAAS_BACKUP: u32 = 1_073_741_824;

/// Their overview counts units.
const SOLD_BY_THE_UNIT: [u32; 2] = [BASELINE_MANAGEMENT, IAAS_BACKUP];

/// The `service` of a product's row, where no other was asked for. Some begin with the catalogue's name of the product, some
/// are other words: there is no rule, as with the live API.
pub fn service_of(product: u32) -> String {
    let service = match product {
        1 => "DocAve Online",
        4 => "Cloud Governance",
        32 => "Cloud Backup for Salesforce",
        BASELINE_MANAGEMENT => "Baseline management",
        41 => "Risk management",
        42 => "Workspace management",
        49 => "User and device management",
        60 => "MyHub",
        65 => "WorkSpace management - storage optimization",
        257 => "tyGraph - Power BI Embedded",
        2048 => "Cloud Backup for Microsoft 365",
        4096 => "Cloud Management",
        8192 => "Cloud Archiving",
        65_536 => "Opus - Discovery and analysis",
        131_072 => "Cloud Backup for Dynamics 365",
        4_194_304 => "Insights for Microsoft 365",
        8_388_608 => "Policies for Microsoft 365",
        16_777_216 => "Fly Migration",
        33_554_432 => "Cloud Backup for Google Workspace",
        67_108_864 => "Cense",
        134_217_728 => "EnPower",
        IAAS_BACKUP => "Cloud Backup for IaaS + PaaS - Unit",
        other => return format!("Product {other}"),
    };
    service.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(row: &Subscription) -> Value {
        row.written(Some(&json!(25)), DateForm::MonthFirst)
    }

    #[test]
    fn every_documented_field_is_text_and_does_not_apply_at_first() {
        let row = written(&Subscription::new("Cense"));
        let fields = row.as_object().expect("an object");
        assert_eq!(fields.len(), 18);
        assert!(fields.iter().all(|(name, says)| says == if name == "service" { "Cense" } else { "N/A" }), "{row}");
    }

    #[test]
    fn a_field_says_whatever_a_test_wants() {
        let row = Subscription::new("Fly Migration")
            .seats(2)
            .expires(Day::of(2026, 3, 14))
            .contract_ends(Day::of(2025, 9, 26))
            .field("change", Value::Null)
            .field("purchasedUnits", 7)
            .field("storage", json!(["a list"]))
            .field("undocumented", true)
            .without("package");
        let row = written(&row);
        assert_eq!((&row["purchasedUserSeats"], &row["expirationDate"]), (&json!("2"), &json!("03-14-2026T12:00:00Z")));
        assert_eq!((&row["contractEndDate"], &row["purchasedUnits"]), (&json!("09-26-2025T12:00:00Z"), &json!(7)));
        assert_eq!((row.get("change"), row.get("package")), (Some(&Value::Null), None));
        assert_eq!((&row["storage"], &row["undocumented"]), (&json!(["a list"]), &json!(true)));
    }

    #[test]
    fn the_row_of_a_product_says_what_its_overview_says() {
        let row = written(&Subscription::of(65_536));
        assert_eq!(row["service"], "Opus - Discovery and analysis");
        assert_eq!((&row["purchasedUserSeats"], &row["purchasedUnits"]), (&json!("25"), &json!("N/A")));
        let unit = written(&Subscription::of(BASELINE_MANAGEMENT));
        assert_eq!((&unit["purchasedUserSeats"], &unit["purchasedUnits"]), (&json!("N/A"), &json!("25")));
        assert_eq!(written(&Subscription::of(4).seats(7))["purchasedUserSeats"], "7");
        assert_eq!(service_of(7), "Product 7");
    }
}
