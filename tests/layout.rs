//! The rules of the repository's layout that the compiler does not hold: the order of the modules inside `src`, what a
//! crate may depend on, how long a file may be, what may lie where.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of `src`, with the others that it may use: those below it, and of these not all.
const MODULES: &[(&str, &str)] = &[
    ("main", "cli"),
    ("cli", "app config metrics names off_runtime pages poll rfc3339 status store table"),
    ("app", "config metrics names off_runtime pages poll rfc3339 status store"),
    ("config", "poll store"),
    ("poll", "names off_runtime rfc3339 status store"),
    ("pages", "metrics names off_runtime rfc3339 status store table"),
    ("metrics", "off_runtime status store"),
    ("store", "names rfc3339"),
    ("status", ""),
    ("off_runtime", ""),
    ("names", ""),
    ("table", "rfc3339"),
    ("rfc3339", ""),
];

/// Each crate that has its place in `src`, with the modules that may use it; tests may use it elsewhere, too.
const CRATES: &[(&str, &str)] = &[
    ("prometheus", "metrics"),
    ("anyhow", "cli"),
    ("sd_notify", "app"),
    ("reqwest", ""),
    ("elements_sim", "cli"),
    ("checked_yaml", "config"),
    ("serde_yaml", "cli"),
    ("exporter_web", "cli app pages poll"),
];

/// Each crate of the workspace, with the others that it may depend on. The simulator has none: a shared wire type would
/// let one wrong field name agree with itself.
const MEMBERS: &[(&str, &str)] = &[
    ("bounded-file", ""),
    ("checked-yaml", "bounded-file"),
    ("elements-api", "bounded-file"),
    ("elements-sim", ""),
    ("exporter-web", "bounded-file checked-yaml"),
];

/// A source file has at most so many lines, its tests aside.
const MOST_LINES: usize = 400;

/// What may lie in the top folder, besides what begins with a dot and what is built.
const TOP: &str = "src crates tests dashboards alerts benches deploy docs \
                   Cargo.toml exporter.yaml Dockerfile Makefile README.md CHANGELOG.md ARCHITECTURE.md \
                   Cargo.lock LICENSE askama.toml build.rs clippy.toml deny.toml rustfmt.toml";

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
    for (line, (module, uses)) in MODULES.iter().enumerate() {
        let above: Vec<_> = MODULES[..line].iter().map(|(name, _)| *name).collect();
        assert!(!uses.split(' ').any(|used| above.contains(&used)), "{module} would use what is above it");
    }
    // What the unit tests share may use all that they test.
    let sources = sources("src").into_iter().filter(|source| source.path != Path::new("src/testing.rs"));
    let complaints: Vec<_> = sources.flat_map(|source| complaints(&source)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_use_that_points_up_is_found_however_it_is_written() {
    for (file, text) in [
        ("src/poll/cycle.rs", "use crate::pages::Routes;"),
        ("src/poll/cycle.rs", "use crate::{pages, store};"),
        ("src/poll/cycle.rs", "use super::super::pages::Routes;"),
        ("src/store/mod.rs", "fn f() -> prometheus::Result<()> { todo!() }"),
        ("src/app/mod.rs", "fn f() { anyhow::bail!(\"no\") }"),
    ] {
        let source = Source { path: file.into(), text: text.to_owned() };
        assert_eq!(complaints(&source).len(), 1, "{text}");
    }
    let down = Source { path: "src/poll/cycle.rs".into(), text: "use crate::store::Store;".to_owned() };
    assert_eq!(complaints(&down), [""; 0]);
}

/// What a file of `src` uses that it may not.
fn complaints(source: &Source) -> Vec<String> {
    let inside = source.path.strip_prefix("src").expect("inside").with_extension("");
    let module = inside.iter().next().expect("a name").to_string_lossy().into_owned();
    let may = MODULES.iter().find(|(name, _)| *name == module).map_or("", |(_, uses)| uses);
    let names = |form: &str| source.text.contains(form);
    let up = MODULES.iter().filter(|(other, _)| {
        let is_named = names(&format!("crate::{other}::")) || names(&format!("crate::{other};"));
        is_named && *other != module && !lists(may, other)
    });
    let production = source.production();
    let crates = CRATES.iter().filter(|(name, users)| {
        let is_named = production.contains(&format!("{name}::"));
        is_named && !lists(users, &module)
    });
    // In these forms a use would not be found.
    let hidden = ["crate::{", "super::super::"].into_iter().filter(|form| names(form));
    let used = up.map(|(name, _)| *name).chain(crates.map(|(name, _)| *name)).chain(hidden);
    used.map(|used| format!("{} uses {used}", source.path.display())).collect()
}

#[test]
fn crates_depend_on_no_others_than_they_may() {
    let found: BTreeSet<_> = fs::read_dir(root().join("crates"))
        .expect("crates")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(found.len(), MEMBERS.len(), "{found:?}");
    for (name, may) in MEMBERS {
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        assert!(!manifest.contains("path = "), "{name} names another by path, and not by the workspace");
        let used = manifest.lines().filter_map(|line| line.split(['.', ' ']).next());
        let others = used.filter(|used| MEMBERS.iter().any(|(member, _)| member == used));
        others.for_each(|used| assert!(lists(may, used), "{name} depends on {used}"));
    }
}

fn lists(names: &str, name: &str) -> bool {
    names.split(' ').any(|listed| listed == name)
}

#[test]
fn a_source_file_fits_in_a_few_screens() {
    for source in ["src", "crates"].into_iter().flat_map(sources).filter(|source| !source.is_test()) {
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

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A file of Rust, from the top folder.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Whether all of it is test code, as its name says.
    fn is_test(&self) -> bool {
        let name = self.path.file_stem().expect("a name").to_string_lossy();
        let is_in_tests = self.path.parent().is_some_and(|folder| folder.ends_with("tests"));
        is_in_tests || ["tests", "testing"].contains(&name.as_ref()) || name.ends_with("_tests")
    }

    /// What of it is no test.
    fn production(&self) -> String {
        let lines = if self.is_test() { 0 } else { lines_before_tests(&self.text) };
        self.text.lines().take(lines).collect::<Vec<_>>().join("\n")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let paths = files(&root().join(folder)).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    paths
        .map(|path| Source {
            path: path.strip_prefix(root()).expect("inside").to_owned(),
            text: fs::read_to_string(&path).expect("text"),
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
