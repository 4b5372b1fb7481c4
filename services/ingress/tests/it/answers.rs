//! What callers are answered, and that nothing is kept that was refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use messaging::{BoxFuture, Bus, BusState, DepthError, Depths, Message, PublishError, SubscribeError, Subscription};
use protocol::topology::QueueName;
use reqwest::StatusCode;
use tokio::sync::watch;

use crate::stage::{SECRET, Stage, text};

#[tokio::test]
async fn refusals_are_told_apart_and_keep_nothing() {
    let stage = Stage::new().await;
    let check = async |path: &str, body: &str, status: u16, says: &str| {
        let answer = stage.post(path, body.to_owned()).await;
        assert_eq!(answer.status().as_u16(), status, "{path} {body}");
        let words = answer.text().await.unwrap();
        assert!(words.contains(says), "{path}: {words}");
    };
    let good = text("s1");
    check("/tropo/unknown", &good, 404, "no such backend").await;
    check("/tropo/not%20a%20name", &good, 404, "no such backend").await;
    check("/elsewhere", &good, 404, "/tropo/{backend}").await;
    check("/tropo/guarded", &good, 401, "secret is missing").await;
    check("/tropo/guarded/wrong", &good, 403, "secret is wrong").await;
    check("/tropo/guarded?secret=wrong", &good, 403, "secret is wrong").await;
    check("/tropo/elsewhere", &good, 403, "address").await;
    check("/tropo/open", "", 400, "not JSON").await;
    check("/tropo/open", "[]", 400, "not a JSON object").await;
    check("/tropo/open", r#"{"other":1}"#, 400, "neither").await;
    check("/tropo/open", r#"{"session":{"from":{"id":"1"}}}"#, 400, "id").await;
    check("/tropo/open", r#"{"session":{"id":"s"}}"#, 400, "neither").await;
    check("/tropo/open", &good.replace("BAL", &"x".repeat(9000)), 413, "").await;
    check("/tropo/open", &good.replace("BAL", "\\u0000"), 400, "NUL").await;
    check("/tropo/open", r#"{"result":{"sessionId":"s"}}"#, 403, "refused").await;
    assert_eq!(stage.get("/tropo/open").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(stage.events(&QueueName::journal()).await.len(), 0);
}

#[tokio::test]
async fn the_secret_opens_in_each_of_its_places() {
    let stage = Stage::new().await;
    for (n, path) in [format!("/tropo/guarded/{SECRET}"), format!("/tropo/guarded?secret={SECRET}")].iter().enumerate()
    {
        assert_eq!(stage.post(path, text(&format!("s{n}"))).await.status(), StatusCode::OK);
    }
    assert_eq!(stage.texts("guarded").await.len(), 2);
}

#[tokio::test]
async fn a_text_is_answered_with_a_hangup_of_the_right_type() {
    let stage = Stage::new().await;
    let answer = stage.post("/tropo/open", text("s1")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
    assert_eq!(answer.text().await.unwrap(), r#"{"tropo":[{"hangup":{}}]}"#);
}

#[tokio::test]
async fn without_a_bus_webhooks_are_refused_at_once() {
    let stage = Stage::away().await;
    let asked = Instant::now();
    let answer = stage.post("/tropo/open", text("s1")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("nothing was kept"));
    // Not a measurement: far below the timeouts that would else be waited for.
    assert!(asked.elapsed() < Duration::from_secs(3));
}

/// Leaves the first publication without an answer, and is away from then on.
#[derive(Debug, Default)]
struct Leaving {
    asked: AtomicBool,
}

impl Bus for Leaving {
    fn publish(&self, _message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        let error = if self.asked.swap(true, Ordering::Relaxed) {
            PublishError::Unavailable("away".to_owned())
        } else {
            PublishError::Unknown("no confirm".to_owned())
        };
        Box::pin(async { Err(error) })
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        _prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async { Err(SubscribeError { queue: queue.clone(), reason: "away".to_owned() }) })
    }

    fn depths<'a>(&'a self, _: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async { Err(DepthError("away".to_owned())) })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        watch::Sender::new(BusState::Away("away".to_owned())).subscribe()
    }

    fn system(&self) -> &'static str {
        "leaving"
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn what_an_early_try_may_have_kept_is_not_said_to_be_lost() {
    let stage = Stage::on_bus(Arc::new(Leaving::default())).await;
    let answer = stage.post("/tropo/open", text("s1")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("may or may not have been kept"));
}
