//! Whether the flow probe can send its texts round: its backend, the simulator, and the simulator's application fit together.

use console::Finding;
use protocol::BackendName;
use url::Url;

use crate::settings::{Backend, Settings};

/// Why the flow probe would probe nothing, or texts that cannot come round.
pub(super) fn finding(settings: &Settings) -> Option<Finding> {
    let (name, backend) = settings.probed()?;
    let told = half(settings, name, backend)?;
    Some(Finding { key: Some(format!("backends.{name}")), is_error: false, told })
}

fn half(settings: &Settings, name: &BackendName, backend: &Backend) -> Option<String> {
    let applications = &settings.simulator.applications;
    // `tropomq up` knows the simulator that it runs itself.
    let is_here = !applications.is_empty() || settings.simulator.state.is_some();
    let Some(simulator) = &settings.console.simulator else {
        let told = "the flow probe has no simulator to text from: set console.simulator, or leave out `probe`";
        return (!is_here).then(|| told.to_owned());
    };
    let has_number = applications.values().any(|application| application.numbers.contains(&backend.number));
    if !applications.is_empty() && !has_number {
        return Some(format!(
            "the simulator has no application with the number of backends.{name}, so no text of the flow probe comes in: add \
             one with its number and its token (simulator.applications.{name})"
        ));
    }
    let session_api = backend.session_api.as_ref().unwrap_or(&settings.egress.session_api);
    (place(session_api) != place(simulator)).then(|| {
        format!(
            "the flow probe texts through console.simulator, and is answered through another Tropo: set \
             backends.{name}.session_api to 1.0/sessions of the simulator"
        )
    })
}

/// Where it is.
fn place(url: &Url) -> (Option<&str>, Option<u16>) {
    (url.host_str(), url.port_or_known_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Settings), expected: Option<&str>) {
        let mut settings = Settings::defaults().unwrap();
        let backend = "messaging_token = \"t\"\nnumber = \"+15555550199\"\nprobe = true\n\
                       session_api = \"http://simulator:8089/1.0/sessions\"";
        settings.backends.insert("probe".parse().unwrap(), toml::from_str(backend).unwrap());
        settings.console.simulator = Some("http://simulator:8089".parse().unwrap());
        let application = "messaging_url = \"http://ingress/tropo/probe\"\nnumbers = [\"+15555550199\"]";
        settings.simulator.applications.insert("probe".to_owned(), toml::from_str(application).unwrap());
        change(&mut settings);
        let told = finding(&settings).map(|finding| finding.told);
        match expected {
            Some(expected) => assert!(told.as_ref().unwrap().contains(expected), "{told:?}"),
            None => assert_eq!(told, None),
        }
    }

    #[test]
    fn half_a_configuration_is_told() {
        check(|_| {}, None);
        check(|settings| settings.backends.clear(), None);
        // The simulator has its applications elsewhere.
        check(|settings| settings.simulator.applications.clear(), None);
        check(|settings| settings.console.simulator = None, None);
        let nowhere = |settings: &mut Settings| {
            settings.console.simulator = None;
            settings.simulator.applications.clear();
        };
        check(nowhere, Some("set console.simulator"));
        let other = |settings: &mut Settings| {
            settings.simulator.applications.values_mut().for_each(|application| application.numbers.clear());
        };
        check(other, Some("no application with the number"));
        let real = |settings: &mut Settings| {
            settings.backends.values_mut().for_each(|backend| backend.session_api = None);
        };
        check(real, Some("another Tropo"));
    }
}
