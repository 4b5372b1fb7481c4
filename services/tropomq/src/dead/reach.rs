//! Where the letters are: on RabbitMQ, with the process that has the embedded bus, or in its file.

use std::time::Duration;

use anyhow::{Context, bail};
use chassis::shutdown::Shutdown;
use messaging::dead::{self, Order, Told};
use messaging::{BusState, BusUrl, Environment, Opened};
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::sync::mpsc;
use url::Url;

use super::asked;
use crate::settings::Settings;

/// How long the bus may take to be there.
const BUS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the process may be silent while it looks through letters: much longer than it takes for all of them.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// What is told waits here while it is printed.
const TOLD_MAX: usize = 64;

/// The longest line that a process tells: a letter with the longest body that a bus takes, escaped.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Has orders carried out, one after the other, wherever the letters are. One that fails is the last, as is the one
/// during which a stop is requested: what it did until then is told.
///
/// # Errors
/// The bus cannot be reached, or not any more; or a stop was requested, and another process did the work.
pub(super) async fn carry_out(
    settings: &Settings,
    orders: &[Order],
    shutdown: &Shutdown,
    mut hear: impl FnMut(Told),
) -> anyhow::Result<()> {
    match &settings.bus.url {
        BusUrl::Amqp(_) => on_bus(settings, orders, shutdown, hear).await,
        BusUrl::Embedded(directory) => {
            if !messaging::embedded::exists(directory) {
                bail!("there is no embedded bus in {}", directory.display());
            }
            let keyring = settings.ticket.keyring()?;
            let url = crate::development::address(settings.admin.listen, "dead")?;
            let client = reqwest::Client::builder().connect_timeout(BUS_TIMEOUT).read_timeout(SILENCE_MAX).no_proxy();
            let client = client.build()?;
            let mut rest = orders;
            while let [order, later @ ..] = rest {
                let sealed = asked::seal(order, &keyring, &Environment::system());
                let asked = client.post(url.clone()).json(&sealed).send().await;
                let answer = match asked.map_err(reqwest::Error::without_url) {
                    Ok(answer) => answer,
                    // Nobody runs who has the bus, so it is opened here.
                    Err(error) if error.is_connect() => {
                        let words = "where the `tropomq up` of this configuration would (admin.listen)";
                        let done = on_bus(settings, rest, shutdown, hear).await;
                        return done.with_context(|| format!("nobody answers at {url}, {words}"));
                    }
                    Err(error) => return Err(error).with_context(|| format!("ask {url}")),
                };
                let hearing = hear_all(&url, answer, &mut hear);
                match shutdown.token().run_until_cancelled(hearing).await.transpose()? {
                    Some(true) => rest = later,
                    Some(false) => break,
                    // The process notices, and stops as well.
                    None => bail!("stopped before the end: run it again for the rest"),
                }
            }
            Ok(())
        }
    }
}

/// Opens the bus, does it, and closes the bus.
async fn on_bus(
    settings: &Settings,
    orders: &[Order],
    shutdown: &Shutdown,
    mut hear: impl FnMut(Told),
) -> anyhow::Result<()> {
    let Opened { bus, driver } = messaging::open(&settings.bus.url, settings.topology()).context("open the bus")?;
    let work = async {
        let mut state = bus.state();
        let ready = tokio::time::timeout(BUS_TIMEOUT, state.wait_for(|state| *state == BusState::Ready));
        // Who stops it meanwhile hears so of the work, which does nothing then.
        if shutdown.token().run_until_cancelled(ready).await.is_some_and(|ready| ready.is_err()) {
            bail!("{} is not there: {:?}", settings.bus.url, *bus.state().borrow());
        }
        let environment = Environment::system();
        for order in orders {
            let (sender, mut receiver) = mpsc::channel(TOLD_MAX);
            let hear_all = async {
                let mut is_done = false;
                while let Some(told) = receiver.recv().await {
                    is_done = matches!(told, Told::Done(_));
                    hear(told);
                }
                is_done
            };
            let working = dead::work(&*bus, &environment, order, shutdown.token(), sender);
            let ((), is_done) = tokio::join!(working, hear_all);
            if !is_done {
                break;
            }
        }
        Ok(())
    };
    let work_and_close = async {
        let done = work.await;
        bus.close().await;
        done
    };
    let (done, ()) = tokio::join!(work_and_close, driver);
    done
}

/// Hears what the process tells, line by line, to the end. Returns whether the work was done.
async fn hear_all(url: &Url, mut answer: reqwest::Response, mut hear: impl FnMut(Told)) -> anyhow::Result<bool> {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    let stranger = || format!("{url} is not the admin address of `tropomq up` on an embedded bus");
    if answer.status() != StatusCode::OK {
        let refused: Refused = answer.json().await.map_err(reqwest::Error::without_url).with_context(stranger)?;
        bail!("{}", refused.error);
    }
    let mut is_done = false;
    let mut lines = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url).context("the process is gone")? {
        lines.extend_from_slice(&chunk);
        let Some(end) = lines.iter().rposition(|byte| *byte == b'\n') else {
            if LINE_BYTES_MAX < lines.len() {
                bail!("{}", stranger());
            }
            continue;
        };
        let rest = lines.split_off(end + 1);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let told = serde_json::from_slice(line).with_context(stranger)?;
            is_done = matches!(told, Told::Done(_));
            hear(told);
        }
        lines = rest;
    }
    Ok(is_done)
}
