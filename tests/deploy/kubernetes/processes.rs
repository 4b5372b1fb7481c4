//! Each container, as a process of this machine: with its own command, environment, configuration file and secrets. It must
//! start, and answer for its health.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::assert_found;
use super::effective::{Effective, backends};
use super::pods::services;
use super::rendering::{Pod, Rendering, each};

const BINARY: &str = env!("CARGO_BIN_EXE_tropomq");

/// How long a process may take to answer, on a machine that does other things as well.
const DEADLINE: Duration = Duration::from_secs(60);

/// The port that all admin listeners have.
const ADMIN: u16 = 9090;

/// Instead of what a cluster would have: a secret of which a manifest says only where it comes from.
const SECRETS: [(&str, &str); 7] = [
    ("bus-url", "amqp://tropomq:password@127.0.0.1:1/tropomq"),
    ("store-url", "postgres://tropomq:password@127.0.0.1:1/tropomq?sslmode=disable"),
    ("ticket-key", "a-ticket-key-that-is-long-enough-for-a-test"),
    (
        "console-password-hash",
        "$argon2id$v=19$m=19456,t=2,p=1$3rlMnAuEPanBPBW6adaDIQ$5iJ8+iuLCHKiUumXxi07eVfBzYftw1PSKb7Ofh33uhk",
    ),
    ("console-token", "a-token-of-the-console-that-is-long-enough"),
    ("messaging-token", "a-messaging-token"),
    ("webhook-secret", "a-webhook-secret-of-a-test"),
];

/// What a process is started with.
struct Prepared {
    /// What the files of its volumes are below.
    root: tempfile::TempDir,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Prepared {
    /// # Errors
    /// What the pod refers to and does not get.
    fn of(rendering: &Rendering, pod: &Pod<'_>, container: &Value, address: Ipv4Addr) -> Result<Self, String> {
        let root = tempfile::tempdir().unwrap();
        let mut mounts = Vec::new();
        for mount in each(&container["volumeMounts"]) {
            let path = mount["mountPath"].as_str().unwrap();
            let folder = below(root.path(), path);
            fs::create_dir_all(&folder).unwrap();
            for (name, words) in files(rendering, pod, &mount["name"])? {
                fs::write(folder.join(name), words).unwrap();
            }
            mounts.push(path);
        }
        let mut environment = Effective::of(rendering, container)?.environment;
        for (name, words) in from_secrets(rendering, container)? {
            for value in environment.values_mut() {
                *value = value.replace(&format!("$({name})"), &words);
            }
            environment.insert(name, words);
        }
        if let Some((name, _)) = environment.iter().find(|(_, value)| value.contains("$(")) {
            return Err(format!("{name} names a variable that is not there"));
        }
        for value in environment.values_mut() {
            if mounts.iter().any(|mount| value.starts_with(mount)) {
                *value = below(root.path(), value).to_str().unwrap().to_owned();
            }
            // The pod's address is one of this machine.
            *value = value.replace("0.0.0.0:", &format!("{address}:"));
        }
        let command = each(&container["command"]).map(|word| word.as_str().unwrap().to_owned());
        Ok(Self { root, arguments: command.skip(1).collect(), environment })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().envs(&self.environment).current_dir(self.root.path());
        command
    }
}

/// A path of a container, on this machine.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The files of a volume.
fn files(rendering: &Rendering, pod: &Pod<'_>, name: &Value) -> Result<Vec<(String, String)>, String> {
    let claimed = each(pod.workload.at("/spec/volumeClaimTemplates")).any(|claim| claim["metadata"]["name"] == *name);
    let volume = each(&pod.spec["volumes"]).find(|volume| volume["name"] == *name);
    let Some(volume) = volume else {
        return if claimed { Ok(Vec::new()) } else { Err(format!("there is no volume {name}")) };
    };
    if volume["emptyDir"].is_object() {
        return Ok(Vec::new());
    }
    if let Some(map) = volume["configMap"]["name"].as_str() {
        let map = rendering.find("ConfigMap", map).ok_or_else(|| format!("there is no ConfigMap {map}"))?;
        let data = map.at("/data").as_object().into_iter().flatten();
        return Ok(data.map(|(key, words)| (key.clone(), words.as_str().unwrap().to_owned())).collect());
    }
    let secret = volume["secret"]["secretName"].as_str().ok_or_else(|| format!("{volume} is no volume of ours"))?;
    let data = secret_of(rendering, secret)?;
    if volume["secret"]["items"].is_null() {
        return Ok(data.into_iter().collect());
    }
    let item = |item: &Value| {
        let key = item["key"].as_str().unwrap_or_default();
        let words = data.get(key).ok_or_else(|| format!("secret {secret} has no {key}"))?;
        Ok((item["path"].as_str().unwrap_or_default().to_owned(), words.clone()))
    };
    each(&volume["secret"]["items"]).map(item).collect()
}

/// What is in a secret: by its own manifest, or in the place of what would come from elsewhere.
fn secret_of(rendering: &Rendering, name: &str) -> Result<BTreeMap<String, String>, String> {
    let stand_in = |key: &str| {
        let (_, words) = SECRETS.iter().find(|(name, _)| *name == key)?;
        Some((*words).to_owned())
    };
    if rendering.find("Secret", name).is_some() {
        let secret = rendering.find("Secret", name).unwrap();
        let data = secret.at("/data").as_object().into_iter().flatten();
        // What leads to other pods is not looked up: they are not there.
        return Ok(data
            .map(|(key, words)| (key.clone(), stand_in(key).unwrap_or_else(|| decoded(words.as_str().unwrap()))))
            .collect());
    }
    let secret = rendering.find("ExternalSecret", name).ok_or_else(|| format!("there is no secret {name}"))?;
    let keys = secret.at("/spec/target/template/data").as_object().into_iter().flatten().map(|(key, _)| key.clone());
    let mut data = BTreeMap::new();
    for key in keys {
        let words = stand_in(&key).ok_or_else(|| format!("nobody knows what {key} of {name} is for"))?;
        data.insert(key, words);
    }
    // All properties of what is in the store: a token and a webhook secret for each backend.
    if each(secret.at("/spec/dataFrom")).next().is_some() {
        let map = |name: &str| rendering.find("ConfigMap", name).unwrap();
        let of_file = backends(map("tropomq-config").text("/data/tropomq.toml"));
        let variables = map("tropomq-environment").at("/data").as_object().into_iter().flatten();
        let of_environment =
            variables.filter_map(|(name, _)| name.strip_prefix("TROPOMQ__BACKENDS__")?.split("__").next());
        let of_environment = of_environment.map(|name| name.to_lowercase().replace('_', "-"));
        for backend in of_file.into_iter().map(|(name, _)| name).chain(of_environment) {
            for key in ["messaging-token", "webhook-secret"] {
                data.insert(format!("{backend}.{key}"), stand_in(key).unwrap());
            }
        }
    }
    Ok(data)
}

/// The variables that a container gets from secrets.
fn from_secrets(rendering: &Rendering, container: &Value) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for variable in each(&container["env"]) {
        let from = &variable["valueFrom"]["secretKeyRef"];
        if let (Some(name), Some(key)) = (from["name"].as_str(), from["key"].as_str()) {
            let words = secret_of(rendering, name)?.remove(key).ok_or_else(|| format!("secret {name} has no {key}"))?;
            variables.insert(variable["name"].as_str().unwrap().to_owned(), words);
        }
    }
    Ok(variables)
}

fn decoded(base64: &str) -> String {
    // kustomize breaks it into lines.
    let base64: String = base64.split_whitespace().collect();
    let bytes = STANDARD.decode(base64).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Starts a container's process and waits until it says that it lives.
#[track_caller]
fn start(rendering: &Rendering, pod: &Pod<'_>, container: &Value) {
    let name = format!("{} of {}", pod.workload.name(), rendering.name);
    let address = testkit::own_address();
    let prepared = Prepared::of(rendering, pod, container, address).unwrap_or_else(|error| panic!("{name}: {error}"));
    let arguments: Vec<&str> = prepared.arguments.iter().map(String::as_str).collect();
    let log = prepared.root.path().join("log");
    let output = fs::File::create(&log).unwrap();
    let mut command = prepared.command(&arguments);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut running = Running(command.spawn().unwrap());
    let admin = SocketAddr::from((address, ADMIN));
    let begun = Instant::now();
    while TcpStream::connect(admin).is_err() {
        let ended = running.0.try_wait().unwrap();
        assert!(ended.is_none(), "{name} ended: {ended:?}\n{}", fs::read_to_string(&log).unwrap());
        assert!(begun.elapsed() < DEADLINE, "{name} does not listen\n{}", fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    for probe in ["startupProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        let asked = prepared.command(&["health", &format!("http://{admin}{path}")]).output().unwrap();
        assert!(asked.status.success(), "{name}: {}", String::from_utf8_lossy(&asked.stderr));
    }
}

#[test]
fn every_container_starts_with_what_its_manifest_gives_it() {
    for rendering in Rendering::overlays() {
        for (pod, container, _) in services(&rendering) {
            start(&rendering, &pod, container);
        }
    }
}

/// The variables of all containers together, and what the binary says to them.
pub(super) fn checked(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for (pod, container, service) in services(rendering) {
        let prepared = match Prepared::of(rendering, &pod, container, Ipv4Addr::LOCALHOST) {
            Ok(prepared) => prepared,
            Err(error) => {
                findings.push(format!("{}: {error}", pod.workload.name()));
                continue;
            }
        };
        let mut check = prepared.command(&["check"]);
        // What a service does without is what all of them together have: the check is of all.
        for (key, words) in SECRETS.iter().take(3) {
            let path = prepared.root.path().join(key);
            fs::write(&path, words).unwrap();
            let variable = match *key {
                "ticket-key" => "TROPOMQ__TICKET__KEYS__KUBERNETES__FILE".to_owned(),
                other => format!("TROPOMQ__{}__FILE", other.replace('-', "__").to_uppercase()),
            };
            check.env(variable, path);
        }
        let output = check.output().unwrap();
        if !output.status.success() {
            findings.push(format!("{service}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        if String::from_utf8_lossy(&output.stdout).contains("WARNING") {
            findings.push(format!("{service}: {}", String::from_utf8_lossy(&output.stdout)));
        }
    }
    findings
}

#[test]
fn every_variable_is_a_key_that_the_configuration_has() {
    let rendering = Rendering::overlay("production");
    let container = "/spec/template/spec/containers/0";
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    for (manifest, pointer, value, words) in [
        ("Deployment egress", &*format!("{container}/env/-"), variable("TROPOMQ__EGRESS__PREFECTH", "1"), "prefecth"),
        (
            "Deployment egress",
            &*format!("{container}/env/-"),
            variable("TROPOMQ__EGRESS__PREFETCH", "many"),
            "prefetch",
        ),
        ("ConfigMap tropomq-environment", "/data/TROPOMQ__TELEMETRY__FORMAT", "xml".into(), "telemetry.format"),
        ("ConfigMap tropomq-config", "/data/tropomq.toml", "[backend.a]\nnumber = \"1\"".into(), "backend"),
        ("Deployment console", "/spec/template/spec/volumes/2/secret/items/0/key", "bus-ulr".into(), "bus-ulr"),
        ("Deployment router", "/spec/template/spec/volumes/2/secret/secretName", "secrets".into(), "no secret secrets"),
        (
            "Deployment simulator",
            &*format!("{container}/env/5/valueFrom/secretKeyRef/key"),
            "secret".into(),
            "no secret",
        ),
        ("Deployment simulator", &*format!("{container}/env/6/value"), "http://ingress/$(SECRET)".into(), "not there"),
    ] {
        assert_found(checked, &rendering, (manifest, pointer, value), words);
    }
}
