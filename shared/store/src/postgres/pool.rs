//! The connections to the server, and what is done when one is lost.

use std::error::Error;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Client, Manager, Pool, PoolError, Runtime};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tracing::debug;

use super::accounts::PATIENCE;
use super::group::{Answers, Group};
use super::tls;
use crate::error::Fault;
use crate::{LedgerError, Settings, observe};

/// What the database is in the metrics.
const SYSTEM: &str = "postgresql";

/// The longest wait for the answer to one operation, connecting and one retry included. Tropo waits for it.
pub(super) const ANSWER_MAX: Duration = Duration::from_millis(2500);
/// The server gives up a statement before its caller does, and answers a commit only when it is on disk: a claim that
/// was answered and then forgotten would let a second session have the message. A transaction whose owner is silent
/// holds up the message's other sessions for no longer than that.
const STATEMENT_OPTION: &str =
    "-c statement_timeout=2s -c idle_in_transaction_session_timeout=2s -c synchronous_commit=on";

/// How long the server may look for words. A connection of the pool is taken up as long. Where somebody goes away before,
/// so does the connection, and the server ends what it does: it looks for that, if it can (not on Windows, and not before
/// version 14).
const SEARCH_PATIENCE: &str = "SET LOCAL statement_timeout = '8s'; \
    DO 'BEGIN SET LOCAL client_connection_check_interval = ''100ms''; EXCEPTION WHEN OTHERS THEN NULL; END'";

/// Whatever the database's default is: what was waited for is seen.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// The pool of connections.
pub(super) struct Connections {
    pool: Pool,
    /// How many answers came, over all of them.
    answers: Arc<AtomicU64>,
    /// How many answers there were when the server was last found mute: it is, until there is one more.
    mute_since: AtomicU64,
    /// Who asks a server that is mute. The others are told at once that it is away: all at the same time, they would be
    /// in each other's way when it answers again; one behind the other, each would have no time left in its turn.
    scout: Semaphore,
}

/// How long somebody waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) until: Instant,
    /// How many answers there were over all connections when it began.
    pub(super) answers_before: u64,
}

/// Why one attempt at an operation failed.
pub(super) enum Failure {
    /// The connection was lost, before or after the operation was done: over another it may be tried once more.
    Lost(tokio_postgres::Error),
    /// Another attempt would fail as well.
    Final(LedgerError),
}

impl Connections {
    pub(super) fn new(mut config: Config, settings: Settings) -> Result<Self, LedgerError> {
        // What comes later wins: options of the URL stand above ours.
        let options = [STATEMENT_OPTION].into_iter().chain(config.get_options()).collect::<Vec<_>>().join(" ");
        config.options(options).tcp_user_timeout(ANSWER_MAX);
        // After a takeover the URL may still lead to the server that is a standby now; of several hosts, the one that
        // takes writes is meant.
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(ANSWER_MAX);
        }
        if config.get_application_name().is_none() {
            config.application_name("tropomq");
        }
        let manager = match config.get_ssl_mode() {
            SslMode::Disable => Manager::new(config, NoTls),
            _ => Manager::new(config, tls::connector()?),
        };
        let pool = Pool::builder(manager)
            .max_size(settings.connections_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(ANSWER_MAX))
            .create_timeout(Some(ANSWER_MAX))
            .build()
            .map_err(LedgerError::corrupt)?;
        observe::opened(&pool);
        Ok(Self { pool, answers: Arc::default(), mute_since: AtomicU64::new(u64::MAX), scout: Semaphore::new(1) })
    }

    /// Does `work` over a connection, and once more over another if that was lost meanwhile: a server that was
    /// restarted leaves dead connections in the pool. All operations of a ledger may be repeated.
    /// `operation` is its name in the metrics.
    pub(super) async fn perform<T, F>(
        &self,
        operation: &'static str,
        work: impl Fn(Lent) -> F,
    ) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        observe::timed(SYSTEM, operation, self.in_time(self.wait(), work)).await
    }

    /// As [`Connections::perform`], where those of one kind that wait go together: `work` is done for all of them.
    pub(super) async fn perform_together<K, Q, A, F>(
        &self,
        operation: &'static str,
        group: &Group<K, Q, A>,
        question: Q,
        work: fn(Lent, Arc<[Q]>) -> F,
    ) -> Result<A, LedgerError>
    where
        K: Ord,
        Q: Clone,
        F: Future<Output = Result<Answers<A>, Failure>>,
    {
        let wait = self.wait();
        let ask_all = |questions: Vec<Q>| {
            let questions: Arc<[Q]> = questions.into();
            self.in_time(wait, move |client| work(client, Arc::clone(&questions)))
        };
        observe::timed(SYSTEM, operation, group.ask(question, &wait, ask_all)).await
    }

    /// From now on, as long as anybody waits.
    fn wait(&self) -> Wait {
        Wait { until: Instant::now() + ANSWER_MAX, answers_before: self.answers.load(Ordering::Relaxed) }
    }

    async fn in_time<T, F>(&self, wait: Wait, work: impl Fn(Lent) -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let _scout = match self.is_mute() {
            true => Some(self.scout.try_acquire().map_err(|_| LedgerError::unavailable(Fault::Mute))?),
            false => None,
        };
        let before = wait.answers_before;
        match tokio::time::timeout_at(wait.until, self.attempts(work)).await {
            Ok(performed) => performed,
            Err(_) => {
                if before == self.answers.load(Ordering::Relaxed) {
                    self.mute_since.store(before, Ordering::Relaxed);
                }
                Err(LedgerError::unavailable(Fault::TimedOut(ANSWER_MAX)))
            }
        }
    }

    fn is_mute(&self) -> bool {
        self.mute_since.load(Ordering::Relaxed) == self.answers.load(Ordering::Relaxed)
    }

    /// As [`Connections::perform`], with another deadline, and whatever others have seen of the server.
    pub(super) async fn perform_within<T, F>(
        &self,
        operation: &'static str,
        deadline: Duration,
        work: impl Fn(Lent) -> F,
    ) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        observe::timed(SYSTEM, operation, async {
            let performed = tokio::time::timeout(deadline, self.attempts(work)).await;
            performed.unwrap_or_else(|_| Err(LedgerError::unavailable(Fault::TimedOut(deadline))))
        })
        .await
    }

    async fn attempts<T, F>(&self, work: impl Fn(Lent) -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let last = match self.attempt(&work).await {
            Err(Failure::Lost(error)) => {
                debug!(error = %error, "lost a connection to the ledger, trying once more");
                self.attempt(&work).await
            }
            other => other,
        };
        last.map_err(|failure| match failure {
            Failure::Lost(error) => LedgerError::unavailable(error),
            Failure::Final(error) => error,
        })
    }

    async fn attempt<T, F>(&self, work: &impl Fn(Lent) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Failure::Final(judge(error)),
            other => Failure::Final(LedgerError::unavailable(other)),
        })?;
        work(Lent::new(client, Arc::clone(&self.answers))).await
    }
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
    fn new(client: Client, answers: Arc<AtomicU64>) -> Self {
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
fn judge(error: tokio_postgres::Error) -> LedgerError {
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
