//! `tropomq check`: what is wrong with the configuration.

mod flow;

use std::fmt::Write;
use std::path::PathBuf;

use chassis::config::ConfigError;
use console::Finding;
use messaging::BusUrl;
use protocol::BackendName;

use crate::output::print;
use crate::settings::{Backend, Settings};
use crate::stack::{RELOADED, Services, Source};

/// Checks the configuration, and prints what it amounts to.
///
/// # Errors
/// The first thing that is wrong; the process ends with 78.
pub(crate) fn run(file: Option<PathBuf>) -> anyhow::Result<()> {
    let settings = Settings::load(file)?;
    check(&settings)?;
    check_state(&settings)?;
    print(&summary(&settings));
    Ok(())
}

/// Whether the stack can run so.
fn check(settings: &Settings) -> Result<(), ConfigError> {
    settings.check()?;
    settings.check_for(Services::ALL)?;
    let embedded = matches!(settings.bus.url, BusUrl::Embedded(_));
    // `tropomq up` makes the key file itself; whoever runs the services apart has to share keys.
    if !(embedded && settings.ticket.keys.is_empty() && !settings.ticket.key_file.exists()) {
        settings.ticket.keyring()?;
    }
    Ok(())
}

/// Whether the simulator can remember. That writes beside its file, so it is not for who only looks.
fn check_state(settings: &Settings) -> Result<(), ConfigError> {
    if let Some(path) = &settings.simulator.state {
        simulator::check_state(path).map_err(|error| {
            ConfigError::of_key("simulator.state", format!("is {}: {:#}", path.display(), anyhow::Error::new(error)))
        })?;
    }
    Ok(())
}

/// What there is to say about the configuration as it stands in its file and environment now. Reads, and writes nothing.
pub(crate) fn findings(source: &Source) -> Vec<Finding> {
    let refused = |error: &ConfigError| {
        let key = error.key().map(str::to_owned);
        vec![Finding { key, is_error: true, told: error.to_string() }]
    };
    let (settings, now) = match Settings::load_edition(source.file.clone()) {
        Ok((settings, Source { edition, .. })) => (settings, edition),
        Err(error) => return refused(&error),
    };
    if let Err(error) = check(&settings) {
        return refused(&error);
    }
    let mut findings = warnings(&settings);
    findings.extend(now.changed_since(&source.edition).into_iter().filter(|table| table != RELOADED).map(|table| {
        let told = "has changed since this process began, which counts after a restart".to_owned();
        Finding { key: Some(table), is_error: false, told }
    }));
    findings
}

/// What a stack can run with, and is worth a look.
fn warnings(settings: &Settings) -> Vec<Finding> {
    let exposed = settings.backends.iter().filter_map(|(name, backend)| exposure(name, backend));
    consent(settings).into_iter().chain(flow::finding(settings)).chain(exposed).collect()
}

/// Why nobody can opt out.
fn consent(settings: &Settings) -> Option<Finding> {
    let warning =
        |key: &str, told: &str| Some(Finding { key: Some(key.to_owned()), is_error: false, told: told.to_owned() });
    if !settings.router.applications.iter().any(|name| name == "subscription") {
        let told = "nobody can opt out by STOP: put \"subscription\" first among router.applications";
        return warning("router.applications", told);
    }
    if settings.router.subscription.stop.words.is_empty() {
        let told = "nobody can opt out by text: router.subscription.stop has no words";
        return warning("router.subscription.stop", told);
    }
    None
}

/// Why a backend believes anybody.
fn exposure(name: &BackendName, backend: &Backend) -> Option<Finding> {
    let told = "anybody who can reach ingress can pose as Tropo: set webhook_secret".to_owned();
    let key = Some(format!("backends.{name}"));
    backend.is_open().then_some(Finding { key, is_error: false, told })
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
    if let Some(Finding { told, .. }) = consent(settings) {
        line("consent", format!("WARNING: {told}"));
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
    if let Some(Finding { told, .. }) = flow::finding(settings) {
        line("flow", format!("WARNING: {told}"));
    } else if let Some((name, _)) = settings.probed() {
        line("flow", format!("probed every {:?} through {name}", settings.console.probe.interval));
    }
    if settings.backends.is_empty() {
        line("backends", "none: `tropomq up` brings a simulated one".to_owned());
    }
    for (name, backend) in &settings.backends {
        let proof = match exposure(name, backend) {
            Some(Finding { told, .. }) => format!("WARNING: {told}"),
            None if backend.webhook_secret.is_some() => "webhooks show a secret".to_owned(),
            None => "webhooks come from known addresses".to_owned(),
        };
        line("backend", format!("{name}, {proof}"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_a_look_is_told_by_its_key_and_what_cannot_be_as_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tropomq.toml");
        let told = |words: &str, source: Option<&Source>| {
            std::fs::write(&file, words).unwrap();
            let read = Settings::load_edition(Some(file.clone())).map(|(_, source)| source);
            let found = findings(source.unwrap_or_else(|| read.as_ref().unwrap()));
            found.into_iter().map(|finding| (finding.key.unwrap_or_default(), finding.is_error)).collect::<Vec<_>>()
        };
        let backend = "[backends.b]\nmessaging_token = \"t\"\nnumber = \"+15555550100\"\n";
        assert_eq!(told(backend, None), [("backends.b".to_owned(), false)]);
        let (_, began) = Settings::load_edition(Some(file.clone())).unwrap();
        let changed = format!("{backend}webhook_secret = \"a-webhook-secret-of-some-length\"\n");
        assert_eq!(told(&changed, Some(&began)), [("backends".to_owned(), false)]);
        assert_eq!(told("[console]\nlisten = 1\n", Some(&began)), [("console.listen".to_owned(), true)]);
        // Whether files can be written is tried by the command alone.
        let nowhere = directory.path().join("missing/state.json");
        let changed = format!("[simulator]\nstate = {nowhere:?}\n");
        assert!(told(&changed, Some(&began)).iter().all(|(_, is_error)| !is_error));
        assert!(check_state(&Settings::load(Some(file.clone())).unwrap()).is_err());
    }

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
