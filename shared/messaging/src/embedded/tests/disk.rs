//! The directory and the file: taken, full, of another version, too old.

use std::fs;

use rusqlite::Connection;

use super::*;

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("bus.db")
}

#[track_caller]
fn check_refused(directory: &TempDir, expected: &str) {
    let error = open(directory.path(), topology()).map(drop).unwrap_err();
    assert_eq!(error.to_string().replace(&directory.path().display().to_string(), "DIR"), expected);
}

#[tokio::test]
async fn one_bus_at_a_time_has_a_directory() {
    let (directory, bus) = bus();
    check_refused(&directory, "the embedded bus in DIR is in use by another tropomq");
    bus.close().await;
    open_in(&directory);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let (directory, bus) = bus();
    bus.close().await;
    Connection::open(file(&directory)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    check_refused(
        &directory,
        "DIR/bus.db was written by a newer tropomq: its format is 99, the newest known here is 1",
    );
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let directory = TempDir::new().unwrap();
    fs::write(file(&directory), "not a database".repeat(100)).unwrap();
    check_refused(&directory, "cannot open the embedded bus's file DIR/bus.db");
    assert!(fs::read(file(&directory)).unwrap().starts_with(b"not a database"));
}

#[tokio::test]
async fn a_database_of_another_kind_is_left_alone() {
    let directory = TempDir::new().unwrap();
    Connection::open(file(&directory)).unwrap().execute("CREATE TABLE other (id INTEGER)", []).unwrap();
    let expected = "DIR/bus.db is not the file of an embedded bus: move it away, or choose another directory";
    check_refused(&directory, expected);
    let other = TempDir::new().unwrap();
    open_spool(other.path(), &"spool".into()).unwrap().0.close().await;
    fs::rename(other.path().join("spool.db"), file(&directory)).unwrap();
    check_refused(&directory, expected);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("taken"), "").unwrap();
    let error = open(&directory.path().join("taken"), topology()).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_until_there_is_room() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&file(&directory), BUS).unwrap();
    store.fill(400);
    let bus = start(lock(directory.path(), BUS).unwrap().0, &file(&directory), store, topology()).unwrap().bus;
    let mut state = bus.state();
    let large = |body: u32| Message { body: format!("{body:0>60000}").into(), ..to("work.a", body) };
    let mut confirmed = 0;
    let refused = loop {
        match bus.publish(large(confirmed)).await {
            Ok(()) if confirmed < 1000 => confirmed += 1,
            Ok(()) => panic!("a disk that is never full"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, PublishError::Unavailable(_)), "{refused:?}");
    assert!(matches!(&*state.borrow(), BusState::Blocked(_)));
    assert!(0 < confirmed);
    // What is acknowledged makes room, and nobody has to publish for that to be found out.
    let mut subscription = subscribe(&bus, "work", 1000).await;
    let taken = take(&mut subscription, usize::try_from(confirmed).unwrap()).await;
    assert_eq!(taken, (0..confirmed).collect::<Vec<_>>());
    timeout(DEADLINE, state.wait_for(|state| *state == BusState::Ready)).await.unwrap().unwrap();
    bus.publish(large(77)).await.unwrap();
    assert_eq!(take(&mut subscription, 1).await, [77]);
    settle(&bus).await;
    check_idle(&mut subscription);
}

#[tokio::test]
async fn what_was_settled_while_the_disk_fails_does_not_come_again() {
    let (directory, bus) = bus();
    let letters = 0..300;
    try_join_all(letters.clone().map(|body| bus.publish(message(Destination::Dead, body)))).await.unwrap();
    bus.close().await;
    let fails = "CREATE TRIGGER fails BEFORE DELETE ON message BEGIN SELECT RAISE(ABORT, 'a test'); END";
    Connection::open(file(&directory)).unwrap().execute_batch(fails).unwrap();
    let bus = open_in(&directory);
    let mut looking = subscribe(&bus, "tropomq.dead", 1000).await;
    for expected in letters.clone() {
        let delivery = next(&mut looking).await;
        assert_eq!(body(&delivery), expected);
        // Behind those that stay in memory.
        if expected == 290 {
            delivery.settler.ack().await;
        }
    }
    drop(looking);
    // Nothing is written, and what was asked before is done.
    bus.publish(to("work.a", 0)).await.unwrap_err();
    let mut again = subscribe(&bus, "tropomq.dead", 1000).await;
    for expected in letters.filter(|body| *body != 290) {
        assert_eq!(body(&next(&mut again).await), expected);
    }
}

#[tokio::test]
async fn messages_of_a_record_that_grew_too_old_are_removed() {
    let (directory, bus) = bus();
    publish(&bus, "record", 0..2).await;
    publish(&bus, "work.a", [5]).await;
    bus.close().await;
    let aged = "UPDATE message SET added_ms = added_ms - 60000 WHERE CAST(body AS TEXT) IN ('0', '5')";
    assert_eq!(Connection::open(file(&directory)).unwrap().execute(aged, []).unwrap(), 2);
    let bus = open_in(&directory);
    let mut record = subscribe(&bus, "record", 10).await;
    assert_eq!(take(&mut record, 1).await, [1]);
    assert_eq!(take(&mut subscribe(&bus, "work", 10).await, 1).await, [5]);
    settle(&bus).await;
    check_idle(&mut record);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_does_not_grow_under_a_steady_load() {
    let (directory, bus) = bus();
    let mut subscription = subscribe(&bus, "work", 200).await;
    let mut sizes = Vec::new();
    for _ in 0..20 {
        let (taken, ()) = futures::join!(take(&mut subscription, 1000), publish(&bus, "work.a", 0..1000));
        assert_eq!(taken.len(), 1000);
        let size = |name: &str| fs::metadata(directory.path().join(name)).map_or(0, |file| file.len());
        sizes.push(size("bus.db") + size("bus.db-wal"));
    }
    assert!(sizes.iter().all(|size| *size < 16 << 20), "{sizes:?}");
    bus.close().await;
    assert!(!directory.path().join("bus.db-wal").exists());
}
