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
    let collector = Some((endpoint, config.metrics_interval));
    let (metrics, meters) = Metrics::start(resource("tropomq-test"), collector).unwrap();
    let (levels, _) = LogLevels::start::<Registry>(&config.log);
    Installed { metrics, levels, meters: Some(meters), traces: Some(traces), lines: None }
}

fn emit(config: &TelemetryConfig, installed: &Installed, work: impl FnOnce()) {
    let (_, log) = LogLevels::start(&config.log);
    let quiet = subscriber(config.format, log, io::sink, installed.traces.as_ref());
    tracing::subscriber::with_default(quiet, work);
}

#[track_caller]
fn check_collector_costs_nothing(address: &str) {
    let config = config(&format!("otlp_endpoint = \"http://{address}\""));
    let installed = private(&config);
    let started = Instant::now();
    // Twice what the queue holds, so that it overflows.
    emit(&config, &installed, || (0..8192).for_each(|_| drop(info_span!("work").entered())));
    let counter = installed.meters.as_ref().unwrap().meter("tropomq").u64_counter("tropomq.work").build();
    (0..8192).for_each(|_| counter.add(1, &[]));
    assert!(started.elapsed() < Duration::from_secs(2), "telemetry blocked: {:?}", started.elapsed());
    assert!(
        installed.metrics.render().contains("tropomq_work_total{} 8192")
            || installed.metrics.render().contains("tropomq_work_total 8192")
    );
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

/// The first request with that path; others are taken, too.
fn collector(listener: TcpListener, path: &'static str) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        loop {
            let request = take_request(&mut listener.accept().unwrap().0);
            if request.starts_with(&format!("POST {path} HTTP/1.1")) {
                return request;
            }
        }
    })
}

#[test]
fn metrics_reach_the_collector_as_they_are_scraped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = config(&format!("otlp_endpoint = \"http://{address}\"\nmetrics_interval = \"1s\""));
    let collector = collector(listener, "/v1/metrics");
    let installed = private(&config);
    let counter = installed.meters.as_ref().unwrap().meter("tropomq").u64_counter("tropomq.kept.events").build();
    counter.add(3, &[KeyValue::new("tropomq.kind", "message.received")]);
    let request = collector.join().unwrap();
    for sent in
        ["service.name", "tropomq-test", "tropomq.kept.events", "tropomq.kind", "message.received", "process.cpu"]
    {
        assert!(request.contains(sent), "{sent} is not in {request}");
    }
    let scraped = installed.metrics.render();
    assert!(scraped.contains("tropomq_kept_events_total{tropomq_kind=\"message.received\"} 3"), "{scraped}");
    installed.shutdown();
}

#[test]
fn spans_reach_the_collector_under_the_name_of_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config(&format!("otlp_endpoint = \"http://{}/\"", listener.local_addr().unwrap()));
    let collector = collector(listener, "/v1/traces");
    let installed = private(&config);
    emit(&config, &installed, || {
        drop(info_span!("process router.message.received", messaging.system = "rabbitmq").entered());
        drop(info_span!(target: "hyper::client", "fed on itself").entered());
        drop(info_span!(target: "chassis::tasks", "as long as the task").entered());
        drop(info_span!(target: "lapin::io_loop", "of no conversation").entered());
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
    for kept in ["fed on itself", "as long as the task", "of no conversation", "too fine"] {
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
    let (_, log) = LogLevels::start(&config.log);
    let subscriber = subscriber(config.format, log, move || writer.clone(), None);
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

/// A line that is written inside of two spans, of which the outer one names the conversation.
fn correlated(format: &str, log: &str) -> String {
    let config = config(&format!("format = \"{format}\"\nlog = \"{log}\""));
    let lines = Lines::default();
    let writer = lines.clone();
    let traces = SdkTracerProvider::builder().build();
    let (_, log) = LogLevels::start(&config.log);
    let subscriber = subscriber(config.format, log, move || writer.clone(), Some(&traces));
    tracing::subscriber::with_default(subscriber, || {
        let conversation = tracing::field::Empty;
        let outer = info_span!("process", messaging.message.conversation_id = conversation).entered();
        outer.record("messaging.message.conversation_id", "a\"1b2");
        let _inner = info_span!("claim").entered();
        warn!("taken");
    });
    let written = lines.0.lock().unwrap();
    String::from_utf8(written.clone()).unwrap()
}

#[test]
fn a_line_says_which_trace_and_conversation_it_belongs_to_whatever_is_logged() {
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for log in ["info", "warn"] {
        let text = correlated("text", log);
        let (_, ids) = text.trim_end().split_once("taken trace_id=").unwrap();
        let (trace, rest) = ids.split_once(" span_id=").unwrap();
        let (span, conversation) = rest.split_once(" correlation_id=").unwrap();
        assert!(is_hex(trace, 32) && is_hex(span, 16) && conversation == "a1b2", "{text}");
        let json = correlated("json", log);
        let (_, rest) = json.split_once("{\"trace_id\":\"").unwrap();
        let (trace, rest) = rest.split_once("\",\"span_id\":\"").unwrap();
        let (span, rest) = rest.split_once("\",\"correlation_id\":\"").unwrap();
        assert!(is_hex(trace, 32) && is_hex(span, 16) && rest.starts_with("a1b2\",\"timestamp\":"), "{json}");
        assert!(json.contains("\"message\":\"taken\"") && json.ends_with("}\n"), "{json}");
    }
}

#[test]
fn what_is_logged_can_be_changed_and_goes_back_to_what_is_configured() {
    let lines = Lines::default();
    let writer = lines.clone();
    let configured: LogFilter = "warn".parse().unwrap();
    let (levels, log) = LogLevels::start(&configured);
    let subscriber = subscriber(LogFormat::Text, log, move || writer.clone(), None);
    tracing::subscriber::with_default(subscriber, || {
        info!("before");
        levels.change("info,lapin=off,chassis::telemetry::tests=debug".parse().unwrap()).unwrap();
        debug!("meanwhile");
        debug!(target: "egress::lane", "too fine");
        levels.reset().unwrap();
        info!("afterwards");
    });
    assert_eq!(levels.current(), configured);
    let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("meanwhile") && written.contains("what is logged is info,lapin=off"), "{written}");
    for not in ["before", "too fine", "afterwards"] {
        assert!(!written.contains(not), "{not}: {written}");
    }
}

#[test]
fn durations_have_the_boundaries_of_the_conventions() {
    let (metrics, provider) = Metrics::start(resource("tropomq-test"), None).unwrap();
    let meter = provider.meter("tropomq");
    for name in ["messaging.process.duration", "tropomq.launch.duration", "tropomq.release.duration", "tropomq.size"] {
        meter.f64_histogram(name).with_unit("s").build().record(0.004, &[]);
    }
    meter.u64_counter("messaging.client.sent.messages").build().add(2, &[]);
    let text = metrics.render();
    let has = |line: &str| text.lines().any(|each| each == line);
    for name in ["messaging_process_duration", "tropomq_launch_duration"] {
        assert!(has(&format!("{name}_seconds_bucket{{le=\"0.005\"}} 1")), "{text}");
        assert!(has(&format!("{name}_seconds_count 1")), "{text}");
    }
    assert!(!text.contains("tropomq_size_seconds_bucket{le=\"0.005\"}"), "{text}");
    assert!(has("tropomq_release_duration_seconds_bucket{le=\"1800\"} 1"), "what may wait for long: {text}");
    assert!(has("messaging_client_sent_messages_total 2"), "{text}");
    assert!(text.contains("process_resident_memory_bytes ") && text.contains("process_cpu_seconds_total "), "{text}");
    assert!(text.contains("tropomq_build_info{"), "{text}");
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
    let endpoint = whole.otlp_endpoint.unwrap();
    assert_eq!(endpoint.traces_url(), "https://collector.example:4318/v1/traces");
    assert_eq!(endpoint.metrics_url(), "https://collector.example:4318/v1/metrics");
    assert_eq!(config("otlp_endpoint = \"\""), TelemetryConfig::default());
    for (same, url) in
        [("http://h:1/", "http://h:1/v1/traces"), ("http://h:1/otel/v1/traces", "http://h:1/otel/v1/traces")]
    {
        assert_eq!(same.parse::<Endpoint>().unwrap().traces_url(), url);
    }
    for (wrong, told) in [
        ("log = \"a=b=c\"", "not a log filter"),
        ("log = \"\"", "not a log filter: there is nothing in it"),
        ("log = \"info,debgu\"", "not a log filter: debgu is not a level"),
        ("metrics_interval = \"999ms\"", "not an interval for metrics"),
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
