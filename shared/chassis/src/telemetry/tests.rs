use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use opentelemetry::metrics::MeterProvider;
use tracing::{debug, info, info_span};

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn config(text: &str) -> TelemetryConfig {
    toml::from_str(text).unwrap()
}

/// The telemetry of a process that is not this one: nothing global is touched.
fn private(config: &TelemetryConfig) -> Installed {
    let endpoint = config.otlp_endpoint.as_ref().unwrap();
    let traces = traces::start(endpoint, config.sampling_ratio, resource("tropomq-test")).unwrap();
    Installed { metrics: Metrics::default(), traces: Some(traces), lines: None }
}

fn emit(config: &TelemetryConfig, installed: &Installed, work: impl FnOnce()) {
    let quiet = subscriber(config, io::sink, installed.traces.as_ref());
    tracing::subscriber::with_default(quiet, work);
}

#[track_caller]
fn check_collector_costs_nothing(address: &str) {
    let config = config(&format!("otlp_endpoint = \"http://{address}\""));
    let installed = private(&config);
    let started = Instant::now();
    // Twice what the queue holds, so that it overflows.
    emit(&config, &installed, || (0..8192).for_each(|_| drop(info_span!("work").entered())));
    assert!(started.elapsed() < Duration::from_secs(2), "spans blocked: {:?}", started.elapsed());
    let started = Instant::now();
    installed.shutdown();
    assert!(started.elapsed() < Duration::from_secs(3), "shutdown took {:?}", started.elapsed());
    let again = Instant::now();
    installed.shutdown();
    assert!(again.elapsed() < Duration::from_secs(1), "a second shutdown took {:?}", again.elapsed());
}

#[test]
fn a_silent_collector_costs_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    check_collector_costs_nothing(&silent.local_addr().unwrap().to_string());
}

#[test]
fn a_dead_collector_costs_nothing() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = dead.local_addr().unwrap().to_string();
    drop(dead);
    check_collector_costs_nothing(&address);
}

/// Reads one request whole, and answers it as a collector does.
fn take_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut request = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).unwrap();
        request.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some(head_bytes) = request.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head = text.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
        if head_bytes + 4 + length.parse::<usize>().unwrap() <= request.len() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            return text.into_owned();
        }
    }
}

#[test]
fn spans_reach_the_collector_under_the_name_of_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config(&format!("otlp_endpoint = \"http://{}/\"", listener.local_addr().unwrap()));
    let collector = thread::spawn(move || take_request(&mut listener.accept().unwrap().0));
    let installed = private(&config);
    emit(&config, &installed, || {
        drop(info_span!("process router.message.received", messaging.system = "rabbitmq").entered());
        drop(info_span!(target: "hyper::client", "fed on itself").entered());
        drop(info_span!(target: "chassis::tasks", "as long as the task").entered());
        drop(tracing::debug_span!("too fine").entered());
    });
    installed.shutdown();
    let request = collector.join().unwrap();
    assert!(request.starts_with("POST /v1/traces HTTP/1.1"), "{request}");
    for sent in
        ["service.name", "tropomq-test", "service.version", build::version(), "process router", "messaging.system"]
    {
        assert!(request.contains(sent), "{sent} is not in {request}");
    }
    for kept in ["fed on itself", "as long as the task", "too fine"] {
        assert!(!request.contains(kept), "{kept} is in {request}");
    }
}

/// Collects what is written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(config: &TelemetryConfig) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(config, move || writer.clone(), None);
    tracing::subscriber::with_default(subscriber, || {
        let _span = info_span!("task", task.name = "lane").entered();
        info!(attempt = 3, "launched");
        debug!("too fine");
    });
    let written = lines.0.lock().unwrap();
    String::from_utf8(written.clone()).unwrap()
}

#[test]
fn a_log_line_is_text_or_json_as_configured() {
    let text = logged(&config(""));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(" INFO task{task.name=\"lane\"}: ") && text.ends_with("launched attempt=3\n"), "{text}");
    let json = logged(&config("format = \"json\"\nlog = \"debug\""));
    let first = json.lines().next().unwrap();
    for part in ["\"level\":\"INFO\"", "\"message\":\"launched\"", "\"attempt\":3", "\"task.name\":\"lane\""] {
        assert!(first.starts_with('{') && first.ends_with('}') && first.contains(part), "{part} is not in {first}");
    }
    assert_eq!(json.lines().count(), 2, "{json}");
    assert_eq!(logged(&config("log = \"warn\"")), "");
}

#[test]
fn durations_have_the_boundaries_of_the_conventions() {
    let (metrics, provider) = Metrics::start(resource("tropomq-test")).unwrap();
    let meter = provider.meter("tropomq");
    for name in ["messaging.process.duration", "tropomq.release.duration", "tropomq.size"] {
        meter.f64_histogram(name).with_unit("s").build().record(0.004, &[]);
    }
    meter.u64_counter("messaging.client.sent.messages").build().add(2, &[]);
    let text = metrics.render();
    let has = |line: &str| text.lines().any(|each| each == line);
    for name in ["messaging_process_duration", "tropomq_release_duration"] {
        assert!(has(&format!("{name}_seconds_bucket{{le=\"0.005\"}} 1")), "{text}");
        assert!(has(&format!("{name}_seconds_count 1")), "{text}");
    }
    assert!(!text.contains("tropomq_size_seconds_bucket{le=\"0.005\"}"), "{text}");
    assert!(has("messaging_client_sent_messages_total 2"), "{text}");
    assert!(text.contains("service_name=\"tropomq-test\""), "{text}");
}

#[test]
fn a_second_start_shares_the_first() {
    let first = init("tropomq-test", &TelemetryConfig::default());
    let second = init("another", &config("format = \"json\""));
    assert!(Arc::ptr_eq(&first.installed, &second.installed));
    drop(first);
    assert!(second.metrics().render().contains("service_name=\"tropomq-test\""));
    second.shutdown();
}

#[test]
fn the_trace_context_of_others_is_carried_on_without_a_collector() {
    let _telemetry = init("tropomq-test", &TelemetryConfig::default());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let came = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    let mut goes = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&propagator.extract(&came), &mut goes));
    assert_eq!(goes.get("traceparent").map(String::as_str), Some(parent));
}

#[test]
fn settings_are_checked_when_they_are_read() {
    let whole = config(
        "log = \"info,messaging=debug\"\nformat = \"json\"\n\
         otlp_endpoint = \"https://collector.example:4318\"\nsampling_ratio = 0.5\n",
    );
    assert_eq!(whole.otlp_endpoint.unwrap().traces_url(), "https://collector.example:4318/v1/traces");
    assert_eq!(config("otlp_endpoint = \"\""), TelemetryConfig::default());
    for (same, url) in
        [("http://h:1/", "http://h:1/v1/traces"), ("http://h:1/otel/v1/traces", "http://h:1/otel/v1/traces")]
    {
        assert_eq!(same.parse::<Endpoint>().unwrap().traces_url(), url);
    }
    for (wrong, told) in [
        ("log = \"a=b=c\"", "not a log filter"),
        ("otlp_endpoint = \"collector:4318\"", "not an endpoint"),
        ("otlp_endpoint = \"ftp://collector\"", "not an endpoint"),
        ("sampling_ratio = 1.5", "not a ratio"),
        ("sampling_ratio = nan", "not a ratio"),
        ("format = \"xml\"", "unknown variant"),
        ("level = \"info\"", "unknown field"),
    ] {
        let error = toml::from_str::<TelemetryConfig>(wrong).unwrap_err().to_string();
        assert!(error.contains(told), "{wrong}: {error}");
    }
}
