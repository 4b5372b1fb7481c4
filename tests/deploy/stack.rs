//! `docker-compose.yml` and the image fit what is mounted, asked and built.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tree;

/// The services of the stack, by name.
fn services() -> Vec<(String, Value)> {
    let stack = tree::yaml("docker-compose.yml");
    stack["services"].as_object().unwrap().iter().map(|(name, service)| (name.clone(), service.clone())).collect()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

/// What is mounted into a service: source and target.
fn mounts(service: &Value) -> Vec<(String, String)> {
    let volumes = texts(&service["volumes"]).into_iter();
    volumes
        .map(|volume| {
            let mut parts = volume.split(':');
            (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned())
        })
        .collect()
}

/// The folder of the project that a service has at `target`.
fn mounted(name: &str, target: &str) -> String {
    let stack = tree::yaml("docker-compose.yml");
    let mounts = mounts(&stack["services"][name]);
    let found = mounts.into_iter().find(|(_, at)| at == target);
    found.unwrap_or_else(|| panic!("{name} has nothing at {target}")).0.trim_start_matches("./").to_owned()
}

#[test]
fn images_are_of_one_line_of_releases() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let ours = image == "tropomq";
        let tag = image.split_once(':').map(|(_, tag)| tag);
        let has_number = tag.is_some_and(|tag| tag.contains(|letter: char| letter.is_ascii_digit()));
        assert!(ours || has_number, "{name}: {image}");
    }
}

#[test]
fn nothing_is_published_beyond_this_machine() {
    for (name, service) in services() {
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn every_service_has_its_limits_and_starts_again() {
    for (name, service) in services() {
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(limits["memory"].is_string() && limits["cpus"].is_string(), "{name}: {limits}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
    }
}

#[test]
fn what_is_mounted_is_there() {
    let stack = tree::yaml("docker-compose.yml");
    for (name, service) in services() {
        for (source, _) in mounts(&service) {
            match source.strip_prefix("./") {
                Some(path) => assert!(tree::path(path).exists(), "{name}: {path}"),
                None => assert!(stack["volumes"].as_object().unwrap().contains_key(&source), "{name}: {source}"),
            }
        }
    }
    for (name, config) in stack["configs"].as_object().unwrap() {
        assert!(tree::path(config["file"].as_str().unwrap()).exists(), "{name}");
    }
}

/// What watches the stack is started on demand, and finds what it asks for under the names of the stack.
#[test]
fn what_watches_the_stack_is_a_profile_and_finds_its_parts() {
    let watching: BTreeSet<String> = services()
        .into_iter()
        .filter(|(_, service)| texts(&service["profiles"]) == ["observe"])
        .map(|(name, _)| name)
        .collect();
    assert_eq!(watching, ["collector", "grafana", "jaeger", "prometheus"].map(str::to_owned).into());

    let config = mounted("collector", "/etc/otelcol/config.yaml");
    let handed_to = tree::yaml(&config)["exporters"]["otlp/jaeger"]["endpoint"].as_str().unwrap().to_owned();
    assert!(watching.contains(handed_to.split(':').next().unwrap()), "{handed_to}");

    let folder = mounted("prometheus", "/etc/prometheus");
    assert!(tree::path(&folder).join("prometheus.yml").exists());

    let folder = mounted("grafana", "/etc/grafana/provisioning");
    for source in tree::yaml(&format!("{folder}/datasources/tropomq.yml"))["datasources"].as_array().unwrap() {
        let url = source["url"].as_str().unwrap();
        let host = url.trim_start_matches("http://").split(':').next().unwrap();
        assert!(watching.contains(host), "{url}");
    }
    let provider = tree::yaml(&format!("{folder}/dashboards/tropomq.yml"))["providers"][0].clone();
    let folder = mounted("grafana", provider["options"]["path"].as_str().unwrap());
    assert!(!tree::files(&folder, "json").is_empty());
}

/// Cargo reads the manifest of every member of the workspace, whatever it builds.
#[test]
fn the_image_is_built_from_all_that_the_workspace_names() {
    let ignored = tree::read(".dockerignore");
    let let_in: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix("!/")).collect();
    let manifest: toml::Table = toml::from_str(&tree::read("Cargo.toml")).unwrap();
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let is_in = let_in.iter().any(|path| member == *path || member.starts_with(&format!("{path}/")));
        assert!(is_in, "{member} is not in the image's build");
    }
}

#[test]
fn the_image_says_its_version() {
    let manifest: toml::Table = toml::from_str(&tree::read("Cargo.toml")).unwrap();
    let version = manifest["workspace"]["package"]["version"].as_str().unwrap();
    let label = format!("org.opencontainers.image.version=\"{version}\"");
    assert!(tree::read("deploy/docker/Dockerfile").contains(&label), "{label}");
}
