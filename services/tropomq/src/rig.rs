//! What a drill and a benchmark stand on: services as processes of this very executable, and the servers that they need.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use parts::{Part, PartError, Postgres, RabbitMq, Usage};
use reqwest::StatusCode;

/// The longest wait for a service to say whether it is ready, or what it counts.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A process of this executable, which says on its admin listener how it is.
#[derive(Debug)]
pub(crate) struct Service {
    part: Part,
    admin: SocketAddr,
    folder: PathBuf,
}

/// The servers that the services need.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) broker: RabbitMq,
    pub(crate) database: Postgres,
}

/// The addresses of the processes, all of a loopback address that they have to themselves, so that they stay free while a
/// process is away. The ports are below those that the kernel hands out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places(Ipv4Addr);

impl Places {
    pub(crate) fn new() -> Self {
        Self(parts::own_address())
    }

    fn at(self, port: u16) -> SocketAddr {
        (self.0, port).into()
    }

    pub(crate) fn ingress(self) -> SocketAddr {
        self.at(31_501)
    }

    pub(crate) fn egress(self) -> SocketAddr {
        self.at(31_502)
    }

    pub(crate) fn simulator(self) -> SocketAddr {
        self.at(31_503)
    }

    pub(crate) fn router(self) -> SocketAddr {
        self.at(31_504)
    }

    pub(crate) fn console(self) -> SocketAddr {
        self.at(31_505)
    }

    /// Where a further replica listens, whom nobody is told of.
    pub(crate) fn spare(self, ordinal: u16) -> SocketAddr {
        self.at(31_530 + ordinal)
    }

    /// The admin listener of a process.
    pub(crate) fn admin(self, ordinal: u16) -> SocketAddr {
        self.at(31_510 + ordinal)
    }

    /// Where a link begins.
    pub(crate) fn link(self, ordinal: u16) -> SocketAddr {
        self.at(31_550 + ordinal)
    }
}

/// Runs what blocks, on a thread that may.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

impl Servers {
    /// Starts a PostgreSQL, and a RabbitMQ as `broker` does, at once; takes 5 to 30 s.
    ///
    /// # Errors
    /// [`PartError::Missing`] names what to install.
    pub(crate) fn start(broker: fn() -> Result<RabbitMq, PartError>) -> Result<Self, PartError> {
        let (broker, database) = std::thread::scope(|scope| {
            let broker = scope.spawn(broker);
            let database = Postgres::start();
            (broker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), database)
        });
        Ok(Self { broker: broker?, database: database? })
    }

    /// The URL of the database.
    pub(crate) fn store(&self) -> String {
        format!("{}?sslmode=disable", self.database.url())
    }
}

impl Service {
    /// A process that does not run yet: the subcommand `name`, configured by `<name>.toml` in the folder.
    ///
    /// # Errors
    /// Nothing would watch over it.
    pub(crate) fn new(name: &'static str, folder: &Path, admin: SocketAddr) -> anyhow::Result<Self> {
        let part = blocking(|| Part::in_folder(name, folder.to_owned()))?;
        Ok(Self { part, admin, folder: folder.to_owned() })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.part.name()
    }

    /// Its process.
    pub(crate) fn part(&mut self) -> &mut Part {
        &mut self.part
    }

    /// Starts it.
    ///
    /// # Errors
    /// The executable cannot be run.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let name = self.name();
        let command = command(name, &self.folder)?;
        blocking(|| self.part.launch(command)).with_context(|| format!("start {name}"))
    }

    /// Asks it to stop, and waits for its end.
    ///
    /// # Errors
    /// It did not stop in time, or not cleanly.
    pub(crate) fn stop(&mut self, longest: Duration) -> anyhow::Result<()> {
        if !blocking(|| self.part.terminate(longest))? {
            anyhow::bail!("{} was asked to stop, and did not end well within {longest:?}", self.name());
        }
        Ok(())
    }

    /// What it uses of the machine.
    pub(crate) fn usage(&self) -> Usage {
        self.part.usage()
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self, http: &reqwest::Client) -> bool {
        let request = http.get(format!("http://{}/readyz", self.admin)).timeout(ANSWER_MAX);
        request.send().await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// What it counts, as Prometheus reads it; `None` where it does not answer.
    pub(crate) async fn metrics(&self, http: &reqwest::Client) -> Option<String> {
        let request = http.get(format!("http://{}/metrics", self.admin)).timeout(ANSWER_MAX);
        request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    }
}

/// This executable as a service, without what is in the environment for others.
fn command(name: &str, folder: &Path) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("find this executable")?;
    let mut command = Command::new(own);
    command.current_dir(folder).args([name, "--config"]).arg(folder.join(format!("{name}.toml")));
    for (variable, _) in std::env::vars_os() {
        if ["TROPOMQ_", "OTEL_"].iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    Ok(command)
}
