//! A thread that owns a connection, and its group commit. What fails in a group leaves nothing behind there.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::rows::execute;
use super::{judge, schema};
use crate::error::Fault;
use crate::{LedgerError, Older, OpenError, observe};
use wal::Log;

/// How many operations share a transaction at most.
pub(super) const GROUP_MAX: usize = 256;
/// How many operations may wait before callers have to.
const WAITING_MAX: usize = 1024;
/// How long another process may hold the file before an operation gives up.
const BUSY_MAX: Duration = Duration::from_secs(3);
/// How long the write-ahead log gets before it is copied into the file, in pages of 4 KiB.
const LOG_PAGES_MAX: i32 = 4096;
/// How many statements stay prepared. There are fewer of each role.
const STATEMENTS_MAX: usize = 128;
/// How long between two attempts where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What a thread does with its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Writes: takes the write lock at once, so that nothing that was read can be out of date when it is acted upon.
    Writer,
    /// Finds what is on record, without waiting for what others have written.
    Finder,
    /// Reads what may take long, beside the writer and without a lock.
    Reader,
    /// As a reader, for those who look at the journal: who counts does not wait for them.
    JournalReader,
    /// As a reader, for what every request to the console asks first: it waits for neither.
    DeskReader,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Writer => "ledger",
            Self::Finder => "records",
            Self::Reader => "account",
            Self::JournalReader => "journal",
            Self::DeskReader => "desk",
        }
    }

    fn behavior(self) -> TransactionBehavior {
        match self {
            Self::Writer => TransactionBehavior::Immediate,
            Self::Finder | Self::Reader | Self::JournalReader | Self::DeskReader => TransactionBehavior::Deferred,
        }
    }

    /// How much of the file it keeps in memory at most, in KiB. What is written is spread over all indexes, of which
    /// many are by random ids.
    fn cache_kib(self) -> i32 {
        match self {
            Self::Writer => 64 << 10,
            Self::Finder | Self::JournalReader => 16 << 10,
            Self::Reader | Self::DeskReader => 2 << 10,
        }
    }

    /// How many operations share a transaction at most. Who reads has no sync to share, and is answered at once.
    fn group_max(self) -> usize {
        match self {
            Self::Writer | Self::Finder => GROUP_MAX,
            Self::Reader | Self::JournalReader | Self::DeskReader => 1,
        }
    }
}

/// The way to the thread. The thread ends when this is dropped and all that waited is done.
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Opens the file and starts the thread.
    pub(super) async fn start(path: PathBuf, role: Role, older: Older) -> Result<Self, OpenError> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let (opened, result) = oneshot::channel();
        let serve = move || match open(&path, role, older) {
            Ok(connection) => {
                // Nobody waits any more if the caller was cancelled; then the channel of jobs is closed as well.
                let _ = opened.send(Ok(()));
                serve(connection, waiting, &path, role);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        thread::Builder::new().name(role.name().to_owned()).spawn(serve).map_err(LedgerError::unavailable)?;
        result.await.map_err(|_| LedgerError::unavailable(Fault::WriterEnded))??;
        Ok(Self { jobs })
    }

    /// Has the thread do `work` in a transaction, and returns its answer once that is on disk. `operation` is its name in
    /// the metrics.
    pub(super) async fn perform<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        observe::timed("sqlite", operation, self.answer(work)).await
    }

    async fn answer<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let operation = Operation { work, result: None, answer };
        let ended = || LedgerError::unavailable(Fault::WriterEnded);
        self.jobs.send(Box::new(operation)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

/// One operation of a group, whatever it answers. What it does may be taken back, and be done again.
trait Job: Send {
    /// Does it, and keeps its answer. Fails if the transaction has to be taken back.
    fn run(&mut self, connection: &Connection) -> Result<(), LedgerError>;

    /// Does it so that it alone can be taken back, if it is what cannot be done. Fails if that ends the whole group.
    fn run_apart(&mut self, connection: &Connection) -> Result<(), LedgerError>;

    /// Gives its answer, or what kept the group from being committed.
    fn answer(self: Box<Self>, committed: &Result<(), LedgerError>);
}

struct Operation<T, F> {
    work: F,
    result: Option<Result<T, LedgerError>>,
    answer: oneshot::Sender<Result<T, LedgerError>>,
}

impl<T: Send, F: Fn(&Connection) -> Result<T, LedgerError> + Send> Job for Operation<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        let result = (self.work)(connection);
        let verdict = match &result {
            Ok(_) if connection.is_autocommit() => Err(LedgerError::unavailable(Fault::RolledBack)),
            Ok(_) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        self.result = Some(result);
        verdict
    }

    fn run_apart(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        execute(connection, "SAVEPOINT operation", [])?;
        match self.run(connection) {
            Ok(()) => execute(connection, "RELEASE operation", []).map(drop),
            // A row that cannot be understood, say, concerns the one who asked for it, of whom nothing is kept.
            Err(error) if error.is_of_one() && !connection.is_autocommit() => {
                execute(connection, "ROLLBACK TO operation", [])?;
                execute(connection, "RELEASE operation", []).map(drop)
            }
            // A file that cannot be read or written now fails all; SQLite may have rolled back by itself.
            Err(error) => Err(error),
        }
    }

    fn answer(self: Box<Self>, committed: &Result<(), LedgerError>) {
        let answer = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(LedgerError::unavailable(Fault::RolledBack)),
            (Err(error), _) => Err(error.clone()),
        };
        // Nobody waits any more if the caller was cancelled.
        let _ = self.answer.send(answer);
    }
}

fn serve(mut connection: Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>, path: &Path, role: Role) {
    let mut log = match role {
        Role::Writer => Log::of(&mut connection, path, LOG_PAGES_MAX).ok(),
        Role::Finder | Role::Reader | Role::JournalReader | Role::DeskReader => None,
    };
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < role.group_max()
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        let committed = commit(&mut connection, &mut group, role);
        for job in group {
            job.answer(&committed);
        }
        if let Some(log) = &mut log {
            log.committed(&connection);
        }
    }
}

/// Does all of a group in one transaction. That one is refused is rare, and taking back what it alone did is dear to
/// prepare for: only then all is done again, each so that it can be taken back.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Job>], role: Role) -> Result<(), LedgerError> {
    match attempt(connection, group, role, |job, connection| job.run(connection)) {
        Err(error) if error.is_of_one() => {
            attempt(connection, group, role, |job, connection| job.run_apart(connection))
        }
        done => done,
    }
}

fn attempt(
    connection: &mut Connection,
    group: &mut [Box<dyn Job>],
    role: Role,
    run: impl Fn(&mut dyn Job, &Connection) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let transaction = connection.transaction_with_behavior(role.behavior()).map_err(judge)?;
    for job in group {
        run(&mut **job, &transaction)?;
    }
    transaction.commit().map_err(judge)
}

fn open(path: &Path, role: Role, older: Older) -> Result<Connection, OpenError> {
    if older == Older::Refuse {
        let connection = Connection::open_with_flags(path, OpenFlags::default() & !OpenFlags::SQLITE_OPEN_CREATE);
        let connection = connection.map_err(judge)?;
        prepare(&connection)?;
        schema::check(&connection)?;
        settle(&connection, role)?;
        return Ok(connection);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(LedgerError::unavailable)?;
    }
    // For its owner alone: it tells who wrote what to whom. The folder may have been there, and be open to others.
    // SQLite's further files get the mode of the first.
    let mut options = File::options();
    options.create(true).append(true).mode(0o600).open(path).map_err(LedgerError::unavailable)?;
    let mut connection = Connection::open(path).map_err(judge)?;
    prepare(&connection)?;
    schema::migrate(&mut connection)?;
    settle(&connection, role)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), LedgerError> {
    connection.busy_timeout(BUSY_MAX).map_err(judge)?;
    let mode = journal_in_wal(connection).map_err(judge)?;
    if mode != "wal" {
        return Err(LedgerError::corrupt(Fault::JournalMode(mode)));
    }
    // FULL syncs the log at every commit: an answer survives a power cut and not only the end of the process.
    connection.pragma_update(None, "synchronous", "FULL").map_err(judge)
}

/// What is for the work of every day. The steps of the schema may sort more than there is memory for.
fn settle(connection: &Connection, role: Role) -> Result<(), LedgerError> {
    // What an operation would undo is remembered there, page by page: too short-lived to be worth a file.
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(judge)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Negative: in KiB.
    connection.pragma_update(None, "cache_size", -role.cache_kib()).map_err(judge)
}

/// Turns the write-ahead log on, and returns the journal mode that came of it. SQLite does not wait by itself where two
/// processes do this to a new file at once: each would wait for the other.
fn journal_in_wal(connection: &Connection) -> rusqlite::Result<String> {
    let started = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match mode {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && started.elapsed() < BUSY_MAX =>
            {
                thread::sleep(BUSY_PAUSE);
            }
            mode => return mode,
        }
    }
}
