//! `exporter.yaml`, parsed and judged: a [`Config`] is valid as a whole.

mod api;
mod document;
mod doubts;
mod expected;
mod selection;
mod state_file;
mod timing;
mod url;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub use checked_yaml::Error;
use checked_yaml::{Key, Problems, file, parse};

use self::api::Surroundings;
use crate::poll::{self, ExpectedRow};

/// What the vendor sees of this program, in `User-Agent`.
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// What `exporter.yaml` says, with defaults for what it leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub api: elements_api::Settings,
    pub poll: poll::Timing,
    /// Where the answers are kept over a restart, if anywhere.
    pub state_file: Option<PathBuf>,
    pub selection: poll::Selection,
    /// Where it stands which seats are expected, if anywhere.
    pub expected_seats_file: Option<PathBuf>,
}

/// How much a configuration watches, without what discovery adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub customers: usize,
    /// The distinct products of these customers, and of those that discovery would add.
    pub products: usize,
    /// The products of each customer, added up.
    pub targets: usize,
    /// Whether discovery adds customers.
    pub discovery: bool,
}

impl Config {
    /// Reads, parses and validates the file at `path`; nothing is asked of the network.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, as far as it could be read.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, &of_process)
    }

    /// As [`load`](Self::load), with other variables than those of the process's environment.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, as far as it could be read.
    pub fn load_with(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Self::examine(path, variable, |_| ()).map(|(config, ())| config)
    }

    /// As [`load`](Self::load), and says what is legal and probably wrong, each with its place.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with_doubts(path: &Path) -> Result<(Self, Vec<String>), Error> {
        Self::examine(path, &of_process, |problems| problems.doubts(path))
    }

    /// `and` looks at what was found in the file besides.
    fn examine<T>(
        path: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
        and: impl FnOnce(&Problems<'_>) -> T,
    ) -> Result<(Self, T), Error> {
        let text = file::configuration(path).map_err(|problem| Error::of(path, problem))?;
        let mut problems = Problems::of(&text);
        let document = parse::<document::Document>(&text, &["api"], &mut problems)
            .and_then(|document| document.ok_or_else(|| problems.add(&Key::root(), EMPTY)));
        let config = document.and_then(|document| {
            let folder = folder_of(path);
            let selection = selection::selection(&document, &mut problems);
            let discovery = selection.as_ref().is_ok_and(|selection| selection.discovery.is_some());
            let around = Surroundings { configuration: path, folder, variable };
            let api = api::settings(&document.api.unwrap_or_default(), discovery, around, &mut problems);
            let poll = document.poll.unwrap_or_default();
            let poll = timing::timing(&poll, document.subscriptions.as_ref(), document.tenants.as_ref(), &mut problems);
            let expected = expected::path(&document.expected_seats_file, folder, &mut problems);
            let others = state_file::Others {
                configuration: path,
                api: api.as_ref().ok(),
                expected_seats: expected.as_ref().ok().and_then(Option::as_deref),
            };
            let state_file = state_file::path(&document.state_file, folder, others, &mut problems);
            Ok(Self {
                api: api?,
                poll: poll?,
                state_file: state_file?,
                selection: selection?,
                expected_seats_file: expected?,
            })
        });
        let found = and(&problems);
        problems.accept(path, config).map(|config| (config, found))
    }

    /// The files that `text`, the configuration at `path`, names to be read, whether it is accepted or not; none where
    /// its shape is not that of a configuration.
    pub fn named_files(path: &Path, text: Vec<u8>) -> Vec<PathBuf> {
        let Ok(text) = file::decode(Ok(text)) else { return Vec::new() };
        let document = parse::<document::Document>(&text, &["api"], &mut Problems::of(&text));
        let Ok(Some(document::Document { api: Some(api), .. })) = document else { return Vec::new() };
        let certificate = api.certificate.unwrap_or_default();
        let document::Certificate { pfx_file, password_file, cert_file, key_file } = &certificate;
        let named = [&api.client_secret_file, &api.ca_file, pfx_file, password_file, cert_file, key_file];
        named.into_iter().filter_map(|field| file::path(field, folder_of(path)).ok()).collect()
    }

    /// How much is watched, where this is expected.
    pub fn summary(&self, expected: &[ExpectedRow]) -> Summary {
        let poll::Selection { discovery, products, .. } = &self.selection;
        let mut watched = self.selection.watch_list(&[], |_| None);
        watched.expect(expected);
        let common = discovery.iter().flat_map(|_| products.products());
        let all = watched.customers.iter().flat_map(|watched| watched.products.iter().copied()).chain(common);
        Summary {
            customers: watched.customers.len(),
            products: all.collect::<HashSet<_>>().len(),
            targets: watched.targets(),
            discovery: discovery.is_some(),
        }
    }
}

/// A variable of the process's environment. What is not Unicode gets a replacement character, and is refused for it.
fn of_process(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Where the relative paths of the configuration at `path` begin.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

const EMPTY: &str = "holds no settings; the exporter.yaml that comes with the source shows them all";
