//! `docs/command-line.md` has every command with its options, as the command line itself knows them.

use std::fmt::Write;
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, CommandFactory};

use super::CommandLine;

/// Where the page stands.
const FILE: &str = "../../docs/command-line.md";

/// What is above this line is written by hand.
const MARK: &str = "<!-- From here on the page is made from the command line itself: run its test with BLESS=1. -->\n";

#[test]
fn the_page_has_every_command_and_every_option() {
    let mut made = String::new();
    let line = CommandLine::command();
    line.get_subcommands().for_each(|command| section(&mut made, "tropomq", command, 3));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let written = std::fs::read_to_string(&path).unwrap();
    let (head, reference) = written.split_once(MARK).expect("the mark");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{made}")).unwrap();
        return;
    }
    assert!(reference == made, "docs/command-line.md is old: run this test with BLESS=1");
}

#[test]
fn every_command_and_every_option_says_what_it_is() {
    let mut line = CommandLine::command();
    line.build();
    every(&line, &|command| {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name}");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name} {arg}");
        }
    });
}

fn every(command: &clap::Command, look: &dyn Fn(&clap::Command)) {
    look(command);
    // The help of the help is clap's own.
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.for_each(|command| every(command, look));
}

/// A command, and those below it.
fn section(page: &mut String, above: &str, command: &clap::Command, depth: usize) {
    let name = format!("{above} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(StyledStr::to_string).unwrap_or_default();
    write!(page, "\n{} {name}\n\n{}\n", "#".repeat(depth), sentences(&about).join("\n\n")).unwrap();
    let mut args = command.get_arguments().peekable();
    if args.peek().is_some() {
        page.push_str("\n| | |\n| --- | --- |\n");
    }
    args.for_each(|arg| row(page, arg));
    command.get_subcommands().for_each(|below| section(page, &name, below, depth + 1));
}

/// The paragraphs of a help, each of which ends as a sentence does.
fn sentences(help: &str) -> Vec<String> {
    help.split("\n\n").map(|paragraph| format!("{}.", paragraph.replace('\n', " ").trim_end_matches('.'))).collect()
}

fn row(page: &mut String, arg: &Arg) {
    let does = arg.get_long_help().or(arg.get_help()).map(StyledStr::to_string).unwrap_or_default();
    // One paragraph is what the help of every other option is: no sentence.
    let mut does = if does.contains("\n\n") { sentences(&does).join(" ") } else { does.replace('\n', " ") };
    let takes_one = arg.get_action().takes_values();
    let words = |values: Vec<String>| values.join(", ");
    let possible = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>();
    if takes_one && !possible.is_empty() {
        write!(does, " [possible: {}]", words(possible)).unwrap();
    }
    let defaults =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>();
    if takes_one && !defaults.is_empty() {
        write!(does, " [default: {}]", words(defaults)).unwrap();
    }
    if let Some(variable) = arg.get_env() {
        write!(does, " [variable: {}]", variable.to_string_lossy()).unwrap();
    }
    let values = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
    let written = match arg.get_long() {
        Some(long) if takes_one => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => values,
    };
    writeln!(page, "| `{}` | {} |", written.replace('|', "\\|"), does.replace('|', "\\|")).unwrap();
}
