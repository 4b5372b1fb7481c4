//! What is in the workspace: its manifests and its Rust files.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of packages.
const FOLDERS: [&str; 4] = ["examples", "services", "shared", "tests"];

/// A file, by its path from the root of the workspace, and what is in it.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The sections of a manifest that name dependencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    Normal,
    Build,
    Dev,
}

/// One dependency of a package.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) section: Section,
    /// Whether its version comes from the root.
    pub(crate) is_inherited: bool,
}

/// A package, read from its manifest.
pub(crate) struct Package {
    /// The path of its folder from the root of the workspace.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) manifest: toml::Table,
}

impl Section {
    const ALL: [(&'static str, Self); 3] =
        [("dependencies", Self::Normal), ("build-dependencies", Self::Build), ("dev-dependencies", Self::Dev)];
}

impl Package {
    pub(crate) fn parse(folder: &str, manifest: &str) -> Self {
        let manifest: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("{folder}/Cargo.toml: {error}"));
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let name = name.unwrap_or_else(|| panic!("{folder}/Cargo.toml names no package")).to_owned();
        Self { folder: folder.to_owned(), name, manifest }
    }

    /// All its dependencies, those for certain targets too.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let targets = self.manifest.get("target").and_then(toml::Value::as_table);
        let targets = targets.into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table);
        let mut found = Vec::new();
        for table in targets.chain([&self.manifest]) {
            for (key, section) in Section::ALL {
                let listed = table.get(key).and_then(toml::Value::as_table);
                found.extend(listed.into_iter().flatten().map(|(key, value)| Dependency {
                    name: value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned(),
                    section,
                    is_inherited: value.get("workspace").and_then(toml::Value::as_bool) == Some(true),
                }));
            }
        }
        found
    }

    /// Whether it only tests the others.
    pub(crate) fn is_test(&self) -> bool {
        self.folder.starts_with("tests/")
    }
}

/// The packages of the workspace, in the order of their folders.
pub(crate) fn packages() -> Vec<Package> {
    let manifests = files().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests.map(|file| Package::parse(file.path.trim_end_matches("/Cargo.toml"), &file.text)).collect()
}

/// Whether a file holds nothing but tests.
pub(crate) fn is_test(path: &str) -> bool {
    path.split('/').any(|name| matches!(name, "tests" | "tests.rs" | "benches"))
}

/// The Rust files of the workspace, in the order of their paths.
pub(crate) fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// A file by its path from the root of the workspace.
pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files() -> Vec<File> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        walk(&root().join(folder), &mut paths);
    }
    let mut files: Vec<File> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(root()).ok()?.to_str())
        .map(|path| File { path: path.to_owned(), text: read(path) })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(50 < files.len(), "only {} files found below {}", files.len(), root().display());
    files
}

/// Collects manifests and Rust files. A folder that begins with a dot, or is called `target`, is not ours.
fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            walk(&path, paths);
        } else if name == "Cargo.toml" || name.ends_with(".rs") {
            paths.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
