//! The bill of materials of the binary, and the licences of what is in it: made anew for each release.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};

use crate::crates::{Crate, Graph};

/// What the files with a licence, or with what has to go with it, are called.
const NAMES: [&str; 4] = ["LICEN", "COPYING", "COPYRIGHT", "NOTICE"];

/// The document, in CycloneDX's form: what is in the binary, from where, under which licence, and who needs what. The same
/// sources give the same document.
pub(crate) fn sbom(graph: &Graph) -> String {
    let sums = checksums();
    let all = graph.of_binary();
    let mut components = all.iter().map(|(_, known)| component(known, &sums));
    let mut binary = components.next().unwrap_or_default();
    binary.insert("type".to_owned(), "application".into());
    let needs = all.iter().map(|(_, known)| {
        let held = known.holds.iter().filter_map(|id| all.iter().find(|(other, _)| *other == id));
        let held: Vec<String> = held.map(|(_, other)| reference(other)).collect();
        json!({ "ref": reference(known), "dependsOn": held })
    });
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": binary },
        "components": components.collect::<Vec<_>>(),
        "dependencies": needs.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn component(known: &Crate, sums: &BTreeMap<(String, String), String>) -> Map<String, Value> {
    let mut component = Map::new();
    let mut say = |name: &str, value: Value| component.insert(name.to_owned(), value);
    say("type", "library".into());
    say("bom-ref", reference(known).into());
    say("name", known.name.clone().into());
    say("version", known.version.clone().into());
    say("licenses", json!([{ "expression": known.licence }]));
    if known.source.is_some() {
        say("purl", reference(known).into());
    }
    if let Some(sum) = sums.get(&(known.name.clone(), known.version.clone())) {
        say("hashes", json!([{ "alg": "SHA-256", "content": sum }]));
    }
    component
}

fn reference(known: &Crate) -> String {
    format!("pkg:cargo/{}@{}", known.name, known.version)
}

/// What the registry says of each archive, as the lock has it.
fn checksums() -> BTreeMap<(String, String), String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lock: toml::Table = lock.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let word = |package: &toml::Value, key| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    packages
        .filter_map(|package| Some(((word(package, "name")?, word(package, "version")?), word(package, "checksum")?)))
        .collect()
}

/// The licences of all that is in the binary and not ours: each crate with its licence, and each text once.
pub(crate) fn licences(graph: &Graph) -> String {
    let others: Vec<&Crate> =
        graph.of_binary().into_iter().map(|(_, known)| known).filter(|known| known.source.is_some()).collect();
    let mut page = "tropomq contains the following software of others.\n\n".to_owned();
    // By what they say, however it is broken into lines.
    let mut texts: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for known in others {
        let Crate { name, version, licence, .. } = known;
        page.push_str(&format!("{name} {version}: {licence}\n"));
        for text in texts_of(known) {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            texts.entry(words).or_insert_with(|| (text, Vec::new())).1.push(format!("{name} {version}"));
        }
    }
    for (text, names) in texts.values() {
        page.push_str(&format!("\n{}\n{}:\n\n{}\n", "-".repeat(80), names.join(", "), text.trim_end()));
    }
    page
}

/// The files of a crate that go with it. A crate whose archive has none is under a licence whose text others have.
fn texts_of(known: &Crate) -> Vec<String> {
    let entries = fs::read_dir(&known.folder).unwrap_or_else(|error| panic!("{}: {error}", known.folder.display()));
    let mut paths: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    paths.sort();
    let is_one = |name: &str| NAMES.iter().any(|begin| name.to_ascii_uppercase().starts_with(begin));
    let named = paths.into_iter().filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_one));
    named.filter_map(|path| Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())).collect()
}
