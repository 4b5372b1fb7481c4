use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::tasks::{OnEnd, Tasks};

/// Nothing here takes longer, unless it is broken.
const DEADLINE: Duration = Duration::from_secs(10);
/// The limit under test, where it is a time.
const SHORT: Duration = Duration::from_millis(200);
/// Every other time: so that it cannot be the one that ended the connection.
const LONG: Duration = Duration::from_secs(60);
/// More than the socket buffers of both sides hold.
const LARGE_BYTES: usize = 32 << 20;

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    tasks: Tasks,
    /// Lets `/wait` answer.
    go: Arc<Notify>,
    /// Says that `/wait` was called.
    waiting: Arc<Notify>,
}

fn patient() -> Limits {
    Limits {
        connections_max: 100,
        header_timeout: LONG,
        headers_max: 8,
        header_bytes_max: 1024,
        body_timeout: LONG,
        body_bytes_max: 1000,
        idle_timeout: LONG,
        request_timeout: LONG,
        write_timeout: LONG,
        drain_timeout: LONG,
    }
}

async fn start(limits: Limits) -> Server {
    start_for(limits, false).await
}

async fn start_for(limits: Limits, careless: bool) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (go, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (gate, arrived) = (Arc::clone(&go), Arc::clone(&waiting));
    let large = Bytes::from(vec![b'x'; LARGE_BYTES]);
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/length", post(async |Body(bytes): Body| bytes.len().to_string()))
        .route("/unread", post(async || "did not look"))
        .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()))
        .route("/large", get(async move || large))
        .route("/panic", get(async || -> &'static str { panic!("on purpose") }))
        .route(
            "/wait",
            get(async move || {
                arrived.notify_one();
                gate.notified().await;
                "waited"
            }),
        );
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    if careless {
        tasks.spawn("listener", OnEnd::Essential, serve_careless(listener, router, limits, shutdown.clone()));
    } else {
        tasks.spawn("listener", OnEnd::Essential, serve(listener, router, limits, shutdown.clone()));
    }
    Server { address, shutdown, tasks, go, waiting }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends that, and gives all that comes back until the server closes.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        to_end(&mut stream).await
    }
}

/// Everything until the server closes the connection, which it must.
async fn to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    // What was not read is lost with a reset; what came before it counts.
    let _reset = read;
    String::from_utf8(answer).unwrap()
}

/// The next answer on a connection that stays open.
async fn one_answer(stream: &mut TcpStream, ending: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(ending) {
        let mut some = [0; 1024];
        let count = timeout(DEADLINE, stream.read(&mut some)).await.expect("an answer").unwrap();
        assert_ne!(count, 0, "closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
    answer
}

/// Sends a piece every few milliseconds, for ever, and gives what came back until the server closed, and when it did.
async fn drip(mut stream: TcpStream, piece: &'static str) -> (String, Duration) {
    let started = Instant::now();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let send = async {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        while writer.write_all(piece.as_bytes()).await.is_ok() {
            beat.tick().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        read = timeout(DEADLINE, reader.read_to_end(&mut answer)) => {
            let _reset = read.expect("the server closes the connection");
        }
        () = send => {}
    }
    (String::from_utf8(answer).unwrap(), started.elapsed())
}

#[track_caller]
fn check(answer: &str, status: u16, body: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
    assert!(answer.ends_with(body), "{answer:?}");
}

#[tokio::test]
async fn headers_that_come_too_slowly_close_the_connection() {
    let server = start(Limits { header_timeout: SHORT, ..patient() }).await;
    let mut silent = server.connect().await;
    let started = Instant::now();
    assert_eq!(to_end(&mut silent).await, "");
    assert!(SHORT <= started.elapsed());
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    let (answer, took) = drip(slow, "x").await;
    assert_eq!(answer, "");
    assert!(SHORT <= took);
}

#[tokio::test]
async fn headers_of_a_later_request_are_due_as_well() {
    let server = start(Limits { header_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&one_answer(&mut stream, "hello").await, 200, "hello");
    stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    let (answer, took) = drip(stream, "x").await;
    assert_eq!(answer, "");
    assert!(SHORT <= took);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_408_and_closed() {
    let server = start(Limits { body_timeout: SHORT, ..patient() }).await;
    for (head, piece) in [("content-length: 900", "x"), ("transfer-encoding: chunked", "1\r\nx\r\n")] {
        let mut stream = server.connect().await;
        stream.write_all(format!("POST /length HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).await.unwrap();
        let (answer, took) = drip(stream, piece).await;
        check(&answer, 408, "{\"error\":\"body came too slowly\"}");
        assert!(answer.contains("connection: close"), "{answer:?}");
        assert!(SHORT <= took);
    }
    let silent = server.exchange("POST /length HTTP/1.1\r\ncontent-length: 9\r\n\r\n").await;
    check(&silent, 408, "{\"error\":\"body came too slowly\"}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_time() {
    let server = start(Limits { header_timeout: Duration::from_millis(20), idle_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&one_answer(&mut stream, "hello").await, 200, "hello");
    let started = Instant::now();
    assert_eq!(to_end(&mut stream).await, "");
    // It was idle a moment before the answer was here.
    assert!(SHORT / 2 < started.elapsed());
}

#[tokio::test]
async fn requests_that_follow_one_another_share_a_connection() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"POST /length HTTP/1.1\r\ncontent-length: 4\r\n\r\nfour").await.unwrap();
        check(&one_answer(&mut stream, "\r\n\r\n4").await, 200, "4");
    }
    let two = "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    stream.write_all(two.as_bytes()).await.unwrap();
    assert_eq!(to_end(&mut stream).await.matches("hello").count(), 2);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut_off() {
    let server = start(Limits { connections_max: 1, write_timeout: SHORT, ..patient() }).await;
    let mut deaf = server.connect().await;
    deaf.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
    // There is room for one connection: this one is served when the other is gone.
    check(&server.exchange("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await, 200, "hello");

    let mut slow = server.connect().await;
    slow.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
    let sip = async {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        let mut taken = 0;
        let mut some = vec![0; 128 * 1024];
        while let Ok(count @ 1..) = slow.read(&mut some).await {
            taken += count;
            assert!(taken < LARGE_BYTES, "all of it was sent");
            beat.tick().await;
        }
    };
    let next = server.exchange("GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
    tokio::select! {
        answer = next => check(&answer, 200, "hello"),
        () = sip => {}
    }
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_answered_431() {
    let server = start(patient()).await;
    let headers = |count: usize| "x: y\r\n".repeat(count);
    let end = "connection: close\r\n\r\n";
    check(&server.exchange(format!("GET / HTTP/1.1\r\n{}{end}", headers(7))).await, 200, "hello");
    check(&server.exchange(format!("GET / HTTP/1.1\r\n{}{end}", headers(8))).await, 431, "\r\n\r\n");
    let head = |bytes: usize| {
        let without = "GET / HTTP/1.1\r\nx: \r\n".len() + end.len();
        format!("GET / HTTP/1.1\r\nx: {}\r\n{end}", "y".repeat(bytes - without))
    };
    check(&server.exchange(head(1000)).await, 200, "hello");
    check(&server.exchange(head(1025)).await, 431, "\r\n\r\n");
    check(&server.exchange(head(200_000)).await, 431, "\r\n\r\n");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_413() {
    let server = start(patient()).await;
    let sized = |bytes: usize| {
        format!("POST /length HTTP/1.1\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    let chunked = |bytes: usize| {
        let chunk = "x".repeat(bytes);
        format!(
            "POST /length HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n{chunk}\r\n0\r\n\r\n"
        )
    };
    check(&server.exchange(sized(1000)).await, 200, "1000");
    check(&server.exchange(chunked(1000)).await, 200, "1000");
    let refusal = "{\"error\":\"body is too large\"}";
    check(&server.exchange(sized(1001)).await, 413, refusal);
    check(&server.exchange(chunked(1001)).await, 413, refusal);
    check(&server.exchange(sized(500_000)).await, 413, refusal);
    // Nothing of it is waited for when its length is announced.
    let announced = "POST /length HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n";
    check(&server.exchange(announced).await, 413, refusal);
    let garbled = "POST /length HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n";
    check(&server.exchange(garbled).await, 400, "{\"error\":\"body cannot be read\"}");
}

#[tokio::test]
async fn a_client_that_is_cut_short_may_go_on_sending_while_it_reads_why() {
    let server = start(patient()).await;
    let headers = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(2000));
    let body = format!("POST /length HTTP/1.1\r\ncontent-length: 900000\r\n\r\n{}", "y".repeat(2000));
    for (request, status) in [(headers, 431), (body, 413)] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        check(&to_end(&mut stream).await, status, "");
        for _ in 0..20 {
            stream.write_all(&[b'y'; 1000]).await.expect("the connection is not reset");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_handler_that_ignores_the_body_still_answers() {
    let server = start(patient()).await;
    let answer =
        server.exchange(format!("POST /unread HTTP/1.1\r\ncontent-length: 500000\r\n\r\n{}", "x".repeat(400_000)));
    check(&answer.await, 200, "did not look");
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let server = start(Limits { connections_max: 2, ..patient() }).await;
    let request = b"GET /wait HTTP/1.1\r\nconnection: close\r\n\r\n";
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for stream in [&mut first, &mut second] {
        stream.write_all(request).await.unwrap();
        timeout(DEADLINE, server.waiting.notified()).await.unwrap();
    }
    let mut third = server.connect().await;
    third.write_all(request).await.unwrap();
    assert!(timeout(SHORT, server.waiting.notified()).await.is_err(), "the third was served beside the others");
    server.go.notify_one();
    timeout(DEADLINE, server.waiting.notified()).await.expect("the third is served when one has gone");
    server.go.notify_waiters();
    check(&to_end(&mut third).await, 200, "waited");
}

#[tokio::test]
async fn the_connection_that_is_idle_longest_makes_room_for_another() {
    let server = start(Limits { connections_max: 2, idle_timeout: Duration::from_secs(2), ..patient() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for stream in [&mut second, &mut first] {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        check(&one_answer(stream, "hello").await, 200, "hello");
    }
    assert_eq!(server.exchange("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await.matches("hello").count(), 1);
    assert_eq!(to_end(&mut second).await, "");
    first.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&one_answer(&mut first, "hello").await, 200, "hello");
}

#[tokio::test]
async fn a_connection_that_is_kept_ends_with_its_answer_when_another_waits() {
    let server = start(Limits { connections_max: 1, ..patient() }).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /wait HTTP/1.1\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.waiting.notified()).await.unwrap();
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // Until it is accepted; the kernel has its first bytes by then.
    tokio::time::sleep(SHORT).await;
    server.go.notify_one();
    let answer = to_end(&mut first).await;
    check(&answer, 200, "waited");
    assert!(answer.contains("connection: close"), "{answer}");
    check(&one_answer(&mut second, "hello").await, 200, "hello");
}

#[tokio::test]
async fn once_a_stop_is_announced_each_answer_ends_its_connection_and_others_are_still_taken() {
    let server = start(patient()).await;
    let mut kept = server.connect().await;
    kept.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&one_answer(&mut kept, "hello").await, 200, "hello");
    server.shutdown.announce();
    kept.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&to_end(&mut kept).await, 200, "hello");
    let mut fresh = server.connect().await;
    fresh.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&to_end(&mut fresh).await, 200, "hello");
}

#[tokio::test]
async fn a_handler_that_panics_answers_500() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /panic HTTP/1.1\r\n\r\n").await.unwrap();
        check(&one_answer(&mut stream, "}").await, 500, "{\"error\":\"internal error\"}");
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_answered_for_with_503() {
    let server = start(Limits { request_timeout: SHORT, ..patient() }).await;
    check(&server.exchange("GET /wait HTTP/1.1\r\n\r\n").await, 503, "{\"error\":\"no answer in time\"}");
}

#[tokio::test]
async fn a_handler_knows_its_peer() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /peer HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    check(&to_end(&mut stream).await, 200, &format!("\r\n\r\n{own}"));
}

#[tokio::test]
async fn only_a_listener_for_careless_clients_takes_what_is_not_escaped() {
    let request = "GET /?a=b c#d HTTP/1.1\r\nconnection: close\r\n\r\n";
    check(&start(patient()).await.exchange(request).await, 400, "");
    let server = start_for(Limits { header_timeout: SHORT, ..patient() }, true).await;
    check(&server.exchange(request).await, 200, "hello");
    // Its limits hold all the same, and a line that is too long is not mended.
    check(&server.exchange(format!("GET /?{} HTTP/1.1\r\n\r\n", "ab".repeat(9000))).await, 431, "");
    check(&server.exchange(format!("GET /?{} HTTP/1.1\r\n\r\n", "a b".repeat(9000))).await, 400, "");
    let mut slow = server.connect().await;
    slow.write_all(b"GET /?a=b c").await.unwrap();
    let (answer, took) = drip(slow, "x").await;
    assert!(answer.is_empty() && SHORT <= took, "{answer}");
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_hand_and_accepts_nothing_more() {
    let server = start(patient()).await;
    let (mut working, mut idle, mut fresh) = (server.connect().await, server.connect().await, server.connect().await);
    idle.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    check(&one_answer(&mut idle, "hello").await, 200, "hello");
    working.write_all(b"GET /wait HTTP/1.1\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.waiting.notified()).await.unwrap();
    server.shutdown.request();
    assert_eq!(to_end(&mut idle).await, "");
    assert_eq!(to_end(&mut fresh).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    server.go.notify_one();
    check(&to_end(&mut working).await, 200, "waited");
    timeout(DEADLINE, server.tasks.join(DEADLINE)).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_finished_at_the_end_of_draining_is_dropped() {
    let server = start(Limits { drain_timeout: SHORT, ..patient() }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /wait HTTP/1.1\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.waiting.notified()).await.unwrap();
    server.shutdown.request();
    assert_eq!(to_end(&mut stuck).await, "");
    timeout(DEADLINE, server.tasks.join(DEADLINE)).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_had_says_what_to_do() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let said = format!("{:#}", bind(address).await.unwrap_err());
    assert!(said.contains(&address.to_string()) && said.contains("another program has this port"), "{said}");
    let said = format!("{:#}", bind("192.0.2.1:0".parse().unwrap()).await.unwrap_err());
    assert!(said.contains("192.0.2.1:0") && said.contains("this machine does not have this address"), "{said}");
}

#[test]
fn limits_are_read_as_a_person_writes_them() {
    let limits: Limits = toml::from_str("header_timeout = \"1s\"\nbody_bytes_max = \"1MiB\"\n").unwrap();
    let expected = Limits { header_timeout: Duration::from_secs(1), body_bytes_max: 1 << 20, ..Limits::default() };
    assert_eq!(limits, expected);
    assert_eq!(toml::from_str::<Limits>(&toml::to_string(&limits).unwrap()).unwrap(), limits);
    assert!(toml::from_str::<Limits>("header_time = \"1s\"").is_err());
}
