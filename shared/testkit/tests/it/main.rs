//! The parts do what tests rely on.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use testkit::{Postgres, RabbitMq, free_port, wait_until};

const DEADLINE: Duration = Duration::from_secs(30);
/// Less than the 5 s at which a broker counts unless told otherwise.
const COUNTED: Duration = Duration::from_secs(3);

fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// The folders in which parts of this kind live.
fn folders(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(&format!("tropomq-{kind}-"))).collect()
}

#[test]
fn a_broker_is_killed_frozen_and_started_again_and_leaves_nothing_behind() {
    let mut broker = RabbitMq::start().unwrap();
    let port = broker.port();
    assert_eq!(broker.url(), format!("amqp://guest:guest@127.0.0.1:{port}/%2f"));
    broker.add_vhost("kept").unwrap();
    declare(&broker, "kept", "some.queue");
    assert_eq!(broker.queues("kept").unwrap(), [("some.queue".to_owned(), 0)]);
    broker.wait_queues_kept("kept").unwrap();
    publish(&broker, "kept", "some.queue");
    let filled = [("some.queue".to_owned(), 1)];
    wait_until(COUNTED, "the message is counted", || broker.queues("kept").unwrap() == filled);

    broker.kill().unwrap();
    assert!(!accepts(port));
    broker.restart().unwrap();
    assert!(accepts(port));
    wait_until(DEADLINE, "the message is counted again", || broker.queues("kept").unwrap() == filled);
    broker.delete_vhost("kept").unwrap();
    assert!(broker.queues("kept").is_err());

    broker.pause().unwrap();
    broker.resume().unwrap();
    broker.set_memory_alarm(true).unwrap();
    wait_until(DEADLINE, "the alarm is raised", || alarms(&broker).contains(" 503 "));
    broker.set_memory_alarm(false).unwrap();
    wait_until(DEADLINE, "the alarm is cleared", || alarms(&broker).contains(" 200 "));
    broker.close_all_connections().unwrap();

    drop(broker);
    assert!(!accepts(port));
    wait_until(DEADLINE, "the port mapper is gone", || !accepts(port + 2));
    let data = format!("mnesia/t{port}@localhost");
    assert!(!folders("rabbitmq").iter().any(|folder| folder.join(&data).exists()));
}

fn declare(broker: &RabbitMq, vhost: &str, queue: &str) {
    let answer = ask(
        broker,
        "PUT",
        &format!("/api/queues/{vhost}/{queue}"),
        r#"{"durable":true,"arguments":{"x-queue-type":"quorum"}}"#,
    );
    assert!(answer.contains(" 201 "), "{answer}");
}

fn publish(broker: &RabbitMq, vhost: &str, queue: &str) {
    let body = format!(
        r#"{{"routing_key":"{queue}","payload":"x","payload_encoding":"string","properties":{{"delivery_mode":2}}}}"#
    );
    let answer = ask(broker, "POST", &format!("/api/exchanges/{vhost}/amq.default/publish"), &body);
    assert!(answer.contains(r#"{"routed":true}"#), "{answer}");
}

fn alarms(broker: &RabbitMq) -> String {
    ask(broker, "GET", "/api/health/checks/alarms", "")
}

fn ask(broker: &RabbitMq, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(broker.management().address()).unwrap();
    let head = format!("{method} {path} HTTP/1.0\r\nauthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    io::read_to_string(stream).unwrap()
}

#[test]
fn two_virtual_hosts_share_a_broker_and_nothing_else() {
    let one = testkit::vhost().unwrap();
    let other = testkit::vhost().unwrap();
    assert_ne!(one.name(), other.name());
    assert!(one.url().ends_with(one.name()), "{}", one.url());
    assert_eq!(one.url().rsplit_once('/').unwrap().0, other.url().rsplit_once('/').unwrap().0);
    assert_eq!(one.queues().unwrap(), []);
    one.assert_empty();
    let name = one.name().to_owned();
    drop(one);
    assert!(other.queues().is_ok());
    assert_ne!(other.name(), name);
}

#[test]
fn a_database_server_keeps_what_it_said_through_a_kill() {
    let mut server = Postgres::start().unwrap();
    let port = server.port();
    let database = server.database().unwrap();
    database.execute("CREATE TABLE kept (x int)").unwrap();
    database.execute("INSERT INTO kept VALUES (42)").unwrap();
    server.kill().unwrap();
    assert!(!accepts(port));
    assert!(database.execute("SELECT x FROM kept").is_err());
    server.restart().unwrap();
    assert_eq!(database.execute("SELECT x FROM kept").unwrap(), "42\n");
    server.pause().unwrap();
    server.resume().unwrap();
    assert_eq!(server.database().unwrap().execute("SELECT to_regclass('kept') IS NULL").unwrap(), "t\n");
    drop(server);
    assert!(!accepts(port));
}

#[test]
fn databases_are_apart_and_go_with_their_owner() {
    let one = testkit::database().unwrap();
    let other = testkit::database().unwrap();
    one.execute("CREATE TABLE mine (x int)").unwrap();
    assert!(other.execute("SELECT x FROM mine").is_err());
    let name = one.name().to_owned();
    drop(one);
    let left = other.execute(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")).unwrap();
    assert_eq!(left, "0\n");
}

#[test]
fn a_command_runs_with_parts_and_both_end_with_it() {
    let script = "echo \"$TROPOMQ_TEST_AMQP_URL $TROPOMQ_TEST_AMQP_ADMIN $TROPOMQ_TEST_POSTGRES_URL\"; exit 7";
    let ran =
        Command::new(env!("CARGO_BIN_EXE_testkit-parts")).args(["run", "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    let printed = String::from_utf8(ran.stdout).unwrap();
    let [amqp, admin, postgres] = printed.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{printed}") };
    assert!(amqp.starts_with("amqp://") && postgres.starts_with("postgres://"), "{printed}");
    assert!(TcpStream::connect(admin).is_err());
}

#[test]
fn a_killed_supervisor_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let script = "echo $$ $TROPOMQ_TEST_AMQP_ADMIN > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 600";
    let mut supervisor = Command::new(env!("CARGO_BIN_EXE_testkit-parts"))
        .args(["run", "--", "sh", "-c", script])
        .arg(&started)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(Duration::from_secs(100), "the command runs", || started.exists());
    let written = fs::read_to_string(&started).unwrap();
    let (command, admin) = written.trim().split_once(' ').unwrap();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    wait_until(DEADLINE, "the broker is gone", || TcpStream::connect(admin).is_err());
    wait_until(DEADLINE, "the command is gone", || {
        let stat = fs::read_to_string(format!("/proc/{command}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}

#[test]
fn a_free_port_can_be_listened_on() {
    let port = free_port().unwrap();
    assert!(!accepts(port));
}
