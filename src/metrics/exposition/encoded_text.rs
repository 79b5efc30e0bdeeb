//! Text as it is sent.

use std::sync::Arc;

use bytes::Bytes;

use super::Encoding;
use super::gzip::{Checksum, deflate, stored};
use super::segments::segments;

/// A part of an exposition in one encoding.
#[derive(Debug, Clone)]
pub(super) struct EncodedText {
    pub(super) segments: Arc<[Bytes]>,
    /// Of the text, not of the bytes.
    pub(super) checksum: Checksum,
}

impl EncodedText {
    /// A small text that may be another one at the next scrape: to compress it would cost more than to send it.
    pub(super) fn fleeting(text: Vec<u8>, encoding: Encoding) -> Self {
        let checksum = Checksum::of(&text);
        let bytes = match encoding {
            Encoding::Gzip => stored(&text),
            Encoding::Identity => text,
        };
        Self { segments: [Bytes::from(bytes)].into(), checksum }
    }

    /// A text that serves many scrapes.
    pub(super) fn lasting(text: Vec<u8>, encoding: Encoding) -> Self {
        let checksum = Checksum::of(&text);
        let bytes = match encoding {
            Encoding::Gzip => deflate(&text),
            Encoding::Identity => text,
        };
        Self { segments: segments(&bytes), checksum }
    }
}
