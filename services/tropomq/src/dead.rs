//! `tropomq dead`: what is beyond retry, and what no queue was bound for.

pub(crate) mod asked;
mod meant;
mod reach;
mod words;

use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context, bail};
use chassis::telemetry;
use messaging::Environment;
use messaging::dead::{Action, Detail, Order, Place, Summary, Told};

use crate::output::{self, say};
use crate::settings::Settings;
use meant::Meant;

/// `tropomq dead`
#[derive(Debug, clap::Args)]
pub(crate) struct Dead {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List dead letters, the oldest first; nothing in the list is about a person
    List(List),
    /// Show everything about a letter: headers, causes, and the payload with its values masked
    Show(Show),
    /// Put letters back on the queues that they came from, with their ids, to be handled as on their first attempt
    ///
    /// A letter is published and confirmed before it is removed from the dead letters. Where this is interrupted, run
    /// it again: nothing is lost, and a message that was put back twice is recognized by its id.
    Replay(Replay),
    /// Remove letters for good
    Drop(Drop),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    meant: Meant,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The ids of the letters
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// What no queue was bound for, instead of dead letters
    #[arg(long)]
    unrouted: bool,
    /// Show the payload as it is: with the numbers and the texts of people
    #[arg(long)]
    payload: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// The ids of the letters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    meant: Meant,
    /// All of them, where neither ids nor filters say which
    #[arg(long)]
    all: bool,
    /// At most so many a second
    #[arg(long, value_name = "N", default_value = "50")]
    rate: NonZeroU32,
    /// Say which would be replayed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Drop {
    /// The ids of the letters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    meant: Meant,
    /// All of them, where neither ids nor filters say which
    #[arg(long)]
    all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say which would be dropped, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// How it is printed.
#[derive(Clone, Copy)]
enum Form {
    Table,
    Whole,
    Json,
}

impl Dead {
    /// Does what is asked for, and prints it.
    ///
    /// # Errors
    /// The bus cannot be reached, or something that was asked for could not be done.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let settings = Settings::load(file)?;
        settings.check()?;
        match self.command {
            Command::List(list) => list.run(&settings).await,
            Command::Show(show) => show.run(&settings).await,
            Command::Replay(replay) => replay.run(&settings).await,
            Command::Drop(drop) => drop.run(&settings).await,
        }
    }
}

impl List {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let order = self.meant.order(Vec::new(), Action::Look, &Environment::system())?;
        let form = if self.json { Form::Json } else { Form::Table };
        let summary = carry_out(settings, &order, form).await?;
        say(&words::looked(&order, &summary));
        found(&summary)
    }
}

impl Show {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let detail = if self.payload { Detail::Plain } else { Detail::Masked };
        let meant = Meant::of_place(if self.unrouted { Place::Unrouted } else { Place::Dead });
        let order = Order { detail, ..meant.order(self.ids, Action::Look, &Environment::system())? };
        let form = if self.json { Form::Json } else { Form::Whole };
        found(&carry_out(settings, &order, form).await?)
    }
}

impl Replay {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let action = if self.dry_run { Action::Rehearse } else { Action::Replay { rate: self.rate } };
        let order = self.meant.order(self.ids, action, &Environment::system())?;
        meant::all_or_some(&order, self.all, "replay")?;
        let form = if self.json { Form::Json } else { Form::Table };
        let summary = carry_out(settings, &order, form).await?;
        say(&words::done(&order, &summary));
        done(&summary)
    }
}

impl Drop {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let look = self.meant.order(self.ids, Action::Look, &Environment::system())?;
        meant::all_or_some(&look, self.all, "drop")?;
        let form = if self.json { Form::Json } else { Form::Table };
        if self.dry_run {
            let summary = carry_out(settings, &look, form).await?;
            say(&words::would_drop(&look, &summary));
            return done(&summary);
        }
        let mut order = Order { action: Action::Drop, ..look.clone() };
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                bail!("nobody can be asked here: say --yes to drop letters for good, or --dry-run to see which");
            }
            let summary = carry_out(settings, &look, form).await?;
            if summary.matched == 0 {
                say(&words::looked(&look, &summary));
                return done(&summary);
            }
            if !confirmed(summary.matched).await? {
                say("nothing was dropped");
                return Ok(());
            }
            // No more than was shown: the letters keep their order, and newer ones come behind.
            order.limit = Some(summary.matched);
        }
        let summary = carry_out(settings, &order, form).await?;
        say(&words::done(&order, &summary));
        done(&summary)
    }
}

async fn confirmed(count: u64) -> anyhow::Result<bool> {
    say(&format!("drop {count} of them for good? [y/N]"));
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await?.context("read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Has the order carried out, and prints every letter that is meant.
async fn carry_out(settings: &Settings, order: &Order, form: Form) -> anyhow::Result<Summary> {
    let changes = match order.action {
        Action::Look | Action::Rehearse => false,
        Action::Replay { .. } | Action::Drop => true,
    };
    // The line in the log says who took a letter. On the embedded bus the running process writes it.
    let telemetry = changes.then(|| telemetry::init("tropomq dead", &settings.telemetry));
    // A reader that takes its time, a pager say, must not have the letters held all the while.
    let printer = output::Printer::start()?;
    let mut is_first = true;
    let mut ended = None;
    let reached = reach::carry_out(settings, order, |told| match told {
        Told::Letter { letter, outcome } => {
            if std::mem::take(&mut is_first) && matches!(form, Form::Table) {
                printer.print(words::header(order));
            }
            printer.print(match form {
                Form::Table => words::line(&letter, &outcome),
                Form::Whole => words::whole(&letter),
                Form::Json => words::json(&letter, &outcome),
            });
        }
        last @ (Told::Done(_) | Told::Failed { .. }) => ended = Some(last),
    })
    .await;
    printer.finish();
    if let Some(telemetry) = telemetry {
        telemetry.shutdown();
    }
    reached?;
    match ended {
        Some(Told::Done(summary)) => Ok(summary),
        Some(Told::Failed { error, summary }) => {
            say(&words::done(order, &summary));
            bail!("{error}")
        }
        Some(Told::Letter { .. }) | None => {
            bail!("the connection ended before the work did. Nothing is lost: run it again")
        }
    }
}

/// Whether everything that was asked for by its id is there.
fn found(summary: &Summary) -> anyhow::Result<()> {
    let Summary { missing, elsewhere, more, .. } = summary;
    if missing.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = missing.iter().map(String::as_str).collect();
    let why = if *more || 0 < *elsewhere { "not all letters could be looked at" } else { "another run may hold them" };
    bail!("not found: {}; {why}", ids.join(", "))
}

/// Whether everything that was asked for was done.
fn done(summary: &Summary) -> anyhow::Result<()> {
    found(summary)?;
    let Summary { failed, elsewhere, more, .. } = summary;
    if 0 < *failed {
        bail!("{failed} could not be replayed, and are kept");
    }
    if 0 < *elsewhere || *more {
        bail!("not everything could be looked through: run it again");
    }
    Ok(())
}
