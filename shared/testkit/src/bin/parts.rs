//! `testkit-parts run -- <command>`: starts a RabbitMQ and a PostgreSQL, runs the command with their addresses in its
//! environment, and ends them with it. So one broker and one database server serve all tests of a run.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::thread;

use testkit::{AMQP_ADMIN, AMQP_URL, POSTGRES_URL, PartError, Postgres, RabbitMq, Watchdog};

/// The exit code for a wrong command line (`EX_USAGE`).
const USAGE: u8 = 64;
/// The exit code when a part cannot be started (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let run = arguments.next().is_some_and(|word| word == "run") && arguments.next().is_some_and(|word| word == "--");
    let Some(program) = arguments.next().filter(|_| run) else {
        say("usage: testkit-parts run -- <command> [<argument> ...]");
        return ExitCode::from(USAGE);
    };
    match run_with_parts(program, arguments.collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            say(&format!("{error}{cause}"));
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// Runs the command between the start and the end of the parts, and returns its exit code as a shell has it. If this
/// process is killed meanwhile, the watchdogs end the parts and the command.
fn run_with_parts(program: OsString, arguments: Vec<OsString>) -> Result<u8, PartError> {
    let (broker, database) = thread::scope(|scope| {
        let broker = scope.spawn(RabbitMq::start);
        let database = Postgres::start();
        (broker.join(), database)
    });
    let broker = broker.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let database = database?;
    let failed = |doing: String| move |source| PartError::Io { doing, source };
    let doing = format!("run {}", program.display());
    let mut child = Command::new(program)
        .args(arguments)
        .env(AMQP_URL, broker.url())
        .env(AMQP_ADMIN, broker.management().address())
        .env(POSTGRES_URL, database.url())
        .spawn()
        .map_err(failed(doing.clone()))?;
    // Should this process be killed, the command must not go on without its parts.
    let watchdog = Watchdog::start("kill -TERM \"$1\"", &[&child.id().to_string()]).map_err(failed(doing.clone()))?;
    let status = child.wait().map_err(failed(doing))?;
    watchdog.dismiss();
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// There is nobody to tell when standard error is closed.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "testkit-parts: {text}");
}
