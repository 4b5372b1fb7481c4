use sha2::{Digest, Sha256};

use super::*;

/// The beginning of the SHA-256 of each step. One that was released stays as it is.
const HASHES: [u64; STEPS.len()] = [
    0x8951_205c_4f87_9d07,
    0x7191_e85c_31fb_5fa6,
    0xd3a5_2976_d22b_bb96,
    0x8033_2757_70af_8083,
    0xd359_d054_1d5a_e819,
    0x82d0_2710_965f_d71f,
    0xba53_cfdf_ebd2_1f73,
    0xf510_6b8c_923b_46e5,
];

/// Rows as the code of each version wrote them, to be there still after the steps behind it.
const ROWS: [&str; STEPS.len()] = [
    "INSERT INTO ledger_releases VALUES (x'01', 's', 'b', 'c', 3, 1700000000123456, 'sent', 1700000001123456);",
    "INSERT INTO account_entries VALUES (1, x'01', 'b', 'c', 5, 1700000000123456);
     INSERT INTO account_totals VALUES (1, 'b', 5, 1);",
    "UPDATE ledger_releases SET detail = 'd', life = 1;",
    "",
    "INSERT INTO memories VALUES ('poll', 'b', '+15555550177', '1', 1, 1700000000123456);
     INSERT INTO memory_records VALUES (x'01', '[]', 1700000000123456);
     INSERT INTO consents VALUES ('b', '+15555550177', 'out', 1700000000123456, x'01', 'stop');
     INSERT INTO consent_changes VALUES (x'01', 'b', '+15555550177', 'out', 'stop', NULL, 1700000000123456);
     INSERT INTO explanations VALUES (x'01', x'02', 's', 'b', 1700000000123456, '{}');",
    "INSERT INTO journal_events VALUES (1, x'01', 'message.sent', 1700000000123456, 'b', 'c', 's', 1, x'01', '{}');
     INSERT INTO journal_log VALUES (1, 1, x'01', 'b', 'c', 's', NULL, 5, 2, 1, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
     INSERT INTO journal_words (rowid, words) VALUES (1, 'hello');
     INSERT INTO journal_tallies VALUES (60000000, 'b', 'message.sent', 1);",
    "INSERT INTO desk_sessions VALUES (x'01', 'ann', x'02', 1, 2);
     INSERT INTO desk_requests VALUES (x'01', x'02', x'03', 1);
     INSERT INTO desk_acts (at, who, action, detail) VALUES (1, 'ann', 'replay', '{}');",
    "",
];

#[test]
fn a_step_that_was_released_stays_as_it_is() {
    let hashes = STEPS.map(|step| u64::from_be_bytes(*Sha256::digest(step).first_chunk().unwrap()));
    assert!(hashes == HASHES, "add a step behind the others instead: {hashes:#x?}");
}

#[test]
fn every_version_is_brought_up_to_date_with_what_it_holds() {
    for from in 1..STEPS.len() {
        let mut connection = Connection::open_in_memory().unwrap();
        for (step, rows) in STEPS.iter().zip(ROWS).take(from) {
            connection.execute_batch(step).unwrap();
            connection.execute_batch(rows).unwrap();
        }
        connection.pragma_update(None, "user_version", i64::try_from(from).unwrap()).unwrap();
        assert!(matches!(check(&connection), Err(OpenError::Older { .. })), "{from}");
        migrate(&mut connection).unwrap();
        check(&connection).unwrap();
        let tables = ROWS[..from].iter().flat_map(|rows| rows.split("INSERT INTO ").skip(1));
        for table in tables.filter_map(|insert| insert.split(' ').next()) {
            let count: i64 =
                connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
            assert_eq!(count, 1, "{table}, from version {from}");
        }
        assert_eq!(edition(&connection).unwrap(), Edition::known(KNOWN));
        let works_from: i64 =
            connection.query_row("SELECT works_from FROM ledger_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(works_from, WORKS_FROM);
    }
}
