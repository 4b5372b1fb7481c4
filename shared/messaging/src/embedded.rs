//! The embedded bus behind the seam: one directory, one process, no server.
//!
//! ```text
//! async side (bus.rs) ── operations ──► one thread (writer.rs): queues in memory (queue.rs)
//!                     ◄── confirms ───                          rows in bus.db     (store.rs)
//!                     ◄── deliveries ─
//! ```
//!
//! The thread takes what waits, writes it in one transaction, syncs, and only then confirms and delivers: so a
//! hundred publications cost one sync. It alone touches the file and the queues; there is no lock in between.
//!
//! It keeps the promises of [`Bus`](crate::Bus), with these properties of its own:
//! - After a crash everything unsettled comes again. Which of it had been handed out is not written down, so whatever
//!   was in the file when it was opened is marked as redelivered: it may have been.
//! - How often a message was given back is counted in memory, so a crash of the process starts the count towards
//!   [`DELIVERY_LIMIT`](protocol::topology::DELIVERY_LIMIT) again.
//! - Dead letters and records have no such limit, and what of them was handed out and given back may come again without
//!   the mark: it is not held in memory for that.
//! - A settlement does not wait for the disk. If the machine (not only the process) fails, what was acknowledged in
//!   the last moments may come again.

mod bus;
mod observe;
mod operation;
mod properties;
mod queue;
mod routes;
mod store;
mod writer;

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use protocol::topology::{Queue, QueueName, Topology};
use tokio::sync::watch;

use crate::{Bus, BusState, Opened};
use bus::EmbeddedBus;
use store::Store;
pub(crate) use store::Totals;
use writer::Writer;

/// What a file is for, and how it is told from others.
#[derive(Clone, Copy, Debug)]
struct Holding {
    /// Its name in the log.
    name: &'static str,
    /// The stem of the names of its files.
    stem: &'static str,
    /// SQLite's `application_id` in its header.
    application_id: i32,
}

/// The bus itself.
const BUS: Holding = Holding { name: "embedded bus", stem: "bus", application_id: 0 };

/// One queue that keeps what another bus cannot take at present.
const SPOOL: Holding = Holding { name: "spool", stem: "spool", application_id: 0x7471_6d73 };

/// Why the embedded bus could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made, or not be written to.
    #[error("cannot use the directory {} for the embedded bus", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process, or another bus in this one, has it open.
    #[error("the embedded bus in {} is in use by another tropomq", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The file is a database, and not one of this kind.
    #[error("{} is not the file of an embedded bus: move it away, or choose another directory", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The file was written by a later version than this one.
    #[error("{} was written by a newer tropomq: its format is {found}, the newest known here is {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The format that it has.
        found: i64,
        /// The newest format that this version reads.
        known: i64,
    },
    /// The file cannot be read or written as a database.
    #[error("cannot open the embedded bus's file {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The system starts no further thread.
    #[error("cannot start the embedded bus's thread")]
    Thread(#[source] io::Error),
}

/// Opens the embedded bus in `directory`, which is created if it is missing, with `topology` on it.
///
/// Queues that are in the file and no longer in `topology` keep their messages, and can be consumed from.
///
/// # Errors
/// [`OpenError`]. No waiting would mend it, except where another tropomq has the directory open.
pub fn open(directory: &Path, topology: Topology) -> Result<Opened, OpenError> {
    let (lock, file) = lock(directory, BUS)?;
    let store = Store::open(&file, BUS)?;
    start(lock, &file, store, topology)
}

/// Opens a spool in `directory`, which is created if it is missing: one queue, to which everything goes that is
/// published to a topic. Says how much it holds.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_spool(directory: &Path, queue: &QueueName) -> Result<(Arc<dyn Bus>, Totals), OpenError> {
    let (lock, file) = lock(directory, SPOOL)?;
    let store = Store::open(&file, SPOOL)?;
    let totals = store.totals(queue).map_err(|source| OpenError::File { file: file.clone(), source })?;
    let everything = Queue {
        name: queue.clone(),
        bindings: vec!["#".into()],
        dead_letters: false,
        single_active_consumer: false,
        bound: None,
    };
    let opened = start(lock, &file, store, Topology { queues: vec![everything] })?;
    Ok((opened.bus, totals))
}

/// How much a spool in `directory` holds; nothing where there is none, and none is made.
///
/// # Errors
/// As [`open`].
pub(crate) fn spool_totals(directory: &Path, queue: &QueueName) -> Result<Totals, OpenError> {
    if !database(directory, SPOOL).exists() {
        return Ok(Totals::default());
    }
    let (_lock, file) = lock(directory, SPOOL)?;
    let store = Store::open(&file, SPOOL)?;
    store.totals(queue).map_err(|source| OpenError::File { file, source })
}

/// The file that holds everything, in its directory.
fn database(directory: &Path, holding: Holding) -> PathBuf {
    directory.join(holding.stem).with_extension("db")
}

/// Makes the directory, and takes it for this process until the file is closed or the process ends, however it ends.
/// The second is the database's file, which is there then.
fn lock(directory: &Path, holding: Holding) -> Result<(File, PathBuf), OpenError> {
    let unusable = |source| OpenError::Directory { directory: directory.to_owned(), source };
    // For its owner alone: it will hold numbers and texts.
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unusable)?;
    let file = database(directory, holding);
    let mut options = File::options();
    // The directory may have been there, and be open to others. SQLite's further files get the mode of the first.
    options.create(true).append(true).mode(0o600);
    let lock = options.open(file.with_extension("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => options.open(&file).map_err(unusable).map(|_| (lock, file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

fn start(lock: File, file: &Path, store: Store, topology: Topology) -> Result<Opened, OpenError> {
    let (operations, taken) = mpsc::channel();
    let (state, states) = watch::channel(BusState::Ready);
    let name = store.holding.name;
    let writer =
        Writer::new(store, topology, taken).map_err(|source| OpenError::File { file: file.to_owned(), source })?;
    observe::opened(name, file, writer.messages());
    let run = move || {
        // Declared first, so that it is dropped last: who is told that the bus is closed may open it again.
        let ending = Ending { state };
        let lock = lock;
        writer.run(&ending.state);
        drop(lock);
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(OpenError::Thread)?;
    let bus = Arc::new(EmbeddedBus::new(operations, states.clone()));
    Ok(Opened { bus, driver: Box::pin(closed(states)) })
}

/// Returns once the thread has ended.
async fn closed(mut states: watch::Receiver<BusState>) {
    // An error says that the thread is gone without a word, which is an end as well.
    let _ = states.wait_for(|state| *state == BusState::Closed).await;
}

/// Tells the end of the thread, also if it ends by a panic.
struct Ending {
    state: watch::Sender<BusState>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let panicked = || BusState::Away("the bus's thread panicked".to_owned());
        self.state.send_replace(if thread::panicking() { panicked() } else { BusState::Closed });
    }
}

/// The queues that are on every bus, whatever its topology.
fn always() -> [QueueName; 2] {
    [QueueName::unrouted(), QueueName::dead()]
}

#[cfg(test)]
mod tests;
