//! One service as a process, and the command line.

use std::fs::File;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Metrics, client, until};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_tropomq");

/// The longest that a command which ends by itself may take.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// How many lines of a log are printed when a story failed.
const LOG_LINES: usize = 60;

/// A process of `tropomq`, or the place of one.
pub(crate) struct Service {
    name: String,
    subcommand: &'static str,
    folder: PathBuf,
    admin: SocketAddrV4,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Service {
    /// Not started yet. Its configuration is `<name>.toml` in the folder.
    pub(crate) fn new(
        name: String,
        subcommand: &'static str,
        folder: &Path,
        admin: SocketAddrV4,
        variables: Vec<(String, String)>,
    ) -> Self {
        Self { name, subcommand, folder: folder.to_owned(), admin, variables, child: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The base address of its admin endpoints.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    /// Starts it. What it prints goes to `<name>.log`, behind what an earlier process printed there.
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let child = command(&self.folder)
            .args([self.subcommand, "--config"])
            .arg(self.config())
            .envs(self.variables.clone())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&mut self) {
        let (http, url) = (client(), format!("{}/readyz", self.admin_url()));
        until(&format!("{} is ready", self.name), async || {
            let ended = self.child.as_mut().expect("a process").try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {ended:?}", self.name);
            http.get(&url).send().await.ok()?.status().is_success().then_some(())
        })
        .await;
    }

    /// Waits until its bus is there: some are ready without it.
    pub(crate) async fn connected(&self) {
        let (http, url) = (client(), format!("{}/readyz", self.admin_url()));
        until(&format!("the bus of {} is there", self.name), async || {
            let report: Value = http.get(&url).send().await.ok()?.json().await.ok()?;
            report["components"]["bus"]["reason"].is_null().then_some(())
        })
        .await;
    }

    /// Waits until it says that it is not ready, and returns what it says.
    pub(crate) async fn not_ready(&mut self) -> String {
        let (http, url) = (client(), format!("{}/readyz", self.admin_url()));
        until(&format!("{} is not ready", self.name), async || {
            let answer = http.get(&url).send().await.unwrap();
            if answer.status().is_success() { None } else { Some(answer.text().await.unwrap()) }
        })
        .await
    }

    /// Ends it as a power cut would (SIGKILL). Nothing happens where no process runs.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails where the process has ended by itself, which is as well.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Asks it to stop (SIGTERM), and waits for its end.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a process");
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        until(&format!("{} stops", self.name), async || child.try_wait().unwrap()).await
    }

    /// What it counts.
    pub(crate) async fn metrics(&self, http: &reqwest::Client) -> Metrics {
        let url = format!("{}/metrics", self.admin_url());
        // Asked again where a kept connection was closed as it was used.
        let answer = match http.get(&url).send().await {
            Ok(answer) => answer,
            Err(_) => http.get(&url).send().await.unwrap(),
        };
        Metrics::read(&answer.text().await.unwrap())
    }

    /// All that it logged.
    pub(crate) fn log_text(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Prints the end of its log, for whoever looks into a failure; all of it goes into the folder `STORY_LOGS`, if set.
    pub(crate) fn print_log(&self) {
        let log = self.log_text();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("--- {} ({} lines, the last of them) ---", self.name, lines.len());
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            eprintln!("{line}");
        }
        if let Some(logs) = std::env::var_os("STORY_LOGS") {
            let folder = Path::new(&logs).join(self.folder.file_name().unwrap());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{}.log", self.name)), log).unwrap();
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary, in a folder where no configuration lies about, and without anybody's environment.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TROPOMQ_") || name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that ends by itself, by the name of a token; its exit code, and what it printed.
pub(crate) async fn tropomq_as<A: AsRef<std::ffi::OsStr>>(token: &str, folder: &Path, arguments: &[A]) -> Output {
    let mut command = tokio::process::Command::from(command(folder));
    command.args(arguments).env("TROPOMQ_TOKEN", token).kill_on_drop(true);
    tokio::time::timeout(COMMAND_MAX, command.output()).await.expect("the command ends").unwrap()
}

/// Starts a command that goes on; it ends when it is dropped.
pub(crate) fn tropomq_started<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> tokio::process::Child {
    let mut command = tokio::process::Command::from(command(folder));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// Asks a command to stop (SIGTERM) once it has printed a line; its exit code, and what else it printed.
pub(crate) async fn tropomq_stopped<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> Output {
    let mut child = tropomq_started(folder, arguments);
    let mut printed = BufReader::new(child.stdout.take().expect("its output"));
    let stopped = async {
        let read = printed.read_line(&mut String::new()).await.unwrap();
        assert_ne!(read, 0, "it ended by itself");
        let process = child.id().expect("a process").to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        child.wait_with_output().await.unwrap()
    };
    tokio::time::timeout(COMMAND_MAX, stopped).await.expect("the command ends")
}

/// Runs a command that ends by itself; its exit code, and what it printed.
pub(crate) async fn tropomq<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> Output {
    tropomq_within(COMMAND_MAX, folder, arguments).await
}

/// The same, for a command that may take so long.
pub(crate) async fn tropomq_within<A: AsRef<std::ffi::OsStr>>(
    longest: Duration,
    folder: &Path,
    arguments: &[A],
) -> Output {
    let mut command = tokio::process::Command::from(command(folder));
    command.args(arguments).kill_on_drop(true);
    tokio::time::timeout(longest, command.output()).await.expect("the command ends").unwrap()
}
