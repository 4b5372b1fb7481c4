//! An application as a process.

use std::fs::File;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{client, clients, until};

/// How many lines of its log are printed when a test failed.
const LOG_LINES: usize = 60;

/// An application of `apps`, and how it is started.
#[derive(Clone, Copy)]
pub(crate) struct Application {
    /// Its folder.
    pub(crate) folder: &'static str,
    /// What is run before it. `ADDRESS` in a command is where it listens.
    pub(crate) before: &'static [&'static [&'static str]],
    /// What is run.
    pub(crate) command: &'static [&'static str],
    /// The path of its webhook.
    pub(crate) path: &'static str,
}

/// An application that runs.
pub(super) struct Running {
    application: Application,
    address: SocketAddrV4,
    log: PathBuf,
    child: Child,
}

impl Application {
    /// Starts it, and waits until it answers. It is told what it must know in its environment, and nothing else.
    pub(super) async fn start(self, home: &Path, address: SocketAddrV4, told: &[(&'static str, String)]) -> Running {
        let (log, clients) = (home.join("application.log"), clients::folder());
        let variables = [
            ("PATH", format!("{}:{}", clients.join("python/bin").display(), std::env::var("PATH").unwrap())),
            ("NODE_PATH", clients.join("node/node_modules").display().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("HOST", address.ip().to_string()),
            ("PORT", address.port().to_string()),
            ("DATABASE", home.join("application.db").display().to_string()),
        ];
        let command = |words: &[&str]| {
            let out = File::options().create(true).append(true).open(&log).unwrap();
            let mut command = Command::new(words[0]);
            command.args(words[1..].iter().map(|word| word.replace("ADDRESS", &address.to_string())));
            command
                .current_dir(source("apps").join(self.folder))
                .env_clear()
                .envs(variables.clone())
                .envs(told.iter().cloned());
            command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
            command
        };
        for words in self.before {
            let status = command(words).status().unwrap_or_else(|error| panic!("{}", missing(words, &error)));
            assert!(status.success(), "{words:?}: {status}: {}", std::fs::read_to_string(&log).unwrap());
        }
        let child = command(self.command).spawn().unwrap_or_else(|error| panic!("{}", missing(self.command, &error)));
        let mut running = Running { application: self, address, log, child };
        running.ready().await;
        running
    }
}

impl Running {
    async fn ready(&mut self) {
        let (http, url) = (client(), self.page("/"));
        until(&format!("{} is ready", self.application.folder), async || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {ended:?}", self.application.folder);
            // A sample that takes webhooks alone answers that it cannot: it is there.
            http.get(&url).send().await.ok()
        })
        .await;
    }

    /// Where its webhooks go.
    pub(super) fn webhook(&self) -> String {
        self.page(self.application.path)
    }

    /// One of its pages.
    pub(super) fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Prints the end of its log.
    fn print_log(&self) {
        let log = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("--- {} ({} lines, the last of them) ---", self.application.folder, lines.len());
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            eprintln!("{line}");
        }
    }
}

/// Ends it, and prints what it logged if the test failed.
impl Drop for Running {
    fn drop(&mut self) {
        // It fails where the process has ended by itself, which is as well.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        if std::thread::panicking() {
            self.print_log();
        }
    }
}

fn missing(words: &[&str], error: &std::io::Error) -> String {
    format!("{} cannot be run, {error}: run `make parts clients`, which installs it", words[0])
}

/// A folder of these tests.
pub(crate) fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop").join(folder)
}
