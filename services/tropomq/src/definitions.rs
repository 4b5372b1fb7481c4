//! `tropomq definitions`: what RabbitMQ shall have, for `rabbitmqctl import_definitions`.

use std::path::PathBuf;

use messaging::amqp;

use crate::output::print;
use crate::settings::Settings;

/// `tropomq definitions`
#[derive(Debug, clap::Args)]
pub(crate) struct Definitions {
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "tropomq")]
    vhost: String,
    /// The user of bus.url; that of bus.management has the same name with -balance behind it
    #[arg(long, value_name = "NAME", default_value = "tropomq")]
    user: String,
}

impl Definitions {
    /// Prints them, for the backends and applications of the configuration.
    ///
    /// # Errors
    /// The configuration is wrong; the process ends with 78.
    pub(crate) fn run(&self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let settings = Settings::load(file)?;
        settings.check()?;
        print(&format!("{:#}\n", amqp::definitions(&settings.topology(), &self.vhost, &self.user)));
        Ok(())
    }
}
