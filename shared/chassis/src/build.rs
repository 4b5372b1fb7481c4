//! Which build this process is: its version, and the commit that it was made from.
//!
//! The binary is made anew for every commit, and alone knows it: it says so first of all ([`made_from`]). So a commit does
//! not make all that stands on this crate be compiled again.

use std::sync::OnceLock;

/// The version that was released, or will be: what the manifests say.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the binary said of itself.
static MADE: OnceLock<Made> = OnceLock::new();

struct Made {
    version: &'static str,
    commit: Option<&'static str>,
}

/// Says what this process is: its whole version, and the commit in it, if that is known. The first word counts.
pub fn made_from(version: &'static str, commit: Option<&'static str>) {
    let _said_already = MADE.set(Made { version, commit });
}

/// The version of this build with its commit, as SemVer has it: `0.1.0+1375705b1c2d`, or `0.1.0+1375705b1c2d-dirty` where
/// the sources were not those of the commit. [`VERSION`] alone where nobody knows.
#[must_use]
pub fn version() -> &'static str {
    MADE.get().map_or(VERSION, |made| made.version)
}

/// The commit, with `-dirty` where the sources were changed; `unknown` where nobody knows.
#[must_use]
pub fn commit() -> &'static str {
    MADE.get().and_then(|made| made.commit).unwrap_or("unknown")
}
