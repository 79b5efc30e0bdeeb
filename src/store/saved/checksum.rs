//! The last line of the state file: a checksum of all before it. A bit that flips on a disk leaves a file that reads
//! well, with another number in it.

use std::io::{self, ErrorKind, Write};

use crc32fast::Hasher;

/// Passes on what is written, up to a size, and sums it up.
pub(super) struct Summed<W> {
    to: W,
    sum: Hasher,
    room: u64,
}

impl<W: Write> Summed<W> {
    /// Takes so much, its last line included, as `largest`.
    pub(super) fn new(to: W, largest: u64) -> Self {
        Self { to, sum: Hasher::new(), room: largest }
    }

    /// Writes the last line, and hands back what all of it went to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let line = last_line(self.sum.clone());
        self.write_all(line.as_bytes())?;
        Ok(self.to)
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.room = self.room.checked_sub(written as u64).ok_or(ErrorKind::FileTooLarge)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// All of `bytes` but the last line, if that is the checksum of the rest.
pub(super) fn verified(bytes: &[u8]) -> Option<&[u8]> {
    let (body, line) = bytes.split_at_checked(bytes.len().checked_sub(LAST_LINE)?)?;
    let mut sum = Hasher::new();
    sum.update(body);
    // Compared as it is written, so that no other spelling of the same number passes.
    (line == last_line(sum).as_bytes()).then_some(body)
}

const LAST_LINE: usize = "\n{\"crc32\":\"00000000\"}\n".len();

fn last_line(sum: Hasher) -> String {
    format!("\n{{\"crc32\":\"{:08x}\"}}\n", sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(text: &str, largest: usize) -> io::Result<Vec<u8>> {
        let mut to = Summed::new(Vec::new(), largest as u64);
        to.write_all(text.as_bytes())?;
        to.finish()
    }

    #[test]
    fn no_flipped_bit_and_no_other_length_is_verified() {
        let bytes = summed("{\"seats\":5}", 1 << 10).unwrap();
        assert_eq!(verified(&bytes), Some(b"{\"seats\":5}".as_slice()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verified(&flipped), None, "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(verified(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(verified(&[&bytes, b"\n".as_slice()].concat()), None);
    }

    #[test]
    fn what_is_larger_than_may_be_read_is_not_written() {
        let fits = "body".len() + LAST_LINE;
        assert!(summed("body", fits).is_ok());
        assert_eq!(summed("body", fits - 1).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
