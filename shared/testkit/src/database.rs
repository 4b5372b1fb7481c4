//! A database of the test's own, on a server that it shares with others.

use std::env;
use std::sync::{Mutex, PoisonError};

use parts::{Database, PartError, Postgres};

/// The server of this process, where no shared one was started for it. Its watchdog ends it with the process.
static PRIVATE: Mutex<Option<Postgres>> = Mutex::new(None);

/// A fresh database: on the server that the environment names ([`crate::POSTGRES_URL`]), else on one that is started for
/// this process.
///
/// # Errors
/// When there is no server and none can be started.
pub fn database() -> Result<Database, PartError> {
    if let Ok(url) = env::var(crate::POSTGRES_URL) {
        return Database::create(&url);
    }
    let mut private = PRIVATE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = match private.take() {
        Some(server) => server,
        None => Postgres::start()?,
    };
    private.insert(server).database()
}
