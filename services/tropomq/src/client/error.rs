//! Why the console did not do what was asked for.

use std::fmt;

use chassis::exit::{self, Ended};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::output::printable;

/// Why the console did not do what was asked for. The variants differ in whether it may be done all the same.
///
/// It is no error of the standard library's kind, so that it becomes an end of the process with its exit code wherever it
/// is passed on.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Nobody took the request: nothing was done.
    Away {
        /// Where the console should be.
        console: Url,
        /// Why.
        source: reqwest::Error,
    },
    /// It was asked, and no answer came, or not all of it: it may be done or not.
    Unanswered {
        /// Where the console is.
        console: Url,
        /// Why.
        source: reqwest::Error,
    },
    /// It says no.
    Refused(Refusal),
    /// What answers is no console, or one of another version.
    Stranger {
        /// Where it is.
        console: Url,
        /// What it answered.
        told: String,
    },
}

/// What the console says of a request that it does not do: a problem document (RFC 9457).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Refusal {
    /// The status of the answer.
    pub(crate) status: u16,
    /// What is wrong with this request, and what to do.
    pub(crate) detail: String,
    /// Where the bus did not confirm a message: whether it may be sent all the same.
    #[serde(default)]
    pub(crate) may_be_sent: Option<bool>,
    /// Whether the request showed a token.
    #[serde(skip)]
    pub(super) showed_token: bool,
}

impl ApiError {
    /// What a request that failed says.
    pub(super) fn of(error: reqwest::Error, console: &Url) -> Self {
        let (console, is_away) = (console.clone(), error.is_connect() || error.is_builder());
        // What stands behind the question mark may be about a person.
        let source = error.without_url();
        if is_away { Self::Away { console, source } } else { Self::Unanswered { console, source } }
    }

    /// The exit code of a command that ends with it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Away { .. } | Self::Stranger { .. } => exit::UNAVAILABLE,
            Self::Unanswered { .. } => exit::UNDECIDED,
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// Whether the same request may succeed in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Unanswered { .. } => true,
            Self::Refused(refusal) => refusal.may_pass(),
            Self::Stranger { .. } => false,
        }
    }

    /// Whether nobody took the request.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Whether what was asked for may be done all the same.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.code() == exit::UNDECIDED
    }
}

impl Refusal {
    /// Whether the same request may succeed in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        StatusCode::SERVICE_UNAVAILABLE == self.status
    }

    /// The exit code of a command that ends with it.
    pub(crate) fn code(&self) -> u8 {
        match StatusCode::from_u16(self.status) {
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => exit::NOT_PERMITTED,
            _ if self.may_be_sent == Some(true) => exit::UNDECIDED,
            Ok(status) if status.is_server_error() => exit::UNAVAILABLE,
            _ => exit::FAILURE,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, detail, showed_token, .. } = self;
        if StatusCode::UNAUTHORIZED != *status {
            return f.write_str(&printable(detail));
        }
        if *showed_token {
            f.write_str("the console does not know the token in TROPOMQ_TOKEN: is it one of its console.tokens?")
        } else {
            f.write_str("the console wants to know who asks: put one of its console.tokens into TROPOMQ_TOKEN")
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away { console, source } => {
                let why = protocol::chain(source);
                write!(
                    f,
                    "nobody answers at {console}: is `tropomq up` or `tropomq console` running there? --console or \
                     TROPOMQ_CONSOLE says where else: {why}"
                )
            }
            Self::Unanswered { console, source } => {
                write!(f, "{console} did not answer to the end: {}", protocol::chain(source))
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Stranger { console, told } => {
                write!(f, "what answers at {console} is no console of this version: {}", printable(told))
            }
        }
    }
}

impl From<ApiError> for anyhow::Error {
    fn from(error: ApiError) -> Self {
        Self::new(Ended { code: error.code(), told: error.to_string() })
    }
}
