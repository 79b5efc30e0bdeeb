//! What is legal and probably wrong: the command `check` warns of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use bounded_file::{LARGEST_SECRET, without_margins};
use checked_yaml::value::{names_a_variable, quoted};
use checked_yaml::{Field, Key, Problems};
use elements_api::{CustomerId, ProductType};

/// AvePoint's ids of customers are GUIDs, though nothing documents that they must be.
pub(super) fn of_id(id: &CustomerId, key: &Key, problems: &mut Problems<'_>) {
    if !is_guid(id.as_str()) {
        let message = format!("{} is no GUID, as AvePoint's ids are: is it the right one?", quoted(id.as_str()));
        problems.doubt(key.clone(), message);
    }
}

/// No message repeats a value of the section `api`. Of the `field`, the id is what is used.
pub(super) fn of_client_id(id: &str, field: &Field, key: &Key, problems: &mut Problems<'_>) {
    if matches!(field, Field::Text(text) if has_margins(text)) {
        problems.doubt(key.clone(), "begins or ends with a blank, which is left out: remove it");
    }
    if !is_guid(id) {
        problems.doubt(key.clone(), "is no GUID, as the application (client) ids of AvePoint's portal are");
    }
}

/// Of a secret, which stands at the key itself or, with `place` as the beginning of the message, elsewhere. What cannot be
/// seen is no part of it that would have to be kept.
pub(super) fn of_secret(secret: &str, place: &str, key: &Key, problems: &mut Problems<'_>) {
    if let Some(invisible) = secret.chars().find(|c| is_invisible(*c)) {
        let code = u32::from(invisible);
        let message = format!("{place}holds U+{code:04X}, which nobody sees and AvePoint is sent as well: remove it");
        problems.doubt(key.clone(), message);
    }
    if is_in_quotes(secret) {
        problems.doubt(key.clone(), format!("{place}is in quotes, which AvePoint is sent as well: remove them"));
    }
    if secret.contains("{{") {
        let message = format!("{place}holds `{{{{`, as a template does that nobody filled in: write the value itself");
        problems.doubt(key.clone(), message);
    }
}

pub(super) fn of_variable(name: &str, value: &str, problems: &mut Problems<'_>) {
    of_secret_elsewhere(value, &format!("the variable {name} "), &Key::root(), problems);
}

/// Of a file that holds a secret.
pub(super) fn of_secret_file(path: &Path, key: &Key, problems: &mut Problems<'_>) {
    of_permissions(path, key, problems);
    let secret = bounded_file::read(path, LARGEST_SECRET).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(secret) = secret {
        of_secret_elsewhere(without_margins(&secret), "the file ", key, problems);
    }
}

/// Where what was read is not a value of the configuration, which is looked at for variables anyway.
fn of_secret_elsewhere(secret: &str, place: &str, key: &Key, problems: &mut Problems<'_>) {
    if names_a_variable(secret) {
        let message = format!("{place}holds `${{…}}`, and nothing expands variables in it: write the value itself");
        problems.doubt(key.clone(), message);
    }
    of_secret(secret, place, key, problems);
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

/// What leaves no mark, such as a zero-width blank that was copied along. A blank between words may be meant.
fn is_invisible(c: char) -> bool {
    let is_format = matches!(
        u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
            | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff9..=0xfffb | 0xe0000..=0xe007f
    );
    is_format || (c.is_whitespace() && c != ' ')
}

/// Such as those of a line `SECRET="…"` of a shell, of which a service manager or Docker takes all.
fn is_in_quotes(text: &str) -> bool {
    let inside = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).is_some()
}

fn has_margins(text: &str) -> bool {
    text.trim() != text
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))
}
