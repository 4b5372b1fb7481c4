//! `tropomq demo`: one conversation from end to end, on ports and in a directory of its own.

mod phone;
mod recorder;
mod timeline;

use std::time::Duration;

use anyhow::{Context, bail};
use chassis::shutdown::Shutdown;
use chassis::tasks::{OnEnd, Tasks};
use chassis::telemetry;
use messaging::{BusUrl, Environment};
use protocol::{Kind, MessageText};
use url::Url;

use crate::development;
use crate::output::{print, say};
use crate::settings::Settings;
use crate::stack::{BusWrap, Listeners, Services, Stack};
use phone::Phone;
use recorder::Recorder;

/// How long the services may take to be ready, RabbitMQ's part included.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long, after the reply, Tropo's result may take to be on the bus.
const RESULT_TIMEOUT: Duration = Duration::from_secs(10);

/// One conversation needs no account, and its events stay on record.
const SERVICES: Services = Services { journal: false, console: false, ..Services::ALL };

/// `tropomq demo`
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// The bus to run on [default: an embedded one, in a directory that goes with the demo]
    ///
    /// On RabbitMQ take a virtual host that nobody else works on: the demo leaves its queues there.
    #[arg(long, value_name = "URL")]
    bus: Option<BusUrl>,
    /// What the virtual phone texts
    #[arg(long, default_value = "echo Hello, Tropo! 🐘")]
    text: MessageText,
    /// The base address of an OTLP/HTTP collector, to see the conversation as one trace
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// What is logged to standard error
    #[arg(long, default_value = "warn")]
    log: String,
}

impl Demo {
    /// Runs the conversation, and prints it.
    ///
    /// # Errors
    /// The reply did not reach the phone.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let directory = tempfile::tempdir().context("make a directory for the demo")?;
        let environment = Environment::system();
        let mut settings = self.settings(directory.path())?;
        settings.ticket.make_key_file(&environment)?;
        let telemetry = telemetry::init("tropomq-demo", &settings.telemetry);
        let listeners = Listeners::bind(&mut settings, SERVICES).await?;
        settings.ingress.egress = development::address(settings.egress.listen, "")?;
        let number = development::add_backend(&mut settings, &environment)?;
        let phone = Phone::new(&settings, number)?;
        let recorder = Recorder::new(environment.clone());
        let shutdown = Shutdown::new();
        let wrap = {
            let recorder = recorder.clone();
            BusWrap::Around(Box::new(move |bus| recorder.around(bus)))
        };
        let bus = settings.bus.url.clone();
        let stack = Stack {
            settings,
            source: None,
            services: SERVICES,
            listeners,
            shutdown: shutdown.clone(),
            telemetry: telemetry.clone(),
            bus: wrap,
        };
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("demo", OnEnd::Essential, stack.run());
        let told = tokio::select! {
            told = self.converse(&phone, &recorder, &environment) => told,
            () = shutdown.requested() => Err(anyhow::anyhow!("the services stopped")),
        };
        shutdown.request();
        let ended = tasks.join(Duration::from_secs(30)).await;
        telemetry.shutdown();
        // What stopped the services says more than that they stopped.
        let conversation = match (told, ended) {
            (_, Err(error)) => return Err(error),
            (told, Ok(())) => told?,
        };
        print(&timeline::write(&bus, &conversation));
        if conversation.reply.is_none() {
            bail!("no reply reached the phone within {REPLY_TIMEOUT:?}");
        }
        Ok(())
    }

    fn settings(&self, directory: &std::path::Path) -> anyhow::Result<Settings> {
        let mut settings = Settings::defaults()?;
        for listen in [
            &mut settings.ingress.listen,
            &mut settings.router.listen,
            &mut settings.egress.listen,
            &mut settings.console.listen,
            &mut settings.simulator.listen,
            &mut settings.admin.listen,
        ] {
            listen.set_port(0);
        }
        settings.bus.url = self.bus.clone().unwrap_or_else(|| BusUrl::Embedded(directory.join("bus")));
        settings.store.url = format!("sqlite:{}", directory.join("ledger.db").display()).into();
        settings.ticket.key_file = directory.join("ticket.key");
        settings.ingress.spool.path = directory.join("spool");
        settings.telemetry.log = self.log.clone().try_into().context("--log")?;
        if let Some(otlp) = &self.otlp {
            Url::parse(otlp).context("--otlp")?;
            settings.telemetry.otlp_endpoint = Some(otlp.parse().context("--otlp")?);
        }
        Ok(settings)
    }

    /// Has the phone send its text, and collects what happens until the reply is there and Tropo's result is in.
    async fn converse(
        &self,
        phone: &Phone,
        recorder: &Recorder,
        environment: &Environment,
    ) -> anyhow::Result<timeline::Conversation> {
        say("Starting ingress, router, egress and a simulated Tropo …");
        phone.wait_until_ready(READY_TIMEOUT, environment).await?;
        let began = environment.now();
        let session_id = phone.text(&self.text).await?;
        let reply = phone.reply(REPLY_TIMEOUT, environment).await?;
        if reply.is_some() {
            recorder.wait_for(Kind::MessageSent, RESULT_TIMEOUT).await;
        }
        let debugger = phone.debugger().await?;
        Ok(timeline::Conversation {
            number: phone.number().to_owned(),
            text: self.text.as_str().to_owned(),
            began,
            session_id,
            hops: recorder.hops(),
            reply,
            debugger,
        })
    }
}
