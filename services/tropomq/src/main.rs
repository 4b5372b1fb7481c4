//! tropomq: the command line, and every service in one process.

mod allocator;
mod backends;
mod balance;
mod bench;
mod check;
mod client;
mod command;
mod completion;
mod consent;
mod dead;
mod definitions;
mod demo;
mod development;
mod drill;
mod explain;
mod log;
mod migrate;
mod observe;
mod output;
mod password;
mod phones;
mod probe;
mod rig;
mod send;
mod settings;
mod stack;
mod status;
mod table;
mod tail;
mod version;

use std::process::ExitCode;

use clap::Parser;

use command::{Command, CommandLine};
use stack::Services;

#[tokio::main]
async fn main() -> ExitCode {
    version::tell();
    chassis::tls::install_provider();
    let CommandLine { config, command } = CommandLine::parse();
    let result = match command {
        Command::Ingress => stack::serve(config, Services::INGRESS).await,
        Command::Router => stack::serve(config, Services::ROUTER).await,
        Command::Egress => stack::serve(config, Services::EGRESS).await,
        Command::Journal => stack::serve(config, Services::JOURNAL).await,
        Command::Console => stack::serve(config, Services::CONSOLE).await,
        Command::Simulator => stack::serve(config, Services::SIMULATOR).await,
        Command::Up => stack::up(config).await,
        Command::Demo(demo) => demo.run().await,
        Command::Drill(drill) => drill.run().await,
        Command::Bench(bench) => bench.run().await,
        Command::Ceiling(ceiling) => ceiling.run(config).await,
        Command::Send(send) => send.run(config).await,
        Command::Status(status) => status.run(config).await,
        Command::Log(log) => log.run(config).await,
        Command::Tail(tail) => tail.run(config).await,
        Command::Phones(phones) => phones.run(config).await,
        Command::Balance(balance) => balance.run(config).await,
        Command::Dead(dead) => dead.run(config).await,
        Command::Migrate(migrate) => migrate.run(),
        Command::Explain(explain) => explain.run(config).await,
        Command::Consent(consent) => consent.run(config).await,
        Command::Check => check::run(config),
        Command::Definitions(definitions) => definitions.run(config),
        Command::Password(password) => password.run(),
        Command::Completion(completion) => {
            completion.run();
            Ok(())
        }
        Command::Health(probe) => probe.run().await,
        Command::Config => {
            output::print(settings::DEFAULTS);
            Ok(())
        }
    };
    chassis::exit::report(result)
}
