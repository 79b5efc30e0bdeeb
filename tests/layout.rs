//! The rules of the repository's layout, as tests: who may use whom, how long a file may be, what may lie where.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMod, ItemUse, Macro, Meta, UseTree};

/// Each top-level module, with the others that it may use. Imports point down: a line names only lines below it.
const MODULES: &[(&str, &str)] = &[
    ("main", "cli"),
    ("cli", "app api catalog config exposition metrics model poller secret sim stats store table web"),
    ("app", "api aside config exposition file model poller stats state store web yaml"),
    ("web", "aside catalog exposition file metrics model secret stats store table yaml"),
    ("exposition", "aside metrics model stats store"),
    ("metrics", "catalog model stats store"),
    // It makes the settings of the parts that it configures.
    ("config", "api catalog model poller secret yaml"),
    ("poller", "api catalog model stats store"),
    ("api", "aside catalog file model object secret stats"),
    ("state", "catalog model object store"),
    ("store", "catalog model"),
    // Nothing of `api`: a shared wire type would let one wrong field name agree with itself.
    ("sim", "catalog"),
    ("stats", "model"),
    ("model", "catalog"),
    ("catalog", ""),
    ("table", ""),
    ("aside", ""),
    ("object", ""),
    ("yaml", "file secret"),
    ("file", ""),
    ("secret", ""),
];

/// Each crate that has its place, with the modules that may use it. Tests may use it elsewhere, too.
const CRATES: &[(&str, &str)] = &[("prometheus", "exposition metrics"), ("anyhow", "cli main"), ("reqwest", "api")];

/// A source file has at most so many lines, its tests aside.
const MOST_LINES: usize = 400;

/// What may lie in the top folder, besides what begins with a dot and what is built.
const TOP: &str = "src tests dashboards alerts benches deploy docs \
                   Cargo.toml exporter.yaml Dockerfile Makefile README.md CHANGELOG.md ARCHITECTURE.md \
                   Cargo.lock LICENSE askama.toml build.rs clippy.toml rustfmt.toml";

/// What no committed text says: hosts of package registries, and folders of the machine that it was written on.
const UNSAID: &[&str] = &[
    concat!("crates", ".io"),
    concat!("docs", ".rs/"),
    concat!("lib", ".rs/"),
    concat!("npm", "js."),
    concat!("py", "pi.org"),
    concat!("/wo", "rk/"),
    concat!("/tmp/", "wt"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

#[test]
fn imports_point_down() {
    let complaints: Vec<_> = sources().iter().flat_map(Source::complaints).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_table_of_modules_is_that_of_the_crate_and_has_no_way_up() {
    let listed: BTreeSet<_> = MODULES.iter().map(|(module, _)| (*module).to_owned()).collect();
    let found: BTreeSet<_> = sources().into_iter().map(|source| source.module).filter(|name| name != "lib").collect();
    assert_eq!(listed, found);
    for (line, (module, uses)) in MODULES.iter().enumerate() {
        let below: Vec<_> = MODULES[line + 1..].iter().map(|(module, _)| *module).collect();
        for used in uses.split_whitespace() {
            assert!(below.contains(&used), "{module} would use {used}, which is no line below it");
        }
    }
}

#[test]
fn a_use_that_points_up_is_found_however_it_is_written() {
    for (file, text, used) in [
        ("src/poller/cycle.rs", "use crate::web::Server;", "poller uses web"),
        ("src/poller/cycle.rs", "use crate::{api::Client, web};", "poller uses web"),
        ("src/poller/cycle.rs", "use super::super::web::Server;", "poller uses web"),
        ("src/poller.rs", "use super::{store::Store, cli};", "poller uses cli"),
        ("src/poller.rs", "fn f() -> crate::app::Error { todo!() }", "poller uses app"),
        ("src/poller.rs", "fn f() { log!(\"{}\", crate::metrics::VERSION); }", "poller uses metrics"),
        ("src/poller.rs", "struct S { #[arg(value_parser = crate::web::parse)] s: u8 }", "poller uses web"),
        ("src/poller.rs", "use crate::*;", "poller uses *"),
        ("src/sim/mod.rs", "#[cfg(test)] mod tests { use super::super::api::wire; }", "sim uses api"),
        ("src/stats.rs", "use prometheus::proto;", "stats uses prometheus"),
        ("src/store/tests_of.rs", "fn f() -> prometheus::Result<()> { todo!() }", "store uses prometheus"),
        ("src/app.rs", "fn f() { anyhow::bail!(\"no\") }", "app uses anyhow"),
        ("src/web/mod.rs", "fn f() { check!(reqwest::get(1)); }", "web uses reqwest"),
    ] {
        let complaints = Source::new(file, text.to_owned()).complaints();
        assert_eq!(complaints, [format!("{file}: {used}")], "{text}");
    }
}

#[test]
fn a_use_that_points_down_or_stays_is_no_complaint() {
    for (file, text) in [
        ("src/poller/cycle.rs", "use super::super::store::Store; use super::Poller; use crate::poller::Plan;"),
        ("src/poller/cycle.rs", "mod tests { use super::super::web; }"),
        ("src/poller/tests.rs", "use reqwest::Client;"),
        ("src/sim/mod.rs", "#[cfg(test)] mod tests { use reqwest::Client; }"),
        ("src/metrics.rs", "use prometheus::core::Desc; pub(in crate::metrics) struct S;"),
        ("src/main.rs", "fn main() { avepoint_exporter::cli::main() }"),
        ("src/store.rs", "/// As `crate::web` shows it.\nuse std::fmt;"),
    ] {
        assert_eq!(Source::new(file, text.to_owned()).complaints(), [""; 0], "{file}: {text}");
    }
}

#[test]
fn a_source_file_fits_in_a_few_screens() {
    for source in sources().iter().filter(|source| !source.is_test) {
        let (path, lines) = (source.path.display(), lines_before_tests(&source.text));
        assert!(lines <= MOST_LINES, "{path} has {lines} lines before its tests: split it");
    }
    let long = "fn f() {}\n".repeat(MOST_LINES + 1);
    assert_eq!(lines_before_tests(&long), MOST_LINES + 1);
    assert_eq!(lines_before_tests("fn f() {}\n\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    assert_eq!(lines_before_tests("#[cfg(test)]\nmod tests;\n\nfn f() {}\n"), 4, "a module elsewhere ends nothing");
}

#[test]
fn unsafe_code_is_forbidden_by_the_compiler() {
    assert!(read("Cargo.toml").lines().any(|line| line == "unsafe_code = \"forbid\""));
}

#[test]
fn the_top_folder_holds_what_it_is_known_to_hold() {
    let known: BTreeSet<_> = TOP.split_whitespace().collect();
    for entry in fs::read_dir(root()).expect("the top folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let expected = name.starts_with('.') || name == "target" || known.contains(name.as_str());
        assert!(expected, "{name} lies in the top folder, which ARCHITECTURE.md does not know of");
    }
}

#[test]
fn no_text_names_a_package_registry_or_a_folder_of_one_machine() {
    for path in files(&root()) {
        // Cargo writes its registry into the lock file.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.ends_with("Cargo.lock") {
            continue;
        }
        for (line, text) in (1..).zip(text.lines()) {
            assert_eq!(unsaid(text), None, "{}:{line}", path.display());
        }
    }
    assert_eq!(unsaid(concat!("see https://crates", ".io/crates/x")), Some(concat!("crates", ".io")));
    assert_eq!(unsaid("see https://prometheus.io/docs"), None);
}

fn unsaid(text: &str) -> Option<&'static str> {
    UNSAID.iter().copied().find(|unsaid| text.contains(unsaid))
}

/// The lines before the tests that stand in the same file.
fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with("mod tests {"));
    tests.unwrap_or(lines.len())
}

/// A file of `src`.
struct Source {
    path: PathBuf,
    /// The top-level module that it belongs to.
    module: String,
    /// How many `super` lead from it to the crate's root.
    depth: usize,
    /// Whether all of it is test code, as its name says.
    is_test: bool,
    text: String,
}

impl Source {
    fn new(path: impl Into<PathBuf>, text: String) -> Self {
        let path = path.into();
        let inside = path.strip_prefix("src").expect("a file of src").with_extension("");
        let mut names: Vec<_> = inside.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        if names.last().is_some_and(|name| name == "mod") {
            names.pop();
        }
        let module = names.first().expect("a name").clone();
        let depth = if ["main", "lib"].contains(&module.as_str()) { 0 } else { names.len() };
        let is_test = names.last().is_some_and(|name| {
            ["tests", "testing"].contains(&name.as_str()) || name.ends_with("_tests") || name.ends_with("_testing")
        });
        Self { path, module, depth, is_test, text }
    }

    /// What this file uses that it may not.
    fn complaints(&self) -> Vec<String> {
        let file = syn::parse_file(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let mut uses =
            Uses { depth: self.depth, in_test: self.is_test, modules: BTreeSet::new(), crates: BTreeSet::new() };
        uses.visit_file(&file);
        let lists = |list: Option<&(&str, &str)>, name: &str| {
            list.is_some_and(|(_, names)| names.split_whitespace().any(|listed| listed == name))
        };
        let allowed = MODULES.iter().find(|(module, _)| *module == self.module);
        let modules = uses.modules.iter().filter(|used| **used != self.module && !lists(allowed, used));
        let crates = uses.crates.iter().filter(|used| {
            let place = CRATES.iter().find(|(name, _)| name == used);
            place.is_some() && !lists(place, &self.module)
        });
        let complaint = |used| format!("{}: {} uses {used}", self.path.display(), self.module);
        modules.chain(crates).map(complaint).collect()
    }
}

/// Collects what code uses: top-level modules of this crate, and crates outside of test code.
struct Uses {
    depth: usize,
    in_test: bool,
    modules: BTreeSet<String>,
    crates: BTreeSet<String>,
}

impl Uses {
    fn path(&mut self, names: &[String]) {
        let supers = names.iter().take_while(|name| *name == "super").count();
        match names {
            [root, module, ..] if root == "crate" || root == "avepoint_exporter" => {
                self.modules.insert(module.clone());
            }
            _ if supers > 0 => {
                let module = names.get(supers).filter(|_| supers == self.depth);
                self.modules.extend(module.cloned());
            }
            [name, _, ..] if !self.in_test => {
                self.crates.insert(name.clone());
            }
            _ => {}
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) => self.path(&with(name.ident.to_string())),
            UseTree::Rename(rename) => self.path(&with(rename.ident.to_string())),
            UseTree::Glob(_) => self.path(&with("*".to_owned())),
        }
    }

    /// Macros and attributes are no paths yet: every row of names with `::` between them may become one.
    fn tokens(&mut self, tokens: &str) {
        let text: String = tokens.split_whitespace().collect();
        for row in text.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))) {
            let names: Vec<_> = row.split("::").map(str::to_owned).collect();
            self.path(&names);
        }
    }

    fn within(&mut self, attributes: &[Attribute], deeper: usize, visit: impl FnOnce(&mut Self)) {
        let only_tests = |attribute: &Attribute| match &attribute.meta {
            Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
            _ => false,
        };
        let (depth, in_test) = (self.depth, self.in_test);
        self.depth += deeper;
        self.in_test |= attributes.iter().any(only_tests);
        visit(self);
        (self.depth, self.in_test) = (depth, in_test);
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.within(&item.attrs, 1, |uses| visit::visit_item_mod(uses, item));
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.within(&item.attrs, 0, |uses| visit::visit_item_fn(uses, item));
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.within(&item.attrs, 0, |uses| uses.tree(&item.tree, &[]));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(&called.tokens.to_string());
        visit::visit_macro(self, called);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(&list.tokens.to_string());
        }
        visit::visit_attribute(self, attribute);
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn sources() -> Vec<Source> {
    let paths = files(&root().join("src")).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    paths
        .map(|path| {
            let path = path.strip_prefix(root()).expect("inside").to_owned();
            let text = read(&path.to_string_lossy());
            Source::new(path, text)
        })
        .collect()
}

/// The files below `folder`, without those that are built and those of git.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.as_str() {
            ".git" | "target" => {}
            _ if path.is_dir() => found.extend(files(&path)),
            _ => found.push(path),
        }
    }
    found.sort();
    found
}
