//! The file itself: read, taken by one simulator, and put in its place at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The form of the file. One that reads differently counts on.
pub(super) const VERSION: u32 = 1;

/// Why the state cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is there and cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// It is something else.
    #[error("it holds no state of a simulator, and is left as it is: move it away, or name another file")]
    Foreign(#[source] serde_json::Error),
    /// It was written by a newer version.
    #[error(
        "it is of version {version}, and this program knows none above {VERSION}: use the newer program, or name another file"
    )]
    Newer {
        /// The version that it says.
        version: u32,
    },
    /// It cannot be written.
    #[error("it cannot be written")]
    Unwritable(#[source] io::Error),
    /// Another simulator keeps its state there.
    #[error("another simulator has it: stop that one, or name another file")]
    Taken,
}

/// The beginning of every version.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// Reads a file; nothing when it is not there.
///
/// # Errors
/// [`StateError`]; the file is as it was.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::Unreadable(error)),
    };
    let Head { version } = serde_json::from_slice(&bytes).map_err(StateError::Foreign)?;
    if VERSION < version {
        return Err(StateError::Newer { version });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(StateError::Foreign)
}

/// What keeps the file for one simulator, until it is dropped, however the process ends.
#[derive(Debug)]
pub(crate) struct Taken {
    _lock: File,
}

/// Takes a file, which need not be there, by a lock on another one beside it: the file itself is replaced at each write.
///
/// # Errors
/// [`StateError::Taken`], or [`StateError::Unwritable`].
pub(crate) fn take(path: &Path) -> Result<Taken, StateError> {
    let beside = beside(path, ".lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside);
    let lock = lock.map_err(StateError::Unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok(Taken { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(StateError::Taken),
        Err(TryLockError::Error(error)) => Err(StateError::Unwritable(error)),
    }
}

/// The path of a file beside another.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Creates a file that is read by its owner alone. It holds tokens and what people wrote.
pub(super) fn create_fresh(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Puts a file in place of the one that is there: whoever reads it, and whatever happens meanwhile, finds one or the
/// other.
pub(super) fn write(path: &Path, saved: &impl Serialize) -> Result<(), StateError> {
    let put = || -> io::Result<()> {
        let bytes = serde_json::to_vec(saved)?;
        let new = beside(path, ".new");
        let mut file = create_fresh(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The new name is on the disk when its directory is.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    };
    put().map_err(StateError::Unwritable)
}
