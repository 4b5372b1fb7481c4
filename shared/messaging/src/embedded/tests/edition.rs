//! Files as a release left them, read by this version. What stands here is frozen: no change of the format changes it, and
//! a new format gets a file of its own beside it.

use rusqlite::Connection;

use super::*;

/// The tables of format 1, as 0.1 made them.
const FORMAT_1: &str = "
    CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL REFERENCES queue,
        due_ms INTEGER,
        added_ms INTEGER NOT NULL,
        routing_key TEXT NOT NULL,
        properties TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX message_ready ON message (queue, due_ms) WHERE due_ms IS NULL;
    CREATE INDEX message_waiting ON message (due_ms) WHERE due_ms IS NOT NULL;
    CREATE TABLE probe (filling BLOB NOT NULL) STRICT;
    PRAGMA user_version = 1;
";

/// One message with all the properties that there were, and one with none.
const MESSAGES: &str = r#"
    INSERT INTO message (seq, queue, due_ms, added_ms, routing_key, properties, body) VALUES
        (3, 1, NULL, 1700000000000, 'work.a', '{"id":"m","correlation":"s","type":"message.sent.v1","app":"egress","timestamp":1,"headers":{"traceparent":"00"}}', x'37'),
        (4, 1, NULL, 1700000000000, 'work.b', '{}', x'38');
"#;

fn made(directory: &TempDir, name: &str, rows: &str) {
    let file = Connection::open(directory.path().join(name)).unwrap();
    file.pragma_update(None, "journal_mode", "wal").unwrap();
    file.execute_batch(&format!("{FORMAT_1}{rows}{MESSAGES}")).unwrap();
}

async fn check(bus: &Arc<dyn Bus>, queue: &str) {
    let mut there = subscribe(bus, queue, 9).await;
    let (first, second) = (next(&mut there).await, next(&mut there).await);
    let properties = Properties {
        message_id: Some("m".to_owned()),
        correlation_id: Some("s".to_owned()),
        message_type: Some("message.sent.v1".to_owned()),
        app_id: Some("egress".to_owned()),
        timestamp: Some(1),
        headers: BTreeMap::from([("traceparent".to_owned(), "00".to_owned())]),
    };
    assert_eq!((&*first.routing_key, body(&first), &first.properties), ("work.a", 7, &properties));
    assert_eq!((&*second.routing_key, body(&second), &second.properties), ("work.b", 8, &Properties::default()));
    first.settler.ack().await;
    second.settler.ack().await;
}

#[tokio::test]
async fn the_bus_of_the_first_release_is_taken_over() {
    let directory = TempDir::new().unwrap();
    let waits = "INSERT INTO queue (id, name) VALUES (1, 'work'), (2, 'gone');
        INSERT INTO message (seq, queue, due_ms, added_ms, routing_key, properties, body) VALUES
            (9, 1, 1, 1, 'work.c', '{}', x'39'), (2, 2, NULL, 1, 'gone', '{}', x'32');";
    made(&directory, "bus.db", waits);
    let bus = open_in(&directory);
    check(&bus, "work").await;
    assert_eq!(take(&mut subscribe(&bus, "work", 1).await, 1).await, [9], "its wait is over");
    publish(&bus, "work.d", [10]).await;
    bus.close().await;
    let bus = open_in(&directory);
    assert_eq!(take(&mut subscribe(&bus, "work", 1).await, 1).await, [10]);
}

#[tokio::test]
async fn the_spool_of_the_first_release_is_taken_over() {
    let directory = TempDir::new().unwrap();
    made(
        &directory,
        "spool.db",
        "PRAGMA application_id = 1953590643; INSERT INTO queue (id, name) VALUES (1, 'spool');",
    );
    let (bus, totals) = open_spool(directory.path(), &"spool".into()).unwrap();
    assert_eq!((totals.messages, totals.bytes), (2, 2));
    check(&bus, "spool").await;
}
