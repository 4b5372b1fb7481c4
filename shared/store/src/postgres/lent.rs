//! A connection out of the pool, its transactions, and what failed on it.

use std::error::Error;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Client;
use tokio_postgres::error::SqlState;

use super::accounts::PATIENCE;
use crate::LedgerError;
use crate::error::Fault;

/// How long the server may look for words. A connection of the pool is taken up as long. Where somebody goes away before,
/// so does the connection, and the server ends what it does: it looks for that, if it can (not on Windows, and not before
/// version 14).
const SEARCH_PATIENCE: &str = "SET LOCAL statement_timeout = '8s'; \
    DO 'BEGIN SET LOCAL client_connection_check_interval = ''100ms''; EXCEPTION WHEN OTHERS THEN NULL; END'";

/// Whatever the database's default is: what was waited for is seen.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Why one attempt at an operation failed.
pub(super) enum Failure {
    /// The connection was lost, before or after the operation was done: over another it may be tried once more.
    Lost(tokio_postgres::Error),
    /// Another attempt would fail as well.
    Final(LedgerError),
}

/// An advisory lock of the server: what kind of thing it is about, and which one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock(pub(super) i32, pub(super) i32);

/// A connection out of the pool.
///
/// It goes back there unless it is unfit: the server behind it takes no writes, or a transaction was begun and not
/// committed, or its answer did not come in time, and on no other connection either: then something on the way has
/// forgotten it. (A server that is slow answers on some of them. To connect anew would make it slower still.)
pub(super) struct Lent {
    /// There until it is dropped.
    client: Option<Client>,
    takes_no_writes: AtomicBool,
    in_transaction: AtomicBool,
    answers: Arc<AtomicU64>,
    /// How many answers there were when the one was asked for that did not come yet.
    awaited_since: Mutex<Option<u64>>,
}

impl Lent {
    pub(super) fn new(client: Client, answers: Arc<AtomicU64>) -> Self {
        let (takes_no_writes, in_transaction) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { client: Some(client), takes_no_writes, in_transaction, answers, awaited_since: Mutex::new(None) }
    }

    fn await_since(&self, since: Option<u64>) {
        *self.awaited_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn is_unfit(&self) -> bool {
        let awaited_since = *self.awaited_since.lock().unwrap_or_else(PoisonError::into_inner);
        let is_mute = awaited_since.is_some_and(|since| since == self.answers.load(Ordering::Relaxed));
        is_mute || self.takes_no_writes.load(Ordering::Relaxed) || self.in_transaction.load(Ordering::Relaxed)
    }

    /// What the server answers.
    ///
    /// # Errors
    /// [`Failure`] says whether another connection may do better.
    ///
    /// # Cancel safety
    /// Safe; whether the connection is used again is decided when it is given back.
    pub(super) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        self.await_since(Some(self.answers.load(Ordering::Relaxed)));
        let answer = asked.await;
        self.await_since(None);
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.takes_no_writes.store(answer.as_ref().is_err_and(takes_no_writes), Ordering::Relaxed);
        Ok(answer?)
    }

    /// Begins a transaction. Unless [`Lent::commit`] ends it, the connection is given up, and the server rolls back.
    pub(super) async fn begin(&self) -> Result<(), Failure> {
        self.begin_with(BEGIN).await
    }

    /// As [`Lent::begin`], for statements that may take longer than a claim may wait.
    pub(super) async fn begin_patiently(&self) -> Result<(), Failure> {
        self.begin_with(&format!("{BEGIN}; {PATIENCE}")).await
    }

    /// As [`Lent::begin`], for somebody who looks for something and waits.
    pub(super) async fn begin_search(&self) -> Result<(), Failure> {
        self.begin_with(&format!("{BEGIN}; {SEARCH_PATIENCE}")).await
    }

    /// Begins a transaction that holds locks with all others that share them.
    pub(super) async fn begin_sharing(&self, locks: impl Iterator<Item = Lock>) -> Result<(), Failure> {
        let locks: Vec<String> = locks.map(|Lock(of, key)| format!("({of}, {key})")).collect();
        let locks = locks.join(", ");
        let all = format!("SELECT pg_advisory_xact_lock_shared(of, key) FROM (VALUES {locks}) AS locks (of, key)");
        self.begin_with(&format!("{BEGIN}; {all}")).await
    }

    async fn begin_with(&self, statements: &str) -> Result<(), Failure> {
        self.in_transaction.store(true, Ordering::Relaxed);
        self.answer(self.batch_execute(statements)).await
    }

    /// Waits until nobody else holds a lock, and holds it until the transaction ends. The statements that follow see all
    /// that was done under it.
    pub(super) async fn lock(&self, lock: Lock) -> Result<(), Failure> {
        let Lock(of, key) = lock;
        self.answer(self.batch_execute(&format!("SELECT pg_advisory_xact_lock({of}, {key})"))).await
    }

    /// Ends the transaction, and nothing was done in it.
    pub(super) async fn roll_back(&self) -> Result<(), Failure> {
        self.answer(self.batch_execute("ROLLBACK")).await?;
        self.in_transaction.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the transaction, and keeps what was done in it.
    pub(super) async fn commit(&self) -> Result<(), Failure> {
        self.answer(self.batch_execute("COMMIT")).await?;
        self.in_transaction.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// The server takes no writes: gives the connection up.
    pub(super) fn read_only(self) -> Failure {
        self.takes_no_writes.store(true, Ordering::Relaxed);
        Failure::Final(LedgerError::unavailable(Fault::ReadOnly))
    }
}

#[expect(clippy::expect_used, reason = "it is taken out by drop alone")]
impl Deref for Lent {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("a connection until it is dropped")
    }
}

#[expect(clippy::expect_used, reason = "it is taken out by drop alone")]
impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("a connection until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let is_unfit = self.is_unfit();
        if let Some(client) = self.client.take().filter(|_| is_unfit) {
            drop(Client::take(client));
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        if is_lost(&error) { Self::Lost(error) } else { Self::Final(judge(error)) }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Final(error)
    }
}

fn is_lost(error: &tokio_postgres::Error) -> bool {
    let said = error.code().is_some_and(|code| [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(code));
    said || takes_no_writes(error) || error.is_closed() || error.source().is_some_and(<dyn Error>::is::<io::Error>)
}

/// Whether another server has taken over, and this one is a standby now.
fn takes_no_writes(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether the server gave a statement up, because it took longer than it may.
pub(super) fn is_cut_short(error: &LedgerError) -> bool {
    let LedgerError::Unavailable(cause) = error else { return false };
    let said = cause.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    said == Some(&SqlState::QUERY_CANCELED)
}

/// Who must act, and about what.
pub(super) fn judge(error: tokio_postgres::Error) -> LedgerError {
    // The classes of SQLSTATE. Login and database name; data and constraint: something is wrong with this one row or
    // value. Feature not supported, syntax and access rule (with tables that are not there), and internal error, which
    // is where damaged pages are reported.
    const DENIED: [&str; 2] = ["28", "3D"];
    const ONE_ROW: [&str; 2] = ["22", "23"];
    const LASTING: [&str; 3] = ["0A", "42", "XX"];
    let class = error.code().and_then(|state| state.code().get(..2)).unwrap_or_default();
    let is_right_missing = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
    if DENIED.contains(&class) || is_right_missing || is_untrusted(&error) {
        LedgerError::denied(error)
    } else if ONE_ROW.contains(&class) {
        LedgerError::unreadable(error)
    } else if LASTING.contains(&class) {
        LedgerError::corrupt(error)
    } else {
        LedgerError::unavailable(error)
    }
}

/// Whether TLS itself was refused, mostly because of the server's certificate.
fn is_untrusted(error: &tokio_postgres::Error) -> bool {
    let source = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>);
    source.and_then(io::Error::get_ref).is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}
