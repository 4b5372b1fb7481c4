//! promtool, of Debian's package `prometheus`: it knows what Prometheus takes.

use std::path::Path;
use std::process::Command;

use testkit::PartError;

/// Runs it in a folder, and fails with what it says if it finds anything wrong.
#[track_caller]
pub(crate) fn passes<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let missing = |_| PartError::Missing { part: "promtool", package: "prometheus" };
    let ran = Command::new("promtool").args(&arguments).current_dir(folder).output().map_err(missing);
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&ran.stdout), said(&ran.stderr));
    assert!(ran.status.success(), "promtool {}\n{out}\n{err}", arguments.join(" "));
}
