//! Lists of cells for a spreadsheet or a program: CSV (RFC 4180) and JSON.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

/// What stands in one place of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    Text(String),
    Number(u64),
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Writes `rows` under the names of `columns`. Text that a spreadsheet would take for a formula gets a leading quote,
/// and nothing is an empty field.
///
/// # Errors
///
/// `to` cannot be written.
pub fn write_csv<const N: usize>(
    to: impl Write,
    columns: [&str; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record(columns)?;
    for row in rows {
        csv.write_record(row.map(|cell| match cell {
            Cell::Text(text) => no_formula(&text),
            Cell::Number(number) => number.to_string(),
            Cell::Nothing => String::new(),
        }))?;
    }
    csv.flush()
}

/// Writes `rows` as an array of objects with the names of `columns`. Text is as it is, and nothing is null.
///
/// # Errors
///
/// `to` cannot be written.
pub fn write_json<const N: usize>(
    mut to: impl Write,
    columns: [&str; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> io::Result<()> {
    let mut json = serde_json::Serializer::pretty(&mut to);
    json.collect_seq(rows.into_iter().map(|row| Object(columns, row)))?;
    writeln!(to)
}

struct Object<'a, const N: usize>([&'a str; N], [Cell; N]);

impl<const N: usize> Serialize for Object<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(&self.1))
    }
}

/// Spreadsheets take for a formula what begins so, also in the wide forms of these characters.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Where much of Europe's spreadsheets, which expect no comma between fields, begin another one all the same.
const SEPARATORS: [char; 5] = [';', '|', '\t', '\r', '\n'];

/// A quote before a formula tells a spreadsheet that it is text.
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
    use super::*;

    const COLUMNS: [&str; 2] = ["name", "seats"];

    fn csv(name: &str) -> String {
        let mut bytes = Vec::new();
        write_csv(&mut bytes, COLUMNS, [[Cell::from(name), Cell::Number(1)]]).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_keeps_text_and_the_order_of_columns_and_nothing_is_null() {
        let mut json = Vec::new();
        write_json(&mut json, COLUMNS, [[Cell::from("=1+1\n"), Cell::Nothing]]).unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            "[\n  {\n    \"name\": \"=1+1\\n\",\n    \"seats\": null\n  }\n]\n"
        );
    }

    #[test]
    fn an_empty_list_is_an_array_or_a_header() {
        let (mut json, mut csv) = (Vec::new(), Vec::new());
        write_json(&mut json, COLUMNS, []).unwrap();
        write_csv(&mut csv, COLUMNS, []).unwrap();
        assert_eq!((json.as_slice(), csv.as_slice()), (&b"[]\n"[..], &b"name,seats\n"[..]));
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
            let csv = csv(name);
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!((&record[0], &record[1]), (text, "1"));
        }
    }
}
