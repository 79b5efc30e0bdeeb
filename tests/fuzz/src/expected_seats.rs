use avepoint_exporter::poll::ExpectedSeatsFile;

use crate::message::is_a_readable_line;
use crate::place::Place;

/// The expected seats file: it is refused with a line that can be read, or it says the same with a byte order mark and
/// with blank lines behind it.
pub fn expected_seats(input: &[u8]) -> bool {
    thread_local!(static PLACE: Place = Place::of("bill.csv"));
    let read = |input: &[u8]| PLACE.with(|place| ExpectedSeatsFile::read(&place.holding(input)));
    let file = read(input);
    match file.rows() {
        Ok(_) => {
            let is_marked = input.starts_with(MARK);
            let marked = if is_marked { input.to_vec() } else { [MARK, input].concat() };
            assert_eq!(read(&marked), file, "a byte order mark says nothing");
            assert_eq!(read(&[input, b"\r\n \r\n"].concat()), file, "nor do blank lines at the end");
        }
        Err(refusal) => is_a_readable_line(refusal),
    }
    file.rows().is_ok()
}

const MARK: &[u8] = b"\xef\xbb\xbf";
