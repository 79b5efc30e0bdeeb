//! The listing of a customer's tenants.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{name, page, text};
use crate::error::BadResponse;
use crate::listing::Page;
use crate::object::Object;
use crate::subscription::Tenant;

/// Answer of `…/3rd-party-products/type/{type}/tenants/batch`. Here a number that cannot be read costs its row: there is
/// little else in it.
pub(crate) fn tenants_page(body: &[u8]) -> Result<Page<Tenant>, BadResponse> {
    page(body, tenant)
}

fn tenant(row: &RawValue) -> Result<Tenant, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        #[serde(default)]
        tenant_id: Value,
        #[serde(default)]
        tenant_name: Value,
        #[serde(default)]
        assigned_user_seat: Value,
        #[serde(default)]
        available_user_seat: Value,
    }
    let Ok(Object(row)) = serde_json::from_str::<Object<Row>>(row.get()) else {
        return Err("is no object".to_owned());
    };
    let unreadable = |field| move |value| format!("has {value} as its {field}");
    Ok(Tenant {
        id: row.tenant_id.as_str().and_then(name).ok_or("has no tenantId")?,
        name: row.tenant_name.as_str().and_then(name),
        assigned: text::count(&row.assigned_user_seat).map_err(unreadable("assignedUserSeat"))?,
        available: text::change(&row.available_user_seat).map_err(unreadable("availableUserSeat"))?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Seats;

    fn read(data: &Value) -> Page<Tenant> {
        let total = data.as_array().map_or(0, Vec::len);
        tenants_page(json!({"data": data, "metadata": {"pageIndex": 1, "totalCount": total}}).to_string().as_bytes())
            .unwrap()
    }

    #[test]
    fn a_tenant_has_seats_that_apply_or_do_not() {
        let page = read(&json!([
            {"type": 0, "tenantId": "t-1", "tenantName": "contoso.onmicrosoft.com", "availableUserSeat": 5,
             "assignedUserSeat": "25"},
            {"type": 0, "tenantId": "t-2", "availableUserSeat": -3, "assignedUserSeat": "N/A"},
        ]));
        let name = Some("contoso.onmicrosoft.com".to_owned());
        let first = Tenant { id: "t-1".to_owned(), name, assigned: Seats::new(25), available: Some(5) };
        let second = Tenant { id: "t-2".to_owned(), name: None, assigned: None, available: Some(-3) };
        assert_eq!(page.rows, [first, second]);
    }

    #[test]
    fn a_row_that_cannot_be_read_spoils_no_other() {
        let page = read(&json!([
            {"tenantId": ""}, {"tenantId": "a", "assignedUserSeat": "many"}, {"tenantId": "b"}
        ]));
        assert_eq!(page.rows.len(), 1);
        assert_eq!(
            page.lost,
            ["row 1 of page 1 has no tenantId", "row 2 of page 1 has \"many\" as its assignedUserSeat"]
        );
    }
}
