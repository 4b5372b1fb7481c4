use sha2::{Digest, Sha256};

use super::*;

/// The beginning of the SHA-256 of each step. One that was released stays as it is.
const HASHES: [u64; STEPS.len()] = [
    0xce14_c213_5e3a_fcbf,
    0xc0ed_b3cf_5977_e713,
    0x9a2c_659c_e2e9_f2d0,
    0x8033_2757_70af_8083,
    0x76a3_1fcd_ca62_972c,
    0x82cc_a4e9_3ccb_1603,
    0x84ca_5a8a_efc3_e196,
    0x56d0_23d5_6853_f6d5,
];

/// Rows as the code of each version wrote them, to be there still after the steps behind it.
const ROWS: [&str; STEPS.len()] = [
    "INSERT INTO ledger_releases VALUES (ID, 's', 'b', 'c', 3, now(), 'sent', now());",
    "INSERT INTO account_entries VALUES (1, ID, 'b', 'c', 5, now()); INSERT INTO account_totals VALUES (1, 'b', 5, 1);",
    "UPDATE ledger_releases SET detail = 'd', life = 1;",
    "",
    "INSERT INTO memories VALUES ('poll', 'b', '+15555550177', '1', 1, now());
     INSERT INTO memory_records VALUES (ID, '[]', now());
     INSERT INTO consents VALUES ('b', '+15555550177', 'out', now(), ID, 'stop');
     INSERT INTO consent_changes VALUES (ID, 'b', '+15555550177', 'out', 'stop', NULL, now());
     INSERT INTO explanations VALUES (ID, ID, 's', 'b', now(), '{}');",
    "INSERT INTO journal_events VALUES (1, ID, 'message.sent', now(), 'b', 'c', 's', 1, ID, '{}');
     INSERT INTO journal_log (place, subject, id, backend, marks, begun_at, touched_at)
         VALUES (1, 1, ID, 'b', 5, now(), now());
     INSERT INTO journal_words VALUES (1, 'hello');
     INSERT INTO journal_tallies VALUES (now(), 'b', 'message.sent', 1);",
    "INSERT INTO desk_sessions VALUES ('\\x01', 'ann', '\\x02', now(), now());
     INSERT INTO desk_requests VALUES ('\\x01', '\\x02', ID, now());
     INSERT INTO desk_acts (at, who, action, detail) VALUES (now(), 'ann', 'replay', '{}');",
    "",
];

#[test]
fn a_step_that_was_released_stays_as_it_is() {
    let hashes = STEPS.map(|step| u64::from_be_bytes(*Sha256::digest(step).first_chunk().unwrap()));
    assert!(hashes == HASHES, "add a step behind the others instead: {hashes:#x?}");
}

#[tokio::test]
async fn every_version_is_brought_up_to_date_with_what_it_holds() {
    for from in 1..STEPS.len() {
        let database = testkit::database().unwrap();
        let mut made =
            format!("CREATE TABLE ledger_schema (version bigint NOT NULL); INSERT INTO ledger_schema VALUES ({from});");
        for (step, rows) in STEPS.iter().zip(ROWS).take(from) {
            made.push_str(step);
            made.push_str(&rows.replace("ID", "'6f08c07b-eb3b-5be3-9044-89bbde80e4f3'"));
        }
        database.execute(&made).unwrap();
        drop(crate::open(database.url()).await.unwrap());
        let tables = ROWS[..from].iter().flat_map(|rows| rows.split("INSERT INTO ").skip(1));
        for table in tables.filter_map(|insert| insert.split(' ').next()) {
            let count = database.execute(&format!("SELECT count(*) FROM {table}")).unwrap();
            assert_eq!(count.trim(), "1", "{table}, from version {from}");
        }
        let said = database.execute("SELECT version || ' ' || works_from FROM ledger_schema").unwrap();
        assert_eq!(said.trim(), format!("{KNOWN} {WORKS_FROM}"));
    }
}
