//! Text as it is sent.

use bytes::Bytes;

use super::Encoding;
use super::gzip::{Checksum, deflate, stored};

/// A part of an exposition in one encoding.
#[derive(Debug, Clone)]
pub(super) struct EncodedText {
    pub(super) bytes: Bytes,
    /// Of the text, not of the bytes.
    pub(super) checksum: Checksum,
}

impl EncodedText {
    /// A small text that may be another one at the next scrape: to compress it would cost more than to send it.
    pub(super) fn fleeting(text: Vec<u8>, encoding: Encoding) -> Self {
        let checksum = Checksum::of(&text);
        let bytes = match encoding {
            Encoding::Gzip => stored(&text),
            Encoding::Identity => Bytes::from(text),
        };
        Self { bytes, checksum }
    }

    /// A text that serves many scrapes.
    pub(super) fn lasting(mut text: Vec<u8>, encoding: Encoding) -> Self {
        let checksum = Checksum::of(&text);
        let bytes = match encoding {
            Encoding::Gzip => deflate(&text),
            Encoding::Identity => {
                text.shrink_to_fit();
                Bytes::from(text)
            }
        };
        Self { bytes, checksum }
    }
}
