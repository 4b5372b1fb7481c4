//! Who may depend on whom.

use crate::assert_none;
use crate::tree::{Package, Section, packages};

/// The floors of the house, the ground first. A package knows those of the floors below its own, and none beside it.
/// What stands in `tests/` is above them all.
const FLOORS: [&[&str]; 6] = [
    &["protocol"],
    &["tropo", "wal"],
    &["parts", "messaging", "store", "chassis", "ceiling"],
    &[TESTKIT],
    &["ingress", "router", "egress", "journal", "simulator", "console"],
    // Examples are written as by somebody else: nothing stands on them.
    &["tropomq", "amqp-application"],
];

/// Starts real servers: for tests alone, whatever the floor.
const TESTKIT: &str = "testkit";

/// Crates that only some packages may depend on: what they bring is these packages' job, behind a seam for the others.
const RESERVED: [(&str, &[&str]); 8] = [
    // The ceiling stands behind no seam of ours: what it is compared with has them (ADR 0020).
    ("anyhow", &["chassis", "tropomq", "amqp-application", "ceiling"]),
    ("deadpool-postgres", &["store"]),
    ("lapin", &["messaging", "amqp-application", "ceiling"]),
    ("parts", &["testkit", "tropomq"]),
    ("reqwest", &["ingress", "router", "egress", "simulator", "console", "tropomq", "ceiling"]),
    ("rusqlite", &["messaging", "store", "wal"]),
    ("tokio-postgres", &["store", "ceiling"]),
    ("tokio-postgres-rustls", &["store"]),
];

/// The packages that are pure, and what would end that: input and output, tasks, logs.
const PURE: [&str; 2] = ["protocol", "tropo"];
const IMPURE: [&str; 10] = [
    "axum",
    "futures",
    "hyper",
    "hyper-util",
    "opentelemetry",
    "tokio",
    "tokio-util",
    "tower",
    "tower-http",
    "tracing",
];

fn floor(package: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&package))
}

/// What a package depends on and may not.
fn misplaced(package: &Package) -> Vec<String> {
    let Package { name, folder, .. } = package;
    let own_floor = if package.is_test() { Some(FLOORS.len()) } else { floor(name) };
    let Some(own_floor) = own_floor else {
        return vec![format!("{folder}: {name} stands on no floor: give it one in tests/tidy/layering.rs")];
    };
    let mut findings = Vec::new();
    for dependency in package.dependencies() {
        let other = dependency.name.as_str();
        let reserved_for = RESERVED.iter().find(|(reserved, _)| *reserved == other).map(|(_, users)| *users);
        if other == TESTKIT {
            if dependency.section != Section::Dev {
                findings.push(format!("{folder}: {TESTKIT} may be a dev-dependency only"));
            }
        } else if floor(other).is_some_and(|floor| own_floor <= floor) {
            findings.push(format!("{folder}: {name} may not know {other}, which is not on a floor below"));
        } else if let Some(users) = reserved_for
            && !package.is_test()
            && !users.contains(&name.as_str())
        {
            findings.push(format!("{folder}: only {} may depend on {other}", users.join(", ")));
        } else if PURE.contains(&name.as_str()) && IMPURE.contains(&other) {
            findings.push(format!("{folder}: {name} is pure, and {other} is not"));
        }
    }
    findings
}

/// What a manifest says for itself and should inherit.
fn not_inherited(package: &Package) -> Vec<String> {
    let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    let lints = (lints.and_then(toml::Value::as_bool) != Some(true))
        .then(|| format!("{}: add `[lints]` with `workspace = true`", package.folder));
    let versions = package.dependencies().into_iter().filter(|dependency| !dependency.is_inherited).map(|dependency| {
        format!("{}: {} has its version in the root: write `workspace = true`", package.folder, dependency.name)
    });
    lints.into_iter().chain(versions).collect()
}

#[test]
fn dependencies_point_down() {
    let findings: Vec<String> = packages().iter().flat_map(misplaced).collect();
    assert_none("a package depends on what it may not know:", &findings);
}

#[test]
fn lints_and_versions_stand_in_the_root() {
    let findings: Vec<String> = packages().iter().flat_map(not_inherited).collect();
    assert_none("a manifest does not inherit from the root:", &findings);
}

#[test]
fn every_package_on_a_floor_is_there() {
    let there: Vec<String> = packages().into_iter().map(|package| package.name).collect();
    let gone = |name: &&&str| !there.iter().any(|there| there == **name);
    let findings: Vec<String> = FLOORS.iter().copied().flatten().filter(gone).map(|name| (*name).to_owned()).collect();
    assert_none("a package of tests/tidy/layering.rs is gone:", &findings);
}

/// The words that the findings about a package hold, in order; none where it is in order.
#[track_caller]
fn check(folder: &str, dependencies: &str, expected: &[&str]) {
    let name = folder.rsplit('/').next().unwrap_or_default();
    let package = Package::parse(folder, &format!("package.name = '{name}'\n{dependencies}"));
    let findings = misplaced(&package);
    assert_eq!(findings.len(), expected.len(), "{findings:?}");
    for (finding, words) in findings.iter().zip(expected) {
        assert!(finding.contains(words), "{finding}");
    }
}

#[test]
fn a_misplaced_dependency_is_found() {
    check("shared/protocol", "dependencies.tropo.workspace = true", &["protocol may not know tropo"]);
    check("shared/protocol", "dependencies.tokio.workspace = true", &["protocol is pure"]);
    check("shared/store", "dependencies.messaging.workspace = true", &["store may not know messaging"]);
    check("services/router", "dev-dependencies.egress.workspace = true", &["router may not know egress"]);
    check(
        "services/router",
        "dependencies.lapin = '4'",
        &["only messaging, amqp-application, ceiling may depend on lapin"],
    );
    check("services/router", "dependencies.bus = { version = '4', package = 'lapin' }", &["only messaging"]);
    check("services/journal", "target.'cfg(unix)'.dependencies.reqwest.workspace = true", &["only ingress, router"]);
    check("services/router", "dependencies.parts.workspace = true", &["only testkit, tropomq"]);
    check("services/router", "dependencies.testkit.workspace = true", &["dev-dependency only"]);
    check("services/telegraph", "", &["telegraph stands on no floor"]);
    check("services/tropomq", "dependencies.stories.workspace = true\ndependencies.lapin = '4'", &["only messaging"]);
}

#[test]
fn a_dependency_in_its_place_is_not() {
    check("shared/tropo", "dependencies.protocol.workspace = true", &[]);
    check("shared/store", "dev-dependencies.testkit.workspace = true", &[]);
    check("services/tropomq", "dependencies.egress.workspace = true\ndependencies.anyhow.workspace = true", &[]);
    check("tests/stories", "dependencies.tropomq.workspace = true\ndev-dependencies.lapin.workspace = true", &[]);
}

#[test]
fn what_is_not_inherited_is_found() {
    let package = Package::parse("shared/a", "package.name = 'a'\nlints.workspace = true\ndependencies.b = '1'");
    assert_eq!(not_inherited(&package), ["shared/a: b has its version in the root: write `workspace = true`"]);
    let package = Package::parse("shared/a", "package.name = 'a'\ndependencies.b.workspace = true");
    assert_eq!(not_inherited(&package), ["shared/a: add `[lints]` with `workspace = true`"]);
}
