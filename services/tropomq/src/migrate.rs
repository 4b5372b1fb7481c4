//! `tropomq migrate`: from another system's settings to the configuration of this one.

mod python;
mod rapidsms;

/// `tropomq migrate`
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read the settings of a RapidSMS project that texts through Tropo, and print the configuration that it becomes
    ///
    /// The settings are read, not run. The configuration goes to standard output and may hold a token: send it into a
    /// file of your own. What is to be changed in the project is told on standard error.
    Rapidsms(rapidsms::RapidSms),
}

impl Migrate {
    /// Does it.
    ///
    /// # Errors
    /// What cannot be read or understood, with its line.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match &self.command {
            Command::Rapidsms(rapidsms) => rapidsms.run(),
        }
    }
}
