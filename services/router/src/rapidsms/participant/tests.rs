use chassis::tasks::Crowd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::tests::config;
use super::super::wanted::Wanted;
use super::*;
use crate::applications::text;

const NOTHING: Heard = Heard { kept: 0, unkept: 0 };
const REPLY: Heard = Heard { kept: 1, unkept: 0 };
const REFUSED: Heard = Heard { kept: 1, unkept: 1 };

/// Whether the text is taken, and with how many messages; or waits, or is given up.
#[derive(PartialEq, Debug)]
enum Judged {
    Took(u32),
    Waits,
    GivenUp,
}

fn judged(format: Format, given: Given, heard: Heard) -> Judged {
    match judge(format, given, heard) {
        Ok(said) => {
            assert!(said.takes);
            Judged::Took(said.sent)
        }
        Err(Unanswered::Away { .. }) => Judged::Waits,
        Err(Unanswered::Failed { .. }) => Judged::GivenUp,
    }
}

fn answered(status: u16) -> Given {
    Given::Answered(StatusCode::from_u16(status).unwrap(), None)
}

#[test]
fn what_a_project_answers_is_judged_alike_in_every_format() {
    for format in [Format::Vumi, Format::Kannel, Format::Http] {
        for (status, expected) in [
            (200, Judged::Took(1)),
            (202, Judged::Took(1)),
            (301, Judged::Waits),
            (400, Judged::Waits),
            (403, Judged::Waits),
            (404, Judged::Waits),
            (414, Judged::GivenUp),
            (429, Judged::Waits),
        ] {
            assert_eq!(judged(format, answered(status), REPLY), expected, "{format:?} {status}");
        }
        assert_eq!(judged(format, Given::Invalid, NOTHING), Judged::GivenUp);
        let not_given = Given::Not(Unanswered::Away { because: "refused".to_owned(), retry_after: None });
        assert_eq!(judged(format, not_given, NOTHING), Judged::Waits);
        assert_eq!(judged(format, answered(200), NOTHING), Judged::Took(0));
        assert_eq!(judged(format, answered(503), NOTHING), Judged::Waits);
        assert_eq!(judged(format, answered(200), REFUSED), Judged::Waits, "its reply is lost if it is not asked again");
    }
}

#[test]
fn what_may_have_been_handled_is_given_again_only_where_an_answer_says_to_what() {
    for given in [answered(500), answered(502), answered(504), Given::Unknown("timeout".to_owned())] {
        assert_eq!(judged(Format::Vumi, given.clone(), NOTHING), Judged::Waits);
        for format in [Format::Kannel, Format::Http] {
            assert_eq!(judged(format, given.clone(), NOTHING), Judged::GivenUp, "{format:?} {given:?}");
        }
    }
}

#[test]
fn a_text_that_was_replied_to_is_not_given_again() {
    for given in [answered(500), answered(502), answered(503), answered(504), Given::Unknown("timeout".to_owned())] {
        for format in [Format::Vumi, Format::Kannel, Format::Http] {
            assert_eq!(judged(format, given.clone(), REPLY), Judged::Took(1), "{format:?} {given:?}");
            assert_eq!(judged(format, given.clone(), REFUSED), Judged::Waits, "{format:?} {given:?}");
        }
    }
}

/// A project whose server reads a request, then writes this, and hangs or closes.
async fn project(answer: &'static str, hangs: bool) -> (RapidSms, Crowd) {
    chassis::tls::install_provider();
    let (listener, crowd) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Crowd::default());
    let url = format!("http://{}/view/?key=secret", listener.local_addr().unwrap()).parse().unwrap();
    crowd.spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _request = connection.read(&mut [0; 4096]).await.unwrap();
        connection.write_all(answer.as_bytes()).await.unwrap();
        if hangs {
            std::future::pending::<()>().await;
        }
    });
    let config =
        Config { url, timeout: Duration::from_millis(500), backend: "story".parse().ok(), ..config(Format::Vumi) };
    (RapidSms::new("clinic".parse().unwrap(), &config, InHand::default()).unwrap(), crowd)
}

async fn give(project: &RapidSms) -> Given {
    let text = text("hi");
    project.give(delivery(&project.config, &text), text.now).await
}

#[tokio::test]
async fn an_answer_is_told_whatever_it_is() {
    for (answer, status, rest) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 200, None),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, None),
        ("HTTP/1.1 503 Away\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 503, Some(7)),
        ("HTTP/1.1 429 Away\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n", 429, Some(300)),
    ] {
        let (project, _crowd) = project(answer, false).await;
        let expected = Given::Answered(StatusCode::from_u16(status).unwrap(), rest.map(Duration::from_secs));
        assert_eq!(give(&project).await, expected);
    }
}

#[tokio::test]
async fn a_text_is_judged_when_no_reply_to_it_is_in_flight() {
    let (project, _crowd) = project("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false).await;
    let text = text("hi");
    let answer = async { project.answer(&text).await.unwrap().sent };
    let replies = async {
        // The project's worker asks before its view answers, and is told later.
        let to = vec![text.received.from.clone()];
        let wanted = Wanted { to, text: "x".parse().unwrap(), from: None, in_reply_to: Some(text.id), message: None };
        let reply = project.in_hand.answered_by(&project.name, &wanted).unwrap().reply();
        tokio::time::sleep(Duration::from_millis(200)).await;
        reply.kept(1);
    };
    // The text is in hand as soon as the first is polled.
    let (sent, ()) = tokio::join!(biased; answer, replies);
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn a_bad_request_is_a_no_only_from_a_view() {
    let view = "HTTP/1.1 400 Bad\r\nContent-Length: 23\r\n\r\nform failed to validate";
    let django = "HTTP/1.1 400 Bad\r\nContent-Length: 26\r\n\r\n<h1>Bad Request (400)</h1>";
    let lost = "HTTP/1.1 400 Bad\r\nContent-Length: 23\r\n\r\nform";
    for (answer, expected) in [(view, Given::Invalid), (django, answered(400)), (lost, answered(400))] {
        let (project, _crowd) = project(answer, false).await;
        assert_eq!(give(&project).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn each_text_has_a_connection_of_its_own() {
    chassis::tls::install_provider();
    let (listener, crowd) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Crowd::default());
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    crowd.spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _request = connection.read(&mut [0; 4096]).await.unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            // It reads no second request.
            open.push(connection);
        }
    });
    let config = Config { url, timeout: Duration::from_millis(500), ..config(Format::Kannel) };
    let project = RapidSms::new("clinic".parse().unwrap(), &config, InHand::default()).unwrap();
    assert_eq!(give(&project).await, answered(200));
    assert_eq!(give(&project).await, answered(200));
}

#[tokio::test]
async fn a_project_that_falls_silent_may_have_the_text() {
    for (answer, hangs) in [("", false), ("", true), ("HTTP/1.1 20", false)] {
        let (project, _crowd) = project(answer, hangs).await;
        let Given::Unknown(because) = give(&project).await else { panic!("{answer:?} {hangs}") };
        assert!(!because.contains("secret"), "{because}");
    }
}

#[tokio::test]
async fn a_project_that_is_not_there_does_not_have_the_text() {
    let (project, crowd) = project("", false).await;
    drop(crowd);
    assert!(matches!(give(&project).await, Given::Not(Unanswered::Away { .. })));
}

#[tokio::test]
async fn a_text_of_another_backend_is_passed_on() {
    let (project, _crowd) = project("", false).await;
    let mut text = text("hi");
    text.backend = "other".parse().unwrap();
    assert!(project.answer(&text).await.unwrap().is_pass());
}

#[tokio::test]
async fn an_address_of_the_inside_is_refused_unless_it_is_allowed() {
    chassis::tls::install_provider();
    let url = "https://10.0.0.7/".parse().unwrap();
    let config = Config { url, allow_private: false, ..config(Format::Vumi) };
    let error = RapidSms::new("clinic".parse().unwrap(), &config, InHand::default()).unwrap_err();
    assert!(error.to_string().starts_with("router.rapidsms.clinic.url its address is not a public one"), "{error}");
}
