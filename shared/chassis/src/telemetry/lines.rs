//! Log lines on their way to standard error, through a thread of their own.
//!
//! Who reads them may be slow, or stand still; the process goes on. What does not fit into the queue is dropped, and
//! counted in a line of its own.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait at most.
const QUEUE_MAX: usize = 8192;

/// What goes to the thread.
enum Item {
    Line(Vec<u8>),
    /// Everything before it was written.
    Flush(SyncSender<()>),
}

/// Takes log lines, and never waits. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: SyncSender<Item>,
    /// Since that was last told in a line.
    dropped: Arc<AtomicU64>,
    /// Since the process began.
    dropped_ever: Arc<AtomicU64>,
}

impl Lines {
    /// Writes to `out` from a thread of its own.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&dropped);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(out, &lines, &told))?;
        Ok(Self { queue, dropped, dropped_ever: Arc::default() })
    }

    /// Tells as a metric how many were dropped.
    pub(super) fn count(&self, meter: &Meter) {
        let dropped = Arc::clone(&self.dropped_ever);
        meter
            .u64_observable_counter("tropomq.log.dropped_lines")
            .with_description("Log lines that nobody read in time")
            .with_callback(move |counter| counter.observe(dropped.load(Ordering::Relaxed), &[]))
            .build();
    }

    /// Waits until what was taken so far is written, but no longer than the timeout.
    pub(super) fn flush(&self, timeout: Duration) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            // Who reads has had its time.
            let _late = wait.recv_timeout(timeout);
        }
    }
}

fn write(mut out: impl Write, lines: &Receiver<Item>, dropped: &AtomicU64) {
    while let Ok(item) = lines.recv() {
        // Nobody is left to tell when standard error itself is gone.
        let _unheard = match item {
            Item::Line(line) => out.write_all(&line),
            Item::Flush(done) => {
                let flushed = out.flush();
                // Nobody waits any more when this took too long.
                let _late = done.try_send(());
                flushed
            }
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost != 0 {
            let _unheard = writeln!(out, "tropomq: {lost} log lines were dropped, because nobody read them in time");
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { text: Vec::new(), lines: self.clone() }
    }
}

/// One line being written; it goes to the thread when it is dropped.
pub(super) struct Line {
    text: Vec<u8>,
    lines: Lines,
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        match self.lines.queue.try_send(Item::Line(text)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lines.dropped.fetch_add(1, Ordering::Relaxed);
                self.lines.dropped_ever.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    /// Takes text when it is allowed to.
    #[derive(Clone, Default)]
    struct Reader {
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.text.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_nothing_else() {
        let reader = Reader::default();
        let lines = Lines::to(reader.clone()).unwrap();
        let stalled = reader.text.lock().unwrap();
        // More than fit: were one of them waited for, this would never end.
        for n in 0..QUEUE_MAX + 100 {
            writeln!(lines.make_writer(), "line {n}").unwrap();
        }
        drop(stalled);
        let last = format!("line {}\n", QUEUE_MAX - 1);
        let deadline = Instant::now() + Duration::from_secs(20);
        let text = loop {
            lines.flush(Duration::from_secs(1));
            let text = String::from_utf8(reader.text.lock().unwrap().clone()).unwrap();
            if text.contains(&last) {
                break text;
            }
            assert!(Instant::now() < deadline, "the lines that fit are written in the end");
        };
        assert!(text.starts_with("line 0\n"));
        assert!(text.contains("log lines were dropped"));
        assert!(!text.contains(&format!("line {}\n", QUEUE_MAX + 99)));
    }

    #[test]
    fn flushed_lines_are_written_in_their_order() {
        let reader = Reader::default();
        let lines = Lines::to(reader.clone()).unwrap();
        for n in 0..3 {
            writeln!(lines.make_writer(), "line {n}").unwrap();
        }
        lines.flush(Duration::from_secs(20));
        assert_eq!(*reader.text.lock().unwrap(), b"line 0\nline 1\nline 2\n");
    }
}
