//! The write-ahead log of the thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;

/// How long the log gets before it is copied into the file, in pages of 4 KiB. The longer, the more often a page was
/// written meanwhile and is copied once; and the longer those wait who come while it is copied.
const PAGES: i32 = 4096;

/// The write-ahead log of one connection. SQLite would copy it into the file within a commit, and whoever waits for that
/// commit would wait for the copy, too: a claim that is answered too late is a message that nobody sends.
pub(super) struct Log {
    /// How long it was after the latest commit, in pages.
    pages: Arc<AtomicI32>,
}

impl Log {
    /// Takes over from SQLite; `None` if it keeps that to itself.
    pub(super) fn of(connection: &mut Connection) -> Option<Self> {
        let pages = Arc::new(AtomicI32::new(0));
        let log = Self { pages: Arc::clone(&pages) };
        let hook = move |_: &mut _, now| {
            pages.store(now, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).is_ok().then_some(log)
    }

    /// Copies it, if it is long. What cannot be copied now stays in it, and is read from there.
    pub(super) fn copy(&self, connection: &Connection) {
        if PAGES <= self.pages.load(Ordering::Relaxed) {
            let _tried_after_the_next_commit =
                connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_row| Ok(()));
        }
    }
}
