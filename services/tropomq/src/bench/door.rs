//! The load of the door alone: webhooks of texts, each answered once its event is confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use serde_json::json;

/// Posts webhooks over so many connections until the time is over, and tells how many a second were answered well in
/// the latter part of it, when everything is warm.
///
/// # Errors
/// A webhook was refused.
pub(super) async fn load(url: &str, connections: usize, warm_up: Duration, duration: Duration) -> anyhow::Result<f64> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(connections).build()?;
    let (next, answered) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let warm = Instant::now() + warm_up;
    let end = warm + duration;
    let posts = (0..connections).map(async |_| {
        while Instant::now() < end {
            let body = webhook(next.fetch_add(1, Ordering::Relaxed));
            let request = http.post(url).header("content-type", "application/json").body(body);
            let answer = request.send().await.context("post a webhook")?;
            let status = answer.status();
            let document = answer.bytes().await.context("read the answer to a webhook")?;
            if !status.is_success() {
                bail!("a webhook was answered with {status}: {}", String::from_utf8_lossy(&document));
            }
            if warm <= Instant::now() {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    });
    try_join_all(posts).await?;
    #[expect(clippy::cast_precision_loss, reason = "a benchmark has fewer webhooks than an f64 can count")]
    let answered = answered.load(Ordering::Relaxed) as f64;
    Ok(answered / duration.as_secs_f64())
}

/// The webhook of a text (Tropo WebAPI: `session`).
fn webhook(number: u64) -> String {
    let phone = format!("1555{:07}", 6_000_000 + number % 1_000_000);
    let party =
        |number: &str| json!({ "id": number, "e164Id": number, "name": null, "channel": "TEXT", "network": "SMS" });
    let session = json!({
        "id": format!("{number:032x}"),
        "accountId": "1",
        "callId": format!("{:032x}", number | 1 << 63),
        "timestamp": "2026-01-01T00:00:00.000Z",
        "userType": "HUMAN",
        "initialText": format!("echo {number}"),
        "to": party(super::load::NUMBER.trim_start_matches('+')),
        "from": party(&phone),
        "headers": {},
    });
    json!({ "session": session }).to_string()
}
