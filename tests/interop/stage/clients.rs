//! The client libraries and other programs of tests, as `make clients` installs them.

use std::fs;
use std::path::{Path, PathBuf};

/// The versions, in the order in which `.ci/clients` notes what it has installed.
const PINS: [&str; 4] = ["package-lock.json", "build-requirements.txt", "requirements.txt", "kubernetes.txt"];

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let folder = target.join("interop");
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop/clients");
    let pins = PINS.map(|name| fs::read_to_string(clients.join(name)).unwrap());
    let installed = fs::read_to_string(folder.join("installed")).unwrap_or_default();
    assert!(
        installed == pins.concat(),
        "the client libraries are not in {} as tests/interop/clients pins them: run `make clients`",
        folder.display()
    );
    folder
}
