//! What a visitor asks of the targets, for the page and the downloads.

use crate::pages::query::{self, Filter, Order};
use crate::store::{KnownTarget, TargetState};

/// The parameters of the page.
pub(in crate::pages) type Query = query::Query<Shown, Sort>;

/// Targets of which states are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::pages) enum Shown {
    /// All but those that are dormant and answered: what was never purchased is most of what there is.
    #[default]
    Relevant,
    All,
    Only(TargetState),
}

impl Shown {
    /// Whether a target in this state is among them.
    pub(in crate::pages) fn shows(self, target: &KnownTarget, state: TargetState) -> bool {
        match self {
            Self::Relevant => !(state == TargetState::Absent && target.is_dormant()),
            Self::All => true,
            Self::Only(wanted) => wanted == state,
        }
    }
}

impl Filter for Shown {
    const PAGE: &'static str = "./";
    const PLACE: &'static str = "targets";
    const PARAMETER: &'static str = "state";
    const ALL: &'static [Self] = &[
        Self::Relevant,
        Self::All,
        Self::Only(TargetState::Ok),
        Self::Only(TargetState::Absent),
        Self::Only(TargetState::Failing),
        Self::Only(TargetState::Pending),
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Relevant => "",
            Self::All => "all",
            Self::Only(state) => state.as_str(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Relevant => "all but never purchased",
            shown => shown.as_str(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::pages) enum Sort {
    /// What needs a look comes first.
    #[default]
    Urgency,
    Customer,
    Product,
    Seats,
    Age,
    Change,
}

impl Order for Sort {
    const COLUMNS: &'static [Self] = &[Self::Customer, Self::Product, Self::Seats, Self::Age, Self::Change];

    fn as_str(self) -> &'static str {
        match self {
            Self::Urgency => "",
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Seats => "seats",
            Self::Age => "age",
            Self::Change => "change",
        }
    }

    /// The most seats, the oldest answers and the newest changes are what one looks for first.
    fn begins_descending(self) -> bool {
        matches!(self, Self::Seats | Self::Age | Self::Change)
    }
}
