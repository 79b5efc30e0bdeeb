//! What is legal and probably wrong: the command `check` warns of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use checked_yaml::value::quoted;
use checked_yaml::{Key, Problems};
use elements_api::{CustomerId, ProductType};

/// AvePoint's ids of customers are GUIDs, though nothing documents that they must be.
pub(super) fn of_id(id: &CustomerId, key: &Key, problems: &mut Problems<'_>) {
    if !is_guid(id.as_str()) {
        let message = format!("{} is no GUID, as AvePoint's ids are: is it the right one?", quoted(id.as_str()));
        problems.doubt(key.clone(), message);
    }
}

/// No message repeats a value of the section `api`.
pub(super) fn of_client_id(id: &str, key: &Key, problems: &mut Problems<'_>) {
    if has_margins(id) {
        problems.doubt(key.clone(), "begins or ends with a blank, which is sent to AvePoint as well: remove it");
    } else if !is_guid(id) {
        problems.doubt(key.clone(), "is no GUID, as the application (client) ids of AvePoint's portal are");
    }
}

pub(super) fn of_name(name: &str, key: &Key, problems: &mut Problems<'_>) {
    if has_margins(name) {
        problems.doubt(key.clone(), format!("{} begins or ends with a blank, and so does the label", quoted(name)));
    }
}

pub(super) fn of_product(product: ProductType, key: &Key, problems: &mut Problems<'_>) {
    if let Some(meant) = product.misspelt() {
        let (number, meant, name) = (product.number(), meant.product_type.number(), meant.name);
        problems.doubt(key.clone(), format!("{number} is not in the catalogue; did you mean {meant} ({name})?"));
    }
}

/// Of a file that holds a secret.
pub(super) fn of_permissions(path: &Path, key: &Key, problems: &mut Problems<'_>) {
    let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o004 != 0 {
        let message = format!("every user may read this file (mode {:04o}): `chmod o-r` it", mode & 0o7777);
        problems.doubt(key.clone(), message);
    }
}

pub(super) fn of_interval(interval: Duration, key: &Key, problems: &mut Problems<'_>) {
    if interval > LONGEST_FOR_ALERTS {
        let message = "the shipped alerts fit intervals of up to 15m: lengthen their durations with it, as \
                       docs/runbooks.md says under \"Change thresholds\"";
        problems.doubt(key.clone(), message);
    }
}

/// Up to it, the durations in `alerts/` mean what `docs/runbooks.md` says of them.
const LONGEST_FOR_ALERTS: Duration = Duration::from_mins(15);

fn has_margins(text: &str) -> bool {
    text.trim() != text
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))
}
