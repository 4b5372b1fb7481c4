//! The commit that a build is made from, as git tells it: for the build script, and for its test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How much of a commit's hash is said.
const DIGITS: usize = 12;

/// What the binary is made from. Elsewhere a change makes it no other binary.
pub(crate) const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "services", "shared"];

/// What git tells its hooks.
pub(crate) const HOOKS: [&str; 3] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];

/// The commit that is checked out at `root`, with `-dirty` where a source is not as it is there. `None` where that is no
/// checkout of its own: an archive, which may lie in a checkout of something else; or where git is not there.
pub(crate) fn checked_out(root: &Path) -> Option<String> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let head = git(root, &["rev-parse", "--verify", &format!("--short={DIGITS}"), "HEAD"])?;
    let there = SOURCES.iter().copied().filter(|source| root.join(source).exists());
    let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--"];
    status.extend(there);
    let changed = git(root, &status)?;
    Some(if changed.is_empty() { head } else { format!("{head}-dirty") })
}

/// The files that change when another commit is checked out. The log of HEAD does with every commit; where none is kept,
/// HEAD and the branch do.
pub(crate) fn watched(root: &Path) -> Vec<PathBuf> {
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    // In a worktree each of them stands elsewhere.
    let paths = names.filter_map(|name| git(root, &["rev-parse", "--git-path", name]));
    // One that is not there would have the script run for every build.
    paths.map(|path| root.join(path)).filter(|path| path.exists()).collect()
}

/// What git says, if it can say it. It takes no lock: a build goes on beside other work. Where a hook of git runs the build,
/// its variables name that checkout, whatever the folder.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    HOOKS.iter().for_each(|variable| {
        git.env_remove(variable);
    });
    let told = git.arg("--no-optional-locks").args(arguments).current_dir(root).output().ok()?;
    told.status.success().then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}
