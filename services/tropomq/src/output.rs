//! What the command line says.

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;

/// Prints to standard output. A reader that went away, such as `head`, is no failure.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints from a thread of its own, so that a reader that takes its time holds up nothing else.
pub(crate) struct Printer {
    texts: mpsc::Sender<String>,
    thread: thread::JoinHandle<()>,
}

impl Printer {
    /// # Errors
    /// The system starts no further thread.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (texts, received) = mpsc::channel::<String>();
        let run = move || received.into_iter().for_each(|text| print(&text));
        let thread = thread::Builder::new().name("printer".to_owned()).spawn(run).context("start a thread")?;
        Ok(Self { texts, thread })
    }

    /// Prints, some time.
    pub(crate) fn print(&self, text: String) {
        // The thread ends when this is gone, and not before.
        let _ = self.texts.send(text);
    }

    /// Returns once everything is printed.
    pub(crate) fn finish(self) {
        drop(self.texts);
        let _panicked = self.thread.join();
    }
}

/// Without what would move the cursor of a terminal: words may come from anywhere.
pub(crate) fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A word to whoever waits, on standard error, apart from the output.
pub(crate) fn say(words: &str) {
    let _nobody_waits = writeln!(std::io::stderr(), "{words}");
}
