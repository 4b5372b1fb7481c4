//! An error and its causes, on one line.

use std::error::Error;

/// The error and its causes, outermost first, as `sent nothing: connection lost: reset by peer`.
///
/// For where an error is handled; nobody else repeats its causes.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("sent nothing")]
    struct Outer(#[source] std::fmt::Error);

    #[test]
    fn causes_follow_the_error() {
        let cause = std::fmt::Error.to_string();
        assert_eq!(chain(&Outer(std::fmt::Error)), format!("sent nothing: {cause}"));
        assert_eq!(chain(&std::fmt::Error), cause);
    }
}
