//! The file: every statement of SQL that the embedded bus knows.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use protocol::topology::QueueName;
use rusqlite::{Connection, ErrorCode, Row, params};
use wal::Log;

use crate::PublishError;
use crate::embedded::operation::{Kept, Seq};
use crate::embedded::{Holding, OpenError, observe, properties};

/// A queue, in the file for good.
pub(super) type QueueId = i64;

/// The format of the file; SQLite's `user_version`.
const FORMAT: i64 = 1;

/// How long the write-ahead log gets before it is copied into the file, in pages of 4 KiB. Most of what is in it is gone by
/// then.
const LOG_PAGES_MAX: i32 = 2048;

/// A row without `due_ms` is in its queue, at `seq`; one with it waits, and then goes to the end of its queue. Both
/// indexes are ordered by `seq` too, because every index of SQLite ends with the key of the row. That `due_ms` stands
/// in the first, where it is always null, lets SQLite count the queues without reading a row.
const SCHEMA: &str = "
    CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL REFERENCES queue,
        due_ms INTEGER,
        added_ms INTEGER NOT NULL,
        routing_key TEXT NOT NULL,
        properties TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX message_ready ON message (queue, due_ms) WHERE due_ms IS NULL;
    CREATE INDEX message_waiting ON message (due_ms) WHERE due_ms IS NOT NULL;
    CREATE TABLE probe (filling BLOB NOT NULL) STRICT;
";

/// Whether a commit waits until the disk has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Durability {
    /// It survives the machine.
    Synced,
    /// It survives the process; the next synced commit makes it survive the machine too. For what nobody waits for.
    Written,
}

/// Why nothing of a transaction was kept.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Certainly.
    Failed(rusqlite::Error),
    /// As far as one can tell: the disk failed while the commit was written, and a crash before the next one could
    /// still bring it to light.
    Uncertain(rusqlite::Error),
}

impl WriteError {
    pub(super) fn source(&self) -> &rusqlite::Error {
        match self {
            Self::Failed(source) | Self::Uncertain(source) => source,
        }
    }

    /// What it means to who published.
    pub(super) fn verdict(&self) -> PublishError {
        match self {
            Self::Failed(source) => PublishError::Unavailable(source.to_string()),
            Self::Uncertain(source) => PublishError::Unknown(source.to_string()),
        }
    }
}

/// How much a queue holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Totals {
    /// How many messages.
    pub(crate) messages: u64,
    /// The bytes of their bodies.
    pub(crate) bytes: u64,
}

/// The open file.
pub(super) struct Store {
    /// What it is, for the log.
    pub(super) holding: Holding,
    /// `None` where SQLite copies its log by itself. Gone before the connection is.
    log: Option<Log>,
    connection: Connection,
    durability: Cell<Durability>,
    seq_last: Cell<Seq>,
}

impl Store {
    /// Opens the file; makes it where there is none.
    ///
    /// # Errors
    /// [`OpenError::Foreign`], [`OpenError::Newer`] and [`OpenError::File`].
    pub(super) fn open(file: &Path, holding: Holding) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File { file: file.to_owned(), source };
        let connection = Connection::open(file).map_err(failed)?;
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(failed);
        let (application_id, found) = (number("application_id")?, number("user_version")?);
        let is_ours = if found == 0 {
            application_id == 0 && is_blank(&connection).map_err(failed)?
        } else {
            application_id == i64::from(holding.application_id)
        };
        if !is_ours {
            return Err(OpenError::Foreign { file: file.to_owned() });
        }
        if FORMAT < found {
            return Err(OpenError::Newer { file: file.to_owned(), found, known: FORMAT });
        }
        Self::prepare(connection, file, found, holding).map_err(failed)
    }

    fn prepare(mut connection: Connection, file: &Path, found: i64, holding: Holding) -> rusqlite::Result<Self> {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        // A log that grew while somebody else read the file shrinks again.
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.set_prepared_statement_cache_capacity(32);
        if found == 0 {
            let id = holding.application_id;
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {id}; PRAGMA user_version = {FORMAT}; COMMIT"
            ))?;
        }
        connection.execute("DELETE FROM probe", [])?;
        let seq_last = connection.query_row("SELECT coalesce(max(seq), 0) FROM message", [], |row| row.get(0))?;
        let log = Log::of(&mut connection, file, LOG_PAGES_MAX).ok();
        Ok(Self { holding, log, connection, durability: Cell::new(Durability::Synced), seq_last: Cell::new(seq_last) })
    }

    /// The last place that was given to a message.
    pub(super) fn seq_last(&self) -> Seq {
        self.seq_last.get()
    }

    /// Makes the queues that are missing, and returns all that there are.
    pub(super) fn declare<'a>(
        &self,
        names: impl Iterator<Item = &'a QueueName>,
    ) -> rusqlite::Result<HashMap<QueueName, QueueId>> {
        let transaction = self.connection.unchecked_transaction()?;
        for name in names {
            let mut declare =
                transaction.prepare_cached("INSERT INTO queue (name) VALUES (?1) ON CONFLICT DO NOTHING")?;
            declare.execute([name.as_str()])?;
        }
        transaction.commit()?;
        let mut queues = self.connection.prepare("SELECT name, id FROM queue")?;
        let named = |row: &Row<'_>| Ok((QueueName::from(row.get_ref(0)?.as_str()?), row.get(1)?));
        queues.query_map([], named)?.collect()
    }

    /// How many messages are in each queue; those that wait are in none.
    pub(super) fn counts(&self) -> rusqlite::Result<Vec<(QueueId, u64)>> {
        let mut counts =
            self.connection.prepare("SELECT queue, count(*) FROM message WHERE due_ms IS NULL GROUP BY queue")?;
        let counted = |row: &Row<'_>| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)));
        counts.query_map([], counted)?.collect()
    }

    /// How many messages wait to be tried again, by the queue that they go to.
    pub(super) fn delayed(&self) -> rusqlite::Result<Vec<(QueueId, u64)>> {
        let mut counts = self
            .connection
            .prepare_cached("SELECT queue, count(*) FROM message WHERE due_ms IS NOT NULL GROUP BY queue")?;
        let counted = |row: &Row<'_>| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)));
        counts.query_map([], counted)?.collect()
    }

    /// How much is in a queue; what waits is in none.
    pub(super) fn totals(&self, queue: &QueueName) -> rusqlite::Result<Totals> {
        let totals = "SELECT count(*), coalesce(sum(length(body)), 0) FROM message
            WHERE queue = (SELECT id FROM queue WHERE name = ?1) AND due_ms IS NULL";
        self.connection.query_row(totals, [queue.as_str()], |row| {
            let number = |column| row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0));
            Ok(Totals { messages: number(0)?, bytes: number(1)? })
        })
    }

    /// Begins a transaction.
    pub(super) fn begin(&self, durability: Durability) -> Result<(), WriteError> {
        if self.durability.get() != durability {
            let level = if durability == Durability::Synced { "full" } else { "normal" };
            self.connection.pragma_update(None, "synchronous", level).map_err(WriteError::Failed)?;
            self.durability.set(durability);
        }
        self.run("BEGIN IMMEDIATE").map_err(WriteError::Failed)
    }

    /// Ends it well, or as if it had never been.
    pub(super) fn commit(&self) -> Result<(), WriteError> {
        self.run("COMMIT").map_err(|error| {
            self.rollback();
            let in_doubt = matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
            if in_doubt { WriteError::Uncertain(error) } else { WriteError::Failed(error) }
        })
    }

    /// Ends it as if it had never been.
    pub(super) fn rollback(&self) {
        if !self.connection.is_autocommit() {
            // Fails only where SQLite has rolled back by itself.
            let _ = self.run("ROLLBACK");
        }
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute([]).map(drop)
    }

    /// Puts a message at the end of a queue, or lets it wait until `due_ms`.
    pub(super) fn insert(
        &self,
        queue: QueueId,
        message: &Kept,
        properties: &str,
        now_ms: i64,
        due_ms: Option<i64>,
    ) -> rusqlite::Result<Seq> {
        let seq = self.seq_next();
        let Kept { routing_key, body, .. } = message;
        let insert = "INSERT INTO message (seq, queue, due_ms, added_ms, routing_key, properties, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let row = params![seq, queue, due_ms, now_ms, routing_key, properties, body.as_ref()];
        self.connection.prepare_cached(insert)?.execute(row)?;
        Ok(seq)
    }

    fn seq_next(&self) -> Seq {
        let seq = self.seq_last.get().saturating_add(1);
        self.seq_last.set(seq);
        seq
    }

    /// Removes a message.
    pub(super) fn delete(&self, seq: Seq) -> rusqlite::Result<()> {
        self.connection.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq]).map(drop)
    }

    /// When the next message that waits is due.
    pub(super) fn due_next(&self) -> rusqlite::Result<Option<i64>> {
        let next = "SELECT min(due_ms) FROM message WHERE due_ms IS NOT NULL";
        self.connection.prepare_cached(next)?.query_row([], |row| row.get(0))
    }

    /// Puts what is due at the ends of its queues, at most `limit` messages; each queue as often as it got one.
    pub(super) fn promote(&self, now_ms: i64, limit: usize) -> rusqlite::Result<Vec<QueueId>> {
        let due = "SELECT seq, queue FROM message WHERE due_ms <= ?1 ORDER BY due_ms, seq LIMIT ?2";
        let mut due = self.connection.prepare_cached(due)?;
        let due: Vec<(Seq, QueueId)> = due
            .query_map(params![now_ms, count(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut promote =
            self.connection.prepare_cached("UPDATE message SET seq = ?2, due_ms = NULL WHERE seq = ?1")?;
        due.into_iter()
            .map(|(seq, queue)| {
                promote.execute([seq, self.seq_next()])?;
                Ok(queue)
            })
            .collect()
    }

    /// The first messages of a queue after a place, in order.
    pub(super) fn page(&self, queue: QueueId, after: Seq, limit: usize) -> rusqlite::Result<Vec<(Seq, Arc<Kept>)>> {
        let page = "SELECT seq, routing_key, properties, body FROM message
            WHERE queue = ?1 AND due_ms IS NULL AND ?2 < seq ORDER BY seq LIMIT ?3";
        let mut page = self.connection.prepare_cached(page)?;
        page.query_map(params![queue, after, count(limit)], read)?.collect()
    }

    /// The places of the first messages of a queue, and when they were added.
    pub(super) fn oldest(&self, queue: QueueId, limit: usize) -> rusqlite::Result<Vec<(Seq, i64)>> {
        let oldest = "SELECT seq, added_ms FROM message
            WHERE queue = ?1 AND due_ms IS NULL ORDER BY seq LIMIT ?2";
        let mut oldest = self.connection.prepare_cached(oldest)?;
        oldest.query_map(params![queue, count(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Finds out whether there is room to write again, by writing.
    pub(super) fn probe(&self) -> Result<(), WriteError> {
        for statement in ["INSERT INTO probe (filling) VALUES (zeroblob(65536))", "DELETE FROM probe"] {
            self.begin(Durability::Synced)?;
            match self.run(statement) {
                Ok(()) => self.commit()?,
                Err(error) => {
                    self.rollback();
                    return Err(WriteError::Failed(error));
                }
            }
        }
        Ok(())
    }

    /// Has the write-ahead log copied into the file, if it is long. To be called once nobody waits for what was committed.
    pub(super) fn committed(&mut self) {
        if let Some(log) = &mut self.log {
            log.committed(&self.connection);
        }
    }

    /// Brings everything from the write-ahead log into the file, and empties the log.
    pub(super) fn checkpoint(&mut self) -> rusqlite::Result<()> {
        self.log = None;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Lets the file grow no further, as a full disk would.
    #[cfg(test)]
    pub(super) fn fill(&self, spare_pages: i64) {
        let pages: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        self.connection.pragma_update(None, "max_page_count", pages + spare_pages).unwrap();
    }
}

/// A row as a message. One whose properties are unreadable is delivered without them: its body still tells what it
/// is, and leaving it would stop its queue for ever.
fn read(row: &Row<'_>) -> rusqlite::Result<(Seq, Arc<Kept>)> {
    let seq = row.get(0)?;
    let properties = properties::parse(row.get_ref(2)?.as_str()?);
    let properties = properties.inspect_err(|error| observe::unreadable(seq, error)).unwrap_or_default();
    let body = Bytes::from(row.get::<_, Vec<u8>>(3)?);
    Ok((seq, Arc::new(Kept { routing_key: row.get(1)?, properties, body })))
}

/// Whether nobody has made a table in the file yet.
fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
