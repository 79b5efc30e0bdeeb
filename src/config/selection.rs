//! The sections `customers`, `discovery` and `products`, and the platforms of `tenants`.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use checked_yaml::value::{expected, flag, names_a_user, quoted, text};
use checked_yaml::{Field, Key, Problems, Refused};
use elements_api::{CustomerId, Platform, ProductType};

use super::{document, doubts};
use crate::poll::{ConfiguredCustomer, Discovery, ProductList, Selection};
use crate::store::Label;

pub(super) fn selection(raw: &document::Document, problems: &mut Problems<'_>) -> Result<Selection, Refused> {
    let entries = raw.customers.as_deref().unwrap_or_default();
    let customers = customers(entries, problems);
    let discovery = raw.discovery.as_ref().map_or(Ok(None), |raw| discovery(raw, problems));
    let common = products(&raw.products, &Key::of("products"), problems);
    let platforms = raw.tenants.as_ref().map_or(Ok(Vec::new()), |raw| platforms(&raw.platforms, problems));

    if entries.is_empty() && matches!(discovery, Ok(None)) {
        let message = "no customers to watch: add entries to `customers`, or write `discovery: {enabled: true}`";
        problems.add(&Key::of("customers"), message);
    }
    let common_is_needed =
        matches!(discovery, Ok(Some(_))) || entries.iter().any(|customer| !customer.products.is_given());
    if common_is_needed && !raw.products.is_given() {
        problems.add(&Key::of("products"), "is missing: list products by name or number, or write `products: all`");
    }
    if let Ok(Some(discovery)) = &discovery {
        for (index, customer) in customers.iter().filter(|(_, customer)| discovery.exclude.contains(&customer.id)) {
            let message = format!("{} is also under discovery.exclude; keep one of the two", shown(&customer.id));
            problems.add(&customer_key(*index).then("id"), message);
        }
    }
    let customers = customers.into_iter().map(|(_, customer)| customer).collect();
    Ok(Selection { customers, discovery: discovery?, products: common?.unwrap_or_default(), platforms: platforms? })
}

/// Those whose tenants are asked for.
fn platforms(field: &Field, problems: &mut Problems<'_>) -> Result<Vec<Platform>, Refused> {
    let key = Key::of("tenants").then("platforms");
    let names = Platform::ALL.map(Platform::as_str).join(", ");
    if matches!(field, Field::Text(text) if text.trim().eq_ignore_ascii_case("all")) {
        return Ok(Platform::ALL.to_vec());
    }
    let platforms = problems.read(&key, field, |field| list(field, &format!("a list of {names}, or the word all")))?;
    let Some(platforms) = platforms.filter(|list| !list.is_empty()) else {
        return Err(problems.add(&key, format!("names no platform: list some of {names}, or write all")));
    };
    let platform = |field: &Field| {
        let name = text(field)?;
        no_word_for_all(name, "platforms")?;
        Platform::parse(name).ok_or_else(|| format!("{} is no platform; write one of {names}", quoted(name)))
    };
    Ok(distinct(platforms, &key, problems, (platform, |_, _, _| ()), Platform::to_string))
}

/// The customers whose ids can be judged further, each with its place in the list.
fn customers(raw: &[document::Customer], problems: &mut Problems<'_>) -> Vec<(usize, ConfiguredCustomer)> {
    let read = |(index, raw)| Some((index, customer(raw, &customer_key(index), problems).ok()?));
    let customers: Vec<_> = raw.iter().enumerate().filter_map(read).collect();
    refuse_doubles(&customers, problems);
    customers
}

fn customer_key(index: usize) -> Key {
    Key::of("customers").at(index)
}

fn customer(raw: &document::Customer, key: &Key, problems: &mut Problems<'_>) -> Result<ConfiguredCustomer, Refused> {
    let id = problems.read(&key.then("id"), &raw.id, id);
    let name = problems.read(&key.then("name"), &raw.name, name);
    let products = products(&raw.products, &key.then("products"), problems);
    let id = id?
        .ok_or_else(|| problems.add(&key.then("id"), "is missing: every customer needs the id that AvePoint gave it"));
    if let Ok(id) = &id {
        doubts::of_id(id, &key.then("id"), problems);
    }
    if let Ok(Some(name)) = &name {
        doubts::of_name(name, &key.then("name"), problems);
    }
    // What was refused of it keeps the whole file from being accepted, and must not keep it from being compared.
    Ok(ConfiguredCustomer { id: id?, name: name.unwrap_or_default(), products: products.unwrap_or_default() })
}

/// Refuses customers that could not be told apart: two with one id, two with one label, one named like another's id.
fn refuse_doubles(customers: &[(usize, ConfiguredCustomer)], problems: &mut Problems<'_>) {
    let mut ids = HashMap::new();
    for (index, customer) in customers {
        let first = *ids.entry(&customer.id).or_insert(*index);
        if first != *index {
            let message = format!("{} is already {}.id; keep one of them", shown(&customer.id), customer_key(first));
            problems.add(&customer_key(*index).then("id"), message);
        }
    }
    let mut labels = HashMap::new();
    for (index, customer) in customers {
        let (key, text) = match &customer.name {
            Some(name) => ("name", name.as_str()),
            None => ("id", customer.id.as_str()),
        };
        let place = customer_key(*index).then(key);
        let namesake = CustomerId::parse(text).and_then(|id| ids.get(&id).copied()).filter(|other| other != index);
        if let Some(other) = namesake {
            // Two with one id have been refused for that.
            if customer.name.is_some() {
                let message = format!("{} is {}.id; choose another name", quoted(text), customer_key(other));
                problems.add(&place, message);
            }
            continue;
        }
        let first = *labels.entry(Label::from(text)).or_insert(*index);
        if first != *index {
            let first = customer_key(first);
            problems.add(&place, format!("{} is already the label of {first}; choose another name", quoted(text)));
        }
    }
}

fn shown(id: &CustomerId) -> String {
    quoted(id.as_str())
}

/// `None` if discovery is off.
fn discovery(raw: &document::Discovery, problems: &mut Problems<'_>) -> Result<Option<Discovery>, Refused> {
    let section = Key::of("discovery");
    let enabled = problems.read(&section.then("enabled"), &raw.enabled, flag);
    let exclude = exclude(&raw.exclude, &section.then("exclude"), problems);
    let enabled = enabled?.ok_or_else(|| problems.add(&section.then("enabled"), "is missing: write true or false"));
    let exclude = exclude?;
    Ok(enabled?.then_some(Discovery { exclude }))
}

fn exclude(field: &Field, key: &Key, problems: &mut Problems<'_>) -> Result<HashSet<CustomerId>, Refused> {
    let list = problems.read(key, field, |field| list(field, "a list of ids"))?.unwrap_or_default();
    Ok(distinct(list, key, problems, (id, doubts::of_id), shown).into_iter().collect())
}

/// `None` if there is no list.
fn products(field: &Field, key: &Key, problems: &mut Problems<'_>) -> Result<Option<ProductList>, Refused> {
    if matches!(field, Field::Text(text) if text.trim().eq_ignore_ascii_case("all")) {
        return Ok(Some(ProductList::All));
    }
    let what = "a list of product names or numbers, or the word all";
    let Some(list) = problems.read(key, field, |field| list(field, what))? else { return Ok(None) };
    if list.is_empty() {
        return Err(problems.add(key, format!("is empty: expected {what}")));
    }
    let entry = |field: &Field| match field {
        Field::Text(name) => no_word_for_all(name, "products").and_then(|()| product(field)),
        _ => product(field),
    };
    let doubt = |product: &ProductType, key: &Key, problems: &mut Problems<'_>| {
        doubts::of_product(*product, key, problems);
    };
    let products = distinct(list, key, problems, (entry, doubt), |product| product.label().into_owned());
    Ok(Some(ProductList::Listed(products)))
}

/// In a list, `all` is one of many names.
fn no_word_for_all(name: &str, key: &str) -> Result<(), String> {
    if name.trim().eq_ignore_ascii_case("all") {
        return Err(format!("the word all stands for a whole list: write `{key}: all`"));
    }
    Ok(())
}

fn list<'f>(field: &'f Field, what: &str) -> Result<&'f [Field], String> {
    match field {
        Field::List(list) => Ok(list),
        _ => expected(what, field),
    }
}

/// What `parse` makes of every entry of the list at `key`, each with its `doubt`, where no two may be the same.
fn distinct<T: Clone + Eq + Hash>(
    list: &[Field],
    key: &Key,
    problems: &mut Problems<'_>,
    (parse, doubt): (impl Fn(&Field) -> Result<T, String>, impl Fn(&T, &Key, &mut Problems<'_>)),
    show: impl Fn(&T) -> String,
) -> Vec<T> {
    let mut places = HashMap::new();
    let mut entries = Vec::new();
    for (index, field) in list.iter().enumerate() {
        let parsed = parse(field).inspect(|entry| doubt(entry, &key.at(index), problems));
        let fresh = parsed.and_then(|entry| match *places.entry(entry.clone()).or_insert(index) {
            first if first == index => Ok(entry),
            first => Err(format!("{} is already {}; keep one of them", show(&entry), key.at(first))),
        });
        match fresh {
            Ok(entry) => entries.push(entry),
            Err(message) => _ = problems.add(&key.at(index), message),
        }
    }
    entries
}

fn id(field: &Field) -> Result<CustomerId, String> {
    match field {
        // YAML reads 0123 and 1e5 as numbers, and their spelling is lost.
        Field::Number(_) | Field::Bool(_) => Err("is not text to YAML: put the id in quotes".to_owned()),
        _ => {
            let text = text(field)?;
            CustomerId::parse(text)
                .ok_or_else(|| format!("{} is not a valid id: expected {}", quoted(text), CustomerId::FORM))
        }
    }
}

fn name(field: &Field) -> Result<String, String> {
    let name = text(field)?;
    if name.contains(char::is_control) {
        return Err("holds a line break or another control character: remove it".to_owned());
    }
    if names_a_user(name) {
        return Err("a URL must not hold a user or password: remove it".to_owned());
    }
    Ok(name.to_owned())
}

fn product(field: &Field) -> Result<ProductType, String> {
    const WHAT: &str = "a product's name, or its number from 1 to 2147483647";
    let number = match field {
        Field::Text(text) => text.trim().parse().ok(),
        Field::Number(number) => *number,
        _ => None,
    };
    match (number, field) {
        (Some(number), _) => i32::try_from(number)
            .ok()
            .and_then(|number| ProductType::new(number.unsigned_abs()))
            .map_or_else(|| expected(WHAT, field), Ok),
        (None, Field::Text(name)) if !name.trim().is_empty() => ProductType::from_name(name)
            .map_err(|unknown| format!("{} is not a known product; {unknown}", quoted(name))),
        _ => expected(WHAT, field),
    }
}
