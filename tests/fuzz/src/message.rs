//! What an operator reads when something is refused.

/// More than this is no sentence any more, whatever the input repeats.
const LONGEST_LINE: usize = 4_000;

/// A message has lines that a terminal shows as they are, each short enough to be read, and at least one of them.
pub(crate) fn is_readable(message: &str) {
    assert!(!message.trim().is_empty(), "nothing is said");
    for line in message.split('\n') {
        assert!(line.len() <= LONGEST_LINE, "{} bytes in a line: {line:.200}", line.len());
        assert!(!line.contains(|c: char| c.is_control()), "a control character in {line:?}");
    }
}

/// The same of a message that is a line of a log, or a part of one.
pub(crate) fn is_a_readable_line(message: &str) {
    assert!(!message.contains('\n'), "more than a line: {message:?}");
    is_readable(message);
}
