use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt;

use super::*;
use crate::shutdown::Shutdown;
use crate::telemetry::{self, TelemetryConfig};

struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

async fn ask(router: &Router, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let body = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status, content_type, body }
}

#[tokio::test]
async fn readiness_is_told_with_its_reasons() {
    let shutdown = Shutdown::new();
    let health = Health::new(shutdown.clone());
    let telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    let router = router(health.clone(), telemetry.metrics());
    let (bus, store) = (health.component("bus"), health.component("store"));
    store.ready();
    bus.not_ready("connection lost");
    let answer = ask(&router, "/readyz").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/json"));
    assert_eq!(
        answer.body,
        "{\"ready\":false,\"stopping\":false,\"components\":\
         {\"bus\":{\"ready\":false,\"reason\":\"connection lost\"},\"store\":{\"ready\":true}}}"
    );
    bus.ready();
    assert_eq!(ask(&router, "/readyz").await.status, 200);
    shutdown.request();
    let answer = ask(&router, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("\"stopping\":true"), "{}", answer.body);
    assert_eq!(ask(&router, "/healthz").await.status, 200);
}

#[tokio::test]
async fn the_index_lists_what_there_is() {
    let telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    let router = router(Health::default(), telemetry.metrics());
    let index = ask(&router, "/").await.body;
    for line in index.lines() {
        let path = line.split(' ').next().unwrap();
        assert_eq!(ask(&router, path).await.status, 200, "{path}");
    }
    assert_eq!(index.lines().count(), 3);
    assert_eq!(ask(&router, "/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    opentelemetry::global::meter("tropomq").u64_counter("tropomq.asked").build().add(3, &[]);
    let answer = ask(&router(Health::default(), telemetry.metrics()), "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.content_type.starts_with("text/plain; version=0.0.4"));
    assert!(answer.body.lines().any(|line| line == "tropomq_asked_total 3"), "{}", answer.body);
}
