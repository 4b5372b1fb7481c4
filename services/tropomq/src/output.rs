//! What the command line says.

use std::io::Write;

/// Prints to standard output. A reader that went away, such as `head`, is no failure.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A word to whoever waits, on standard error, apart from the output.
pub(crate) fn say(words: &str) {
    let _nobody_waits = writeln!(std::io::stderr(), "{words}");
}
