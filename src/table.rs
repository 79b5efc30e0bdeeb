//! Tables for a spreadsheet or a program: CSV (RFC 4180) and JSON.

use std::io::{self, Write};
use std::time::SystemTime;

use elements_api::Seats;
use serde::{Serialize, Serializer};

use crate::rfc3339;

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    Text(String),
    Number(i64),
    #[serde(serialize_with = "as_rfc3339")]
    Time(SystemTime),
    /// No value, which is not 0 and not an empty text.
    Nothing,
}

impl From<Seats> for Cell {
    fn from(seats: Seats) -> Self {
        seats.get().into()
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<SystemTime> for Cell {
    fn from(at: SystemTime) -> Self {
        Self::Time(at)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text that a spreadsheet would take for a formula gets a leading quote; an empty cell is an empty field; times are as
    /// spreadsheets read them, in UTC.
    Csv,
    /// An array of objects, one a line. Text stays as it is; an empty cell is null; times are in RFC 3339.
    Json,
}

/// Writes a whole table.
///
/// # Errors
///
/// `to` cannot be written.
pub fn write<const N: usize>(
    to: &mut impl Write,
    form: Form,
    columns: [&'static str; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> io::Result<()> {
    let mut list = List::new(form, columns);
    list.begin(to)?;
    list.rows(to, rows)?;
    list.end(to)
}

/// A table that is written piece by piece: its beginning, rows as they come, its end.
#[derive(Debug)]
pub struct List<const N: usize> {
    form: Form,
    columns: [&'static str; N],
    is_empty: bool,
}

impl<const N: usize> List<N> {
    pub const fn new(form: Form, columns: [&'static str; N]) -> Self {
        Self { form, columns, is_empty: true }
    }

    pub fn begin(&self, to: &mut impl Write) -> io::Result<()> {
        match self.form {
            Form::Csv => csv(to, [self.columns]),
            Form::Json => to.write_all(b"["),
        }
    }

    pub fn rows(&mut self, to: &mut impl Write, rows: impl IntoIterator<Item = [Cell; N]>) -> io::Result<()> {
        match self.form {
            Form::Csv => csv(to, rows.into_iter().map(|row| row.map(field))),
            Form::Json => rows.into_iter().try_for_each(|row| {
                let between = if self.is_empty { "\n" } else { ",\n" };
                self.is_empty = false;
                to.write_all(between.as_bytes())?;
                Ok(serde_json::to_writer(&mut *to, &Object(self.columns, row))?)
            }),
        }
    }

    pub fn end(&self, to: &mut impl Write) -> io::Result<()> {
        match self.form {
            Form::Csv => Ok(()),
            Form::Json => to.write_all(if self.is_empty { b"]\n" } else { b"\n]\n" }),
        }
    }
}

struct Object<const N: usize>([&'static str; N], [Cell; N]);

impl<const N: usize> Serialize for Object<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(&self.1))
    }
}

fn csv<const N: usize>(
    to: &mut impl Write,
    records: impl IntoIterator<Item = [impl AsRef<[u8]>; N]>,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    for record in records {
        csv.write_record(record)?;
    }
    csv.flush()
}

fn field(cell: Cell) -> String {
    match cell {
        Cell::Text(text) => no_formula(&text),
        Cell::Number(number) => number.to_string(),
        Cell::Time(at) => for_spreadsheets(at),
        Cell::Nothing => String::new(),
    }
}

fn as_rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&rfc3339::seconds(*at))
}

/// Such as `2026-11-25 19:54:49`, in UTC: a spreadsheet takes the form of RFC 3339 for text.
fn for_spreadsheets(at: SystemTime) -> String {
    rfc3339::seconds(at).to_string().replace('T', " ").replace('Z', "")
}

/// Spreadsheets read a cell that begins with one of these, or with its full-width form, as a formula.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Where a spreadsheet that expects no comma between fields, as in much of Europe, begins another field.
const SEPARATORS: [char; 5] = [';', '|', '\t', '\r', '\n'];

/// With a quote before what a spreadsheet would take for a formula, so that it takes it for text.
fn no_formula(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins && FORMULA.contains(&c) {
            safe.push('\'');
        }
        begins = SEPARATORS.contains(&c) || (begins && c == ' ');
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const COLUMNS: [&str; 2] = ["name", "seats"];

    fn written<const R: usize>(form: Form, rows: [[Cell; 2]; R]) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, form, COLUMNS, rows).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_keeps_text_and_the_order_of_columns_and_nothing_is_null() {
        let rows = [[Cell::from("=1+1\n"), Cell::Nothing], [Cell::from("b"), Cell::Number(1)]];
        let json = written(Form::Json, rows);
        assert_eq!(json, "[\n{\"name\":\"=1+1\\n\",\"seats\":null},\n{\"name\":\"b\",\"seats\":1}\n]\n");
    }

    #[test]
    fn a_time_is_written_as_its_reader_has_it() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_636_489);
        let rows = || [[Cell::from("a"), Cell::from(at)]];
        assert_eq!(written(Form::Csv, rows()), "name,seats\na,2026-11-25 19:54:49\n");
        assert_eq!(written(Form::Json, rows()), "[\n{\"name\":\"a\",\"seats\":\"2026-11-25T19:54:49Z\"}\n]\n");
    }

    #[test]
    fn an_empty_list_is_an_array_or_a_header() {
        assert_eq!(written(Form::Json, []), "[]\n");
        assert_eq!(written(Form::Csv, []), "name,seats\n");
    }

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn a_reader_of_csv_gets_each_text_back_and_no_formula(
            names in vec("(\\PC|[=+@;|,\"'\\t\\r\\n -]){0,20}", 1..4),
        ) {
            let mut bytes = Vec::new();
            let rows = names.iter().map(|name| [Cell::from(name.as_str()), Cell::Number(-1)]);
            write(&mut bytes, Form::Csv, COLUMNS, rows).unwrap();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let read: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), names.len());
            for (record, name) in read.iter().zip(&names) {
                prop_assert_eq!(&record[1], "-1");
                prop_assert!(!record[0].starts_with(FORMULA));
                // Only quotes were added, and only before what begins a formula.
                let mut left = name.chars().peekable();
                let mut shown = record[0].chars().peekable();
                while let Some(c) = shown.next() {
                    if left.peek() == Some(&c) {
                        left.next();
                    } else {
                        prop_assert!(c == '\'' && shown.peek().is_some_and(|next| FORMULA.contains(next)));
                    }
                }
                prop_assert!(left.next().is_none());
            }
        }

        #[test]
        fn a_reader_of_json_gets_each_text_back(names in vec(any::<String>(), 0..4)) {
            let mut bytes = Vec::new();
            write(&mut bytes, Form::Json, COLUMNS, names.iter().map(|name| [Cell::from(name.as_str()), Cell::Nothing])).unwrap();
            let read: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
            let read: Vec<_> = read.iter().map(|row| row["name"].as_str().unwrap()).collect();
            prop_assert_eq!(read, names);
        }
    }

    #[test]
    fn a_spreadsheet_takes_no_name_for_a_formula() {
        for (name, text) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            (" =1", " '=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("x;=1", "x;'=1"),
            ("x\n@A1", "x\n'@A1"),
            ("Contoso - East = 1, 2", "Contoso - East = 1, 2"),
        ] {
            let csv = written(Form::Csv, [[Cell::from(name), Cell::Number(1)]]);
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!((&record[0], &record[1]), (text, "1"));
        }
    }
}
