//! `tropomq check`: what is wrong with the configuration.

use std::fmt::Write;
use std::path::PathBuf;

use chassis::config::ConfigError;
use messaging::BusUrl;

use crate::output::print;
use crate::settings::Settings;
use crate::stack::Services;

/// Checks the configuration, and prints what it amounts to.
///
/// # Errors
/// The first thing that is wrong; the process ends with 78.
pub(crate) fn run(file: Option<PathBuf>) -> anyhow::Result<()> {
    let settings = Settings::load(file)?;
    settings.check()?;
    settings.check_for(Services::ALL)?;
    let embedded = matches!(settings.bus.url, BusUrl::Embedded(_));
    // `tropomq up` makes the key file itself; whoever runs the services apart has to share keys.
    if !(embedded && settings.ticket.keys.is_empty() && !settings.ticket.key_file.exists()) {
        settings.ticket.keyring()?;
    }
    if let Some(path) = &settings.simulator.state {
        simulator::check_state(path).map_err(|error| {
            ConfigError::of_key("simulator.state", format!("is {}: {:#}", path.display(), anyhow::Error::new(error)))
        })?;
    }
    print(&summary(&settings));
    Ok(())
}

fn summary(settings: &Settings) -> String {
    let mut told = format!("The configuration is good.\n\nbus       {}\n", settings.bus.url);
    let mut line = |name: &str, words: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(told, "{name:<9} {words}");
    };
    line("webhooks", format!("http://{}/tropo/BACKEND", settings.ingress.listen));
    line("admin", format!("http://{}", settings.admin.listen));
    line("answers", settings.router.applications.join(", then "));
    let subscription = &settings.router.subscription;
    let is_help_silent = subscription.help.reply.as_ref().is_none_or(|reply| reply.as_str().trim().is_empty());
    if !settings.router.applications.iter().any(|name| name == "subscription") {
        let told = "WARNING: nobody can opt out by STOP: put \"subscription\" first among router.applications";
        line("consent", told.to_owned());
    } else if subscription.stop.words.is_empty() {
        line("consent", "WARNING: nobody can opt out by text: router.subscription.stop has no words".to_owned());
    } else if is_help_silent {
        let told = "STOP is kept to; nothing of its own is said to HELP: set router.subscription.help.reply";
        line("consent", told.to_owned());
    }
    if !settings.router.http.is_empty() {
        line("messages", format!("http://{}/v1/applications/NAME/messages", settings.router.listen));
    }
    if let Some(path) = &settings.simulator.state {
        line("simulator", format!("http://{}, remembers in {}", settings.simulator.listen, path.display()));
    }
    if settings.backends.is_empty() {
        line("backends", "none: `tropomq up` brings a simulated one".to_owned());
    }
    for (name, backend) in &settings.backends {
        let proof = match &backend.webhook_secret {
            Some(_) => "webhooks show a secret",
            None if !backend.is_open() => "webhooks come from known addresses",
            None => "WARNING: anybody who can reach ingress can pose as Tropo: set webhook_secret",
        };
        line("backend", format!("{name}, {proof}"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_opt_out_and_who_gets_no_help_is_told() {
        let mut settings = Settings::defaults().unwrap();
        assert!(summary(&settings).contains("set router.subscription.help.reply"));
        settings.router.subscription.help.reply = Some("Ask us.".parse().unwrap());
        assert!(!summary(&settings).contains("consent"));
        settings.router.subscription.stop.words.clear();
        assert!(summary(&settings).contains("WARNING: nobody can opt out by text"));
        settings.router.applications.retain(|name| name != "subscription");
        assert!(summary(&settings).contains("WARNING: nobody can opt out by STOP"));
    }
}
