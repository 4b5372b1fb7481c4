//! Reads the values that stand in a Python file, without running it.

mod tokens;
mod value;

pub(super) use tokens::{Statement, Token, statements};
pub(super) use value::{Reader, Value, Variables};

/// Where a file is not Python, and why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct PythonError {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) what: String,
}

impl PythonError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}
