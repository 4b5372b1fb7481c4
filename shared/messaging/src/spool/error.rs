//! Why a spool could not be opened.

use std::path::{Path, PathBuf};

use crate::embedded;

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the spool in {} is in use by another process: give each a directory of its own", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The file is none of a spool's.
    #[error("{} is not a spool, or is damaged: move it away, or choose another directory", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What SQLite says of it, where it was no database at all.
        source: Option<rusqlite::Error>,
    },
    /// It cannot be used otherwise.
    #[error("cannot open the spool in {}", directory.display())]
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: embedded::OpenError,
    },
}

impl OpenError {
    pub(super) fn of(directory: &Path, error: embedded::OpenError) -> Self {
        use embedded::OpenError as Embedded;
        match error {
            Embedded::InUse { directory } => Self::InUse { directory },
            Embedded::Foreign { file } => Self::Foreign { file, source: None },
            Embedded::File { file, source }
                if matches!(
                    source.sqlite_error_code(),
                    Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
                ) =>
            {
                Self::Foreign { file, source: Some(source) }
            }
            source @ (Embedded::Directory { .. }
            | Embedded::Newer { .. }
            | Embedded::File { .. }
            | Embedded::Thread(_)) => Self::Unusable { directory: directory.to_owned(), source },
        }
    }
}
