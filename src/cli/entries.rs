//! The customers of a listing as entries of `exporter.yaml`, so that nobody types their names.

use std::collections::{HashMap, HashSet};

use elements_api::{CATALOG, CustomerId, ListedCustomer, ProductType};
use serde::Serialize;
use serde_yaml::Value;

use crate::poll::{ConfiguredCustomer, ProductList, Selection};
use crate::store::Label;

/// An entry of `customers`.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    products: Option<Value>,
}

/// An entry for each customer of the listing that is not excluded. What is configured stays as it is; a customer without
/// a name gets that of its organization.
pub(super) fn entries<'a>(listing: &'a [ListedCustomer], selection: &Selection) -> Vec<Entry<'a>> {
    let excluded = |id| selection.discovery.as_ref().is_some_and(|discovery| discovery.exclude.contains(id));
    let listed: Vec<_> = listing.iter().filter(|listed| !excluded(&listed.id)).collect();
    let configured: HashMap<_, _> = selection.customers.iter().map(|customer| (&customer.id, customer)).collect();
    let unnamed = listed.iter().filter(|listed| configured.get(&listed.id).is_none_or(|entry| entry.name.is_none()));
    let mut names = names(unnamed.copied(), &Taken::by(&listed, &selection.customers));
    let entry = |listed: &&'a ListedCustomer| {
        let configured = configured.get(&listed.id);
        let name = configured.and_then(|entry| entry.name.clone()).or_else(|| names.remove(&listed.id));
        let products = configured.and_then(|entry| entry.products.as_ref()).map(products);
        Entry { id: listed.id.as_str(), name, products }
    };
    listed.iter().map(entry).collect()
}

/// What nobody else can be called.
struct Taken<'a> {
    ids: HashSet<&'a CustomerId>,
    names: HashSet<&'a str>,
}

impl<'a> Taken<'a> {
    fn by(listed: &[&'a ListedCustomer], configured: &'a [ConfiguredCustomer]) -> Self {
        let ids = listed.iter().map(|listed| &listed.id).chain(configured.iter().map(|entry| &entry.id));
        Self { ids: ids.collect(), names: configured.iter().filter_map(|entry| entry.name.as_deref()).collect() }
    }

    fn is(&self, name: &str, own: &CustomerId) -> bool {
        let anothers = |id: CustomerId| id != *own && self.ids.contains(&id);
        self.names.contains(name) || CustomerId::parse(name).is_some_and(anothers)
    }
}

/// How much of its id stands behind the name of a customer, in the order in which it is tried.
const SUFFIXES: [fn(&str) -> &str; 3] = [|_| "", |id| id.get(..8).unwrap_or(id), |id| id];

/// A name of its own for each customer that has an organization, where one can be found.
fn names<'a>(listed: impl Iterator<Item = &'a ListedCustomer>, taken: &Taken<'_>) -> HashMap<&'a CustomerId, String> {
    let mut tried: Vec<_> =
        listed.filter_map(|one| Some((&one.id, readable(one.organization.as_deref()?)?, 0))).collect();
    loop {
        let name = |(id, base, suffix): &(&'a CustomerId, String, usize)| {
            Some((*id, with_suffix(base, SUFFIXES.get(*suffix)?(id.as_str()))?))
        };
        let names: HashMap<_, _> = tried.iter().filter_map(name).collect();
        let mut uses = HashMap::new();
        for name in names.values() {
            *uses.entry(name).or_insert(0) += 1;
        }
        let mut all_differ = true;
        for (id, _, suffix) in &mut tried {
            if names.get(id).is_some_and(|name| uses[name] > 1 || taken.is(name, id)) {
                *suffix += 1;
                all_differ = false;
            }
        }
        if all_differ {
            return names;
        }
    }
}

/// An organization as a name that the configuration accepts: on one line, and not like a URL with a password.
fn readable(organization: &str) -> Option<String> {
    let is_url = organization.contains("://");
    let text = if is_url { organization.replace('@', " ") } else { organization.to_owned() };
    let label = Label::from(text.trim());
    let name = label.as_str().trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// `None` if there is no room for a name before the suffix.
fn with_suffix(name: &str, suffix: &str) -> Option<String> {
    if suffix.is_empty() {
        return Some(name.to_owned());
    }
    let suffix = format!(" ({suffix})");
    let name = cut(name, Label::MAX_BYTES.saturating_sub(suffix.len()));
    (!name.is_empty()).then(|| format!("{name}{suffix}"))
}

fn cut(text: &str, bytes: usize) -> &str {
    text[..text.floor_char_boundary(bytes)].trim_end()
}

/// As a person writes them: by name where there is one.
fn products(products: &ProductList) -> Value {
    let ProductList::Listed(products) = products else { return "all".into() };
    let written = |product: &ProductType| {
        let known = CATALOG.iter().find(|known| known.product_type == *product);
        known.map_or_else(|| product.number().into(), |known| known.name.into())
    };
    Value::Sequence(products.iter().map(written).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Config;
    use crate::testing::listed;

    const API: &str = "api: {client_id: app, client_secret: secret}\nproducts: [1]\n";

    /// What the exporter's own loader makes of a configuration.
    fn load(yaml: &str) -> Selection {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), yaml).unwrap();
        Config::load_with(file.path(), &|_| None).unwrap_or_else(|error| panic!("{error}\n{yaml}")).selection
    }

    /// A configuration into which the entries were pasted.
    fn pasted(listing: &[ListedCustomer], selection: &Selection) -> Vec<ConfiguredCustomer> {
        let entries = serde_yaml::to_string(&entries(listing, selection)).unwrap();
        load(&format!("{API}customers:\n{entries}")).customers
    }

    /// The names that customers get who are not configured.
    fn named(customers: &[(&str, &str)]) -> Vec<String> {
        let listing: Vec<_> = customers.iter().map(|(id, organization)| listed(id, Some(organization))).collect();
        let nobody = load(&format!("{API}discovery: {{enabled: true}}"));
        let pasted = pasted(&listing, &nobody).into_iter();
        pasted.map(|entry| entry.name.unwrap_or_else(|| format!("none: {}", entry.id))).collect()
    }

    #[test]
    fn an_entry_has_the_id_and_the_organization() {
        let listing = [listed("C-1", Some("Contoso")), listed("0x10", Some("no")), listed("c-3", None)];
        let yaml = serde_yaml::to_string(&entries(&listing, &load(&format!("{API}discovery: {{enabled: true}}"))));
        assert_eq!(yaml.unwrap(), "- id: C-1\n  name: Contoso\n- id: '0x10'\n  name: no\n- id: c-3\n");
    }

    #[test]
    fn every_odd_name_survives() {
        let names = [
            "no",
            "null",
            "~",
            "0x10",
            "1e5",
            "0123",
            ".inf",
            "2026-01-01",
            "12:30:00",
            ": #",
            "# x",
            "- x",
            "? x",
            "'",
            "\"",
            "a: b",
            "a #b",
            "[x]",
            "{x}",
            "*x",
            "&x",
            "!x",
            "|",
            ">",
            "%x",
            "`x`",
            "${HOME}",
            "\\n",
            "=",
            "<<",
            "---",
            "...",
            "Müller & Söhne",
            "日本",
            "🦀",
            "\u{202e}gnp.exe",
            "\u{feff}x",
            "\u{fffd}",
            "x\u{ffff}",
            "trailing:",
        ];
        let ids: Vec<_> = (0..names.len()).map(|number| format!("id-{number}")).collect();
        let customers: Vec<_> = ids.iter().map(String::as_str).zip(names).collect();
        assert_eq!(named(&customers), names);
    }

    #[test]
    fn every_odd_id_survives() {
        let ids = [
            "no",
            "null",
            "true",
            "0123",
            "1e5",
            "0x10",
            "1_000",
            "-1",
            ".5",
            "1.",
            "-",
            "--",
            "---",
            "-.",
            "_",
            "2026-01-01",
        ];
        let listing: Vec<_> = ids.iter().map(|id| listed(id, None)).collect();
        let nobody = load(&format!("{API}discovery: {{enabled: true}}"));
        let read: Vec<_> = pasted(&listing, &nobody).into_iter().map(|entry| entry.id.to_string()).collect();
        assert_eq!(read, ids);
    }

    #[test]
    fn a_name_is_one_line_of_at_most_200_bytes() {
        let long = "é".repeat(150);
        let at_a_blank = format!("{} {}", "x".repeat(199), "y");
        let named = named(&[
            ("a", "\u{85}One\r\nTwo\u{2028}Three\u{2029}\0\u{7f}\u{1b}[31m\u{9f}\t"),
            ("b", &long),
            ("c", &at_a_blank),
            ("d", "\u{a0}\r\n\u{1}"),
            ("e", "https://me:secret@example.com"),
        ]);
        let expected =
            ["One  Two Three    [31m", &"é".repeat(100), &"x".repeat(199), "none: d", "https://me:secret example.com"];
        assert_eq!(named, expected);
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_ids() {
        let (east, west) = ("11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555");
        assert_eq!(
            named(&[(east, "Contoso"), (west, "Contoso"), ("c-3", "Fabrikam")]),
            ["Contoso (11111111)", "Contoso (22222222)", "Fabrikam"]
        );
        let (one, two) = ("de300000-0000-4000-8000-000000000001", "de300000-0000-4000-8000-000000000002");
        assert_eq!(named(&[(one, "Contoso"), (two, "Contoso")]), [one, two].map(|id| format!("Contoso ({id})")));
        let long = "é".repeat(120);
        let cut = [one, two].map(|id| format!("{} ({id})", "é".repeat(80)));
        assert_eq!(named(&[(one, &long), (two, &long)]), cut, "the ids have their room");
    }

    #[test]
    fn a_name_is_nobody_elses_id_and_no_suffix_makes_it_anothers_name() {
        assert_eq!(named(&[("a", "B"), ("b", "Contoso")]), ["B (a)", "Contoso"]);
        assert_eq!(named(&[("a", "A")]), ["A"], "its own id names it as well");
        let trap =
            [("a", "Contoso"), ("b", "Contoso"), ("c", "Contoso (a)"), ("d", "Contoso (b)"), ("e", "Contoso (a)")];
        let named = named(&trap);
        assert_eq!(named.iter().collect::<HashSet<_>>().len(), 5, "{named:?}");
    }

    #[test]
    fn who_finds_no_name_of_its_own_keeps_its_id() {
        let ids = [1, 2].map(|number| format!("{}-{number}", "x".repeat(198)));
        assert_eq!(named(&[(&ids[0], "Contoso"), (&ids[1], "Contoso")]), ids.map(|id| format!("none: {id}")));
    }

    #[test]
    fn what_is_configured_stays() {
        let selection = load(&format!(
            "{API}discovery: {{enabled: true, exclude: [gone]}}\n\
             customers: [{{id: A, name: Fabrikam, products: [Fly, 99]}}, {{id: b, products: all}}, {{id: unlisted, name: Litware}}]"
        ));
        let listing = [
            listed("a", Some("Contoso")),
            listed("b", Some("Fabrikam")),
            listed("c", Some("Litware")),
            listed("gone", Some("Excluded")),
        ];
        let yaml = serde_yaml::to_string(&entries(&listing, &selection)).unwrap();
        assert_eq!(
            yaml,
            "- id: a\n  name: Fabrikam\n  products:\n  - Fly\n  - 99\n\
             - id: b\n  name: Fabrikam (b)\n  products: all\n- id: c\n  name: Litware (c)\n"
        );
        let pasted = pasted(&listing, &selection);
        assert_eq!(pasted[0], selection.customers[0]);
        assert_eq!(pasted[1].products, selection.customers[1].products);
    }
}
