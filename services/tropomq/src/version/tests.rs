use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::commit::{HOOKS, checked_out, watched};

#[track_caller]
fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost", "-c", "commit.gpgsign=false"];
    let mut git = Command::new("git");
    HOOKS.iter().for_each(|variable| {
        git.env_remove(variable);
    });
    let git = git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let told = git.args(identity).args(arguments).current_dir(folder).output().unwrap();
    assert!(told.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
}

/// A checkout with one commit.
fn checkout() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("shared")).unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    fs::write(folder.path().join("shared/lib.rs"), "//! A source.\n").unwrap();
    fs::write(folder.path().join("README.md"), "# A page\n").unwrap();
    git(folder.path(), &["init", "--quiet"]);
    commit(folder.path());
    folder
}

fn commit(folder: &Path) {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", "A change"]);
}

/// The commit, and whether it is said to be changed.
#[track_caller]
fn said(folder: &Path) -> (String, bool) {
    let said = checked_out(folder).unwrap();
    let (head, is_dirty) = said.strip_suffix("-dirty").map_or((said.as_str(), false), |head| (head, true));
    assert!(head.len() == 12 && head.bytes().all(|byte| byte.is_ascii_hexdigit()), "{said}");
    (head.to_owned(), is_dirty)
}

/// What the watched files hold, which is other for another commit.
fn seen(folder: &Path) -> Vec<Vec<u8>> {
    let watched = watched(folder);
    assert!(!watched.is_empty() && watched.iter().all(|path| path.exists()), "{watched:?}");
    watched.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn a_build_knows_its_commit_and_whether_its_sources_are_those() {
    let folder = checkout();
    let path = folder.path();
    let (first, is_dirty) = said(path);
    assert!(!is_dirty);
    fs::write(path.join("README.md"), "# Another page\n").unwrap();
    fs::write(path.join("notes"), "of mine\n").unwrap();
    assert_eq!(said(path), (first.clone(), false), "nothing of that is in the binary");
    fs::write(path.join("shared/lib.rs"), "//! Another source.\n").unwrap();
    assert_eq!(said(path), (first.clone(), true));
    git(path, &["add", "shared"]);
    assert_eq!(said(path), (first.clone(), true), "what is staged is not committed");
    let before = seen(path);
    commit(path);
    let (second, is_dirty) = said(path);
    assert!(first != second && !is_dirty);
    assert_ne!(seen(path), before, "the script runs again");
}

#[test]
fn another_commit_is_seen_however_its_name_is_kept() {
    let folder = checkout();
    let path = folder.path();
    git(path, &["pack-refs", "--all"]);
    let packed = seen(path);
    commit(path);
    assert_ne!(seen(path), packed, "the branch has a file of its own again");
    git(path, &["checkout", "--quiet", "--detach"]);
    let detached = seen(path);
    commit(path);
    assert_ne!(seen(path), detached);
}

#[test]
fn a_worktree_has_a_commit_of_its_own() {
    let folder = checkout();
    let place = TempDir::new().unwrap();
    let tree = place.path().join("tree");
    git(folder.path(), &["worktree", "add", "--quiet", "-b", "beside", tree.to_str().unwrap()]);
    assert!(tree.join(".git").is_file());
    let (main, before) = (said(folder.path()), seen(&tree));
    commit(&tree);
    assert_ne!(said(&tree), main);
    assert_ne!(seen(&tree), before);
    assert_eq!(said(folder.path()), main);
}

#[test]
fn what_is_no_checkout_has_no_commit() {
    let folder = checkout();
    let archive = folder.path().join("shared");
    assert_eq!(checked_out(&archive), None, "the commit is that of something else");
    let nowhere = TempDir::new().unwrap();
    assert_eq!(checked_out(nowhere.path()), None);
    assert!(watched(nowhere.path()).is_empty());
}
