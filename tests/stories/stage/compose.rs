//! `docker-compose.yml` as Compose reads it where no variable is set, and what the image adds to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::config::duration;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The stack of one machine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compose {
    pub(super) services: BTreeMap<String, Declared>,
    configs: BTreeMap<String, Config>,
    /// The volumes that there are.
    volumes: BTreeMap<String, IgnoredAny>,
    #[serde(rename = "name")]
    _name: IgnoredAny,
    #[serde(rename = "x-service")]
    _service: IgnoredAny,
    #[serde(rename = "x-environment")]
    _environment: IgnoredAny,
}

/// A service of the stack. What a process on this machine has no use for is named and left; a key that nobody thought of
/// is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    /// Left out for RabbitMQ and PostgreSQL, which run what their images say.
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    configs: Vec<Mounted>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    #[serde(default)]
    deploy: Deploy,
    stop_grace_period: String,
    read_only: Option<bool>,
    /// That of RabbitMQ and of PostgreSQL; ours have that of the image.
    healthcheck: Option<HealthCheck>,
    #[serde(rename = "image")]
    _image: IgnoredAny,
    #[serde(rename = "build")]
    _build: Option<IgnoredAny>,
    #[serde(rename = "restart")]
    _restart: Option<IgnoredAny>,
    #[serde(rename = "cap_drop")]
    _cap_drop: Option<IgnoredAny>,
    #[serde(rename = "security_opt")]
    _security_opt: Option<IgnoredAny>,
    #[serde(rename = "logging")]
    _logging: Option<IgnoredAny>,
    #[serde(rename = "hostname")]
    _hostname: Option<IgnoredAny>,
    #[serde(rename = "ports")]
    _ports: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Config {
    file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mounted {
    source: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    condition: String,
}

#[derive(Deserialize)]
struct HealthCheck {
    test: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deploy {
    replicas: Option<usize>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
}

/// What the image gives each container of ours.
pub(super) struct Image {
    /// Where its process runs.
    pub(super) folder: String,
    pub(super) health_check: Vec<String>,
}

impl Compose {
    /// The file at the root of the project, without what is started only by its profile.
    pub(super) fn read() -> Self {
        let mut written: Value = serde_saphyr::from_str(&text("docker-compose.yml")).expect("YAML");
        let services = written["services"].as_object_mut().expect("services");
        services.retain(|_, service| service["profiles"].is_null());
        interpolate(&mut written).unwrap_or_else(|error| panic!("docker-compose.yml: {error}"));
        let compose: Self =
            serde_json::from_value(written).unwrap_or_else(|error| panic!("docker-compose.yml: {error}"));
        for (name, service) in &compose.services {
            for dependency in service.depends_on() {
                let other = compose.services.get(dependency);
                let other = other.unwrap_or_else(|| panic!("{name} depends on {dependency}, which is not there"));
                assert!(
                    other.is_ours() != other.health_check().is_some(),
                    "nobody knows whether {dependency} is healthy"
                );
            }
        }
        compose
    }

    /// The configuration files of a service: where it has each, and what is in it.
    pub(super) fn files(&self, service: &str) -> BTreeMap<String, String> {
        let mounted = |Mounted { source, target }: &Mounted| (target.clone(), text(&self.configs[source].file));
        self.services[service].configs.iter().map(mounted).collect()
    }

    /// Where a service has volumes.
    pub(super) fn volumes(&self, service: &str) -> Vec<&str> {
        let volumes = self.services[service].volumes.iter().map(|mounted| {
            let (volume, target) = mounted.split_once(':').expect("a volume and where it is");
            assert!(self.volumes.contains_key(volume), "{service} has the volume {volume}, which is not there");
            target
        });
        volumes.collect()
    }
}

impl Declared {
    /// Whether it runs our image.
    pub(super) fn is_ours(&self) -> bool {
        self.command.first().is_some_and(|program| program == "tropomq")
    }

    /// The command that tells whether it is healthy, where the file has one.
    pub(super) fn health_check(&self) -> Option<&[String]> {
        let test = &self.healthcheck.as_ref()?.test;
        assert_eq!(test[0], "CMD", "no shell is needed");
        Some(&test[1..])
    }

    pub(super) fn replicas(&self) -> usize {
        self.deploy.replicas.unwrap_or(1)
    }

    pub(super) fn stop_grace_period(&self) -> Duration {
        duration::parse(&self.stop_grace_period).expect("a duration")
    }

    /// Whether it can write only to its volumes.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    /// The services that must be healthy before it is started.
    pub(super) fn depends_on(&self) -> impl Iterator<Item = &str> {
        self.depends_on.iter().map(|(name, dependency)| {
            assert_eq!(dependency.condition, "service_healthy", "of {name}");
            name.as_str()
        })
    }
}

impl Image {
    pub(super) fn read() -> Self {
        let dockerfile = text("deploy/docker/Dockerfile").replace("\\\n", " ");
        // The last of each counts: those before are of the stage that builds.
        let said = |instruction: &str| {
            let mut lines = dockerfile.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
            lines.next_back().unwrap_or_else(|| panic!("the image has no {instruction}")).trim().to_owned()
        };
        let health_check = said("HEALTHCHECK");
        let (_, command) = health_check.split_once("CMD ").expect("a command");
        Self {
            folder: said("WORKDIR"),
            health_check: serde_json::from_str(command).expect("a command without a shell"),
        }
    }
}

/// What a file of the project says.
fn text(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Puts the default in the place of each variable, in all that is below.
fn interpolate(value: &mut Value) -> Result<(), String> {
    match value {
        Value::String(text) => *text = interpolated(text)?,
        Value::Array(values) => values.iter_mut().try_for_each(interpolate)?,
        Value::Object(values) => values.values_mut().try_for_each(interpolate)?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// A text with its variables' defaults: `${NAME:-default}`, and `$$` for a dollar.
///
/// # Errors
/// A variable is written in another way: then it is not plain what the stack has where nothing is set.
pub(crate) fn interpolated(written: &str) -> Result<String, String> {
    let (mut made, mut rest) = (String::new(), written);
    while let Some((before, after)) = rest.split_once('$') {
        made.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            made.push('$');
            rest = after;
            continue;
        }
        let variable = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let with_default = variable.and_then(|(variable, after)| Some((variable.split_once(":-")?, after)));
        let ((_, default), after) = with_default.ok_or_else(|| format!("a variable without a default in {written}"))?;
        made.push_str(&interpolated(default)?);
        rest = after;
    }
    made.push_str(rest);
    Ok(made)
}
