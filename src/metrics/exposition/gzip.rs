//! One gzip stream (RFC 1952) out of parts that were compressed apart.
//!
//! A part is a run of deflate blocks (RFC 1951) that ends at the border of a byte and refers to nothing before it, so
//! parts can follow each other. The end is made for each scrape, and is stored rather than compressed.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// What the end of a gzip stream says of the text: its CRC-32 and its length.
#[derive(Debug, Clone, Default)]
pub(super) struct Checksum {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Checksum {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut checksum = Self::default();
        checksum.update(text);
        checksum
    }

    pub(super) fn update(&mut self, text: &[u8]) {
        self.crc.update(text);
        self.length += text.len() as u64;
    }

    /// Goes on with a text whose sum is known already.
    pub(super) fn append(&mut self, next: &Self) {
        self.crc.combine(&next.crc);
        self.length += next.length;
    }

    /// As the stream ends: both numbers little-endian, the length modulo 2^32.
    fn trailer(self) -> [u8; 8] {
        let crc = u64::from(self.crc.finalize());
        (crc | self.length << 32).to_le_bytes()
    }
}

/// `text` as deflate blocks, none of which is the last.
pub(super) fn deflate(text: &[u8]) -> Vec<u8> {
    let compress = || -> io::Result<Vec<u8>> {
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len() / 8), Compression::default());
        encoder.write_all(text)?;
        // The encoder ends its last block at the border of a byte. It would mark it as the last one when dropped,
        // but its output has been taken from it by then.
        encoder.flush()?;
        Ok(std::mem::take(encoder.get_mut()))
    };
    #[expect(clippy::expect_used, reason = "the encoder fails only where its output does, and a vector does not")]
    let blocks = compress().expect("writing to a vector cannot fail");
    blocks
}

/// `text` as it is, in blocks none of which is the last.
pub(super) fn stored(text: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(text.len() + (text.len() / STORED_MAX + 1) * STORED_HEADER);
    for block in text.chunks(STORED_MAX) {
        store(&mut blocks, block, false);
    }
    blocks
}

/// The beginning of a gzip stream, which deflated and stored parts follow.
pub(super) fn begin() -> Bytes {
    Bytes::from_static(&HEADER)
}

/// The end of a gzip stream: `rest`, after parts whose text has the sum `checksum`.
pub(super) fn end(mut checksum: Checksum, rest: &[u8]) -> Bytes {
    checksum.update(rest);
    let mut end = Vec::with_capacity(rest.len() + (rest.len() / STORED_MAX + 1) * STORED_HEADER + 8);
    let (blocks, last) = rest.split_at(rest.len().saturating_sub(1) / STORED_MAX * STORED_MAX);
    for block in blocks.chunks(STORED_MAX) {
        store(&mut end, block, false);
    }
    store(&mut end, last, true);
    end.extend_from_slice(&checksum.trailer());
    Bytes::from(end)
}

/// Deflate, without a name, without a time, from no system in particular.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A stored block is at most this long, since 16 bits hold its length.
const STORED_MAX: usize = u16::MAX as usize;
const STORED_HEADER: usize = 5;

fn store(out: &mut Vec<u8>, block: &[u8], last: bool) {
    #[expect(clippy::cast_possible_truncation, reason = "a block is at most STORED_MAX long")]
    let length = block.len() as u16;
    out.push(u8::from(last));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(block);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    fn joined(parts: &[&[u8]], rest: &[u8]) -> Vec<u8> {
        let mut checksum = Checksum::default();
        for part in parts {
            checksum.append(&Checksum::of(part));
        }
        let blocks = parts.iter().zip([deflate, stored].iter().cycle()).map(|(part, blocks)| blocks(part));
        [begin()].into_iter().chain(blocks.map(Bytes::from)).chain([end(checksum, rest)]).collect::<Vec<_>>().concat()
    }

    #[test]
    fn parts_and_rest_are_one_valid_stream() {
        let large = "avepoint_purchased_user_seats{customer=\"contoso\"} 25\n".repeat(20_000);
        let noise: Vec<u8> = (0_u32..200_000).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for parts in [vec![], vec![large.as_bytes()], vec![b"".as_slice(), b"a", &noise, large.as_bytes()]] {
            for rest in [0, 1, STORED_MAX - 1, STORED_MAX, STORED_MAX + 1, 3 * STORED_MAX] {
                let rest = &noise[..rest];
                let stream = joined(&parts, rest);
                let mut text = Vec::new();
                // This decoder stops at the end of the first member and checks its sum.
                let mut decoder = flate2::read::GzDecoder::new(stream.as_slice());
                decoder.read_to_end(&mut text).unwrap();
                assert!(decoder.into_inner().is_empty(), "something follows the stream");
                assert!(text == [parts.concat(), rest.to_vec()].concat(), "{} bytes of rest", rest.len());
            }
        }
    }

    proptest! {
        #![proptest_config(cases(24))]

        #[test]
        fn whatever_the_parts_are_a_reader_gets_their_text(
            parts in vec(vec(prop_oneof![Just(b'a'), any::<u8>()], 0..3_000), 0..6),
            rest in vec(any::<u8>(), 0..300),
            repeated in 0_usize..400,
        ) {
            let rest = rest.repeat(repeated);
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let stream = joined(&parts, &rest);
            let mut text = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(stream.as_slice());
            decoder.read_to_end(&mut text).unwrap();
            prop_assert!(decoder.into_inner().is_empty());
            prop_assert!(text == [parts.concat(), rest].concat());
        }
    }

    #[test]
    fn what_repeats_is_compressed() {
        let text = "avepoint_poll_success{customer=\"contoso\"} 1\n".repeat(1_000);
        assert!(deflate(text.as_bytes()).len() < text.len() / 50);
    }
}
