//! The crates that are built, as `cargo metadata` tells them. It asks no network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What is built for. Crates for other systems alone do not count.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The package that has the binary.
const BINARY: &str = "tropomq";

/// One crate.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The expression of its licence, in SPDX's form; empty where it has none.
    pub(crate) licence: String,
    /// Where it comes from; `None`: it is ours.
    pub(crate) source: Option<String>,
    pub(crate) folder: PathBuf,
    /// Whether it runs in the compiler alone, and is in no binary.
    pub(crate) is_macro: bool,
    /// The ids of those that it needs, and of those that are in what is made of it.
    pub(crate) needs: Vec<String>,
    pub(crate) holds: Vec<String>,
}

/// All crates, by their ids, tests and their crates included.
pub(crate) struct Graph {
    pub(crate) crates: BTreeMap<String, Crate>,
}

impl Graph {
    pub(crate) fn read() -> Self {
        let arguments = ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", TARGET];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let told = Command::new(cargo).args(arguments).current_dir(root).output();
        let told = told.unwrap_or_else(|error| panic!("cargo metadata: {error}"));
        assert!(told.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&told.stderr));
        let metadata: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|error| panic!("{error}"));
        let mut crates: BTreeMap<String, Crate> =
            list(&metadata, "/packages").map(|package| (text(package, "/id"), Crate::of(package))).collect();
        for node in list(&metadata, "/resolve/nodes") {
            let Some(known) = crates.get_mut(&text(node, "/id")) else { continue };
            for needed in list(node, "/deps") {
                let id = text(needed, "/pkg");
                if list(needed, "/dep_kinds").any(|kind| kind.get("kind").is_some_and(Value::is_null)) {
                    known.holds.push(id.clone());
                }
                known.needs.push(id);
            }
        }
        Self { crates }
    }

    /// What is in the binary, the binary first.
    pub(crate) fn of_binary(&self) -> Vec<(&String, &Crate)> {
        let is_binary = |known: &Crate| known.source.is_none() && known.name == BINARY;
        let mut ahead: Vec<&String> =
            self.crates.iter().filter(|(_, known)| is_binary(known)).map(|(id, _)| id).collect();
        let mut found: BTreeSet<&String> = BTreeSet::new();
        while let Some(id) = ahead.pop() {
            if let Some(known) = self.crates.get(id)
                && !known.is_macro
                && found.insert(id)
            {
                ahead.extend(&known.holds);
            }
        }
        let mut found: Vec<_> = self.crates.iter().filter(|(id, _)| found.contains(id)).collect();
        found.sort_by_key(|(_, known)| (!is_binary(known), known.source.is_some(), &known.name, &known.version));
        found
    }
}

impl Crate {
    fn of(package: &Value) -> Self {
        let folder = PathBuf::from(text(package, "/manifest_path")).parent().map(Path::to_owned).unwrap_or_default();
        let kinds = list(package, "/targets").flat_map(|target| list(target, "/kind"));
        Self {
            name: text(package, "/name"),
            version: text(package, "/version"),
            // The form of before: any of them may be chosen.
            licence: text(package, "/license").replace(" / ", " OR ").replace('/', " OR "),
            source: package.get("source").and_then(Value::as_str).map(str::to_owned),
            folder,
            is_macro: kinds.into_iter().any(|kind| kind == "proc-macro"),
            needs: Vec::new(),
            holds: Vec::new(),
        }
    }
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}
