//! The text of an expected seats file: CSV as billing systems and spreadsheets write it.

use csv::{ReaderBuilder, StringRecord, Trim};
use elements_api::{CATALOG, ProductType, Seats};

use crate::store::Label;

/// One row that expects something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRow {
    /// A label or an id.
    pub(super) customer: Box<str>,
    pub(super) product: ExpectedProduct,
    pub(super) seats: Seats,
}

/// What stands under `product`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExpectedProduct {
    Known(ProductType),
    /// Neither a number nor a name of the catalogue.
    Unknown(Box<str>),
}

/// What is wrong with the text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {message}")]
pub(super) struct Refusal {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// The rows of a text. All of them together have no more seats than one number may have, and so has any sum of some.
///
/// # Errors
///
/// The first thing that is wrong: half a file says nothing of what the other half expects.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<ExpectedRow>, Refusal> {
    let text = decode(bytes)?;
    let (delimiter, columns) = header(text)?;
    let mut rows = Vec::new();
    let mut all: u64 = 0;
    for record in Records::of(text, delimiter).skip(1) {
        let Record { start, fields } = record?;
        let row = columns.row(&fields).and_then(|row| {
            all = all.saturating_add(row.seats.get());
            Seats::new(all).map(|_| row).ok_or_else(|| TOO_MANY.to_owned())
        });
        if rows.len() == MOST {
            return Err(Refusal::at(
                text,
                start,
                format!("has more than {MOST} rows, which is no bill: is it the right file?"),
            ));
        }
        rows.push(row.map_err(|message| Refusal::at(text, start, message))?);
    }
    Ok(rows)
}

/// Ten times as many as the largest partner has: more take memory that others need.
const MOST: usize = 200_000;

const TOO_MANY: &str = "seats: no bill has so many seats, with all rows before it: correct the number";

/// The text without its byte order mark.
fn decode(bytes: &[u8]) -> Result<&str, Refusal> {
    let text = str::from_utf8(bytes).map_err(|error| {
        // What is valid before it is text.
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Refusal::at(&before, before.len(), "is not UTF-8 text: save the file in this encoding".to_owned())
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

impl Refusal {
    /// At a byte of the text.
    fn at(text: &str, start: usize, message: String) -> Self {
        let before = text[..start].replace("\r\n", "\n");
        Self { line: 1 + before.matches(['\n', '\r']).count(), message }
    }
}

/// A record that is not blank, and where it begins.
struct Record {
    start: usize,
    fields: StringRecord,
}

/// The records of a text that are not blank.
struct Records<'t> {
    text: &'t str,
    reader: csv::Reader<std::io::Chain<&'t [u8], &'static [u8]>>,
}

/// Stands behind the text. Whatever takes both line breaks of it into a record is in a quote that never ends.
const AFTER: &[u8] = b"\n\n";

impl<'t> Records<'t> {
    fn of(text: &'t str, delimiter: u8) -> Self {
        let mut form = ReaderBuilder::new();
        form.delimiter(delimiter).has_headers(false).flexible(true).trim(Trim::All);
        Self { text, reader: form.from_reader(std::io::Read::chain(text.as_bytes(), AFTER)) }
    }

    /// Where the next record begins: the reader counts the line breaks before it to it.
    fn next_start(&self) -> usize {
        let read = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX).min(self.text.len());
        read + self.text[read..].find(|c| !matches!(c, '\r' | '\n')).unwrap_or_default()
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (start, mut fields) = (self.next_start(), StringRecord::new());
            match self.reader.read_record(&mut fields) {
                Ok(false) => return None,
                Ok(true) => {}
                Err(error) => return Some(Err(Refusal::at(self.text, start, error.to_string()))),
            }
            if self.reader.position().byte() == (self.text.len() + AFTER.len()) as u64 {
                return Some(Err(Refusal::at(self.text, start, UNENDING.to_owned())));
            }
            if fields.iter().any(|field| !field.is_empty()) {
                return Some(Ok(Record { start, fields }));
            }
        }
    }
}

const UNENDING: &str = "a quote begins here and ends nowhere: close it";

/// How a file may be separated, by what its header shows.
const DELIMITERS: [u8; 3] = *b",;\t";

/// The columns that a file must have, in any order and case.
const NAMES: [&str; 3] = ["customer", "product", "seats"];

/// Where the columns are.
#[derive(Debug, Clone, Copy)]
struct Columns {
    customer: usize,
    product: usize,
    seats: usize,
    /// How many there are with those that nobody reads.
    all: usize,
}

/// How the text is separated, and where its columns are.
fn header(text: &str) -> Result<(u8, Columns), Refusal> {
    let mut nearest: Option<(usize, usize)> = None;
    for delimiter in DELIMITERS {
        let Some(record) = Records::of(text, delimiter).next() else { break };
        let Record { start, fields } = record?;
        let places = NAMES.map(|name| {
            let mut found = fields.iter().zip(0..).filter(|(field, _)| field.eq_ignore_ascii_case(name));
            (found.next().map(|(_, place)| place), found.next().is_some())
        });
        if let Some(twice) = places.iter().position(|(_, twice)| *twice) {
            let message = format!("the header has {:?} twice: rename the column that is not meant", NAMES[twice]);
            return Err(Refusal::at(text, start, message));
        }
        if let [(Some(customer), _), (Some(product), _), (Some(seats), _)] = places {
            return Ok((delimiter, Columns { customer, product, seats, all: fields.len() }));
        }
        let missing = places.iter().filter(|(place, _)| place.is_none()).count();
        let first = places.iter().position(|(place, _)| place.is_none()).unwrap_or_default();
        nearest = nearest.filter(|(least, _)| *least <= missing).or(Some((missing, first)));
    }
    let missing = nearest.map_or_else(String::new, |(_, first)| format!(", and has no {:?}", NAMES[first]));
    let message = format!(
        "the first line is no header: expected customer,product,seats, also with other columns or separated by \
         semicolons or tabs{missing}"
    );
    Err(Refusal::at(text, text.find(|c: char| !c.is_whitespace()).unwrap_or_default(), message))
}

impl Columns {
    fn row(self, fields: &StringRecord) -> Result<ExpectedRow, String> {
        if let Some(more) = fields.iter().skip(self.all).find(|field| !field.is_empty()) {
            let more = shown(more);
            return Err(format!("has {more} beyond the header's columns: put a field with a separator in quotes"));
        }
        let field = |place, name| match fields.get(place) {
            None | Some("") => Err(format!("{name}: is missing in this row")),
            Some(field) => Ok(field),
        };
        let (customer, product) = (field(self.customer, "customer")?, field(self.product, "product")?);
        let seats = field(self.seats, "seats")?;
        Ok(ExpectedRow { customer: customer.into(), product: product_of(product), seats: seats_of(seats)? })
    }
}

/// By number or by name, in any case.
fn product_of(field: &str) -> ExpectedProduct {
    let by_name = || CATALOG.iter().find(|product| product.name.eq_ignore_ascii_case(field));
    let number = field.parse().ok().filter(|number| *number <= i32::MAX.unsigned_abs());
    number
        .and_then(ProductType::new)
        .or_else(|| by_name().map(|product| product.product_type))
        .map_or_else(|| ExpectedProduct::Unknown(field.into()), ExpectedProduct::Known)
}

/// Only digits: 25.5 is no number of seats, and 1.000 is a thousand in one country and one in another.
fn seats_of(field: &str) -> Result<Seats, String> {
    let digits = field.bytes().all(|byte| byte.is_ascii_digit());
    let number = field.parse().ok().filter(|_| digits).and_then(Seats::new);
    number.ok_or_else(|| {
        format!("seats: expected a whole number without separators, such as 1250; found {}", shown(field))
    })
}

/// A field for a message: on one line, and not too long.
pub(super) fn shown(field: &str) -> String {
    format!("{:?}", Label::from(field))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{cases, product};

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn no_text_at_all_is_more_than_refused(bytes in vec(any::<u8>(), 0..200), text in "(customer|product|seats|[,;\t\r\n\"x1]){0,60}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Err(refusal) = parse(bytes) {
                    prop_assert!(refusal.line >= 1 && !refusal.message.is_empty());
                }
            }
        }

        #[test]
        fn what_a_program_writes_is_read_as_it_was(
            rows in vec(("[^\\s][^\u{0}]{0,20}[^\\s]", 1_u32..9_999, 0_u64..1_000_000), 0..20),
            delimiter in prop::sample::select(b",;\t".to_vec()),
            ends in any::<bool>(),
        ) {
            let terminator = if ends { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
            writer.write_record(["customer", "product", "seats"]).unwrap();
            for (customer, product, seats) in &rows {
                writer.write_record([customer.clone(), product.to_string(), seats.to_string()]).unwrap();
            }
            let read = parse(&writer.into_inner().unwrap()).unwrap();
            let read: Vec<_> = read
                .into_iter()
                .map(|row| {
                    let ExpectedProduct::Known(product) = row.product else { panic!("a number") };
                    (row.customer.to_string(), product.number(), row.seats.get())
                })
                .collect();
            prop_assert_eq!(read.len(), rows.len());
            for (read, (customer, product, seats)) in read.iter().zip(&rows) {
                let label = Label::from(customer.as_str());
                prop_assert!([customer.as_str(), label.as_str()].contains(&read.0.as_str()), "{} {}", read.0, customer);
                prop_assert_eq!((read.1, read.2), (*product, *seats));
            }
        }
    }

    /// Each row in a line.
    fn read(text: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
        let row = |row: ExpectedRow| {
            let product = match row.product {
                ExpectedProduct::Known(product) => product.number().to_string(),
                ExpectedProduct::Unknown(name) => format!("unknown {name}"),
            };
            format!("{} {product} {}", row.customer, row.seats)
        };
        parse(text.as_ref()).map(|rows| rows.into_iter().map(row).collect()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_bill_is_read_however_it_is_written() {
        let expected = Ok(vec!["contoso 2048 25".to_owned(), "a-1 16777216 7".to_owned()]);
        for text in [
            "customer,product,seats\ncontoso,2048,25\na-1,fLY,7\n",
            "\u{feff}customer;product;seats\r\ncontoso;2048;25\r\na-1;Fly;7",
            "customer\tproduct\tseats\rcontoso\t2048\t25\ra-1\tFly\t7\r",
            "\n\nSeats, CUSTOMER ,invoice,Product\n\n25,contoso,17,2048\n \n7,a-1,,FLY\n,,,\n",
            "\"customer\",\"product\",\"seats\",\"note\"\n\"contoso\",\"2048\",\"25\",\"a \"\"b\"\",\nc\"\n a-1 ,Fly, 7\n",
            "customer,product,seats\ncontoso,Cloud Backup for Microsoft 365,25\na-1,Fly,7,\n",
            "price;customer;product;seats\n3,50;contoso;2048;25\n4,75;a-1;Fly;007\n",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("customer,product,seats"), Ok(vec![]), "a bill may have no row");
        assert_eq!(read("customer,product,seats\na,Fli,0\n"), Ok(vec!["a unknown Fli 0".to_owned()]));
        assert_eq!(read("customer,product,seats\na,4294967296,1\n"), Ok(vec!["a unknown 4294967296 1".to_owned()]));
        assert_eq!(product_of("7"), ExpectedProduct::Known(product(7)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let number = "seats: expected a whole number without separators, such as 1250; found";
        let header = "the first line is no header: expected customer,product,seats, also with other columns or separated \
                      by semicolons or tabs";
        for (text, refusal) in [
            ("", format!("1: {header}")),
            ("\r\n\r\ncontoso;2048;25\r\n", format!("3: {header}, and has no \"customer\"")),
            ("customer;product;number\n", format!("1: {header}, and has no \"seats\"")),
            (
                "customer,seats,product,Seats\n",
                "1: the header has \"seats\" twice: rename the column that is not meant".to_owned(),
            ),
            ("customer,product,seats\n\na,2048,25.5\n", format!("3: {number} \"25.5\"")),
            ("customer;product;seats\r\n\r\na;2048;1\r\na;2048;1.000\r\n", format!("4: {number} \"1.000\"")),
            ("customer,product,seats\ra,2048,1\ra,2048,-1", format!("3: {number} \"-1\"")),
            ("customer,product,seats\n\"a\nb\",2048,1\na,2048,+1\n", format!("4: {number} \"+1\"")),
            ("customer,product,seats\na,2048,9007199254740993\n", format!("2: {number} \"9007199254740993\"")),
            ("customer,product,seats\na,1,9007199254740992\nb,1,1\n", format!("3: {TOO_MANY}")),
            ("customer,product,seats\na,2048\n", "2: seats: is missing in this row".to_owned()),
            ("customer,product,seats\n,2048,5\n", "2: customer: is missing in this row".to_owned()),
            ("customer,product,seats\na, ,5\n", "2: product: is missing in this row".to_owned()),
            (
                "customer,product,seats\nContoso, Inc,2048,5\n",
                "2: has \"5\" beyond the header's columns: put a field with a separator in quotes".to_owned(),
            ),
            ("customer,product,seats,note\na,1,5,\"x\nb,1,6\nc,1,7\n", format!("2: {UNENDING}")),
            ("customer,product,seats,note\na,1,5,\nb,1,6,\"", format!("3: {UNENDING}")),
        ] {
            assert_eq!(read(text), Err(refusal), "{text}");
        }
        let latin = b"customer,product,seats\nS\xf6hne,2048,5\n";
        assert_eq!(read(latin), Err("2: is not UTF-8 text: save the file in this encoding".to_owned()));
    }
}
