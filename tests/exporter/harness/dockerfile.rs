//! The Dockerfile, read as text.

use super::read;

/// The instructions of the Dockerfile, each on one line.
#[derive(Debug)]
pub struct Dockerfile(Vec<(String, String)>);

impl Dockerfile {
    pub fn read() -> Self {
        let text = read("Dockerfile").replace("\\\n", " ");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let instruction = |line: &str| {
            let (name, rest) = line.split_once(' ')?;
            Some((name.to_owned(), rest.trim().to_owned()))
        };
        Self(lines.filter_map(instruction).collect())
    }

    /// What every instruction of this name says.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, rest)| rest.as_str()).collect()
    }

    /// What the last one says.
    pub fn last(&self, name: &str) -> &str {
        self.all(name).last().copied().unwrap_or_else(|| panic!("no {name}"))
    }
}
