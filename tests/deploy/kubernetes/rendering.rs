//! What kubectl makes of an overlay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::clients;

/// The folder of the manifests.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes");

/// One document.
#[derive(Clone, Debug)]
pub(super) struct Manifest(pub(super) Value);

/// All documents of an overlay, or of the base with one component.
#[derive(Clone, Debug)]
pub(super) struct Rendering {
    pub(super) name: String,
    pub(super) manifests: Vec<Manifest>,
}

/// The pods of a Deployment or a StatefulSet.
pub(super) struct Pod<'a> {
    pub(super) workload: &'a Manifest,
    pub(super) labels: &'a Value,
    pub(super) spec: &'a Value,
}

impl Manifest {
    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The name without what kustomize appends to that of a generated one.
    pub(super) fn plain_name(&self) -> &str {
        let name = self.name();
        match name.rsplit_once('-') {
            Some((plain, hash)) if matches!(self.kind(), "ConfigMap" | "Secret") && hash.len() == 10 => plain,
            _ => name,
        }
    }

    /// The value at a JSON pointer; null where there is none.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The string at a JSON pointer; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }
}

impl Rendering {
    /// An overlay by its name.
    pub(super) fn overlay(name: &str) -> Self {
        Self::of(name, &Path::new(FOLDER).join("overlays").join(name))
    }

    /// All overlays.
    pub(super) fn overlays() -> Vec<Self> {
        folders("overlays").iter().map(|name| Self::overlay(name)).collect()
    }

    /// The base, and the base with each component.
    pub(super) fn variants() -> Vec<Self> {
        let base = Self::of("base", &Path::new(FOLDER).join("base"));
        let components = folders("components").into_iter().filter(|name| name != "pod");
        std::iter::once(base).chain(components.map(|component| Self::base_with(&component))).collect()
    }

    /// The base with one component.
    pub(super) fn base_with(component: &str) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // kustomize takes no absolute path.
        let place = relative(Path::new(FOLDER), directory.path());
        let place = place.display();
        let words = format!("resources: [{place}/base]\ncomponents: [{place}/components/{component}]\n");
        fs::write(directory.path().join("kustomization.yaml"), words).unwrap();
        Self::of(&format!("base with {component}"), directory.path())
    }

    fn of(name: &str, folder: &Path) -> Self {
        let mut kubectl = Command::new(clients::folder().join("kubernetes/kubectl"));
        let output = kubectl.arg("kustomize").arg(folder).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.is_empty(), "{name}: kubectl warns: {told}");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap();
        Self { name: name.to_owned(), manifests: documents.into_iter().map(Manifest).collect() }
    }

    /// The manifests of these kinds.
    pub(super) fn of_kind(&self, kinds: &[&str]) -> impl Iterator<Item = &Manifest> {
        self.manifests.iter().filter(move |manifest| kinds.contains(&manifest.kind()))
    }

    /// A manifest, by its kind and its name, with or without what kustomize appends to that.
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<&Manifest> {
        self.of_kind(&[kind]).find(|manifest| manifest.name() == name || manifest.plain_name() == name)
    }

    /// The pods of all workloads.
    pub(super) fn pods(&self) -> impl Iterator<Item = Pod<'_>> {
        self.of_kind(&["Deployment", "StatefulSet"]).map(|workload| Pod {
            workload,
            labels: workload.at("/spec/template/metadata/labels"),
            spec: workload.at("/spec/template/spec"),
        })
    }

    /// The labels of all pods that there will be, those that the operator of RabbitMQ makes too.
    pub(super) fn labels(&self) -> Vec<Value> {
        let clusters = self.of_kind(&["RabbitmqCluster"]);
        let made = clusters.map(|cluster| serde_json::json!({"app.kubernetes.io/name": cluster.name()}));
        self.pods().map(|pod| pod.labels.clone()).chain(made).collect()
    }

    /// The same with another value at a JSON pointer of a manifest, `Kind name`. A last `-` is a new element; null removes.
    pub(super) fn broken(&self, manifest: &str, pointer: &str, value: Value) -> Self {
        let mut broken = self.clone();
        let (kind, name) = manifest.split_once(' ').unwrap();
        let index = broken.manifests.iter().position(|one| one.kind() == kind && one.plain_name() == name);
        let manifest = &mut broken.manifests[index.unwrap_or_else(|| panic!("no {manifest} in {}", self.name))].0;
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match manifest.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}")) {
            Value::Object(fields) if value.is_null() => assert!(fields.remove(key).is_some(), "there is no {pointer}"),
            Value::Object(fields) => drop(fields.insert(key.replace("~1", "/"), value)),
            Value::Array(elements) if key == "-" => elements.push(value),
            Value::Array(elements) => elements[key.parse::<usize>().unwrap()] = value,
            other => panic!("{parent} is {other}"),
        }
        broken
    }
}

impl<'a> Pod<'a> {
    /// The containers, those that run first too.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = self.spec;
        ["initContainers", "containers"].into_iter().filter_map(|key| spec.get(key)?.as_array()).flatten()
    }
}

/// The elements of an array, none if it is no array.
pub(super) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether a label selector selects what has these labels. One that says nothing selects everything.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| &labels[key] == value);
    let meets = |expression: &Value| {
        let label = &labels[expression["key"].as_str().unwrap_or_default()];
        let listed = each(&expression["values"]).any(|value| value == label);
        match expression["operator"].as_str() {
            Some("In") => listed,
            Some("NotIn") => !listed,
            Some("Exists") => !label.is_null(),
            Some("DoesNotExist") => label.is_null(),
            other => panic!("operator {other:?}"),
        }
    };
    equal && each(&selector["matchExpressions"]).all(meets)
}

/// The names of the folders in one of the folders.
fn folders(parent: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(FOLDER).join(parent)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// The way from one folder to another.
fn relative(to: &Path, from: &Path) -> PathBuf {
    let (to, from) = (to.canonicalize().unwrap(), from.canonicalize().unwrap());
    let shared = to.components().zip(from.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| "..");
    up.map(PathBuf::from).chain([to.components().skip(shared).collect()]).collect()
}
