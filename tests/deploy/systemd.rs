//! The units for systemd: what they run is a command of the binary, and it gets the time that it needs to stop.

use std::collections::BTreeMap;
use std::process::Command;

use crate::tree::read;

const BINARY: &str = "/usr/local/bin/tropomq";

/// The keys of a unit, with all of the values of each.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::<String, Vec<String>>::new();
    let text = read(&format!("deploy/systemd/{name}"));
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
        keys.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    keys
}

/// The binary knows the command with these options: it would print its help.
fn assert_runs(command: &str) {
    let arguments = command.strip_prefix(BINARY).unwrap_or_else(|| panic!("not {BINARY}: {command}"));
    let output = Command::new(env!("CARGO_BIN_EXE_tropomq"))
        .args(arguments.split_whitespace())
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_unit_runs_everything_and_another_each_service() {
    let one = unit("tropomq.service");
    assert_runs(&one["ExecStart"][0]);
    let each = unit("tropomq@.service");
    for service in ["ingress", "router", "egress", "journal", "console", "simulator"] {
        assert_runs(&each["ExecStart"][0].replace("%i", service));
    }
    // But for what they run and are, they are the same.
    for key in ["WorkingDirectory", "StateDirectory", "User", "Restart", "TimeoutStopSec", "UMask"] {
        assert_eq!(one[key], each[key], "{key}");
    }
    for unit in [&one, &each] {
        assert_eq!(unit["RestartPreventExitStatus"], ["78"], "the exit code of a wrong configuration");
        assert_eq!(unit["TimeoutStopSec"], ["60s"], "as long as docs/operations.md says that a stop may take");
        assert_eq!(unit["EnvironmentFile"][0], "-/etc/tropomq/secrets");
    }
}
