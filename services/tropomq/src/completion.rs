//! `tropomq completion`: lets a shell complete commands and options.

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::command::CommandLine;
use crate::output::print;

/// `tropomq completion`
#[derive(Debug, clap::Args)]
pub(crate) struct Completion {
    /// The shell
    shell: For,
}

/// A shell that is known here.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    /// Prints what the shell reads.
    pub(crate) fn run(&self) {
        print(&self.shell.script());
    }
}

impl For {
    fn script(self) -> String {
        let shell = match self {
            Self::Bash => Shell::Bash,
            Self::Zsh => Shell::Zsh,
            Self::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        generate(shell, &mut CommandLine::command(), "tropomq", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_completed_in_every_shell() {
        let line = CommandLine::command();
        for shell in For::value_variants() {
            let script = shell.script();
            for command in line.get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell:?} does not know {}", command.get_name());
            }
        }
    }
}
