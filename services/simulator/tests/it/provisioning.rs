//! Tropo's provisioning interface, as its clients use it.

use serde_json::{Value, json};
use simulator::{Config, Credentials};

use crate::stage::{PHONE, Reply, Stage, TOKEN, read};

async fn stage() -> Stage {
    Stage::new(|_| Reply::document(&json!({"tropo": [{"say": {"value": "hello"}}]}))).await
}

/// The path that an answer leads to, which must begin with the address that was asked.
#[track_caller]
fn path(stage: &Stage, answer: &(u16, Value)) -> String {
    let (status, body) = answer;
    assert_eq!(*status, 200, "{body}");
    let href = body["href"].as_str().unwrap();
    href.strip_prefix(&stage.url("")).unwrap_or_else(|| panic!("{href} leads elsewhere")).to_owned()
}

#[track_caller]
fn check(answer: (u16, Value), expected: (u16, &str)) {
    let (status, body) = answer;
    let told = body["error"].as_str().unwrap_or_else(|| panic!("{status} {body} has no error"));
    assert!(status == expected.0 && told.contains(expected.1), "{status} {told}, and not {expected:?}");
}

#[tokio::test]
async fn an_application_is_made_used_changed_and_deleted() {
    let stage = stage().await;
    let hook = format!("http://{}/made", stage.application());
    let made = json!({"name": "made", "voiceUrl": hook, "messagingUrl": hook, "platform": "webapi", "partition": "production"});
    let made = path(&stage, &stage.post("/v1/applications", &made).await);
    assert_eq!(made, "/v1/applications/500002");

    // Nothing leads to it yet; then a number and a token do.
    let number = stage.post(&format!("{made}/addresses"), &json!({"type": "number", "prefix": "1407"})).await;
    let number = path(&stage, &number);
    assert_eq!(number, format!("{made}/addresses/number/+14075550100"));
    let token = stage.post(&format!("{made}/addresses"), &json!({"type": "token", "channel": "messaging"})).await;
    let token = path(&stage, &token);
    let secret = token.rsplit('/').next().unwrap();
    assert!(secret.len() == 88 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{secret}");

    let (_, shown) = stage.get(&made).await;
    let expected = json!({"id": "500002", "href": stage.url(&made), "name": "made", "platform": "webapi", "voiceUrl": hook,
                          "messagingUrl": hook, "partition": "production"});
    assert_eq!(shown, expected);
    let (_, all) = stage.get("/v1/applications").await;
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["500001", "500002"]);

    let texting = json!({"to": "+14075550100", "text": "hi"});
    assert_eq!(stage.post(&format!("/phones/{PHONE}/texts"), &texting).await.0, 202);
    let answered = stage.messages(PHONE, 1).await;
    assert_eq!((&answered[0]["from"], &answered[0]["text"]), (&json!("+14075550100"), &json!("hello")));
    let (_, launched) = stage.post("/v1/sessions", &json!({"token": secret})).await;
    assert_eq!(launched["success"], true, "{launched}");
    assert_eq!(stage.webhooks(2).await[1].target, "/made");

    let moved = json!({"name": "moved", "messagingUrl": format!("{hook}/again")});
    assert_eq!(path(&stage, &stage.put(&made, &moved).await), made);
    assert_eq!(stage.get(&made).await.1["name"], "moved");
    stage.post("/v1/sessions", &json!({"token": secret})).await;
    assert_eq!(stage.webhooks(3).await[2].target, "/made/again");

    assert_eq!(stage.delete(&token).await, (200, json!({"message": "delete successful"})));
    assert_eq!(stage.post("/v1/sessions", &json!({"token": secret})).await.1["success"], false);
    assert_eq!(stage.delete(&made).await, (200, json!({"message": "delete successful"})));
    check(stage.get(&made).await, (404, "no such application"));
    assert_eq!(stage.post(&format!("/phones/{PHONE}/texts"), &texting).await.0, 404);
}

#[tokio::test]
async fn addresses_of_every_kind_are_listed_found_and_taken_away() {
    let stage = stage().await;
    let addresses = "/v1/applications/500001/addresses";
    let add = async |wanted: Value| path(&stage, &stage.post(addresses, &wanted).await);
    let jabber = add(json!({"type": "jabber", "username": "bot@example.net", "password": "x"})).await;
    assert_eq!(jabber, format!("{addresses}/jabber/bot@example.net"));
    let voice = add(json!({"type": "token", "channel": "voice"})).await;
    assert_eq!(add(json!({"type": "token", "channel": "voice"})).await, voice, "a channel has one token");
    assert_eq!(
        add(json!({"type": "number", "number": "407 555-0142"})).await,
        format!("{addresses}/number/+14075550142")
    );

    let (_, all) = stage.get(addresses).await;
    let application = stage.url("/v1/applications/500001");
    let kinds: Vec<_> = all.as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["number", "number", "token", "token", "jabber"]);
    assert!(all.as_array().unwrap().iter().all(|one| one["application"] == application.as_str()), "{all}");
    let number = json!({"href": stage.url(&format!("{addresses}/number/+14075550142")), "type": "number",
                        "application": application, "prefix": "1407", "number": "4075550142", "city": "Orlando",
                        "state": "FL", "country": "United States", "smsEnabled": true});
    assert_eq!(all[1], number);
    for written in ["+14075550142", "14075550142", "4075550142"] {
        assert_eq!(stage.get(&format!("{addresses}/number/{written}")).await, (200, number.clone()), "{written}");
    }
    assert_eq!((&all[2]["channel"], &all[2]["token"]), (&json!("messaging"), &json!(TOKEN)));
    let (_, users) = stage.get(&format!("{addresses}/jabber")).await;
    assert_eq!((users.as_array().unwrap().len(), &users[0]["username"]), (1, &json!("bot@example.net")));

    let texting = json!({"to": "bot@example.net", "text": "hi", "network": "JABBER"});
    assert_eq!(stage.post("/phones/me@example.net/texts", &texting).await.0, 202);
    assert_eq!(stage.messages("me@example.net", 1).await[0]["from"], "bot@example.net");

    for address in [jabber.as_str(), "/v1/applications/500001/addresses/number/4075550142"] {
        assert_eq!(stage.delete(address).await.0, 200, "{address}");
        check(stage.delete(address).await, (404, "no such address"));
    }
    // A number moves as the Ruby client moves it: by its path.
    let (_, other) = stage.post("/v1/applications", &json!({"name": "other", "voiceUrl": "http://127.0.0.1:9/"})).await;
    let other = path(&stage, &(200, other));
    let moved = stage.http.post(stage.url(&format!("{other}/addresses/number/4075550142"))).send().await.unwrap();
    assert_eq!(path(&stage, &read(moved).await), format!("{other}/addresses/number/+14075550142"));
}

#[tokio::test]
async fn an_href_leads_back_whatever_the_address_holds() {
    let config = Config::default();
    let stage = Stage::set(config, |_| Box::pin(async { Reply::hangup() })).await;
    let token = simulator::Token::try_from("a/b+c==?d".to_owned()).unwrap();
    let settings = simulator::ApplicationConfig::new("http://127.0.0.1:9/".parse().unwrap(), token, Vec::new());
    stage.simulator.add_application("base64".to_owned(), settings).unwrap();
    let addresses = "/v1/applications/500002/addresses";
    let user = json!({"type": "jabber", "username": "bot@example.net/home"});
    let made = path(&stage, &stage.post(addresses, &user).await);
    assert_eq!(made, format!("{addresses}/jabber/bot@example.net%2Fhome"));
    let (_, all) = stage.get(addresses).await;
    for address in all.as_array().unwrap() {
        let href = address["href"].as_str().unwrap().strip_prefix(&stage.url("")).unwrap();
        assert_eq!(&stage.get(href).await.1, address, "{href}");
        assert_eq!(stage.delete(href).await.0, 200, "{href}");
    }
    assert_eq!(stage.get(addresses).await.1, json!([]));
}

#[tokio::test]
async fn free_numbers_are_offered_until_they_are_taken() {
    let stage = stage().await;
    let (_, exchanges) = stage.get("/v1/exchanges").await;
    let orlando = json!({"prefix": "1407", "city": "Orlando", "state": "FL", "country": "United States",
                         "description": "Phone Number w/ SMS", "smsEnabled": true});
    assert!(exchanges.as_array().unwrap().contains(&orlando), "{exchanges}");
    // Node's client begins the rest of the address with a slash of its own.
    let free = async || stage.get("/v1//addresses/?available&prefix=1407").await.1;
    assert_eq!(free().await[0]["number"], "4075550100");
    for number in ["+14075550100", "+14075550101"] {
        let taken = stage
            .post("/1.0/applications/500001/addresses", &json!({"type": "number", "prefix": 1407.to_string()}))
            .await;
        assert!(path(&stage, &taken).ends_with(&format!("/1.0/applications/500001/addresses/number/{number}")));
    }
    assert_eq!(free().await[0]["number"], "4075550102");
    assert_eq!(stage.get("/v1/addresses?available&prefix=99").await, (200, json!([])));
    let (_, all) = stage.get("/v1/addresses").await;
    assert_eq!(all.as_array().unwrap().len(), 4, "{all}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_says_why() {
    let stage = stage().await;
    let url = "http://127.0.0.1:9/";
    for (body, expected) in [
        (json!({"messagingUrl": url}), (400, "name is missing")),
        (json!({"name": "x"}), (400, "messagingUrl and voiceUrl are missing")),
        (json!({"name": "x", "messagingUrl": "nonsense"}), (400, "messagingUrl must be")),
        (json!({"name": "x", "messagingUrl": "ftp://host/"}), (400, "must be http")),
        (json!({"name": "x", "messagingUrl": url, "platform": "scripting"}), (400, "platform must be webapi")),
        (json!({"name": "x", "messagingUrl": url, "partition": "moon"}), (400, "partition must be")),
        (json!({"name": "demo", "messagingUrl": url}), (409, "another application has this name")),
        (json!([]), (400, "the body does not fit")),
    ] {
        check(stage.post("/v1/applications", &body).await, expected);
    }
    for (body, expected) in [
        (json!({"prefix": "1407"}), (400, "type must be")),
        (json!({"type": "pigeon"}), (400, "type must be")),
        (json!({"type": "number"}), (400, "prefix or number is missing")),
        (json!({"type": "number", "prefix": "99"}), (400, "no number is free")),
        (json!({"type": "number", "number": "x"}), (400, "number is none")),
        (json!({"type": "token", "channel": "pigeon"}), (400, "channel must be")),
        (json!({"type": "aim"}), (400, "username is missing")),
    ] {
        check(stage.post("/v1/applications/500001/addresses", &body).await, expected);
        check(stage.post("/v1/applications/7/addresses", &body).await, (404, "no such application"));
    }
    let other = stage.post("/v1/applications", &json!({"name": "other", "messagingUrl": url})).await;
    let other = path(&stage, &other);
    let taken = json!({"type": "number", "number": "+15555550100"});
    check(stage.post(&format!("{other}/addresses"), &taken).await, (409, "belongs to another"));
    check(stage.put(&other, &json!({"name": "demo"})).await, (409, "another application has this name"));
    check(stage.put("/v1/applications/x", &json!({})).await, (404, "no such application"));
    check(stage.post("/v1/exchanges", &json!({})).await, (405, "not with this method"));
    check(stage.get("/v1/users").await, (404, "nothing is here"));
    assert_eq!(stage.get(&other).await.1["name"], "other");
}

#[tokio::test]
async fn anybody_is_let_in_unless_an_account_is_configured() {
    let open = stage().await;
    let answer = open.http.get(open.url("/v1/applications")).basic_auth("who", Some("ever")).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    let account = Credentials { name: "me".to_owned(), password: "p:w".into() };
    let config = Config { provisioning: Some(account), ..Config::default() };
    let stage = Stage::set(config, |_| Box::pin(async { Reply::hangup() })).await;
    for path in ["/v1/applications", "/v1/exchanges", "/1.0/webhooks", "/v1/applications/500001/addresses"] {
        for (name, password, status) in [("me", "p:w", 200), ("me", "p", 401), ("you", "p:w", 401), ("", "", 401)] {
            let asked = stage.http.get(stage.url(path)).basic_auth(name, Some(password));
            assert_eq!(asked.send().await.unwrap().status(), status, "{path} {name} {password}");
        }
        let answer = stage.http.get(stage.url(path)).send().await.unwrap();
        assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"tropo\"");
        check(read(answer).await, (401, "HTTP Basic"));
    }
    // Tokens alone launch, whatever else a client shows.
    let launch = stage.http.post(stage.url("/v1/sessions")).basic_auth("x", Some("y")).json(&json!({"token": TOKEN}));
    assert_eq!(read(launch.send().await.unwrap()).await.1["success"], true);
}

#[tokio::test]
async fn hrefs_begin_with_the_address_that_was_used() {
    let stage = stage().await;
    let asked = stage.http.get(stage.url("/v1/applications/500001"));
    let asked = asked.header("host", "api.tropo.com").header("x-forwarded-proto", "https");
    let (_, shown) = read(asked.send().await.unwrap()).await;
    assert_eq!(shown["href"], "https://api.tropo.com/v1/applications/500001");
}
