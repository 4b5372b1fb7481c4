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
    answer(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let content_type = content_type.unwrap_or_default();
    let body = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status, content_type, body }
}

#[tokio::test]
async fn readiness_is_told_with_its_reasons() {
    let shutdown = Shutdown::new();
    let health = Health::new(shutdown.clone());
    let telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    let router = router(health.clone(), &telemetry);
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
    let router = router(Health::default(), &telemetry);
    let index = ask(&router, "/").await.body;
    for line in index.lines() {
        let path = line.split(' ').next().unwrap();
        assert_eq!(ask(&router, path).await.status, 200, "{path}");
    }
    assert_eq!(index.lines().count(), 4);
    assert_eq!(ask(&router, "/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    global::meter("tropomq").u64_counter("tropomq.asked").build().add(3, &[]);
    let answer = ask(&router(Health::default(), &telemetry), "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.content_type.starts_with("text/plain; version=0.0.4"));
    assert!(answer.body.lines().any(|line| line == "tropomq_asked_total 3"), "{}", answer.body);
}

#[tokio::test]
async fn what_is_logged_is_changed_by_a_filter_and_a_wrong_one_is_refused_with_the_reason() {
    let telemetry = telemetry::init("tropomq-test", &TelemetryConfig::default());
    let router = router(Health::default(), &telemetry);
    let put = async |filter: String| {
        let answer = answer(&router, Request::put("/log").body(Body::from(filter)).unwrap()).await;
        (answer.status, answer.body)
    };
    assert_eq!(ask(&router, "/log").await.body, "info\n");
    assert_eq!(put("info,egress=debug\n".to_owned()).await, (200, "info,egress=debug\n".to_owned()));
    assert_eq!(ask(&router, "/log").await.body, "info,egress=debug\n");
    for (wrong, told) in
        [("info,egress=loud", "not a log filter: "), ("debgu", "debgu is not a level"), ("", "nothing")]
    {
        let (status, body) = put(wrong.to_owned()).await;
        assert!(status == 400 && body.contains(told), "{wrong}: {status} {body}");
    }
    assert_eq!(put("x".repeat(5000)).await.0, 413);
    assert_eq!(ask(&router, "/log").await.body, "info,egress=debug\n");
    let reset = answer(&router, Request::delete("/log").body(Body::empty()).unwrap()).await;
    assert_eq!((reset.status, reset.body.as_str()), (200, "info\n"));
}
