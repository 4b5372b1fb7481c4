//! Texts that wait for an application that is away.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use messaging::{BoxFuture, Clock};
use protocol::{Phase, SessionId};
use tokio::time::Instant;

use super::*;
use crate::application::Said;
use crate::participant::{Asked, Participant, Unanswered};

/// The clock of a test whose time is paused.
#[derive(Debug)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        now() + self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

fn environment() -> Environment {
    Environment { clock: Arc::new(Paused(Instant::now())), ..Environment::system() }
}

/// Counts how often it is asked, and says nothing.
#[derive(Debug, Default)]
struct Counts(AtomicU32);

impl Participant for Counts {
    fn name(&self) -> &str {
        "counts"
    }
    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }
    fn ask<'a>(&'a self, _: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Said::pass()) })
    }
}

/// Is away until a moment, and says so while it rests.
#[derive(Debug)]
struct Away {
    until: Instant,
    give_up_after: Duration,
    is_resting: bool,
    asked: Mutex<Vec<SessionId>>,
}

impl Away {
    fn new(until: Duration, give_up_after: Duration, is_resting: bool) -> Self {
        Self { until: Instant::now() + until, give_up_after, is_resting, asked: Mutex::default() }
    }
}

impl Participant for Away {
    fn name(&self) -> &str {
        "away"
    }
    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }
    fn give_up_after(&self) -> Duration {
        self.give_up_after
    }
    fn rests(&self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        Some(left).filter(|left| self.is_resting && !left.is_zero())
    }
    fn ask<'a>(&'a self, Asked { text, .. }: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        self.asked.lock().unwrap().push(text.received.session_id.clone());
        let is_away = Instant::now() < self.until;
        Box::pin(async move {
            let because = "gone fishing".to_owned();
            if is_away { Err(Unanswered::Away { because, retry_after: None }) } else { Ok(Said::take()) }
        })
    }
}

fn router_with(participants: Vec<Arc<dyn Participant>>, prefetch: u16) -> Router {
    let router =
        Router::new(&Config { prefetch, ..config(&[]) }, own_numbers(), Arc::new(InMemory::default())).unwrap();
    *router.pipeline.write().unwrap() = Arc::new(Pipeline::new(participants));
    router
}

/// A text of the same person, in a session of its own.
fn text_of(session: &str) -> Envelope<MessageReceived> {
    envelope(MessageReceived { session_id: session.parse().unwrap(), ..received("hi") })
}

/// Handles a text; whether it was given up, and after how many seconds.
async fn handle(router: &Router, session: &str, environment: &Environment) -> (bool, u64) {
    let began = Instant::now();
    let (context, _) = Context::new(1, QueueName::received(), environment.clone());
    let handled = router.handle(text_of(session), &context).await;
    (handled.is_err(), began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_text_waits_for_an_application_and_who_is_before_it_is_left_in_peace() {
    for is_resting in [true, false] {
        let counts = Arc::new(Counts::default());
        let away = Away::new(Duration::from_mins(5), Duration::from_mins(15), is_resting);
        let router = router_with(vec![Arc::<Counts>::clone(&counts), Arc::new(away)], 8);
        let (is_given_up, seconds) = handle(&router, "s1", &environment()).await;
        assert!(!is_given_up && (300..330).contains(&seconds), "{seconds}");
        let asked = counts.0.load(Ordering::Relaxed);
        assert_eq!(is_resting, asked == 2, "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_persons_texts_are_given_up_soon_after_each_other_and_in_order() {
    let away = Arc::new(Away::new(Duration::from_hours(1), Duration::from_mins(15), false));
    let router = router_with(vec![Arc::<Away>::clone(&away)], 8);
    let environment = environment();
    let text = |session| handle(&router, session, &environment);
    let (first, second, third) = tokio::join!(biased; text("s1"), text("s2"), text("s3"));
    for ((is_given_up, seconds), expected) in [(first, 900), (second, 930), (third, 960)] {
        // The last wait goes beyond it.
        assert!(is_given_up && (expected..expected + 60).contains(&seconds), "{seconds}");
    }
    let mut asked = away.asked.lock().unwrap().clone();
    asked.dedup();
    assert_eq!(asked.iter().map(SessionId::as_str).collect::<Vec<_>>(), ["s1", "s2", "s3"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_crowd_nobody_waits_for_long() {
    let away = Away::new(Duration::from_hours(1), Duration::from_mins(15), true);
    let router = router_with(vec![Arc::new(away)], 4);
    let environment = environment();
    let _others = [router.crowd.enter(&QueueName::received()), router.crowd.enter(&QueueName::received())];
    let (is_given_up, seconds) = handle(&router, "s1", &environment).await;
    assert!(is_given_up && (10..30).contains(&seconds), "{seconds}");
}
