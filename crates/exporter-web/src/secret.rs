//! Text that must never be seen: the hashes of passwords.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A secret value. It has no `Display`, its `Debug` is redacted, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    /// Hides `text`.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself. Call this only where the secret leaves for the one place that it is meant for.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([redacted])");
    }
}
