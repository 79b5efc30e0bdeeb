//! `customers` and `products`.

use std::io::{Write, stdout};

use anyhow::{Context, Result, bail};
use elements_api::{CATALOG, CustomerListing, LostRows};
use tracing::warn;

use super::args::{CustomersOutput, Output};
use super::entries::entries;
use super::output::write;
use super::{Outcome, round};
use crate::app::Source;
use crate::table::Cell;

/// Lists the customers that the credentials can see.
pub(super) async fn customers(source: &Source, output: CustomersOutput) -> Result<Outcome> {
    let mut config = source.load()?;
    // The token must allow it, whether the configuration wants discovery or not.
    config.api.discovery = true;
    let listing = round(&config)?.customers().await.context("customers cannot be listed")?;
    let CustomerListing { customers, lost } = listing;
    if let Some(LostRows { count: rows, first }) = lost {
        warn!(rows, first, "the listing has rows that name no customer: they are left out");
    }
    if customers.is_empty() && matches!(output, CustomersOutput::Table | CustomersOutput::Yaml) {
        bail!("the credentials can see no customer");
    }
    let output = match output {
        CustomersOutput::Table => Output::Table,
        CustomersOutput::Csv => Output::Csv,
        CustomersOutput::Json => Output::Json,
        CustomersOutput::Yaml => {
            let yaml = serde_yaml::to_string(&entries(&customers, &config.selection))?;
            stdout().lock().write_all(yaml.as_bytes())?;
            return Ok(Outcome::Done);
        }
    };
    let rows = customers
        .into_iter()
        .map(|customer| [Cell::from(customer.id.as_str()), customer.organization.map_or(Cell::Nothing, Cell::Text)]);
    write(&mut stdout().lock(), output, ["id", "organization"], rows)?;
    Ok(Outcome::Done)
}

/// Lists the catalogue.
pub(super) fn products(output: Output) -> Result<Outcome> {
    let rows =
        CATALOG.iter().map(|product| [Cell::Number(product.product_type.number().into()), Cell::from(product.name)]);
    write(&mut stdout().lock(), output, ["product_type", "product"], rows)?;
    Ok(Outcome::Done)
}
