//! What the spool tells: the only file of it that names a metric.

use std::sync::{LazyLock, Weak};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Meter};
use opentelemetry::{KeyValue, global};
use tracing::{error, info, warn};

use super::Shared;
use super::account::Refusal;
use crate::{PublishError, SubscribeError};

struct Metrics {
    spooled: Counter<u64>,
    passed_on: Counter<u64>,
    refused: Counter<u64>,
}

fn meter() -> Meter {
    global::meter("tropomq")
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = meter();
    Metrics {
        spooled: meter
            .u64_counter("tropomq.spooled.messages")
            .with_description("Messages written to the spool, because the bus could not take them")
            .build(),
        passed_on: meter
            .u64_counter("tropomq.unspooled.messages")
            .with_description("Messages that the bus took from the spool")
            .build(),
        refused: meter
            .u64_counter("tropomq.unspoolable.messages")
            .with_description("Messages that the spool refused, by reason: full, old, slow, unwritable")
            .build(),
    }
});

/// The spool is open. What it holds is looked at whenever somebody reads the metrics.
pub(super) fn opened(messages: u64, shared: &Weak<Shared>) {
    // Made now: making an instrument waits for whoever reads the metrics, who waits for the account. And counted from 0, so
    // that the first is an increase.
    METRICS.spooled.add(0, &[]);
    METRICS.passed_on.add(0, &[]);
    for reason in ["full", "old", "slow", "unwritable"] {
        METRICS.refused.add(0, &[KeyValue::new("error.type", reason)]);
    }
    if 0 < messages {
        info!(messages, "{messages} messages are in the spool from before, and go to the bus first");
    }
    let (meter, of) = (meter(), || shared.clone());
    let spool = of();
    meter
        .u64_observable_gauge("tropomq.spool.messages")
        .with_description("Messages in the spool, without those set aside")
        .with_callback(move |gauge| {
            if let Some(shared) = spool.upgrade() {
                gauge.observe(shared.account().messages(), &[]);
            }
        })
        .build();
    let spool = of();
    meter
        .u64_observable_gauge("tropomq.spool.aside")
        .with_description("Messages in the spool that are set aside, because the bus does not take them")
        .with_callback(move |gauge| {
            if let Some(shared) = spool.upgrade() {
                gauge.observe(shared.account().aside(), &[]);
            }
        })
        .build();
    let spool = of();
    meter
        .u64_observable_gauge("tropomq.spool.size")
        .with_unit("By")
        .with_description("What the messages in the spool count for against its bound")
        .with_callback(move |gauge| {
            if let Some(shared) = spool.upgrade() {
                gauge.observe(shared.account().bytes(), &[]);
            }
        })
        .build();
    let spool = of();
    meter
        .f64_observable_gauge("tropomq.spool.age")
        .with_unit("s")
        .with_description("How long the oldest message in the spool has waited")
        .with_callback(move |gauge| {
            if let Some(shared) = spool.upgrade() {
                gauge.observe(shared.age().unwrap_or_default().as_secs_f64(), &[]);
            }
        })
        .build();
}

/// The one line that says whether the file may be deleted.
pub(super) fn closed(messages: u64) {
    if 0 < messages {
        warn!(messages, "the spool is closed: {messages} messages stay in it for the next start");
    } else {
        info!(messages, "the spool is closed, and empty");
    }
}

/// The spool, which was empty, gets its first message.
pub(super) fn began(why: &str) {
    warn!("messages go to the spool: {why}");
}

/// Nothing in it holds up others any more.
pub(super) fn ended(aside: u64) {
    if 0 < aside {
        info!(aside, "{aside} messages in the spool are set aside: others go to the bus again");
    } else {
        info!("the spool is empty: messages go to the bus again");
    }
}

/// The bus does not take a message, and perhaps others with its routing key.
pub(super) fn set_aside(id: &str, messages: u64, again_in: Duration, error: &PublishError) {
    let again_in_s = again_in.as_secs();
    error!(
        message_id = id,
        messages,
        again_in_s,
        "the bus does not take this message of the spool: it is set aside, and others go on: {error}"
    );
}

pub(super) fn spooled() {
    METRICS.spooled.add(1, &[]);
}

pub(super) fn passed_on() {
    METRICS.passed_on.add(1, &[]);
}

pub(super) fn not_passed_on(error: &PublishError, again_in: Duration) {
    let again_in_ms = u64::try_from(again_in.as_millis()).unwrap_or(u64::MAX);
    warn!(again_in_ms, "the bus does not take the spool's messages, to be tried again: {error}");
}

pub(super) fn refused(refusal: &Refusal) {
    let reason = match refusal {
        Refusal::Full { .. } => "full",
        Refusal::Old { .. } => "old",
        Refusal::Slow { .. } => "slow",
    };
    METRICS.refused.add(1, &[KeyValue::new("error.type", reason)]);
}

/// The log has it from the file itself: once, and not for each message.
pub(super) fn not_written() {
    METRICS.refused.add(1, &[KeyValue::new("error.type", "unwritable")]);
}

/// Something is broken: the process cannot go on with it.
pub(super) fn not_drained(error: &SubscribeError) {
    error!("the spool cannot be read: {error}");
}

pub(super) fn journal_ended() {
    error!("the spool's thread has ended");
}
