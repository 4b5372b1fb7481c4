use proptest::prelude::*;

use super::*;
use crate::era::{Era, Style};
use crate::fixtures::{self, any_text};
use crate::webhook::Webhook;

fn reread(body: &[u8]) -> SessionReport {
    match Webhook::read(body, "ticket").unwrap() {
        Webhook::Result(report) => report,
        other => panic!("{other:?}"),
    }
}

fn fixture(name: &str) -> SessionReport {
    reread(&fixtures::read("result", name))
}

#[test]
fn what_every_era_reports_is_written_and_reads_back_the_same() {
    for name in fixtures::names("result") {
        let report = fixture(&name);
        assert!(reread(&report.to_body()) == report, "{name}");
    }
}

#[test]
fn actions_come_as_one_several_empty_null_or_not_at_all() {
    for (name, count) in [
        ("2010-01-call-state", 1),
        ("2017-one-action", 1),
        ("2017-several-actions", 2),
        ("2017-transfer", 1),
        ("2011-no-actions", 0),
        ("2010-02-empty-actions", 0),
        ("2011-conference-hangup", 1),
        ("docs-called-id-and-user-type", 1),
        ("null-actions", 0),
        ("transcription", 0),
    ] {
        assert_eq!(fixture(name).actions.len(), count, "{name}");
    }
    assert_eq!(fixtures::names("result").len(), 10);
}

#[test]
fn early_spellings_mean_the_same() {
    let early = fixture("2010-01-call-state");
    assert_eq!(early.state, Some(SessionState::Answered));
    assert_eq!(early.call_id, None);
    assert_eq!(early.properties.get("charge.unit"), Some("60"));
    let loose = fixture("docs-called-id-and-user-type");
    assert_eq!(loose.called_id.as_deref(), Some("15555550100"));
    assert_eq!((loose.session_duration, loose.sequence, loose.complete), (Some(2), Some(1), Some(false)));
    assert_eq!(loose.user_type, Some(UserType::Machine));
    assert_eq!(loose.actions[0].disposition, Some(Disposition::Timeout));
    assert_eq!(loose.actions[0].attempts, Some(1));
    assert_eq!(fixture("null-actions").state, Some(SessionState::Other("RINGING".to_owned())));
}

#[test]
fn every_member_of_a_transfer_is_read() {
    let report = fixture("2017-transfer");
    let action = &report.actions[0];
    assert_eq!((action.duration, action.connected_duration), (Some(10), Some(5)));
    assert_eq!(action.called_id.as_deref(), Some("15555550155"));
    assert_eq!(action.user_type, Some(UserType::Human));
    assert!(action.extra.is_empty() && report.extra.is_empty());
}

#[test]
fn a_transcription_is_a_result_of_no_session() {
    let report = fixture("transcription");
    assert_eq!(report.session_id, None);
    assert_eq!(report.extra["guid"], "3FA17C36-CC7E");
}

#[test]
fn the_platform_writes_the_very_bytes_of_a_real_payload() {
    let body = fixtures::read("result", "2017-one-action");
    assert_eq!(
        String::from_utf8(fixture("2017-one-action").to_body()).unwrap(),
        String::from_utf8(body).unwrap().trim_end()
    );
    let nothing = SessionReport { sequence: Some(1), ..SessionReport::default() };
    assert_eq!(nothing.to_body(), br#"{"result":{"sequence":1,"error":null}}"#);
}

prop_compose! {
    fn any_action()(
        name in any_text(),
        attempts in proptest::option::of(any::<u32>()),
        value in proptest::option::of(any_text()),
        xml in proptest::option::of(any_text()),
        disposition in proptest::sample::select(vec![None, Some(Disposition::Hangup), Some(Disposition::Other("GONE".to_owned()))]),
    ) -> Action {
        Action { name: Some(name), attempts: attempts.map(u64::from), value, xml, disposition, ..Action::default() }
    }
}

prop_compose! {
    fn any_report()(
        session_id in proptest::option::of("[0-9a-f]{32}"),
        call_id in proptest::option::of("[0-9a-f]{32}"),
        state in proptest::sample::select(vec![None, Some(SessionState::Failed), Some(SessionState::Other("RINGING".to_owned()))]),
        session_duration in proptest::option::of(any::<u64>()),
        complete in proptest::option::of(any::<bool>()),
        error in proptest::option::of(any_text()),
        called_id in proptest::option::of("[0-9]{8,15}"),
        properties in proptest::collection::btree_map("[a-z.]{1,9}", any_text(), 0..3),
        actions in proptest::collection::vec(any_action(), 0..4),
    ) -> SessionReport {
        SessionReport {
            session_id: session_id.map(|id| id.parse().unwrap()), call_id, state, session_duration, sequence: Some(1),
            complete, error, called_id, user_type: None, properties: properties.into_iter().collect(), actions,
            extra: Extra::new(),
        }
    }
}

proptest! {
    #[test]
    fn a_written_report_reads_back_the_same(report in any_report()) {
        prop_assert!(reread(&report.to_body()) == report);
    }
}

#[test]
fn the_first_year_had_no_value_and_put_blanks_between_digits() {
    let written = |era: Era| {
        let report = fixture("2017-one-action");
        let body: Value = serde_json::from_slice(&report.to_body_in(Style { era, ..Style::default() })).unwrap();
        body["result"]["actions"].clone()
    };
    let first = written(Era::Year2010);
    assert_eq!(first["utterance"], "4 7 1 1");
    assert!(first.get("value").is_none() && first.get("xml").is_none(), "{first}");
    let later = written(Era::Year2011);
    assert_eq!((&later["utterance"], &later["value"]), (&Value::from("4711"), &Value::from("4711")));
}
