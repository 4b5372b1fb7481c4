//! An answer that goes on, line by line.

use reqwest::Response;
use url::Url;

use super::error::ApiError;

/// The longest line: a letter with the longest body that a bus takes, escaped.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The lines of an answer, as they come.
pub(crate) struct Lines {
    answer: Response,
    console: Url,
    /// What came, up to `read` handed out already.
    held: Vec<u8>,
    read: usize,
    /// Up to where no line ends.
    searched: usize,
}

impl Lines {
    pub(super) fn new(answer: Response, console: Url) -> Self {
        Self { answer, console, held: Vec::new(), read: 0, searched: 0 }
    }

    /// The next line, without its end; `None`: that was all. What stands behind the last line end is no line.
    ///
    /// # Errors
    /// The answer was cut off, or is none of a console.
    ///
    /// # Cancel safety
    /// Dropped, it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ApiError> {
        loop {
            let unsearched = self.held.get(self.searched..).unwrap_or_default();
            if let Some(length) = unsearched.iter().position(|byte| *byte == b'\n') {
                let end = self.searched + length;
                let line = self.held.get(self.read..end).unwrap_or_default();
                let line = String::from_utf8(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
                (self.read, self.searched) = (end + 1, end + 1);
                return line.map(Some).map_err(|_| self.stranger("a line of its answer is no UTF-8"));
            }
            self.held.drain(..self.read);
            (self.read, self.searched) = (0, self.held.len());
            if LINE_BYTES_MAX < self.held.len() {
                return Err(self.stranger("a line of its answer is too long"));
            }
            match self.answer.chunk().await.map_err(|error| ApiError::of(error, &self.console))? {
                Some(chunk) => self.held.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// What came is nothing that a console says.
    pub(crate) fn stranger(&self, told: &str) -> ApiError {
        ApiError::Stranger { console: self.console.clone(), told: told.to_owned() }
    }
}
