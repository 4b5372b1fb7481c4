//! How a process ends: 0 for a clean stop, 1 for a failure, 78 for a configuration that cannot be used.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;

/// The exit code of a process that failed.
pub const FAILURE: u8 = 1;
/// The exit code of a process that was configured wrongly: `EX_CONFIG` of `sysexits.h`. Starting it again is no use.
pub const MISCONFIGURED: u8 = 78;

/// The end of `main`: prints the whole chain of causes once to standard error, on one line, and gives the exit code.
/// A [`ConfigError`] anywhere in the chain makes it [`MISCONFIGURED`].
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
}
