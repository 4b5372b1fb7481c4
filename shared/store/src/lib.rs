//! The release ledger, on SQLite or PostgreSQL.
