use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use protocol::Timestamp;

use super::*;
use crate::fixtures::any_text;

const TOKEN: &str = "4e6f7420612072656c20746f6b656e2c206a75737420612074657374206f66206f6e6521";

fn request(parameters: &[(&str, &str)]) -> LaunchRequest {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LaunchRequest { token: "TESTTOKEN".to_owned(), parameters }
}

/// What a client sends: method, query, content type, body.
type Sent<'a> = (&'a str, &'a str, &'a str, &'a str);

#[track_caller]
fn check(sent: Sent<'_>, format: ReplyFormat, parameters: &[(&str, &str)]) {
    let (method, query, content_type, body) = sent;
    let read = LaunchRequest::read(method, Some(query), Some(content_type), body.as_bytes());
    assert!(read == Ok((request(parameters), format)), "{sent:?}: {read:?}");
}

#[test]
fn every_client_is_understood() {
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    // PHP, Node, Erlang, Perl, CommCare; C# ends in `&`.
    check(("GET", "action=create&token=TESTTOKEN&msg=a%2Bb+c&", "", ""), ReplyFormat::Xml, &[("msg", "a+b c")]);
    // rapidsms-tropo, and tropo_rest without an action.
    check(
        ("POST", "", json, r#"{"action":"create","token":"TESTTOKEN","program":"eyJ0 é"}"#),
        ReplyFormat::Json,
        &[("program", "eyJ0 é")],
    );
    let types = r#"{"token":"TESTTOKEN","a":123.45,"b":1,"c":true,"d":null,"e":{"f":[1]}}"#;
    check(
        ("POST", "", json, types),
        ReplyFormat::Json,
        &[("a", "123.45"), ("b", "1"), ("c", "true"), ("e", r#"{"f":[1]}"#)],
    );
    // Java: the action in the query, the token in the body, and a stray key.
    check(
        ("POST", "action=create&http.useragent=x&k=query", form, "token=TESTTOKEN&k=body"),
        ReplyFormat::Form,
        &[("http.useragent", "x"), ("k", "body")],
    );
    // The documented XML, and what the tropo_message gem writes.
    check(
        ("POST", "", "text/xml", r#"<session><token>TESTTOKEN</token><var name="k" value="a&amp;b&#10;"/></session>"#),
        ReplyFormat::Xml,
        &[("k", "a&b\n")],
    );
    check(
        (
            "POST",
            "",
            "",
            "<?xml version=\"1.0\"?>\n<sessions>\n <token>TESTTOKEN</token>\n <var name='k' value='v'></var>\n</sessions>",
        ),
        ReplyFormat::Xml,
        &[("k", "v")],
    );
    // curl -d says form, whatever it sends.
    check(("POST", "", form, r#" {"token":"TESTTOKEN"}"#), ReplyFormat::Json, &[]);
    check(("POST", "token=TESTTOKEN", form, ""), ReplyFormat::Form, &[]);
}

#[test]
fn what_careless_clients_do_not_escape_is_understood() {
    let query = |query: &str, expected: &[(&str, &str)]| {
        check(("GET", &format!("action=create&token=TESTTOKEN&{query}"), "", ""), ReplyFormat::Xml, expected);
    };
    query("msg=you & me&to=+1555", &[("msg", "you & me"), ("to", " 1555")]);
    query("msg=R&D & more&", &[("msg", "R&D & more")]);
    query("&&msg=a&&b&&&", &[("msg", "a&b")]);
    query("msg=a&amp;b=c", &[("msg", "a"), ("amp;b", "c")]);
    query("msg=100%25&t=100%&u=%zz%4", &[("msg", "100%"), ("t", "100%"), ("u", "%zz%4")]);
    query("msg=1=2&=x", &[("msg", "1=2"), ("", "x")]);
    // What belongs to no value is a name.
    query("flag&msg=a", &[("flag", ""), ("msg", "a")]);
    query("msg=%E9t%E9&u=%C3%A9+é", &[("msg", "été"), ("u", "é é")]);
    let form = "token=TESTTOKEN&msg=you & me&";
    check(
        ("POST", "action=create&", "application/x-www-form-urlencoded", form),
        ReplyFormat::Form,
        &[("msg", "you & me")],
    );
}

#[test]
fn what_asks_for_no_session_is_told_apart() {
    let refused =
        |method, query, body: &str| LaunchRequest::read(method, Some(query), None, body.as_bytes()).unwrap_err();
    assert_eq!(refused("PUT", "action=create&token=T", ""), RequestError::Method);
    assert_eq!(refused("GET", "token=T", ""), RequestError::Action);
    assert_eq!(refused("POST", "action=signal&token=T", ""), RequestError::Action);
    assert_eq!(refused("GET", "action=create", ""), RequestError::Token);
    assert_eq!(refused("POST", "", "{}"), RequestError::Token);
    assert_eq!(refused("POST", "", "token="), RequestError::Token);
    for body in ["{", "{\"token\":}", "<session>", "<session><var/></session>", "<session>&x;</session>"] {
        assert_eq!(refused("POST", "", body), RequestError::Body, "{body}");
    }
    assert_eq!(ReplyFormat::of_request("POST", Some("application/json"), b"["), ReplyFormat::Json);
}

#[test]
fn a_parameter_cannot_pose_as_the_token() {
    let request = request(&[("token", "OTHER"), ("action", "signal"), ("k", "v")]);
    for body in [request.to_json_body(), request.to_form().into_bytes(), request.to_xml_body().into_bytes()] {
        let (read, _) = LaunchRequest::read("POST", None, None, &body).unwrap();
        assert!(read.token == "TESTTOKEN" && read.parameters.len() == 1);
    }
}

#[test]
fn replies_are_what_each_client_looks_for() {
    let id = "9f0c4be1a27d4d7f8a53e6b1c0d92e44";
    let reply =
        LaunchReply { success: true, token: Some("TESTTOKEN".to_owned()), id: Some(id.to_owned()), error: None };
    let written = |reply: &LaunchReply, format| String::from_utf8(reply.to_body(format)).unwrap();
    assert_eq!(written(&reply, ReplyFormat::Json), format!(r#"{{"success":true,"token":"TESTTOKEN","id":"{id}"}}"#));
    let xml = format!("<session><success>true</success><token>TESTTOKEN</token><id>{id}</id></session>");
    assert_eq!(written(&reply, ReplyFormat::Xml), xml);
    assert_eq!(written(&reply, ReplyFormat::Form), format!("success=true&token=TESTTOKEN&id={id}"));
    let raw = LaunchReply { id: Some(format!("{id}\r\n")), ..reply.clone() };
    for format in [ReplyFormat::Json, ReplyFormat::Xml, ReplyFormat::Form] {
        assert!(LaunchReply::read(&raw.to_body(format)) == Ok(reply.clone()), "{format:?}");
        assert!(format.content_type().is_ascii());
    }
    let refused = LaunchReply { error: Some("invalid token".to_owned()), ..LaunchReply::default() };
    assert_eq!(written(&refused, ReplyFormat::Json), r#"{"success":false,"error":"invalid token"}"#);
}

fn now() -> Timestamp {
    "2013-06-02T09:30:15Z".parse().unwrap()
}

fn launched(id: &str) -> Result<Launched, Refusal> {
    Ok(Launched { session_id: Some(id.parse().unwrap()) })
}

fn rejected(detail: &str) -> Result<Launched, Refusal> {
    Err(Refusal::Rejected { detail: detail.to_owned() })
}

#[test]
fn a_success_is_one_in_every_format() {
    let accepted = |body: &str| judge(200, None, body.as_bytes(), now());
    for body in [
        "<session><success>true</success><token>TESTTOKEN</token><id>9f0c4be1\n</id></session>",
        "{\"success\":true,\"token\":\"TESTTOKEN\",\"id\":\"9f0c4be1\\r\\n\"}",
        "success=true&token=TESTTOKEN&id=9f0c4be1",
        "success=true&token=TESTTOKEN&id=9f0c4be1%0D%0A\r\n",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<session><success>true</success><id> 9f0c4be1 </id></session>",
        "{\"success\":\"true\",\"id\":\"9f0c4be1\"}",
    ] {
        assert_eq!(accepted(body), launched("9f0c4be1"), "{body}");
    }
    assert_eq!(accepted("{\"success\":true}"), Ok(Launched { session_id: None }));
    assert_eq!(accepted("{\"success\":true,\"id\":\"a b\"}"), Ok(Launched { session_id: None }));
    assert_eq!(judge(201, None, b"success=true&id=s1", now()), launched("s1"));
}

#[test]
fn a_bad_token_is_refused_in_every_form() {
    let empty = rejected("empty answer, as to an unknown token");
    for (status, body, expected) in [
        (200, r#"{"success":false,"error":"invalid token"}"#, rejected("invalid token")),
        (200, r#"{"success":false,"token":"T1","error":"no application for T1"}"#, rejected("no application for […]")),
        (200, r#"{"success":false}"#, rejected("no reason given")),
        (200, r#"{"error":"invalid token"}"#, rejected("invalid token")),
        (
            200,
            "<session><success>false</success><error>invalid &amp; wrong</error></session>",
            rejected("invalid & wrong"),
        ),
        (200, "success=false&error=invalid+token", rejected("invalid token")),
        (200, "", empty.clone()),
        (204, " \r\n", empty),
        (401, "", rejected("status 401")),
        (403, "<html><body>Forbidden</body></html>", rejected("status 403")),
        (404, r#"{"errors":[{"message":"no such application"}]}"#, rejected("no such application")),
        (400, r#"{"error":{"code":7}}"#, rejected(r#"{"code":7}"#)),
        (415, "not json", rejected("status 415")),
    ] {
        assert_eq!(judge(status, None, body.as_bytes(), now()), expected, "{status} {body}");
    }
}

#[test]
fn what_may_pass_is_told_from_what_will_not() {
    let throttled = |seconds: Option<u64>| Err(Refusal::Throttled { retry_after: seconds.map(Duration::from_secs) });
    for (status, header, expected) in [
        (429, None, throttled(None)),
        (429, Some("7"), throttled(Some(7))),
        (429, Some(" 7 "), throttled(Some(7))),
        (429, Some("soon"), throttled(None)),
        (429, Some("-1"), throttled(None)),
        (429, Some("99999999999"), throttled(Some(86_400))),
        (429, Some("Sun, 02 Jun 2013 09:31:15 GMT"), throttled(Some(60))),
        (429, Some("Sun, 02 Jun 2013 09:29:15 GMT"), throttled(Some(0))),
        (503, Some("7"), throttled(Some(7))),
        (503, None, Err(Refusal::Unavailable { status: 503 })),
        (500, Some("7"), Err(Refusal::Unavailable { status: 500 })),
        (501, None, Err(Refusal::Unavailable { status: 501 })),
        (408, None, Err(Refusal::Unavailable { status: 408 })),
        (425, None, Err(Refusal::Unavailable { status: 425 })),
        (302, None, Err(Refusal::Unavailable { status: 302 })),
        (100, None, Err(Refusal::Unavailable { status: 100 })),
    ] {
        assert_eq!(judge(status, header, br#"{"success":true,"id":"s1"}"#, now()), expected, "{status} {header:?}");
    }
}

#[test]
fn a_2xx_that_says_nothing_known_is_unreadable() {
    for body in [
        "OK",
        "{",
        "{}",
        "[]",
        "true",
        "<html><p>Log in</p></html>",
        "<session>",
        "<session/>",
        "{\"id\":\"s1\"}",
        "\u{0}",
    ] {
        assert_eq!(judge(200, None, body.as_bytes(), now()), Err(Refusal::Unreadable), "{body}");
    }
    assert_eq!(judge(200, None, b"\xff\xfe\x00", now()), Err(Refusal::Unreadable));
}

#[test]
fn a_refusal_is_short_printable_and_without_secrets() {
    let detail = |error: &str| {
        let body = serde_json::json!({"success": false, "error": error}).to_string();
        match judge(200, None, body.as_bytes(), now()) {
            Err(Refusal::Rejected { detail }) => detail,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(detail(&format!("token {TOKEN} is unknown")), "token […] is unknown");
    assert_eq!(detail(&format!("token={TOKEN}")), "token=[…]");
    assert_eq!(detail(&format!("no {}", "a".repeat(41))), "no […]");
    assert_eq!(detail("cannot text +15555550177"), "cannot text +[…]");
    assert_eq!(detail("application-has-no-outbound-number"), "application-has-no-outbound-number");
    assert_eq!(detail("a\r\nb\u{1b}[31m"), "a  b [31m");
    assert_eq!(detail(&"é ".repeat(300)).chars().count(), 200);
    let refusal = Refusal::Rejected { detail: "token T1 is unknown".to_owned() };
    assert_eq!(refusal.without("T1"), Refusal::Rejected { detail: "token […] is unknown".to_owned() });
}

#[test]
fn debug_shows_no_secret() {
    let request = request(&[("ticket", "k1.e30.c2ln")]);
    let reply = LaunchReply { token: Some("TESTTOKEN".to_owned()), ..LaunchReply::default() };
    let shown = format!("{request:?} {reply:?}");
    assert!(shown.contains("ticket") && !shown.contains("TESTTOKEN") && !shown.contains("e30"), "{shown}");
}

prop_compose! {
    fn any_request()(
        token in "[0-9a-f]{8,88}", parameters in proptest::collection::btree_map(any_text(), any_text(), 0..5)
    ) -> LaunchRequest {
        // The two reserved names are not parameters, and \PC leaves nothing in them that XML cannot hold.
        let parameters: BTreeMap<_, _> = parameters.into_iter().filter(|(name, _)| name != "token" && name != "action").collect();
        LaunchRequest { token, parameters }
    }
}

proptest! {
    #[test]
    fn a_written_request_reads_back_the_same_in_every_form(request in any_request()) {
        for (body, format) in [
            (request.to_json_body(), ReplyFormat::Json),
            (request.to_xml_body().into_bytes(), ReplyFormat::Xml),
            (request.to_form().into_bytes(), ReplyFormat::Form),
        ] {
            prop_assert!(LaunchRequest::read("POST", None, None, &body) == Ok((request.clone(), format)), "{format:?}");
        }
        let got = LaunchRequest::read("GET", Some(&request.to_query()), None, b"");
        prop_assert!(got == Ok((request, ReplyFormat::Xml)));
    }

    #[test]
    fn a_written_reply_reads_back_the_same(success in any::<bool>(), token in any_text(), id in "[0-9a-f]{32}", error in any_text()) {
        let some = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let reply = LaunchReply { success, token: some(token), id: Some(id), error: some(error) };
        for format in [ReplyFormat::Json, ReplyFormat::Xml, ReplyFormat::Form] {
            prop_assert!(LaunchReply::read(&reply.to_body(format)) == Ok(reply.clone()), "{format:?}");
        }
    }

    #[test]
    fn no_refusal_holds_the_token(
        before in "\\PC{0,40}", after in "\\PC{0,40}", status in 200u16..500, quoted in any::<bool>()
    ) {
        let words = format!("{before} {TOKEN} {after}");
        let body = if quoted { serde_json::json!({"success": false, "error": words}).to_string() } else { words };
        let shown = format!("{:?}", judge(status, None, body.as_bytes(), now()));
        prop_assert!(!shown.contains(TOKEN), "{}", shown);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        body in proptest::collection::vec(any::<u8>(), 0..120), first in "[{<]?", method in "(GET|POST)", query in "\\PC{0,20}",
        header in "\\PC{0,30}", status in any::<u16>()
    ) {
        let body = [first.as_bytes(), &body].concat();
        let _ = LaunchRequest::read(&method, Some(&query), None, &body);
        let _ = LaunchReply::read(&body);
        let _ = judge(status, Some(&header), &body, now());
    }

    #[test]
    fn no_markup_makes_a_reader_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
        "<", ">", "/", "session", "<session>", "</session>", "<var ", "name=", "\"", "'", "&", ";", "#", "x", "<![CDATA[", "]]>",
        "<!--", "-->", "<?", "?>", "<!DOCTYPE", "[", "]", "é", "\u{0}",
    ]), 0..20)) {
        let body = parts.concat();
        let _ = LaunchRequest::read("POST", None, None, body.as_bytes());
        let _ = LaunchReply::read(body.as_bytes());
    }
}
