//! Where the letters are: on RabbitMQ, with the process that has the embedded bus, or in its file.

use std::time::Duration;

use anyhow::{Context, bail};
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

/// Has an order carried out, wherever the letters are.
///
/// # Errors
/// The bus cannot be reached.
pub(super) async fn carry_out(settings: &Settings, order: &Order, hear: impl FnMut(Told)) -> anyhow::Result<()> {
    match &settings.bus.url {
        BusUrl::Amqp(_) => on_bus(settings, order, hear).await,
        BusUrl::Embedded(directory) => {
            if !messaging::embedded::exists(directory) {
                bail!("there is no embedded bus in {}", directory.display());
            }
            let sealed = asked::seal(order, &settings.ticket.keyring()?, &Environment::system());
            let url = crate::development::address(settings.admin.listen, "dead")?;
            let client = reqwest::Client::builder().connect_timeout(BUS_TIMEOUT).read_timeout(SILENCE_MAX).no_proxy();
            let asked = client.build()?.post(url.clone()).json(&sealed).send().await;
            match asked.map_err(reqwest::Error::without_url) {
                Ok(answer) => hear_all(&url, answer, hear).await,
                // Nobody runs who has the bus, so it is opened here.
                Err(error) if error.is_connect() => on_bus(settings, order, hear).await.with_context(|| {
                    format!(
                        "nobody answers at {url}, where the `tropomq up` of this configuration would (admin.listen)"
                    )
                }),
                Err(error) => Err(error).with_context(|| format!("ask {url}")),
            }
        }
    }
}

/// Opens the bus, does it, and closes the bus.
async fn on_bus(settings: &Settings, order: &Order, mut hear: impl FnMut(Told)) -> anyhow::Result<()> {
    let Opened { bus, driver } = messaging::open(&settings.bus.url, settings.topology()).context("open the bus")?;
    let work = async {
        let mut state = bus.state();
        if tokio::time::timeout(BUS_TIMEOUT, state.wait_for(|state| *state == BusState::Ready)).await.is_err() {
            bail!("{} is not there: {:?}", settings.bus.url, *bus.state().borrow());
        }
        let (sender, mut receiver) = mpsc::channel(TOLD_MAX);
        let environment = Environment::system();
        let hear_all = async {
            while let Some(told) = receiver.recv().await {
                hear(told);
            }
        };
        tokio::join!(dead::work(&*bus, &environment, order, sender), hear_all);
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

/// Hears what the process tells, line by line, to the end.
async fn hear_all(url: &Url, mut answer: reqwest::Response, mut hear: impl FnMut(Told)) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    let stranger = || format!("{url} is not the admin address of `tropomq up` on an embedded bus");
    if answer.status() != StatusCode::OK {
        let refused: Refused = answer.json().await.map_err(reqwest::Error::without_url).with_context(stranger)?;
        bail!("{}", refused.error);
    }
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
            hear(serde_json::from_slice(line).with_context(stranger)?);
        }
        lines = rest;
    }
    Ok(())
}
