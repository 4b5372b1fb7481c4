//! Where a ledger is, read from its URL.

use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::OpenError;

/// Where a ledger is.
#[derive(Debug)]
pub(crate) enum Location {
    /// In a file.
    Sqlite(PathBuf),
    /// In a database of a server.
    Postgres(Box<Config>),
}

impl Location {
    /// # Errors
    /// [`OpenError::Url`]: the parser's own error is left out, because it may quote a part of the password.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                // What SQLite keeps in memory, or in a nameless file, is lost with the process.
                if path.is_empty() || path.starts_with(':') {
                    Err(OpenError::Url)
                } else {
                    Ok(Self::Sqlite(path.into()))
                }
            }
            Some(("postgres" | "postgresql", _)) => postgres(url).map(Box::new).map(Self::Postgres),
            _ => Err(OpenError::Url),
        }
    }
}

fn postgres(url: &str) -> Result<Config, OpenError> {
    // Certificates are verified whenever there is TLS, so what libpq calls so is what is called `require` here.
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = url.parse().map_err(|_| OpenError::Url)?;
    if config.get_hosts().is_empty() {
        return Err(OpenError::Url);
    }
    if !url.contains("sslmode=") && config.get_hosts().iter().all(is_here) {
        config.ssl_mode(SslMode::Disable);
    }
    Ok(config)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    fn check(url: &str, expected: SslMode) {
        match Location::parse(url) {
            Ok(Location::Postgres(config)) => assert_eq!(config.get_ssl_mode(), expected, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn tls_is_as_asked_and_else_plain_on_this_machine_only() {
        check("postgres://u:p@127.0.0.1/d", SslMode::Disable);
        check("postgresql://u:p@localhost:5433/d", SslMode::Disable);
        check("postgres://u:p@db.example.net/d", SslMode::Prefer);
        check("postgres://u:p@127.0.0.1,db.example.net/d", SslMode::Prefer);
        check("postgres://u:p@localhost/d?sslmode=require", SslMode::Require);
        check("postgres://u:p@db.example.net/d?sslmode=verify-full", SslMode::Require);
        check("postgres://u:p@db.example.net/d?sslmode=disable", SslMode::Disable);
    }

    #[test]
    fn a_file_is_named_by_its_path() {
        for (url, path) in [("sqlite:a/b.db", "a/b.db"), ("sqlite:/a.db", "/a.db"), ("sqlite:///a.db", "/a.db")] {
            assert!(
                matches!(Location::parse(url), Ok(Location::Sqlite(found)) if found.as_path() == Path::new(path)),
                "{url}"
            );
        }
    }

    #[test]
    fn what_keeps_nothing_or_is_no_url_is_refused_without_quoting_it() {
        for url in
            ["", "sqlite:", "sqlite::memory:", "mysql://u:pw@h/d", "postgres://", "postgres://u:pw@h:x/d", "/a.db"]
        {
            let error = Location::parse(url).unwrap_err();
            assert!(matches!(error, OpenError::Url), "{url}");
            assert!(!format!("{error} {error:?}").contains("pw"), "{url}");
        }
    }
}
