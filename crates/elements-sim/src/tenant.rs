//! The tenants of a customer on the platforms of others.

use serde_json::{Value, json};

/// Whose platform a tenant is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Type 0.
    Microsoft365,
    /// Type 1.
    Salesforce,
    /// Type 2.
    Google,
    /// Type 3.
    Dynamics365,
}

impl Platform {
    /// All of them, by their number.
    pub const ALL: [Self; 4] = [Self::Microsoft365, Self::Salesforce, Self::Google, Self::Dynamics365];

    /// The number by which the API knows it.
    pub fn number(self) -> u8 {
        match self {
            Self::Microsoft365 => 0,
            Self::Salesforce => 1,
            Self::Google => 2,
            Self::Dynamics365 => 3,
        }
    }

    /// The platform that a part of a path names.
    pub(crate) fn of(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.number().to_string() == number)
    }
}

/// A tenant of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// `tenantId`.
    pub id: String,
    /// `tenantName`.
    pub name: String,
    /// `availableUserSeat`: a number, or something that the vendor would never write.
    pub available: Value,
    /// `assignedUserSeat`, the same.
    pub assigned: Value,
}

impl Tenant {
    /// A tenant with no seats.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), available: 0.into(), assigned: 0.into() }
    }

    /// The tenant with so many seats available.
    #[must_use]
    pub fn available(self, seats: impl Into<Value>) -> Self {
        Self { available: seats.into(), ..self }
    }

    /// The tenant with so many seats assigned.
    #[must_use]
    pub fn assigned(self, seats: impl Into<Value>) -> Self {
        Self { assigned: seats.into(), ..self }
    }

    /// As it stands in an answer, with its numbers as `number` writes them.
    pub(crate) fn written(&self, platform: Platform, number: impl Fn(Value) -> Value) -> Value {
        json!({
            "type": number(platform.number().into()),
            "tenantId": self.id,
            "tenantName": self.name,
            "availableUserSeat": number(self.available.clone()),
            "assignedUserSeat": number(self.assigned.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_known_by_its_number_alone() {
        for platform in Platform::ALL {
            assert_eq!(Platform::of(&platform.number().to_string()), Some(platform));
        }
        for other in ["", "4", "00", "+0", "-1", "google"] {
            assert_eq!(Platform::of(other), None, "{other}");
        }
    }
}
