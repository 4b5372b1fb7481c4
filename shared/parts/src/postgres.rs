//! A private PostgreSQL.

mod database;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub use database::Database;

use crate::part::{self, Part, PartError};
use crate::ports;
use crate::usage::Usage;

/// Where Debian installs each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The longest wait for a start, recovery after a kill included.
const START_MAX: Duration = Duration::from_secs(60);
/// What a server says that was started before the processes of the last one had gone.
const MEMORY_IN_USE: &str = "pre-existing shared memory block";
/// A start fails when another process takes the port meanwhile.
const ATTEMPTS_MAX: u32 = 3;
/// The files for TLS.
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// Its one user, and the password of that.
const USER: &str = "tropomq";
const PASSWORD: &str = "of-tests-only";

/// A server that runs as a child of this process, on a port and with data of its own. Dropping it ends it and removes
/// its data.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    programs: PathBuf,
    connections: Connections,
    certificate: PathBuf,
    part: Part,
}

/// How clients connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Connections {
    Plain,
    Tls,
}

impl Postgres {
    /// Starts a server; takes 2 to 10 s.
    ///
    /// # Errors
    /// [`PartError::Missing`] says what to install; the others why it did not start.
    pub fn start() -> Result<Self, PartError> {
        Self::start_in(Connections::Plain)
    }

    /// Starts a server that takes connections over TLS only. Its certificate is for
    /// 127.0.0.1, signed by itself.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with_tls() -> Result<Self, PartError> {
        Self::start_in(Connections::Tls)
    }

    fn start_in(connections: Connections) -> Result<Self, PartError> {
        let programs = programs()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&programs, connections) {
                Err(PartError::NotStarted { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                started => return started,
            }
        }
    }

    fn start_once(programs: &Path, connections: Connections) -> Result<Self, PartError> {
        let port = ports::free_port().map_err(PartError::io("find a free port"))?;
        let part = Part::new("postgres", "")?;
        let password = part.write("password", PASSWORD)?;
        let access = match connections {
            Connections::Plain => "host",
            Connections::Tls => "hostssl",
        };
        part.write("access", &format!("{access} all all 127.0.0.1/32 scram-sha-256\n"))?;
        let certificate = part.folder().join(CERTIFICATE);
        if connections == Connections::Tls {
            certify(&part)?;
        }
        if is_root() {
            part::run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(part.folder()))?;
        }
        part::run(
            unprivileged(&programs.join("initdb"))
                .current_dir(part.folder())
                .args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"])
                .arg(format!("--username={USER}"))
                .arg(format!("--pwfile={}", password.display()))
                .arg("--pgdata")
                .arg(part.folder().join("data")),
        )?;
        let mut server = Self { port, programs: programs.to_owned(), connections, certificate, part };
        server.launch()?;
        Ok(server)
    }

    fn launch(&mut self) -> Result<(), PartError> {
        let mut command = unprivileged(&self.programs.join("postgres"));
        command.current_dir(self.part.folder()).arg("-D").arg(self.part.folder().join("data"));
        let port = format!("port={}", self.port);
        // Everything is synced as in earnest, so that a kill tests what it would test there; only the rest is small.
        let access = format!("hba_file={}", self.part.folder().join("access").display());
        let settings = [
            port.as_str(),
            access.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "shared_buffers=32MB",
            "fsync=on",
            "synchronous_commit=on",
            "logging_collector=off",
        ];
        for setting in settings {
            command.args(["-c", setting]);
        }
        if self.connections == Connections::Tls {
            let key = self.part.folder().join(KEY);
            command.args(["-c", "ssl=on"]);
            command.args(["-c", &format!("ssl_cert_file={}", self.certificate.display())]);
            command.args(["-c", &format!("ssl_key_file={}", key.display())]);
        }
        self.part.launch(command)?;
        let lock_file = self.part.folder().join("data/postmaster.pid");
        let pid = self.part.pid();
        self.part.wait_ready(START_MAX, || is_ready(&lock_file, pid))
    }

    /// What its processes use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.part.usage()
    }

    /// The URL of its first database, as a user who may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with its certificate, in PEM, which is there if it was started with TLS.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// A fresh database on this server, which goes when it is dropped.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn database(&self) -> Result<Database, PartError> {
        Database::create(&self.url())
    }

    /// Ends the server at once (`SIGKILL`), as a power cut would. Its data stays.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&mut self) -> Result<(), PartError> {
        self.part.kill()
    }

    /// The file with what it logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.part.output_file()
    }

    /// Starts the server again with the same data and port; kills it first if it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<(), PartError> {
        self.kill()?;
        let deadline = Instant::now() + START_MAX;
        loop {
            match self.launch() {
                // The processes of a killed server go after it, one by one, and its memory with the last.
                Err(PartError::NotStarted { output, .. })
                    if output.contains(MEMORY_IN_USE) && Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(50));
                }
                started => return started,
            }
        }
    }

    /// Freezes the server: connections stay open, and nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn pause(&self) -> Result<(), PartError> {
        self.part.pause()
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&self) -> Result<(), PartError> {
        self.part.resume()
    }
}

/// Makes a certificate and its key. The package of the server depends on `openssl`.
fn certify(part: &Part) -> Result<(), PartError> {
    let request = part.write(
        "request",
        "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n[name]\nCN = localhost\n\
         [extensions]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n",
    )?;
    part::run(
        Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"])
            .arg("-config")
            .arg(request)
            .arg("-keyout")
            .arg(part.folder().join(KEY))
            .arg("-out")
            .arg(part.folder().join(CERTIFICATE)),
    )
    .map(drop)
}

/// The programs of the newest version that is installed.
fn programs() -> Result<PathBuf, PartError> {
    let version = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .filter_map(|entry| version(entry.ok()?))
        .filter(|version| program(*version, "initdb").exists())
        .max()
        .map(|newest| program(newest, ""))
        .ok_or(PartError::Missing { part: "PostgreSQL", package: "postgresql" })
}

fn program(version: u32, name: &str) -> PathBuf {
    Path::new(VERSIONS).join(version.to_string()).join("bin").join(name)
}

/// Whether the server with this pid takes connections: it says so in the eighth line of its lock file. To ask at the
/// port would do as well, were it sure that nobody else took that.
fn is_ready(lock_file: &Path, pid: Option<u32>) -> bool {
    let text = fs::read_to_string(lock_file).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    let own = lines.next().is_some_and(|line| line.parse().ok() == pid);
    own && lines.nth(6) == Some("ready")
}

/// A program of PostgreSQL as a user without privileges: it refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}
