use lapin::types::{DecimalValue, FieldArray};
use protocol::topology::{RETRY_LEVELS, UNROUTED};

use super::*;

fn topic(routing_key: &str) -> Destination {
    Destination::Topic { routing_key: routing_key.to_owned() }
}

fn message(destination: Destination, properties: Properties) -> Message {
    Message { destination, properties, body: Bytes::from_static(b"{}") }
}

fn headers<const N: usize>(headers: [(&str, &str); N]) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[track_caller]
fn check_route(destination: Destination, exchange: &str, routing_key: &str, expiration: Option<&str>) {
    let properties = Properties { headers: headers([(ROUTING_KEY, "message.send.a")]), ..Properties::default() };
    let publication = Publication::of(message(destination, properties)).unwrap();
    assert_eq!((publication.exchange.as_str(), publication.routing_key.as_str()), (exchange, routing_key));
    assert_eq!(publication.properties.expiration().as_ref().map(ShortString::as_str), expiration);
    assert_eq!(*publication.properties.delivery_mode(), Some(PERSISTENT));
}

#[test]
fn a_destination_is_an_exchange_and_a_routing_key() {
    let delayed = |delay| Destination::Delayed { queue: "egress.a".into(), delay };
    let [.., longest] = RETRY_LEVELS;
    check_route(topic("message.sent.a"), "tropomq", "message.sent.a", None);
    check_route(Destination::Dead, "tropomq.dead", "message.send.a", None);
    check_route(delayed(Duration::from_millis(300)), "tropomq.retry.500ms", "egress.a", Some("300"));
    check_route(delayed(Duration::from_micros(1500)), "tropomq.retry.100ms", "egress.a", Some("2"));
    check_route(delayed(Duration::ZERO), "tropomq.retry.100ms", "egress.a", Some("0"));
    check_route(delayed(longest * 3), "tropomq.retry.3600000ms", "egress.a", Some("3600000"));
}

#[test]
fn properties_are_read_as_they_were_written() {
    let properties = Properties {
        message_id: Some("id".to_owned()),
        correlation_id: Some("session".to_owned()),
        message_type: Some("message.send.v1".to_owned()),
        app_id: Some("router".to_owned()),
        timestamp: Some(1_700_000_000),
        headers: headers([("traceparent", "00-1-2-01"), ("grüße", "😀"), ("empty", "")]),
    };
    for properties in [properties, Properties::default()] {
        let publication = Publication::of(message(topic("x"), properties.clone())).unwrap();
        assert_eq!(read(&publication.properties, &"q".into()), properties);
    }
}

#[track_caller]
fn check_unfit(message: Message, what: &'static str, bytes: usize, bytes_max: usize) {
    assert_eq!(Publication::of(message).unwrap_err(), Unfit { what, bytes, bytes_max });
}

#[test]
fn what_amqp_cannot_carry_is_refused_and_never_cut() {
    let long = "x".repeat(256);
    let id = || Some(long.clone());
    let none = Properties::default;
    let with = |headers| message(topic("x"), Properties { headers, ..none() });
    check_unfit(message(topic(&long), none()), "routing key", 256, 255);
    let delayed = Destination::Delayed { queue: long.as_str().into(), delay: Duration::ZERO };
    check_unfit(message(delayed, none()), "routing key", 256, 255);
    check_unfit(message(topic("x"), Properties { message_id: id(), ..none() }), "message id", 256, 255);
    check_unfit(message(topic("x"), Properties { correlation_id: id(), ..none() }), "correlation id", 256, 255);
    check_unfit(message(topic("x"), Properties { message_type: id(), ..none() }), "type", 256, 255);
    check_unfit(message(topic("x"), Properties { app_id: id(), ..none() }), "app id", 256, 255);
    check_unfit(with(headers([(&long, "")])), "header name", 256, 255);
    check_unfit(with(headers([("h", &"x".repeat(65_536))])), "headers", 65_537, 65_536);
    let body = Bytes::from(vec![b' '; (16 << 20) + 1]);
    check_unfit(Message { body, ..message(topic("x"), none()) }, "body", 16_777_217, 16_777_216);
    assert!(Publication::of(message(topic(&"x".repeat(255)), none())).is_ok());
}

#[test]
fn what_other_clients_put_into_headers_becomes_text() {
    let table = table([
        ("bool", AMQPValue::Boolean(true)),
        ("int", AMQPValue::LongInt(-7)),
        ("long", AMQPValue::LongLongInt(1 << 40)),
        ("short", AMQPValue::ShortString("s".into())),
        ("long string", long("l")),
        ("double", AMQPValue::Double(1.5)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 150 })),
        ("time", AMQPValue::Timestamp(5)),
        ("broken", AMQPValue::LongString(LongString::from(vec![b'a', 0xff]))),
        ("table", AMQPValue::FieldTable(FieldTable::default())),
        ("void", AMQPValue::Void),
        ("x-delivery-count", AMQPValue::LongLongInt(2)),
        ("x-first-death-reason", long("expired")),
    ]);
    let properties = BasicProperties::default().with_headers(table);
    let expected = headers([
        ("bool", "true"),
        ("int", "-7"),
        ("long", "1099511627776"),
        ("short", "s"),
        ("long string", "l"),
        ("double", "1.5"),
        ("decimal", "150e-2"),
        ("time", "5"),
        ("broken", "a\u{fffd}"),
    ]);
    assert_eq!(read(&properties, &"q".into()).headers, expected);
    assert!(was_delivered(&properties));
    assert!(!was_delivered(&BasicProperties::default()));
}

#[test]
fn what_the_broker_gave_up_says_why() {
    let keys = FieldArray::from(vec![long("message.send.a")]);
    let death = table([
        ("reason", long("delivery_limit")),
        ("queue", long("egress.a")),
        ("routing-keys", AMQPValue::FieldArray(keys)),
        ("time", AMQPValue::Timestamp(1_786_000_000)),
    ]);
    let deaths = AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::FieldTable(death)]));
    let read_from = |queue: &str, more: [(&str, AMQPValue); 1]| {
        let mut noted = table([("x-death", deaths.clone())]);
        for (name, value) in more {
            noted.insert(name.into(), value);
        }
        read(&BasicProperties::default().with_headers(noted), &queue.into()).headers
    };
    let told = headers([
        (REASON, "delivery_limit"),
        (QUEUE, "egress.a"),
        (ROUTING_KEY, "message.send.a"),
        (DEAD_AT, "2026-08-06T07:06:40Z"),
        ("a", "b"),
    ]);
    assert_eq!(read_from(DEAD, [("a", long("b"))]), told);
    assert_eq!(read_from(UNROUTED, [("a", long("b"))]), headers([("a", "b")]));
    assert_eq!(read_from(DEAD, [(REASON, long("failed"))])[REASON], "failed");
}
