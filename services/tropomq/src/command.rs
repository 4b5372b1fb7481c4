//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::balance::Balance;
use crate::bench::{Bench, Ceiling};
use crate::completion::Completion;
use crate::consent::Consent;
use crate::dead::Dead;
use crate::definitions::Definitions;
use crate::demo::Demo;
use crate::drill::Drill;
use crate::explain::Explain;
use crate::log::Log;
use crate::migrate::Migrate;
use crate::password::Password;
use crate::phones::Phones;
use crate::probe::Probe;
use crate::send::Send;
use crate::status::Status;
use crate::tail::Tail;
use crate::version::VERSION;

/// Text messages through Tropo, over a message queue: nothing lost, nothing said twice.
#[derive(Debug, Parser)]
#[command(name = "tropomq", version = VERSION, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct CommandLine {
    /// The configuration file [default: ./tropomq.toml, if it exists]
    #[arg(long, global = true, env = "TROPOMQ_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show one conversation from end to end: a text in, a reply out, every hop with its time
    Demo(Demo),
    /// Run everything in one process, until stopped
    ///
    /// Without a backend in the configuration it brings its own: a simulated Tropo with virtual phones.
    Up,
    /// Run ingress: takes Tropo's webhooks, and puts them on the bus
    Ingress,
    /// Run router: asks the applications for an answer
    Router,
    /// Run egress: sends messages through Tropo
    Egress,
    /// Run the journal: keeps account of every text and message
    Journal,
    /// Run the console: pages and an HTTP API that tell what became of each text and message
    Console,
    /// Run the simulator: stands in for Tropo, with virtual phones
    Simulator,
    /// Run a load through everything while one part after the other fails, and account for every text
    ///
    /// Everything runs on this machine, apart from all else: the services as processes of this executable, a simulated
    /// Tropo, and a RabbitMQ and a PostgreSQL from Debian's packages. The drill kills, freezes and cuts off one part
    /// after the other while texts come in, and lifts each fault again. It ends with 0 if no text that was accepted
    /// was lost or given up, no reply was said twice, every fault was recovered from, and everything came to rest; else
    /// with 1.
    Drill(Drill),
    /// Measure how fast conversations are, what they cost, and how far that is from what this machine can do
    ///
    /// Everything runs on this machine, apart from all else: the services as processes of this executable, a simulated
    /// Tropo as the load, and a RabbitMQ and a PostgreSQL from Debian's packages; then the same in one process on the
    /// embedded bus. In the same run it measures a program that takes a conversation over the same hops with the same
    /// guarantees and does nothing else: the ratio to that says more than a figure of one machine. Takes some three minutes.
    /// Ends with 1 if a text was lost or answered twice.
    Bench(Bench),
    /// The program that `bench` compares to
    #[command(hide = true)]
    Ceiling(Ceiling),
    /// Send a message, or a file of them
    ///
    /// Prints the id of the message once the bus keeps it. With a file, --key makes a second run safe: what the first one
    /// sent is not sent again. Ends 75 where nobody confirmed a message: it may be sent or not, and the same id or key
    /// sends it once.
    Send(Send),
    /// Say how everything is doing: processes, queues, backends, the journal
    ///
    /// Ends 0 if all is well, 1 if something is not.
    Status(Status),
    /// List and search texts and messages, the newest first
    Log(Log),
    /// Follow events as they happen
    Tail(Tail),
    /// Use the virtual phones of a simulated Tropo: list them, text from them, read them
    Phones(Phones),
    /// Print the account of every text and message, and whether it adds up
    ///
    /// Ends 0 if it does, 1 if something is missing, 75 if that cannot be told now, 69 if the console, the bus or the database
    /// is not there.
    Balance(Balance),
    /// List, show, replay or drop dead letters: what is beyond retry
    ///
    /// Asks the console.
    Dead(Dead),
    /// Make a configuration of another system's settings
    Migrate(Migrate),
    /// Say what happened to a text or message: whether Tropo got it, called us, was answered, was called back, and sent it
    ///
    /// Asks the console. A no has its cause, and what to do about it.
    Explain(Explain),
    /// List, show or record who may be texted
    Consent(Consent),
    /// Say what is wrong with the configuration, and how to mend it
    Check,
    /// Print the default configuration, which explains every key
    Config,
    /// Print what RabbitMQ shall have: virtual host, users, rights, exchanges, queues and bindings
    ///
    /// For `rabbitmqctl import_definitions`, where the services may not declare for themselves. The users have no password,
    /// and cannot sign in before they are given one.
    Definitions(Definitions),
    /// Make the hash of a password, for a user of the console
    ///
    /// Asks for the password twice; where nobody sits at a terminal, reads a line of standard input. Prints the line that
    /// goes under [console.users.NAME].
    Password(Password),
    /// Print what lets a shell complete commands and options
    ///
    /// For bash: `source <(tropomq completion bash)`. For zsh and fish: put it into a file that the shell reads,
    /// `_tropomq` in a folder of $fpath, or ~/.config/fish/completions/tropomq.fish.
    Completion(Completion),
    /// Ask a service whether it is well; for health checks of containers
    Health(Probe),
}

#[cfg(test)]
mod tests;
