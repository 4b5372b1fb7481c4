use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

const CHILD: &str = "CHASSIS_TEST_SIGNALS_CHILD";
const DEADLINE: Duration = Duration::from_secs(10);

/// A test that starts itself again as the process that is told to stop.
const THIS_TEST: &str = "shutdown::tests::the_first_signal_asks_and_the_second_ends";

/// Ends with the test, whatever becomes of it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _code = self.0.wait();
    }
}

/// What the other process does: says when it is ready and when it is stopping, then never ends by itself.
#[tokio::main(flavor = "current_thread")]
async fn child() {
    let shutdown = on_signal(Duration::from_millis(1)).unwrap();
    println!("\nready");
    shutdown.requested().await;
    println!("stopping");
    std::future::pending::<()>().await;
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", THIS_TEST, "--nocapture"]).env(CHILD, "1").stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < DEADLINE, "the process did not end by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn the_first_signal_asks_and_the_second_ends() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let mut process = Process::start();
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "ready"));
        process.signal(first);
        assert!(lines.any(|line| line == "stopping"));
        assert_eq!(process.0.try_wait().unwrap(), None);
        process.signal(second);
        assert_eq!(process.exit_code(), Some(1));
    }
}

#[test]
fn what_stops_later_is_announced_at_once() {
    let shutdown = Shutdown::new();
    let later = shutdown.later();
    shutdown.announce();
    assert!(shutdown.is_announced() && later.is_announced());
    assert!(!shutdown.is_requested());
    shutdown.request();
    assert!(shutdown.is_requested() && !later.is_requested());
    later.request();
    assert!(later.is_requested());
}
