//! What a file of expected seats came to.

/// How the file is that says which seats are expected. What it expects is known of each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedFile {
    /// What is expected is what the file has now, and not what it had before.
    pub success: bool,
    /// How many of its rows are of no known customer or product; `None` before anybody knows the customers.
    pub unmatched: Option<usize>,
}
