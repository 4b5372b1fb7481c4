//! What pages of others may do through a browser: nothing.

use serde_json::Value;
use simulator::Config;

use crate::stage::{NUMBER, PHONE, Reply, Stage, TOKEN, read};

async fn stage() -> Stage {
    let config = Config { hosts: vec!["tropo.example".to_owned()], ..Config::default() };
    Stage::set(config, |_| Box::pin(async { Reply::hangup() })).await
}

/// Asks with these headers, where `HERE` is the simulator's own host.
async fn ask(stage: &Stage, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = stage.http.request(method.parse().unwrap(), stage.url(path));
    for (name, value) in headers {
        request = request.header(*name, value.replace("HERE", &stage.address().to_string()));
    }
    if method == "POST" {
        request = request.body(format!("{{\"to\": \"{NUMBER}\", \"text\": \"hi\"}}"));
    }
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn pages_of_others_change_and_launch_nothing() {
    let stage = stage().await;
    let texts = format!("/phones/{PHONE}/texts");
    let launch = format!("/1.0/sessions?action=create&token={TOKEN}");
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
        &[("origin", "ftp://HERE")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://HERE")],
    ] {
        let doubled = format!("/v1//sessions/?token={TOKEN}");
        for (method, path) in [
            ("POST", texts.as_str()),
            ("PUT", "/knobs"),
            ("PATCH", "/knobs"),
            ("DELETE", "/v1/applications/500001"),
            ("GET", launch.as_str()),
            ("GET", doubled.as_str()),
            ("GET", "/1.0/sessions/x/signals?value=exit"),
            ("GET", "/v1/x/signals?value=exit"),
        ] {
            let (status, answer) = ask(&stage, method, path, headers).await;
            assert_eq!(status, 403, "{method} {path} {headers:?}");
            assert!(answer["error"].as_str().unwrap().contains("another site"), "{answer}");
        }
        // A link leads here, and what it leads to is for the eyes of the user alone.
        assert_eq!(ask(&stage, "GET", "/debugger", headers).await.0, 200, "{headers:?}");
    }
    assert!(stage.posted().is_empty());
}

#[tokio::test]
async fn own_pages_and_programs_do_what_they_ask_for() {
    let stage = stage().await;
    for headers in [
        &[][..],
        &[("host", "api.tropo.com")],
        // The `fetch` of Node.
        &[("host", "api.tropo.com"), ("sec-fetch-mode", "cors"), ("user-agent", "node")],
        &[("origin", "http://HERE"), ("sec-fetch-site", "same-origin"), ("user-agent", "Mozilla/5.0 x")],
        &[("host", "tropo.example:80"), ("origin", "https://tropo.example:80")],
        &[("sec-fetch-site", "none")],
    ] {
        let (status, answer) = ask(&stage, "POST", &format!("/phones/{PHONE}/texts"), headers).await;
        assert_eq!(status, 202, "{headers:?} {answer}");
        let launch = format!("/1.0/sessions?action=create&token={TOKEN}");
        assert_eq!(ask(&stage, "GET", &launch, headers).await.0, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn a_page_under_another_name_is_served_nothing() {
    let stage = stage().await;
    for (host, status) in [
        ("evil.example", 403),
        ("evil.example:8089", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
        ("LOCALHOST:1", 200),
        ("tropo.localhost", 200),
        ("192.0.2.7", 200),
        ("[::1]:8089", 200),
        ("Tropo.Example:8089", 200),
    ] {
        let origin = format!("http://{host}");
        for browser in [("user-agent", "Mozilla/5.0 x"), ("sec-fetch-site", "same-origin"), ("origin", origin.as_str())]
        {
            let (came, answer) = ask(&stage, "GET", "/debugger", &[("host", host), browser]).await;
            assert_eq!(came, status, "{host} {browser:?}");
            assert!(status == 200 || answer["error"].as_str().unwrap().contains("simulator.hosts"), "{answer}");
        }
    }
}
