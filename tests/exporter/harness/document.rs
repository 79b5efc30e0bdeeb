//! The documents, and what stands in them.

use std::fs;
use std::path::Path;

use super::{read, root};

/// A Markdown file of the repository.
#[derive(Debug)]
pub struct Document {
    /// From the top folder.
    pub path: String,
    pub text: String,
}

/// A part of a document between fences.
#[derive(Debug)]
pub struct Block {
    /// What its fence says it is.
    pub kind: String,
    pub text: String,
}

impl Document {
    pub fn at(path: &str) -> Self {
        Self { path: path.to_owned(), text: read(path) }
    }

    pub fn readme() -> Self {
        Self::at("README.md")
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        let in_folder = |folder: &str| -> Vec<_> {
            let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
            let names = entries.map(|name| Path::new(folder).join(name).display().to_string());
            names.filter(|path| Path::new(path).extension().is_some_and(|end| end == "md")).collect()
        };
        let paths = ["", "docs", "deploy"].map(in_folder).concat();
        assert!(paths.len() >= 3, "README.md, ARCHITECTURE.md, CHANGELOG.md");
        paths.iter().map(|path| Self::at(path)).collect()
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut found = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if let Some(kind) = line.trim_start().strip_prefix("```") {
                let inside: Vec<_> = lines.by_ref().take_while(|line| line.trim_start() != "```").collect();
                found.push(Block { kind: kind.to_owned(), text: inside.join("\n") + "\n" });
            }
        }
        found
    }

    /// The texts of the blocks of a kind.
    pub fn blocks_of(&self, kind: &str) -> Vec<String> {
        self.blocks().into_iter().filter(|block| block.kind == kind).map(|block| block.text).collect()
    }

    /// What stands between two backticks, outside of blocks.
    pub fn spans(&self) -> Vec<String> {
        let prose: String = self.text.split("```").step_by(2).collect();
        spans(&prose)
    }

    /// The rows of the table whose head begins so.
    pub fn table(&self, head: &str) -> Vec<Vec<String>> {
        let lines = self.text.lines().skip_while(|line| !line.starts_with(head));
        let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
        let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let rows: Vec<_> = rows.map(cells).collect();
        assert!(!rows.is_empty(), "{}: no table begins with {head}", self.path);
        rows
    }

    /// Where its links lead.
    pub fn links(&self) -> Vec<&str> {
        let starts = self.text.match_indices("](").map(|(at, mark)| &self.text[at + mark.len()..]);
        starts.map(|rest| rest.split(')').next().unwrap_or_default()).collect()
    }

    /// What links may name in it: its headings, as GitHub spells them.
    pub fn has_anchor(&self, anchor: &str) -> bool {
        let headings = self.text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_matches(['#', ' ']));
        let mut anchors = headings.map(|heading| {
            let kept = heading.to_lowercase();
            kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
        });
        anchors.any(|found| found == anchor)
    }
}

/// What stands between two backticks.
pub fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
