//! A database of one's own, on a server that may be shared.

use std::process::Command;

use super::programs;
use crate::part::{self, PartError};

/// A database that nobody else uses. Dropping it deletes it.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    /// The URL of a database from which this one can be dropped.
    server_url: String,
}

impl Database {
    /// A fresh database on the server of this URL.
    ///
    /// # Errors
    /// When the server does not answer, or `psql` is not installed.
    pub fn create(server_url: &str) -> Result<Self, PartError> {
        let name = crate::unique_name("tropomq");
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
