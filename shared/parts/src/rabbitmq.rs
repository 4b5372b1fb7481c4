//! A private RabbitMQ.

mod management;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use management::Management;

use crate::part::{self, Part, PartError};
use crate::ports;
use crate::usage::Usage;

/// The scripts themselves: the wrappers in `/usr/sbin` switch to another user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// A broker with plugins needs up to half a minute on a busy machine.
const START_MAX: Duration = Duration::from_secs(90);
/// The longest wait until the broker has written down its queues, which takes it 3 s.
const KEPT_MAX: Duration = Duration::from_secs(20);
/// A start fails when another process takes a port of the block meanwhile.
const ATTEMPTS_MAX: u32 = 3;
/// Where in its block of ports the metrics are.
const METRICS_PORT: u16 = 4;

/// A broker that runs as a child of this process, on ports, with data, a cookie and a port mapper of its own.
/// Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct RabbitMq {
    /// The first port of its block; the others are counted from it.
    port: u16,
    part: Part,
}

/// How often a broker counts what it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    /// Every 200 ms: tests ask how many messages a queue has.
    Brisk,
    /// Every 5 s, as RabbitMQ does where nothing is set.
    AsShipped,
}

impl RabbitMq {
    /// Starts a broker; takes 5 to 30 s.
    ///
    /// # Errors
    /// [`PartError::Missing`] says what to install; the others why it did not start.
    pub fn start() -> Result<Self, PartError> {
        Self::start_with("", "[rabbitmq_management].\n", Pace::Brisk)
    }

    /// The same for measuring: it counts as rarely as it does in earnest.
    ///
    /// # Errors
    /// As [`RabbitMq::start`].
    pub fn start_for_load() -> Result<Self, PartError> {
        Self::start_with("", "[rabbitmq_management].\n", Pace::AsShipped)
    }

    /// The same with settings of `rabbitmq.conf` (but for ports, which are its own) and its Prometheus plugin.
    ///
    /// # Errors
    /// As [`RabbitMq::start`].
    pub fn start_as(settings: &str) -> Result<Self, PartError> {
        Self::start_with(settings, "[rabbitmq_management,rabbitmq_prometheus].\n", Pace::Brisk)
    }

    fn start_with(settings: &str, plugins: &str, pace: Pace) -> Result<Self, PartError> {
        if !Path::new(SCRIPTS).join("rabbitmq-server").exists() {
            return Err(PartError::Missing { part: "RabbitMQ", package: "rabbitmq-server" });
        }
        let mut attempt = 1;
        loop {
            match Self::start_once(settings, plugins, pace) {
                Err(PartError::NotStarted { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                started => return started,
            }
        }
    }

    fn start_once(settings: &str, plugins: &str, pace: Pace) -> Result<Self, PartError> {
        let port = ports::free_block().map_err(PartError::io("find free ports"))?;
        // The port mapper makes itself a daemon, and is left behind by a kill.
        let part = Part::new("rabbitmq", &format!("ERL_EPMD_ADDRESS=127.0.0.1 epmd -port {} -kill", port + 2))?;
        let cookie = part.write(".erlang.cookie", &format!("{:016x}{:016x}", ports::random(), ports::random()))?;
        std::fs::set_permissions(cookie, PermissionsExt::from_mode(0o400))
            .map_err(PartError::io("protect the cookie"))?;
        part.write("enabled_plugins", plugins)?;
        let mut own =
            format!("loopback_users = none\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {}\n", port + 3);
        let mut advanced = "[].\n";
        if pace == Pace::Brisk {
            own += "collect_statistics_interval = 200\n";
            advanced = "[{rabbit, [{quorum_tick_interval, 200}]}].\n";
        }
        if plugins.contains("prometheus") {
            let _ = write!(own, "prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {}\n", port + METRICS_PORT);
        }
        part.write("rabbitmq.conf", &with_own(settings, &own))?;
        part.write("advanced.config", advanced)?;
        let mut broker = Self { port, part };
        broker.launch()?;
        Ok(broker)
    }

    fn launch(&mut self) -> Result<(), PartError> {
        let command = self.script("rabbitmq-server");
        self.part.launch(command)?;
        let (port, management) = (self.port, self.management());
        self.part.wait_ready(START_MAX, || speaks_amqp(port) && management.is_ready())
    }

    /// The URL of the default virtual host.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for_vhost("/")
    }

    /// The URL of a virtual host, whether there is one of that name or not.
    #[must_use]
    pub fn url_for_vhost(&self, name: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{}", self.port, management::encoded(name))
    }

    /// The port on which it speaks AMQP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its management API.
    #[must_use]
    pub fn management(&self) -> Management {
        Management::new(format!("127.0.0.1:{}", self.port + 3))
    }

    /// What its Prometheus plugin tells at a path.
    ///
    /// # Errors
    /// When the broker was started without it, or does not answer.
    pub fn metrics(&self, path: &str) -> Result<String, PartError> {
        Management::new(format!("127.0.0.1:{}", self.port + METRICS_PORT)).get(path)
    }

    /// What its processes use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.part.usage()
    }

    /// As [`Management::add_vhost`].
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn add_vhost(&self, name: &str) -> Result<(), PartError> {
        self.management().add_vhost(name)
    }

    /// As [`Management::delete_vhost`].
    ///
    /// # Errors
    /// When the broker does not answer, or has no such virtual host.
    pub fn delete_vhost(&self, name: &str) -> Result<(), PartError> {
        self.management().delete_vhost(name)
    }

    /// As [`Management::queues`].
    ///
    /// # Errors
    /// When the broker does not answer, or has no such virtual host.
    pub fn queues(&self, vhost: &str) -> Result<Vec<(String, u64)>, PartError> {
        self.management().queues(vhost)
    }

    /// Has the broker close every connection.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn close_all_connections(&self) -> Result<(), PartError> {
        self.control(&["close_all_connections", "as asked"])
    }

    /// Raises the memory alarm, so that the broker blocks every connection that publishes; or clears it.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn set_memory_alarm(&self, raised: bool) -> Result<(), PartError> {
        let watermark = if raised { "0.000001" } else { "0.4" };
        self.control(&["set_vm_memory_high_watermark", watermark])
    }

    /// Raises the disk alarm, so that the broker blocks every connection that publishes; or clears it.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn set_disk_alarm(&self, raised: bool) -> Result<(), PartError> {
        let limit = if raised { "1000000GB" } else { "1MB" };
        self.control(&["set_disk_free_limit", limit])
    }

    /// Freezes the leader of a quorum queue; there is no other member. The queue is still known, and nobody serves it.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub fn pause_leader(&self, vhost: &str, queue: &str) -> Result<(), PartError> {
        self.leader("suspend", vhost, queue)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub fn resume_leader(&self, vhost: &str, queue: &str) -> Result<(), PartError> {
        self.leader("resume", vhost, queue)
    }

    fn leader(&self, function: &str, vhost: &str, queue: &str) -> Result<(), PartError> {
        let prefix = if vhost == "/" { "%2F" } else { vhost };
        self.control(&["eval", &format!("ok = sys:{function}({{'{prefix}_{queue}', node()}}).")])
    }

    /// Waits until the broker has on disk which quorum queues a virtual host has. It writes that some 3 s after a queue
    /// was declared; killed before, RabbitMQ 3.10 finds the queue again but never a leader for it, and whoever uses the
    /// queue waits for ever. So whoever kills the broker calls this first, once its queues are declared.
    ///
    /// # Errors
    /// When the broker does not answer, or does not write it down.
    pub fn wait_queues_kept(&self, vhost: &str) -> Result<(), PartError> {
        let node = self.node();
        let register = self.part.folder().join(format!("mnesia/{node}/quorum/{node}/names.dets"));
        let prefix = if vhost == "/" { "%2F" } else { vhost };
        let queues = self.management().quorum_queues(vhost)?;
        let names: Vec<Vec<u8>> = queues.iter().map(|queue| erlang_atom(&format!("{prefix}_{queue}"))).collect();
        let kept = crate::holds_within(KEPT_MAX, || {
            let register = std::fs::read(&register).unwrap_or_default();
            names.iter().all(|name| register.windows(name.len()).any(|window| window == name))
        });
        if kept {
            return Ok(());
        }
        let answer = format!("not all of {queues:?} are in {}", register.display());
        Err(PartError::Refused { request: "keeping the queues".to_owned(), answer })
    }

    /// Ends the broker at once (`SIGKILL`), as a power cut would. Its data stays, but see
    /// [`RabbitMq::wait_queues_kept`].
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

    /// Starts the broker again with the same data and ports; kills it first if it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<(), PartError> {
        self.kill()?;
        self.launch()
    }

    /// Freezes the broker: connections stay open, and nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn pause(&self) -> Result<(), PartError> {
        self.part.pause()
    }

    /// Lets a frozen broker go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&self) -> Result<(), PartError> {
        self.part.resume()
    }

    /// Runs `rabbitmqctl`, which takes some seconds.
    fn control(&self, arguments: &[&str]) -> Result<(), PartError> {
        part::run(self.script("rabbitmqctl").arg("--node").arg(self.node()).args(arguments)).map(drop)
    }

    fn node(&self) -> String {
        format!("t{}@localhost", self.port)
    }

    /// One of RabbitMQ's scripts, in the environment of this broker.
    fn script(&self, name: &str) -> Command {
        let folder = self.part.folder();
        let port = |offset: u16| (self.port + offset).to_string();
        let mut command = Command::new(Path::new(SCRIPTS).join(name));
        command
            .current_dir(folder)
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port(0))
            .env("RABBITMQ_DIST_PORT", port(1))
            .env("ERL_EPMD_PORT", port(2))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // Lets the watchdog end the port mapper even while it still lists the killed node.
            .env("ERL_EPMD_RELAXED_COMMAND_CHECK", "1")
            .env("RABBITMQ_CTL_DIST_PORT_MIN", port(20))
            .env("RABBITMQ_CTL_DIST_PORT_MAX", port(29))
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", folder.join("generated"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("advanced.config"))
            // No such file: else the machine's own settings in /etc would be read.
            .env("RABBITMQ_CONF_ENV_FILE", folder.join("none"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_CRASH_DUMP", folder.join("erl_crash.dump"))
            // The script then replaces itself by the broker, so that the child's pid is the broker's.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }
}

/// Settings, but for those that are set by `own`, and these.
fn with_own(settings: &str, own: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let is_own = |line: &&str| own.lines().any(|own| key(own) == key(line));
    settings.lines().filter(|line| !is_own(line)).chain(own.lines()).fold(String::new(), |all, line| all + line + "\n")
}

/// A name as Erlang writes an atom to disk, without its tag: the length, then the bytes.
fn erlang_atom(name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), name.as_bytes()].concat()
}

/// Whether a broker listens and greets.
fn speaks_amqp(port: u16) -> bool {
    let greet = || -> std::io::Result<[u8; 1]> {
        let wait = Duration::from_secs(5);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, wait)?;
        stream.set_read_timeout(Some(wait))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first)
    };
    // A method frame is type 1: the broker's greeting.
    greet().is_ok_and(|first| first == [1])
}
