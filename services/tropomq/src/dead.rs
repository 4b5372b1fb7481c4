//! `tropomq dead`: what is beyond retry, and what no queue was bound for.

mod meant;
mod shown;
mod words;
mod work;

use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::slice;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::shutdown::{self, Shutdown};
use messaging::Environment;
use messaging::dead::{Detail, Letter, Outcome, Place, Summary, Told};

use crate::client::{Client, Reach};
use crate::output::{self, say};
use meant::Meant;
use shown::Shown;
use work::{Action, Heard, Order};

/// `tropomq dead`
#[derive(Debug, clap::Args)]
pub(crate) struct Dead {
    #[command(flatten)]
    reach: Reach,
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
    ///
    /// Without --yes they are shown first, and those that were shown are removed, and no others.
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
    /// The console is not there or says no, or something that was asked for could not be done.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        match self.command {
            Command::List(list) => list.run(&client).await,
            Command::Show(show) => show.run(&client).await,
            Command::Replay(replay) => replay.run(&client).await,
            Command::Drop(drop) => drop.run(&client).await,
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> anyhow::Result<()> {
        let order = self.meant.order(Vec::new(), Action::Look, &Environment::system())?;
        let form = if self.json { Form::Json } else { Form::Table };
        let summary = carry_out(client, &order, form).await?;
        say(&words::looked(&order, &summary));
        found(&summary)
    }
}

impl Show {
    async fn run(self, client: &Client) -> anyhow::Result<()> {
        let detail = if self.payload { Detail::Plain } else { Detail::Masked };
        let meant = Meant::of_place(if self.unrouted { Place::Unrouted } else { Place::Dead });
        let order = Order { detail, ..meant.order(self.ids, Action::Look, &Environment::system())? };
        let form = if self.json { Form::Json } else { Form::Whole };
        found(&carry_out(client, &order, form).await?)
    }
}

impl Replay {
    async fn run(self, client: &Client) -> anyhow::Result<()> {
        let action = if self.dry_run { Action::Rehearse } else { Action::Replay { rate: self.rate } };
        let order = self.meant.order(self.ids, action, &Environment::system())?;
        meant::all_or_some(&order, self.all, "replay")?;
        let form = if self.json { Form::Json } else { Form::Table };
        let summary = carry_out(client, &order, form).await?;
        say(&words::done(&order, &summary));
        done(&summary)
    }
}

impl Drop {
    async fn run(self, client: &Client) -> anyhow::Result<()> {
        let look = self.meant.order(self.ids, Action::Look, &Environment::system())?;
        meant::all_or_some(&look, self.all, "drop")?;
        let form = if self.json { Form::Json } else { Form::Table };
        if self.dry_run {
            let summary = carry_out(client, &look, form).await?;
            say(&words::would_drop(&look, &summary));
            return done(&summary);
        }
        let order = Order { action: Action::Drop, ..look.clone() };
        if self.yes {
            let summary = carry_out(client, &order, form).await?;
            say(&words::done(&order, &summary));
            return done(&summary);
        }
        if !std::io::stdin().is_terminal() {
            bail!("nobody can be asked here: say --yes to drop letters for good, or --dry-run to see which");
        }
        let mut shown = Shown::default();
        let seen = carry_out_all(client, slice::from_ref(&look), form, |letter| shown.add(letter)).await?;
        say(&words::looked(&look, &seen));
        if seen.matched == 0 {
            return done(&seen);
        }
        if !confirmed(&shown).await? {
            say("nothing was dropped");
            return Ok(());
        }
        let mut summary = carry_out_all(client, &shown.orders(&order), form, |_| {}).await?;
        say(&words::done(&order, &summary));
        // What was not there to be shown was not dropped either.
        summary.missing.extend(seen.missing);
        summary.elsewhere = summary.elsewhere.max(seen.elsewhere);
        summary.more |= seen.more;
        done(&summary)
    }
}

async fn confirmed(shown: &Shown) -> anyhow::Result<bool> {
    let count = shown.count();
    if 0 < shown.nameless() {
        say(&format!(
            "{} of them have no id and cannot be told from others: the oldest {count} that fit are dropped, these \
             unless another run holds some of them",
            shown.nameless()
        ));
    }
    say(&format!("drop {count} of them for good? [y/N]"));
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await?.context("read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Has the order carried out, and prints every letter that is meant.
async fn carry_out(client: &Client, order: &Order, form: Form) -> anyhow::Result<Summary> {
    carry_out_all(client, slice::from_ref(order), form, |_| {}).await
}

/// Has the orders carried out, one after the other, and prints and shows every letter that is meant.
async fn carry_out_all(
    client: &Client,
    orders: &[Order],
    form: Form,
    mut show: impl FnMut(&Letter),
) -> anyhow::Result<Summary> {
    let Some(order) = orders.first() else { return Ok(Summary::default()) };
    let changes = match order.action {
        Action::Look | Action::Rehearse => false,
        Action::Replay { .. } | Action::Drop => true,
    };
    // Whoever has enough of a change is still told how far it came.
    let shutdown = if changes { shutdown::on_signal(Duration::ZERO) } else { Ok(Shutdown::new()) };
    let shutdown = shutdown.context("listen for signals")?;
    // A reader that takes its time, a pager say, must not have the letters held all the while.
    let printer = output::Printer::start()?;
    let mut is_first = true;
    let (mut changed, mut total, mut failed) = (0_u64, Summary::default(), None);
    let reached = work::carry_out(client, orders, &shutdown, |heard| match heard {
        Heard::NotOnRecord => say(words::NOT_ON_RECORD),
        Heard::Told(Told::Letter { letter, outcome }) => {
            show(&letter);
            changed += u64::from(matches!(outcome, Outcome::Replayed | Outcome::Dropped));
            if std::mem::take(&mut is_first) && matches!(form, Form::Table) {
                printer.print(words::header(order));
            }
            printer.print(match form {
                Form::Table => words::line(&letter, &outcome),
                Form::Whole => words::whole(&letter),
                Form::Json => words::json(&letter, &outcome),
            });
        }
        Heard::Told(Told::Done(summary)) => total = together(std::mem::take(&mut total), summary),
        Heard::Told(Told::Failed { error, summary }) => {
            total = together(std::mem::take(&mut total), summary);
            failed = Some(error);
        }
    })
    .await;
    printer.finish();
    if 0 < changed && reached.is_err() {
        say(&words::until_then(order, changed));
    }
    reached?;
    match failed {
        None => Ok(total),
        Some(error) => {
            say(&words::done(order, &total));
            bail!("{error}")
        }
    }
}

/// What several orders did, one after the other: the later ones see what the earlier ones kept.
fn together(before: Summary, mut last: Summary) -> Summary {
    last.seen += before.dropped;
    last.matched += before.matched;
    last.dropped += before.dropped;
    last.missing.extend(before.missing);
    last
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
