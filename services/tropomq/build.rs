//! Says which commit the binary is made from, as `TROPOMQ_COMMIT` in its environment does, or as git does.
//!
//! It runs again when a source was changed, which makes the binary anew in any case, and when another commit is checked
//! out; and not for every build.

use std::error::Error;
use std::io::Write;
use std::path::Path;

#[path = "build/commit.rs"]
mod commit;

/// The variable by which a build without a checkout is told its commit, and the binary's code is.
const VARIABLE: &str = "TROPOMQ_COMMIT";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../..");
    let given = std::env::var(VARIABLE).ok().filter(|given| !given.is_empty());
    if let Some(given) = &given
        && !(given.len() <= 64 && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
    {
        return Err(format!("{VARIABLE} is to be a commit, as `git describe --always --dirty` writes it").into());
    }
    let mut out = std::io::stdout();
    writeln!(out, "cargo::rerun-if-env-changed={VARIABLE}")?;
    for source in commit::SOURCES.iter().map(|source| root.join(source)).filter(|source| source.exists()) {
        writeln!(out, "cargo::rerun-if-changed={}", source.display())?;
    }
    if given.is_none() {
        for path in commit::watched(root) {
            writeln!(out, "cargo::rerun-if-changed={}", path.display())?;
        }
    }
    // None is told as nothing: the binary is what it is without.
    let commit = given.or_else(|| commit::checked_out(root)).unwrap_or_default();
    writeln!(out, "cargo::rustc-env={VARIABLE}={commit}")?;
    let version = std::env::var("CARGO_PKG_VERSION")?;
    let version = if commit.is_empty() { version } else { format!("{version}+{commit}") };
    writeln!(out, "cargo::rustc-env=TROPOMQ_VERSION={version}")?;
    Ok(())
}
