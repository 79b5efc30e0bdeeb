//! What this binary was built from.

/// What this binary was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    pub version: &'static str,
    /// The git revision, or `unknown`.
    pub revision: &'static str,
    /// Of the compiler.
    pub rustversion: &'static str,
}

impl Build {
    pub const THIS: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        revision: env!("AVEPOINT_EXPORTER_REVISION"),
        rustversion: env!("AVEPOINT_EXPORTER_RUSTVERSION"),
    };
}
