//! The first page as it was drawn last: many may have it open, and drawing it asks everything there is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use maud::Markup;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::problem::Problem;

/// For how long what was drawn is shown to whoever comes.
const KEPT: Duration = Duration::from_secs(3);

/// What was drawn last.
pub(crate) struct Glance {
    /// One draws, and the others wait for it.
    turn: Semaphore,
    drawn: Mutex<Option<(Instant, Markup)>>,
}

impl Default for Glance {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), drawn: Mutex::default() }
    }
}

impl Glance {
    /// What was drawn a moment ago, or what is drawn now.
    ///
    /// # Errors
    /// It cannot be drawn; the next who comes tries again.
    pub(super) async fn of(&self, drawing: impl Future<Output = Result<Markup, Problem>>) -> Result<Markup, Problem> {
        let _turn = self.turn.acquire().await;
        if let Some(kept) = self.kept() {
            return Ok(kept);
        }
        let drawn = drawing.await?;
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), drawn.clone()));
        Ok(drawn)
    }

    fn kept(&self) -> Option<Markup> {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.as_ref().filter(|(at, _)| at.elapsed() < KEPT).map(|(_, drawn)| drawn.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use maud::html;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_look_at_once_see_what_one_has_drawn_and_later_ones_something_new() {
        let (glance, times) = (Glance::default(), Cell::new(0));
        let look = async || {
            let drawing = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                times.set(times.get() + 1);
                Ok(html! { (times.get()) })
            };
            glance.of(drawing).await.map(maud::PreEscaped::into_string)
        };
        let (one, other) = tokio::join!(look(), look());
        assert_eq!((one.unwrap(), other.unwrap()), ("1".to_owned(), "1".to_owned()));
        tokio::time::sleep(KEPT).await;
        assert_eq!(look().await.unwrap(), "2");
        let refused = glance.of(async { Err(Problem::no_database()) });
        assert_eq!(refused.await.unwrap().into_string(), "2");
        tokio::time::sleep(KEPT).await;
        assert!(glance.of(async { Err(Problem::no_database()) }).await.is_err());
        assert_eq!(look().await.unwrap(), "3");
    }
}
