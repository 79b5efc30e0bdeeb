//! Lists on stdout: for a person, a spreadsheet, or a program.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value};

use super::args::Output;

/// What stands in one place of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Number(u64),
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Writes `rows` under the names of `columns`.
pub(super) fn write<const N: usize>(
    to: &mut impl Write,
    output: Output,
    columns: [&str; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> io::Result<()> {
    match output {
        Output::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(columns.map(str::to_uppercase));
            for row in rows {
                table.add_row(row.map(|cell| match cell {
                    Cell::Text(text) => comfy_table::Cell::new(printable(&text)),
                    Cell::Number(number) => comfy_table::Cell::new(number).set_alignment(CellAlignment::Right),
                    Cell::Nothing => comfy_table::Cell::new("-"),
                }));
            }
            writeln!(to, "{}", table.trim_fmt())
        }
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(to);
            csv.write_record(columns)?;
            for row in rows {
                csv.write_record(row.map(|cell| match cell {
                    Cell::Text(text) => no_formula(text),
                    Cell::Number(number) => number.to_string(),
                    Cell::Nothing => String::new(),
                }))?;
            }
            csv.flush()
        }
        Output::Json => {
            let objects = rows.into_iter().map(|row| {
                let fields = columns.iter().zip(row).map(|(column, cell)| {
                    let value = match cell {
                        Cell::Text(text) => Value::from(text),
                        Cell::Number(number) => Value::from(number),
                        Cell::Nothing => Value::Null,
                    };
                    ((*column).to_owned(), value)
                });
                Value::Object(fields.collect::<Map<_, _>>())
            });
            writeln!(to, "{:#}", Value::Array(objects.collect()))
        }
    }
}

/// Text that a terminal shows as it is: control characters and those that turn the direction of writing are spelt out.
pub(super) fn printable(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .flat_map(|c| {
            let spelt_out = (c.is_control() || turns(c)).then(|| c.escape_unicode());
            let plain = spelt_out.is_none().then_some(c);
            spelt_out.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Spreadsheets take text that begins so for a formula; a leading quote tells them that it is text.
fn no_formula(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(output: Output, rows: &[(&str, Cell)]) -> String {
        let mut bytes = Vec::new();
        let rows = rows.iter().map(|(name, cell)| [Cell::from(*name), cell.clone()]);
        write(&mut bytes, output, ["name", "seats"], rows).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_table_lines_up_and_shows_nothing_as_a_dash() {
        let table = written(Output::Table, &[("Contoso", Cell::Number(7)), ("Fly", Cell::Nothing)]);
        assert_eq!(table, " NAME     SEATS\n Contoso      7\n Fly      -\n");
    }

    #[test]
    fn json_keeps_text_as_it_is_and_nothing_is_null() {
        let json = written(Output::Json, &[("=1+1\n", Cell::Nothing)]);
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value, serde_json::json!([{"name": "=1+1\n", "seats": null}]));
    }

    #[test]
    fn a_spreadsheet_takes_no_name_for_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            let csv = written(Output::Csv, &[(formula, Cell::Number(1))]);
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!(&record[0], format!("'{formula}"));
            assert_eq!(&record[1], "1");
        }
    }

    #[test]
    fn a_terminal_is_not_steered_by_a_name() {
        let table = written(Output::Table, &[("a\u{1b}[31m\u{202e}\n\u{e9}", Cell::Number(1))]);
        assert!(table.contains(r"a\u{1b}[31m\u{202e}\u{a}é"), "{table}");
        assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'));
    }
}
