//! Lists on stdout: for a person, a spreadsheet, or a program.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use super::args::Output;
use crate::rfc3339;
use crate::table::{self, Cell, Form};

/// Writes `rows` under the names of `columns`.
pub(super) fn write<const N: usize>(
    to: &mut impl Write,
    output: Output,
    columns: [&'static str; N],
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
                    Cell::Time(at) => comfy_table::Cell::new(rfc3339::seconds(at)),
                    Cell::Nothing => comfy_table::Cell::new("-"),
                }));
            }
            writeln!(to, "{}", table.trim_fmt())
        }
        Output::Csv => table::write(to, Form::Csv, columns, rows),
        Output::Json => table::write(to, Form::Json, columns, rows),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, Cell)]) -> String {
        let mut bytes = Vec::new();
        let rows = rows.iter().map(|(name, cell)| [Cell::from(*name), cell.clone()]);
        write(&mut bytes, Output::Table, ["name", "seats"], rows).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_table_lines_up_and_shows_nothing_as_a_dash() {
        let table = table(&[("Contoso", Cell::Number(7)), ("Fly", Cell::Nothing)]);
        assert_eq!(table, " NAME     SEATS\n Contoso      7\n Fly      -\n");
    }

    #[test]
    fn a_terminal_is_not_steered_by_a_name() {
        let table = table(&[("a\u{1b}[31m\u{202e}\n\u{e9}", Cell::Number(1))]);
        assert!(table.contains(r"a\u{1b}[31m\u{202e}\u{a}é"), "{table}");
        assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'));
    }
}
