//! A backend that needs no account: its Tropo is the simulator.

use std::fmt::Write;

use anyhow::Context;
use messaging::Environment;
use protocol::{Address, BackendName};
use url::Url;

use crate::settings::{Backend, Settings};

/// The number of the simulated application.
const NUMBER: &str = "+15555550100";

/// The number of the simulated application that the flow probe texts.
const PROBED_NUMBER: &str = "+15555550199";

/// The number of a virtual phone.
const PHONE: &str = "+15555550177";

/// The name of the simulated backend.
pub(crate) fn backend() -> BackendName {
    #[expect(clippy::expect_used, reason = "a constant of ours that is a valid name")]
    "simulated".parse().expect("a valid name")
}

/// Adds a backend whose Tropo is the simulator of this process, with a fresh token and webhook secret, and returns
/// the number of a phone to try it with. The listeners must be bound already.
///
/// # Errors
/// An address that was bound makes no URL.
pub(crate) fn add_backend(settings: &mut Settings, environment: &Environment) -> anyhow::Result<String> {
    add(settings, backend(), NUMBER, environment)?;
    Ok(PHONE.to_owned())
}

/// Adds a backend for the flow probe, as [`add_backend`] does for people.
///
/// # Errors
/// As [`add_backend`].
pub(crate) fn add_probe(settings: &mut Settings, environment: &Environment) -> anyhow::Result<()> {
    let name: BackendName = "probe".parse().context("the name of the probe's backend")?;
    add(settings, name.clone(), PROBED_NUMBER, environment)?;
    settings.backends.entry(name).and_modify(|backend| backend.probe = true);
    Ok(())
}

fn add(settings: &mut Settings, name: BackendName, number: &str, environment: &Environment) -> anyhow::Result<()> {
    let token = format!("{:032x}", environment.chance.bits());
    let secret = format!("{:032x}", environment.chance.bits());
    let messaging_url = address(settings.ingress.listen, &format!("tropo/{name}/{secret}"))?;
    settings.egress.session_api = address(settings.simulator.listen, "1.0/sessions")?;
    let number: Address = number.parse().context("the number of the simulated application")?;
    let simulated = simulator::Token::try_from(token.clone()).context("the token of the simulated application")?;
    let application = simulator::ApplicationConfig::new(messaging_url, simulated, vec![number.clone()]);
    settings.simulator.applications.insert(name.to_string(), application);
    let backend = Backend {
        messaging_token: token.into(),
        number,
        webhook_secret: Some(secret.into()),
        allow_from: Vec::new(),
        rate: None,
        on_unconfirmed: egress::OnUnconfirmed::default(),
        trust_anyone: false,
        session_api: None,
        probe: false,
    };
    settings.backends.insert(name, backend);
    Ok(())
}

/// The URL of a path at an address of this machine. A listener on all addresses is reached over loopback.
pub(crate) fn address(mut listen: std::net::SocketAddr, path: &str) -> anyhow::Result<Url> {
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    Url::parse(&format!("http://{listen}/{path}")).with_context(|| format!("make a URL of {listen}"))
}

/// What to try first.
pub(crate) fn guide(settings: &Settings, phone: &str) -> String {
    let simulator = settings.simulator.listen;
    let mut told = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        told,
        "No backend is configured, so this is a simulated Tropo. Text it from a virtual phone, on the page of the console:\n\
         \n  http://{console}/tester\n\
         \nor from here:\n\
         \n  curl http://{simulator}/phones/{phone}/texts -d '{{\"to\":\"{NUMBER}\",\"text\":\"echo hello\"}}'\n\
         \nread the phone:\n\
         \n  curl 'http://{simulator}/phones/{phone}/messages?wait=5s'\n\
         \nand Tropo's log:\n\
         \n  curl -H 'Accept: text/plain' http://{simulator}/debugger\n\
         \nState: http://{admin}/readyz. Stop with Ctrl-C.\n\n",
        console = settings.console.listen,
        admin = settings.admin.listen,
    );
    told
}
