//! Whether texts flow, as the probe finds it.

use std::time::Duration;

use protocol::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many of the latest probes are remembered.
const LATEST_MAX: usize = 20;

/// Whether texts flow: one of our own goes the whole way every few seconds, as a person's does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// How it stands.
    pub state: FlowState,
    /// Since when: of what fails, when the first text that did not come round in time was sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The last that came round in time.
    pub last_ok: Option<Probed>,
    /// The latest that ended, the newest first.
    pub latest: Vec<Probed>,
    /// While it fails, what is known of why.
    pub stuck: Option<Stuck>,
}

/// How the flow stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    /// It is not probed: there is no backend with `probe = true`, or no simulator.
    #[default]
    NotConfigured,
    /// Nothing is known yet.
    Starting,
    /// The last text came round in time.
    Flows,
    /// The last one did not.
    Fails,
}

/// A text that ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Probed {
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What became of it.
    pub outcome: ProbeOutcome,
    /// How long it took, if it came round.
    pub took_ms: Option<u64>,
    /// The session that carried it.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
}

/// What became of a text of the probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// It came round in time.
    Ok,
    /// It came round, and not in time.
    Late,
    /// It did not come round while it was worth anything.
    Lost,
    /// The simulator did not take it.
    Refused,
}

/// What is known of why a text does not come round.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stuck {
    /// The session that carried it: what is on record of it explains more.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
    /// The first of the five questions that cannot be answered with yes.
    pub question: Option<u8>,
    /// What is known, in a sentence.
    pub told: String,
}

impl ProbeOutcome {
    pub(crate) const ALL: [Self; 4] = [Self::Ok, Self::Late, Self::Lost, Self::Refused];

    /// Its word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::Refused => "refused",
        }
    }
}

impl Flow {
    /// That it is probed from now on.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self { state: FlowState::Starting, since: Some(now), ..Self::default() }
    }

    /// Whether nothing is known to be amiss.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.state != FlowState::Fails
    }

    /// What is amiss, in a sentence that says nothing of a person.
    #[must_use]
    pub fn amiss(&self) -> Option<String> {
        let since = self.since.filter(|_| !self.is_well())?;
        let told =
            self.stuck.as_ref().map(|stuck| format!(": {}", stuck.told.trim_end_matches('.'))).unwrap_or_default();
        Some(format!("Texts do not come round in time since {since:.0}{told}."))
    }

    /// A text that was sent then does not come round in time. Whether that is news.
    pub(super) fn fails(&mut self, at: Timestamp, stuck: Stuck) -> bool {
        let is_news = self.is_well();
        if is_news {
            (self.state, self.since) = (FlowState::Fails, Some(at));
        }
        self.stuck = Some(stuck);
        is_news
    }

    /// One that was sent then came round in time.
    pub(super) fn flows(&mut self, at: Timestamp) {
        if self.state != FlowState::Flows {
            (self.state, self.since) = (FlowState::Flows, Some(at));
        }
        self.stuck = None;
    }

    /// A text ended.
    pub(super) fn ended(&mut self, probed: Probed) {
        if probed.outcome == ProbeOutcome::Ok {
            self.last_ok = Some(probed.clone());
        }
        self.latest.insert(0, probed);
        self.latest.truncate(LATEST_MAX);
    }
}

/// Whole milliseconds, at least one: nothing takes no time.
pub(super) fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1)
}
