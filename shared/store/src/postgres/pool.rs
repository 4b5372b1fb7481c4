//! The connections to the server, and what is done when one is lost.

use std::error::Error;
use std::io;
use std::time::Duration;

use deadpool_postgres::{Client, Manager, Pool, PoolError, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tracing::debug;

use super::tls;
use crate::error::Fault;
use crate::{LedgerError, Settings};

/// The longest wait for the answer to one operation, connecting and one retry included. Tropo waits for it.
const ANSWER_MAX: Duration = Duration::from_millis(2500);
/// The server gives up a statement before its caller does, and answers a commit only when it is on disk: a claim that
/// was answered and then forgotten would let a second session have the message.
const STATEMENT_OPTION: &str = "-c statement_timeout=2s -c synchronous_commit=on";

/// The pool of connections.
pub(super) struct Connections {
    pool: Pool,
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
        Ok(Self { pool })
    }

    /// Does `work` over a connection, and once more over another if that was lost meanwhile: a server that was
    /// restarted leaves dead connections in the pool. All operations of a ledger may be repeated.
    pub(super) async fn perform<T, F>(&self, work: impl Fn(Client) -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.perform_within(ANSWER_MAX, work).await
    }

    /// As [`Connections::perform`], with another deadline.
    pub(super) async fn perform_within<T, F>(
        &self,
        deadline: Duration,
        work: impl Fn(Client) -> F,
    ) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let attempts = async {
            let first = self.attempt(&work).await;
            let last = match first {
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
        };
        let answered = tokio::time::timeout(deadline, attempts).await;
        answered.unwrap_or_else(|_| Err(LedgerError::unavailable(Fault::TimedOut(deadline))))
    }

    async fn attempt<T, F>(&self, work: &impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Failure::Final(judge(error)),
            other => Failure::Final(LedgerError::unavailable(other)),
        })?;
        work(client).await
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
    said || error.is_closed() || error.source().is_some_and(<dyn Error>::is::<io::Error>)
}

/// Whether an error passes by itself: not, if the server is not to be trusted, or answered that the login, the database,
/// a table or a value is wrong.
fn judge(error: tokio_postgres::Error) -> LedgerError {
    // The classes of SQLSTATE: feature not supported, data, constraint, login, database name, syntax and access rule,
    // and internal error, which is where damaged pages are reported.
    const LASTING: [&str; 7] = ["0A", "22", "23", "28", "3D", "42", "XX"];
    let class = error.code().and_then(|state| state.code().get(..2));
    if class.is_some_and(|class| LASTING.contains(&class)) || is_untrusted(&error) {
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
