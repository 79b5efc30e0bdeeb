//! The downloads: what is known now, as a spreadsheet or a program takes it.
//!
//! They take the search and the filter of the page that shows the same. CSV begins with a byte order mark, without which
//! Excel takes UTF-8 for something else, and has times that spreadsheets read; JSON has RFC 3339. Both are in UTC, to the
//! second.

mod seats;
mod subscriptions;

use std::iter::{from_fn, once};

use bytes::Bytes;

pub(super) use self::seats::seats;
pub(crate) use self::seats::{SEAT_COLUMNS, seat_row};
pub(super) use self::subscriptions::subscriptions;
use crate::table::{Cell, Form, List};

/// A table of the rows of each item, in chunks that are made one after the other: a client that reads slowly costs one
/// of them.
fn chunks<const N: usize, T: Send + 'static>(
    form: Form,
    columns: [&'static str; N],
    items: impl Iterator<Item = T> + Send + 'static,
    rows: impl Fn(T) -> Vec<[Cell; N]> + Send + 'static,
) -> impl Iterator<Item = Bytes> + Send + 'static {
    let mut sections = once(Section::Begin).chain(items.map(Section::Item)).chain(once(Section::End));
    let mut list = List::new(form, columns);
    from_fn(move || {
        let mut bytes = Vec::new();
        while bytes.len() < CHUNK {
            let Some(section) = sections.next() else { break };
            let written = match section {
                Section::Begin => {
                    bytes.extend_from_slice(mark(form));
                    list.begin(&mut bytes)
                }
                Section::Item(item) => list.rows(&mut bytes, rows(item)),
                Section::End => list.end(&mut bytes),
            };
            // Memory takes whatever is written to it.
            written.ok()?;
        }
        (!bytes.is_empty()).then(|| bytes.into())
    })
}

/// About so many bytes are made at once.
const CHUNK: usize = 64 << 10;

enum Section<T> {
    Begin,
    Item(T),
    End,
}

const fn mark(form: Form) -> &'static [u8] {
    match form {
        Form::Csv => "\u{feff}".as_bytes(),
        Form::Json => b"",
    }
}
