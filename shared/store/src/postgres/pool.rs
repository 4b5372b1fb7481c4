//! The pool of connections to the server, and what is done when one is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, Pool, PoolError, Runtime};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tracing::debug;

use super::group::{Answers, Group};
use super::lent::{Failure, Lent, judge};
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
