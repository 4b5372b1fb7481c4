//! A database of the test's own, on a server that it shares with others.

use std::env;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::{Postgres, programs};
use crate::part::{self, PartError};

/// The server of this process, where no shared one was started for it. Its watchdog ends it with the process.
static PRIVATE: Mutex<Option<Postgres>> = Mutex::new(None);

/// A database that nobody else uses. Dropping it deletes it.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    /// The URL of a database from which this one can be dropped.
    server_url: String,
}

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

impl Database {
    pub(super) fn create(server_url: &str) -> Result<Self, PartError> {
        let name = crate::unique_name("test");
        psql(server_url, &format!("CREATE DATABASE {name}"))?;
        let server = server_url.rsplit_once('/').map_or(server_url, |(server, _)| server);
        Ok(Self { url: format!("{server}/{name}"), name, server_url: server_url.to_owned() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs SQL in it and returns what `psql` prints: a line a row, `|` between columns, nothing else.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub fn execute(&self, sql: &str) -> Result<String, PartError> {
        psql(&self.url, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be gone, and the database goes with it at the latest.
        let _ = psql(&self.server_url, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn psql(url: &str, sql: &str) -> Result<String, PartError> {
    let arguments =
        ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql];
    part::run(Command::new(programs()?.join("psql")).env("PGCONNECT_TIMEOUT", "10").args(arguments).arg(url))
}
