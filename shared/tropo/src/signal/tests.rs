use proptest::prelude::*;

use super::*;
use crate::fixtures::any_text;

#[track_caller]
fn check(method: &str, query: &str, body: &str, expected: Result<&str, RequestError>) {
    let read = SignalRequest::read(method, Some(query), None, body.as_bytes());
    assert_eq!(
        read.as_ref().map(|request| request.signal.as_str()).map_err(|error| *error),
        expected,
        "{query} {body}"
    );
}

#[test]
fn signals_are_read_in_every_form() {
    check("GET", "action=signal&value=exit", "", Ok("exit"));
    check("POST", "", r#"{"signal":"exit"}"#, Ok("exit"));
    check("POST", "", r#"{"value":"exit"}"#, Ok("exit"));
    check("POST", "", "signal=exit", Ok("exit"));
    check("POST", "action=signal", "value=exit", Ok("exit"));
    check("POST", "", "<signal>exit</signal>", Ok("exit"));
    check("POST", "", "<?xml version='1.0'?><signal><value>exit</value></signal>", Ok("exit"));
}

#[test]
fn what_is_no_signal_is_told_apart() {
    check("PUT", "value=exit", "", Err(RequestError::Method));
    check("GET", "", "", Err(RequestError::Signal));
    check("GET", "value=", "", Err(RequestError::Signal));
    check("GET", "action=create&value=exit", "", Err(RequestError::Action));
    check("POST", "", "{", Err(RequestError::Body));
    check("POST", "", "<signal>", Err(RequestError::Body));
}

#[test]
fn replies_are_what_each_client_looks_for() {
    let queued = SignalStatus::Queued;
    assert_eq!(queued.to_body(ReplyFormat::Json), br#"{"status":"QUEUED"}"#);
    assert_eq!(queued.to_body(ReplyFormat::Xml), b"<signal><status>QUEUED</status></signal>");
    assert_eq!(queued.to_body(ReplyFormat::Form), b"status=QUEUED");
    for status in [queued, SignalStatus::NotFound, SignalStatus::Failed, SignalStatus::Other("A&<B".to_owned())] {
        for format in [ReplyFormat::Json, ReplyFormat::Xml, ReplyFormat::Form] {
            assert_eq!(SignalStatus::read(&status.to_body(format)), Ok(status.clone()), "{format:?}");
        }
    }
    for wrong in ["", "{}", "[]", "<signal/>", "<signal>", "OK"] {
        assert_eq!(SignalStatus::read(wrong.as_bytes()), Err(UnreadableReply), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_written_signal_reads_back_the_same(signal in any_text()) {
        // XML requests are read trimmed.
        prop_assume!(!signal.trim().is_empty() && signal.trim() == signal);
        let request = SignalRequest { signal };
        for body in [request.to_json_body(), request.to_form().into_bytes(), request.to_xml_body().into_bytes()] {
            prop_assert_eq!(SignalRequest::read("POST", None, None, &body), Ok(request.clone()));
        }
        prop_assert_eq!(SignalRequest::read("GET", Some(&request.to_query()), None, b""), Ok(request));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(body in "[<{]?\\PC{0,60}", query in "\\PC{0,30}") {
        let _ = SignalRequest::read("POST", Some(&query), None, body.as_bytes());
        let _ = SignalStatus::read(body.as_bytes());
    }
}
