use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::*;

const DEFAULTS: &str = "\
log = \"info\"
ratio = 1.0

[listener]
address = \"127.0.0.1:8080\"
timeout = \"5s\"
connections_max = 64
peers = [\"10.0.0.0/8\"]

[backends]
";

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Config {
    log: String,
    ratio: f64,
    listener: Listener,
    #[serde(default)]
    backends: BTreeMap<String, Backend>,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Listener {
    address: SocketAddr,
    #[serde(with = "duration")]
    timeout: Duration,
    connections_max: u16,
    peers: Vec<String>,
    #[serde(default, with = "duration::optional")]
    grace: Option<Duration>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    strict: Option<bool>,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Open,
    Closed,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Backend {
    messaging_token: String,
    number: Option<String>,
    rate: Option<u32>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
}

fn read(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tropomq.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    load(Layers {
        defaults: DEFAULTS,
        file: file.map(|_| path),
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}

#[track_caller]
fn refused(file: Option<&str>, environment: &[(&str, &str)], key: Option<&str>, words: &[&str]) {
    let error = read(file, environment).unwrap_err();
    assert_eq!(error.key(), key, "{error}");
    let shown = error.to_string();
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in: {shown}");
    }
    assert!(!shown.contains("s3cr3t") && !shown.contains('\n'), "{shown}");
}

#[test]
fn the_later_layer_wins_key_by_key() {
    let config = read(
        Some("log = \"debug\"\n[listener]\ntimeout = \"1m\"\npeers = []\n[backends.a]\nmessaging_token = \"x\"\n"),
        &[("TROPOMQ__LISTENER__TIMEOUT", "250ms"), ("PATH", "/bin"), ("TROPOMQ_LOG", "trace")],
    )
    .unwrap();
    assert_eq!(config.log, "debug");
    assert_eq!(config.listener.timeout, Duration::from_millis(250));
    assert_eq!(config.listener.connections_max, 64);
    assert_eq!(config.listener.peers, Vec::<String>::new());
    assert_eq!(config.listener.grace, None);
    assert_eq!(config.backends["a"].messaging_token, "x");
    assert_eq!(read(None, &[]).unwrap().ratio, 1.0);
}

#[test]
fn a_variable_finds_the_key_that_is_there_or_makes_one() {
    let file = "[backends.my-tropo-backend]\nmessaging_token = \"x\"\n[backends.Two_b]\nmessaging_token = \"y\"\n";
    let environment = [
        ("TROPOMQ__BACKENDS__MY_TROPO_BACKEND__MESSAGING_TOKEN", "1"),
        ("TROPOMQ__BACKENDS__TWO_B__NUMBER", "+1-555-555-1212"),
        ("tropomq__backends__fresh_one__messaging_token", "true"),
        ("TROPOMQ__LISTENER__GRACE", "2m"),
    ];
    let config = read(Some(file), &environment).unwrap();
    assert_eq!(config.backends["my-tropo-backend"].messaging_token, "1");
    assert_eq!(config.backends["Two_b"].number.as_deref(), Some("+1-555-555-1212"));
    assert_eq!(config.backends["fresh-one"].messaging_token, "true");
    assert_eq!(config.listener.grace, Some(Duration::from_secs(120)));
}

#[test]
fn a_variable_becomes_the_number_boolean_or_array_that_is_wanted() {
    let environment = [
        ("TROPOMQ__LISTENER__CONNECTIONS_MAX", "7"),
        ("TROPOMQ__LISTENER__PEERS", "[\"a\", \"b\"]"),
        ("TROPOMQ__LISTENER__STRICT", "true"),
        ("TROPOMQ__LISTENER__MODE", "closed"),
        ("TROPOMQ__RATIO", "0.25"),
        ("TROPOMQ__LOG", "12"),
    ];
    let config = read(None, &environment).unwrap();
    assert_eq!((config.listener.connections_max, config.ratio), (7, 0.25));
    assert_eq!(config.listener.peers, ["a", "b"]);
    assert_eq!((config.listener.strict, config.listener.mode), (Some(true), Mode::Closed));
    assert_eq!(config.log, "12");
}

#[test]
fn a_variable_may_name_a_file_that_holds_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for (text, token) in [("s3cr3t\n", "s3cr3t"), ("s3cr3t\r\n", "s3cr3t"), (" two\n\n", " two\n")] {
        std::fs::write(&path, text).unwrap();
        let environment = [("TROPOMQ__BACKENDS__A__MESSAGING_TOKEN__FILE", path.to_str().unwrap())];
        assert_eq!(read(None, &environment).unwrap().backends["a"].messaging_token, token);
    }
    refused(
        None,
        &[("TROPOMQ__BACKENDS__A__MESSAGING_TOKEN__FILE", "/nowhere/token")],
        None,
        &["environment variable TROPOMQ__BACKENDS__A__MESSAGING_TOKEN__FILE", "cannot read the file /nowhere/token"],
    );
}

#[test]
fn a_key_named_file_is_set_and_not_read_from() {
    #[derive(Deserialize)]
    struct WithFile {
        store: BTreeMap<String, String>,
    }
    let environment = vec![("TROPOMQ__STORE__FILE".to_owned(), "b.db".to_owned())];
    let read: WithFile = load(Layers { defaults: "[store]\nfile = \"a.db\"\n", file: None, environment }).unwrap();
    assert_eq!(read.store["file"], "b.db");
}

#[test]
fn an_error_names_the_key_and_the_layer() {
    refused(
        Some("[listener]\naddress = \"s3cr3t\"\n"),
        &[],
        Some("listener.address"),
        &["file ", "tropomq.toml", "socket address"],
    );
    refused(
        None,
        &[("TROPOMQ__LISTENER__CONNECTIONS_MAX", "s3cr3t")],
        Some("listener.connections_max"),
        &["environment variable TROPOMQ__LISTENER__CONNECTIONS_MAX", "expected u16, found string"],
    );
    refused(
        None,
        &[("TROPOMQ__LISTENER__CONNECTIONS_MAX", "70000")],
        Some("listener.connections_max"),
        &["environment variable", "expected u16, found integer"],
    );
    refused(None, &[("TROPOMQ__LISTENER__TIMEOUT", "5")], Some("listener.timeout"), &["not a duration", "1h30m"]);
    refused(
        Some("[listener]\nmode = \"s3cr3t\"\n"),
        &[],
        Some("listener.mode"),
        &["expected `open` or `closed`, found one of another name"],
    );
    refused(Some("[[rules]]\nname = 5\n"), &[], Some("rules[0].name"), &["file", "found integer"]);
    refused(
        None,
        &[("TROPOMQ__LISTENER__PEERS", "[1]")],
        Some("listener.peers[0]"),
        &["environment variable TROPOMQ__LISTENER__PEERS", "expected a string"],
    );
}

#[test]
fn an_unknown_key_is_told_with_those_that_exist() {
    refused(
        Some("[listener]\nadress = \"s3cr3t\"\n"),
        &[],
        Some("listener.adress"),
        &["file", "there is no such key", "`address`", "`timeout`"],
    );
    refused(
        None,
        &[("TROPOMQ__LISTENER__ADRESS", "s3cr3t")],
        Some("listener.adress"),
        &["environment variable TROPOMQ__LISTENER__ADRESS", "`address`"],
    );
    refused(None, &[("TROPOMQ__NO_SUCH", "s3cr3t")], Some("no_such"), &["`backends`"]);
}

#[test]
fn a_missing_key_is_told_with_the_variable_that_sets_it() {
    refused(
        Some("[backends.my-backend]\nnumber = \"s3cr3t\"\n"),
        &[],
        Some("backends.my-backend.messaging_token"),
        &["required", "TROPOMQ__BACKENDS__MY_BACKEND__MESSAGING_TOKEN"],
    );
    refused(Some("[[rules]]\n"), &[], Some("rules[0].name"), &["required", "set it in the configuration file"]);
}

#[test]
fn a_file_that_cannot_be_used_is_an_error() {
    refused(Some("log = \"x\"\ntoken = s3cr3t\n"), &[], None, &["tropomq.toml", "line 2 is not TOML"]);
    refused(Some("log = \"a\"\nlog = \"s3cr3t\"\n"), &[], None, &["line 2 is not TOML"]);
    let layers = Layers { defaults: DEFAULTS, file: Some("/nowhere/tropomq.toml".into()), environment: Vec::new() };
    let error = load::<Config>(layers).unwrap_err().to_string();
    assert!(error.contains("file /nowhere/tropomq.toml") && error.contains("cannot read it"), "{error}");
}

#[test]
fn a_variable_that_fits_no_one_key_is_an_error() {
    refused(None, &[("TROPOMQ__", "x")], None, &["environment variable TROPOMQ__"]);
    refused(None, &[("TROPOMQ__LISTENER____MODE", "x")], None, &["nothing between two `__`"]);
    refused(None, &[("TROPOMQ__LOG__LEVEL", "x")], Some("log.level"), &["`log` is a value and not a table"]);
    refused(
        Some("[backends.a-b]\nmessaging_token = \"x\"\n[backends.a_b]\nmessaging_token = \"x\"\n"),
        &[("TROPOMQ__BACKENDS__A_B__MESSAGING_TOKEN", "s3cr3t")],
        None,
        &["fits both", "`a-b`", "`a_b`"],
    );
    refused(
        None,
        &[("TROPOMQ__LOG", "s3cr3t"), ("tropomq__log", "s3cr3t")],
        Some("log"),
        &["set twice", "TROPOMQ__LOG", "tropomq__log"],
    );
    refused(
        None,
        &[("TROPOMQ__LISTENER__CONNECTIONS_MAX", "1\nlog = 2")],
        Some("listener.connections_max"),
        &["found string"],
    );
}
