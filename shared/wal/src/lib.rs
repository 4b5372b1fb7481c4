//! The write-ahead log of an SQLite file, copied into the file beside the one who writes.
//!
//! SQLite copies its log within a commit, once the log is long, and whoever waits for that commit waits for the copy and
//! its sync as well: a claim that is answered too late is a message that nobody sends. Here a thread of its own copies,
//! on a connection of its own, which SQLite allows beside a writer. Only what was written meanwhile is left to
//! the writer: it must have caught up with the log once, or the log is never begun anew and grows for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OpenFlags};

/// What is left to the writer at most, in pages, unless it writes faster than can be copied.
const REST: i64 = 256;

/// How often the thread goes after what was written meanwhile. Each time there is less, unless the writer is the faster.
const ROUNDS: u32 = 4;

/// The write-ahead log of one connection, the only one that writes to its file.
#[derive(Debug)]
pub struct Log {
    file: PathBuf,
    /// How long it was after the latest commit, in pages.
    pages: Arc<AtomicI32>,
    /// How long it gets before it is copied, in pages.
    pages_max: i32,
    copying: Option<JoinHandle<()>>,
}

impl Log {
    /// Takes over from SQLite on this connection, which writes in WAL mode to `file`. The longer `pages_max`, in pages of
    /// 4 KiB, the more often a page was written meanwhile and is copied once.
    ///
    /// # Errors
    /// SQLite's, and then it goes on copying by itself.
    pub fn of(connection: &mut Connection, file: &Path, pages_max: i32) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicI32::new(0));
        let log = Self { file: file.to_owned(), pages: Arc::clone(&pages), pages_max, copying: None };
        let hook = move |_: &mut _, now| {
            pages.store(now, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook))?;
        Ok(log)
    }

    /// To be called on the thread that writes, after a commit, once nobody waits for that any more. What cannot be copied
    /// now stays in the log, is read from there, and is tried after a later commit.
    pub fn committed(&mut self, connection: &Connection) {
        match &self.copying {
            Some(copying) if copying.is_finished() => {
                self.wait();
                copy(connection);
            }
            Some(_) => {}
            None if self.pages.load(Ordering::Relaxed) < self.pages_max => {}
            None => self.begin(connection),
        }
    }

    fn begin(&mut self, connection: &Connection) {
        let file = self.file.clone();
        match thread::Builder::new().name("log".to_owned()).spawn(move || copy_beside(&file)) {
            Ok(copying) => self.copying = Some(copying),
            Err(_no_thread_to_be_had) => {
                copy(connection);
            }
        }
    }

    fn wait(&mut self) {
        if let Some(copying) = self.copying.take() {
            // It does not panic; if it did, the log would be as long as before, and be copied next time.
            let _ = copying.join();
        }
    }
}

/// Whoever is last at a file removes its log: not one who is about to be gone.
impl Drop for Log {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Copies what there is, and what comes meanwhile, until little is left.
fn copy_beside(file: &Path) {
    let flags = OpenFlags::default() & !OpenFlags::SQLITE_OPEN_CREATE;
    let Ok(connection) = Connection::open_with_flags(file, flags) else { return };
    for _ in 0..ROUNDS {
        if copy(&connection).is_none_or(|rest| rest <= REST) {
            return;
        }
    }
}

/// Copies as much as nobody is in the way of, and returns how many pages are left; `None` if it could not.
fn copy(connection: &Connection) -> Option<i64> {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>("log")?, row.get::<_, i64>("checkpointed")?))
    });
    copied.ok().map(|(pages, copied)| pages - copied)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::*;

    const PAGES_MAX: i32 = 64;
    const DEADLINE: Duration = Duration::from_secs(20);

    fn open(file: &Path) -> Connection {
        let connection = Connection::open(file).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection
    }

    /// Writes a page or two.
    fn write(connection: &Connection) {
        connection.execute("INSERT INTO filling VALUES (zeroblob(4000))", []).unwrap();
    }

    fn in_a_file(test: impl FnOnce(&Path, &mut Connection)) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.db");
        let mut connection = open(&file);
        connection.execute("CREATE TABLE filling (bytes BLOB)", []).unwrap();
        test(&file, &mut connection);
    }

    /// Writes until the log was begun anew, and returns how long it was at most, in pages.
    fn begun_anew(log: &mut Log, connection: &Connection) -> i32 {
        let (started, mut longest) = (Instant::now(), 0);
        loop {
            write(connection);
            log.committed(connection);
            let now = log.pages.load(Ordering::Relaxed);
            if now < longest {
                return longest;
            }
            longest = now;
            assert!(started.elapsed() < DEADLINE, "the log has {longest} pages");
        }
    }

    #[test]
    fn a_long_log_is_copied_and_begun_anew() {
        in_a_file(|file, connection| {
            let mut log = Log::of(connection, file, PAGES_MAX).unwrap();
            for _ in 0..3 {
                assert!(PAGES_MAX <= begun_anew(&mut log, connection));
            }
        });
    }

    #[test]
    fn a_log_that_somebody_reads_is_begun_anew_once_that_is_over() {
        in_a_file(|file, connection| {
            let mut log = Log::of(connection, file, PAGES_MAX).unwrap();
            write(connection);
            let mut reader = open(file);
            let reading = reader.transaction().unwrap();
            reading.query_row("SELECT count(*) FROM filling", [], |row| row.get::<_, i64>(0)).unwrap();
            for _ in 0..4 * PAGES_MAX {
                write(connection);
                log.committed(connection);
            }
            assert!(4 * PAGES_MAX <= log.pages.load(Ordering::Relaxed));
            drop(reading);
            begun_anew(&mut log, connection);
        });
    }

    #[test]
    fn a_short_log_stays() {
        in_a_file(|file, connection| {
            let mut log = Log::of(connection, file, i32::MAX).unwrap();
            for _ in 0..2000 {
                write(connection);
                log.committed(connection);
            }
            assert!(log.copying.is_none());
            assert!(2000 <= log.pages.load(Ordering::Relaxed));
        });
    }

    #[test]
    fn the_last_one_removes_the_log() {
        in_a_file(|file, connection| {
            let mut log = Log::of(connection, file, 1).unwrap();
            write(connection);
            log.committed(connection);
            drop(log);
            let connection = std::mem::replace(connection, Connection::open_in_memory().unwrap());
            connection.close().unwrap();
            let left: Vec<_> =
                fs::read_dir(file.parent().unwrap()).unwrap().map(|it| it.unwrap().file_name()).collect();
            assert_eq!(left, ["a.db"]);
        });
    }
}
