//! How a process ends: 0 for a clean stop, 1 for a failure, 78 for a configuration that cannot be used; and other codes
//! for commands that tell more.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;

/// The exit code of a process that failed.
pub const FAILURE: u8 = 1;
/// The exit code of a process that was configured wrongly: `EX_CONFIG` of `sysexits.h`. Starting it again is no use.
pub const MISCONFIGURED: u8 = 78;

/// The exit code of a command whose other side is not there: `EX_UNAVAILABLE`.
pub const UNAVAILABLE: u8 = 69;
/// The exit code of a command that could not decide now, and may another time: `EX_TEMPFAIL`.
pub const UNDECIDED: u8 = 75;
/// The exit code of a command whose other side does not know who asks, or does not let them: `EX_NOPERM`.
pub const NOT_PERMITTED: u8 = 77;

/// An end with a code of its own. It is the error itself, and no context of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{told}")]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// Why, for people.
    pub told: String,
}

/// The end of `main`: prints the whole chain of causes once to standard error, on one line, and gives the exit code.
/// A [`ConfigError`] anywhere in the chain makes it [`MISCONFIGURED`]; an [`Ended`] brings its own.
#[must_use]
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(format_args!("{error:#}"));
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return ended.code;
    }
    if error.chain().any(<dyn std::error::Error>::is::<ConfigError>) { MISCONFIGURED } else { FAILURE }
}

fn print(text: fmt::Arguments<'_>) {
    // Nobody is left to tell when standard error itself is gone.
    let _unheard = writeln!(std::io::stderr(), "tropomq: {text}");
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_configuration_error_is_78_wherever_it_stands_in_the_chain() {
        let wrong = ConfigError::of_key("ingress.listen", "is the same as `admin.listen`");
        let chained = Err::<(), _>(wrong).context("start ingress").unwrap_err();
        assert_eq!(code(&chained), 78);
        assert_eq!(
            format!("{chained:#}"),
            "start ingress: configuration key `ingress.listen`: is the same as `admin.listen`"
        );
        assert_eq!(code(&anyhow::anyhow!("the disk is full")), 1);
    }

    #[test]
    fn an_end_may_have_a_code_of_its_own() {
        let ended = anyhow::Error::new(Ended { code: UNAVAILABLE, told: "nobody is there".to_owned() });
        assert_eq!((code(&ended), ended.to_string().as_str()), (69, "nobody is there"));
    }
}
