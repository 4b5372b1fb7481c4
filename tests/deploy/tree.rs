//! The files that are looked at.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file or folder of the project.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}

/// What a file of the project says.
#[track_caller]
pub(crate) fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// A file of YAML, as JSON.
#[track_caller]
pub(crate) fn yaml(relative: &str) -> Value {
    serde_saphyr::from_str(&read(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// A file of JSON.
#[track_caller]
pub(crate) fn json(relative: &str) -> Value {
    serde_json::from_str(&read(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The files in a folder with this extension, by their path in the project, in order.
#[track_caller]
pub(crate) fn files(folder: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(path(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names
        .filter(|name| Path::new(name).extension().is_some_and(|found| found == extension))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no file *.{extension}");
    files
}

/// Holds a file to what is made for it, or writes that, with `BLESS=1`.
#[track_caller]
pub(crate) fn is_as_made(relative: &str, made: &str) {
    if env::var_os("BLESS").is_some() {
        fs::write(path(relative), made).unwrap();
    }
    let written = fs::read_to_string(path(relative)).unwrap_or_default();
    assert!(written == made, "{relative} is old: run this test with BLESS=1");
}
