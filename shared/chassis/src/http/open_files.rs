//! A process that has no file descriptors left: this test starts itself again under a small limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;

use super::{Limits, bind, serve};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, TelemetryConfig};

const CHILD: &str = "CHASSIS_TEST_OPEN_FILES_CHILD";
const THIS_TEST: &str = "http::open_files::a_listener_without_file_descriptors_waits_and_recovers";
const DEADLINE: Duration = Duration::from_secs(10);
/// Fewer than the connections that are made, more than the process itself needs.
const FILES_MAX: usize = 40;

/// What the other process does: serves until it is killed.
#[tokio::main(flavor = "current_thread")]
async fn child() {
    let _telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    println!("\nlistening on {}", listener.local_addr().unwrap());
    let limits = Limits { header_timeout: Duration::from_secs(60), ..Limits::default() };
    let router = Router::new().route("/", get(async || "hello"));
    serve(listener, router, limits, Shutdown::new()).await.unwrap();
}

/// Ends with the test, whatever becomes of it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _code = self.0.wait();
    }
}

#[test]
fn a_listener_without_file_descriptors_waits_and_recovers() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let child = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -n {FILES_MAX}; exec \"$0\" --exact {THIS_TEST} --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let mut said = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut log = BufReader::new(process.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = said.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned())).unwrap();

    let crowd: Vec<TcpStream> = (0..FILES_MAX + 10).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut refused = || log.any(|line| line.contains("cannot accept connections for now"));
    assert!(refused());
    let started = Instant::now();
    assert!(refused() && refused());
    assert!(Duration::from_millis(300) < started.elapsed(), "it spins: {:?}", started.elapsed());

    drop(crowd);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello"), "{answer:?}");
}
