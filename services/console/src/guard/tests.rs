//! Everything that is served, asked by programs and by browsers.

mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use store::SignedIn;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Scope;
use super::caller::{Caller, Proof};
use super::sessions::Secret;
use crate::acts::ActsAsked;
use crate::{Config, ConfigError};
use stage::{Asked, PASSWORD, Stage, guarded, open, secret, user};

const SCOPES: [&str; 4] = ["read", "people", "send", "operate"];

#[tokio::test]
async fn a_token_opens_what_its_scope_says_and_nothing_else() {
    let stage = Stage::new(guarded()).await;
    for (name, scope) in [("reader", "read"), ("seer", "people"), ("sender", "send"), ("doer", "operate")] {
        for tried in SCOPES {
            for method in [Method::GET, Method::POST] {
                let asked = Asked::new(method, &format!("/v1/tried/{tried}")).token(&secret(name));
                let answer = stage.ask(asked).await;
                if tried == scope {
                    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, name));
                } else {
                    assert_eq!(answer.status, StatusCode::FORBIDDEN);
                    assert!(answer.body.contains(&format!("scope \\\"{tried}\\\" is needed")), "{}", answer.body);
                }
            }
        }
    }
}

#[tokio::test]
async fn who_is_not_known_gets_a_problem_from_the_api_and_the_login_page_from_a_page() {
    let stage = Stage::new(guarded()).await;
    let wrong = secret("reader").replace("er", "re");
    let asked = [
        Asked::get("/v1/tried/read"),
        Asked::get("/v1/tried/read").token(&wrong),
        Asked::get("/v1/tried/read").token(""),
        Asked::get("/v1/tried/read").header("authorization", "Basic cmVhZGVy"),
        Asked::get("/tried").token(&wrong),
        Asked::get("/v1/nowhere"),
        Asked::get("/openapi.json"),
        Asked::post("/v1/tried/read").cookie("tropomq=AAAA"),
    ];
    for asked in asked {
        let answer = stage.ask(asked).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"tropomq\"");
        assert!(!answer.body.contains(&wrong));
    }
    let answer = stage.ask(Asked::get("/tried?q=a%20b&c=d").browsing()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/login?next=%2Ftried%3Fq%3Da%2520b%26c%3Dd");
    let answer = stage.ask(Asked::post("/tried").browsing().form("word=x")).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/login"));
}

#[tokio::test]
async fn no_operation_of_the_api_goes_round_the_guard() {
    let stage = Stage::new(guarded()).await;
    let document = stage.ask(Asked::get("/openapi.json").token(&secret("reader"))).await;
    let document: Value = serde_json::from_str(&document.body).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(!paths.is_empty());
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let path = path.replace(['{', '}'], "");
            let answer = stage.ask(Asked::new(method.clone(), &path)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn somebody_signs_in_looks_posts_and_signs_out() {
    let stage = Stage::new(guarded()).await;
    let answer = stage.sign_in("ann", PASSWORD).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/tried"));
    let set = answer.header("set-cookie");
    assert!(set.starts_with("tropomq=") && set.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"), "{set}");

    let (cookie, csrf) = stage.session("ann").await;
    let form = format!("csrf={csrf}&word=hello");
    let posted = stage.ask(Asked::post("/tried").browsing().cookie(&cookie).form(&form)).await;
    assert_eq!((posted.status, posted.body.as_str()), (StatusCode::OK, "ann said hello"));
    let posted = stage.ask(Asked::post("/v1/tried/operate").cookie(&cookie).header("x-csrf-token", &csrf)).await;
    assert_eq!((posted.status, posted.body.as_str()), (StatusCode::OK, "ann"));

    let out = stage.ask(Asked::post("/logout").browsing().cookie(&cookie).form(&format!("csrf={csrf}"))).await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(out.header("set-cookie").starts_with("tropomq=; Path=/; Max-Age=0;"), "{out:?}");
    // Whoever kept the cookie is known no longer.
    let after = stage.ask(Asked::get("/tried").browsing().cookie(&cookie)).await;
    assert_eq!(after.status, StatusCode::SEE_OTHER);
    let after = stage.ask(Asked::get("/v1/tried/read").cookie(&cookie)).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_scopes_of_a_user_are_those_of_the_configuration() {
    let stage = Stage::new(guarded()).await;
    let (cookie, csrf) = stage.session("bob").await;
    let ask = async |stage: &Stage, scope: &str| {
        let asked = Asked::post(&format!("/v1/tried/{scope}")).cookie(&cookie).header("x-csrf-token", &csrf);
        stage.ask(asked).await.status
    };
    assert_eq!(ask(&stage, "read").await, StatusCode::OK);
    assert_eq!(ask(&stage, "send").await, StatusCode::FORBIDDEN);
    let mut config = guarded();
    config.users.get_mut("bob").unwrap().scopes = vec![Scope::Send];
    // The hash has another salt, and so bob another password, unless it is taken over.
    config.users.get_mut("bob").unwrap().password_hash = stage.console.config.users["bob"].password_hash.clone();
    let stage = stage.restarted(config).await;
    assert_eq!(ask(&stage, "read").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&stage, "send").await, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_with_its_time_with_the_user_and_with_the_password() {
    let stage = Stage::new(guarded()).await;
    let (cookie, _) = stage.session("ann").await;
    let ask = async |stage: &Stage| stage.ask(Asked::get("/v1/tried/read").cookie(&cookie)).await.status;
    stage.pass(Duration::from_hours(12) - Duration::from_secs(1));
    assert_eq!(ask(&stage).await, StatusCode::OK);
    stage.pass(Duration::from_secs(1));
    assert_eq!(ask(&stage).await, StatusCode::UNAUTHORIZED);

    let config = stage.console.config.clone();
    let stage = stage.restarted(config.clone()).await;
    assert_eq!(ask(&stage).await, StatusCode::OK, "another replica, with a clock of its own, knows the session");
    let mut changed = config.clone();
    changed.users.insert("ann".to_owned(), user("another one", &[Scope::Read]));
    let stage = stage.restarted(changed).await;
    assert_eq!(ask(&stage).await, StatusCode::UNAUTHORIZED);
    let mut gone = config;
    gone.users.remove("ann");
    let stage = stage.restarted(gone).await;
    assert_eq!(ask(&stage).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_answered_alike() {
    let stage = Stage::new(guarded()).await;
    let answers = [stage.sign_in("ann", "wrong horse").await, stage.sign_in("nobody", PASSWORD).await];
    for answer in &answers {
        assert_eq!((answer.status, answer.cookie()), (StatusCode::UNAUTHORIZED, None));
        assert!(answer.body.contains("The name or the password is wrong."));
    }
    assert_eq!(answers[0].body, answers[1].body);
    let long = "x".repeat(1025);
    assert_eq!(stage.sign_in("ann", &long).await.status, StatusCode::UNAUTHORIZED);
    let missing = stage.ask(Asked::post("/login").browsing().form("user=ann")).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_tries_too_often_has_to_wait_even_with_the_right_password() {
    let stage = Stage::new(guarded()).await;
    for _ in 0..10 {
        assert_eq!(stage.sign_in("ann", "wrong horse").await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = stage.sign_in("ann", PASSWORD).await;
    assert_eq!((refused.status, refused.cookie()), (StatusCode::TOO_MANY_REQUESTS, None));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    let form = format!("user=ann&password={}", PASSWORD.replace(' ', "+"));
    let elsewhere = stage.ask(Asked::post("/login").browsing().from("192.0.2.1:1").form(&form)).await;
    assert_eq!(elsewhere.status, StatusCode::SEE_OTHER, "ann herself is elsewhere");
    stage.pass(Duration::from_secs(wait));
    assert_eq!(stage.sign_in("ann", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_password_that_was_not_looked_at_is_no_attempt() {
    let stage = Stage::new(guarded()).await;
    let attempt = async |number: u32| {
        let from = format!("192.0.2.{number}:1");
        stage.ask(Asked::post("/login").browsing().from(&from).form("user=nobody&password=wrong")).await.status
    };
    let in_the_way = futures::future::join_all((0..34).map(&attempt));
    let more = async {
        for _ in 0..12 {
            assert_eq!(attempt(99).await, StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    tokio::select! {
        biased;
        _ = in_the_way => panic!("all of them were looked at meanwhile"),
        () = more => {}
    }
}

#[tokio::test]
async fn who_signs_out_while_the_database_is_away_is_signed_out_in_this_browser() {
    let stage = Stage::without_database(guarded(), tempfile::tempdir().unwrap());
    let (guard, now) = (&stage.console.guard, stage.console.environment.now());
    let secret = Secret::random(&*stage.console.environment.chance);
    let cookie = secret.cookie(&HeaderMap::new(), Duration::from_hours(1)).unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    let proof = guard.users.sign_in("ann", PASSWORD.into()).await.unwrap().unwrap();
    let (session, user, until) = (secret.digest(), "ann".to_owned(), now + Duration::from_hours(1));
    guard.lately.learn(&session, Some(&SignedIn { session, user, proof, since: now, until }), now);
    let known = stage.ask(Asked::get("/tried").browsing().cookie(cookie)).await;
    assert_eq!(known.status, StatusCode::OK, "{known:?}");
    let form = format!("csrf={}", secret.csrf());
    let out = stage.ask(Asked::post("/logout").browsing().cookie(cookie).form(&form)).await;
    assert_eq!(out.status, StatusCode::SERVICE_UNAVAILABLE, "{out:?}");
    assert!(out.header("set-cookie").starts_with("tropomq=; Path=/; Max-Age=0;"), "{out:?}");
    assert!(out.body.contains("this browser is signed out"), "{out:?}");
    let after = stage.ask(Asked::get("/tried").browsing().cookie(cookie)).await;
    assert_eq!(after.status, StatusCode::SERVICE_UNAVAILABLE, "{after:?}");
}

#[tokio::test]
async fn behind_a_trusted_proxy_attempts_count_for_whom_it_saw() {
    let stage = Stage::new(guarded()).await;
    let attempt = async |peer: &str, forwarded: &str, password: &str| {
        let form = format!("user=ann&password={password}");
        let asked = Asked::post("/login").browsing().from(peer).header("x-forwarded-for", forwarded).form(&form);
        stage.ask(asked).await.status
    };
    for number in 0..10 {
        // What stands before what the proxy saw is the caller's own word.
        let forwarded = format!("192.0.2.{number}, 198.51.100.1");
        assert_eq!(attempt("10.0.0.1:1", &forwarded, "wrong").await, StatusCode::UNAUTHORIZED);
    }
    let password = PASSWORD.replace(' ', "+");
    assert_eq!(attempt("10.0.0.1:1", "198.51.100.1", &password).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(attempt("10.0.0.1:1", "198.51.100.2", &password).await, StatusCode::SEE_OTHER);
    assert_eq!(attempt("198.51.100.1:1", "198.51.100.2", &password).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_a_page_of_ours_did_not_ask_for_is_not_done() {
    let stage = Stage::new(guarded()).await;
    let (cookie, csrf) = stage.session("ann").await;
    let (_, of_another) = stage.session("bob").await;
    for form in ["word=x".to_owned(), "csrf=&word=x".to_owned(), format!("csrf={of_another}&word=x")] {
        let answer = stage.ask(Asked::post("/tried").browsing().cookie(&cookie).form(&form)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{form}");
    }
    for header in ["", &of_another, "x"] {
        for path in ["/v1/tried/send", "/scripted"] {
            let answer = stage.ask(Asked::post(path).cookie(&cookie).header("x-csrf-token", header)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    let out = stage.ask(Asked::post("/logout").browsing().cookie(&cookie).form("")).await;
    assert_eq!(out.status, StatusCode::FORBIDDEN);
    // With the right token, from a page of another site.
    let form = format!("csrf={csrf}&word=x");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://other.example"),
        ("origin", "null"),
    ] {
        let asked = Asked::post("/tried").browsing().cookie(&cookie).form(&form).header(name, value);
        assert_eq!(stage.ask(asked).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
        let asked = Asked::post("/login").browsing().form("user=ann&password=x").header(name, value);
        assert_eq!(stage.ask(asked).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
        let asked = Asked::get("/v1/tried/read").browsing().cookie(&cookie).header(name, value);
        assert_eq!(stage.ask(asked).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    let link = Asked::get("/tried").browsing().cookie(&cookie).header("sec-fetch-site", "cross-site");
    assert_eq!(stage.ask(link.header("sec-fetch-mode", "navigate")).await.status, StatusCode::OK, "a link is followed");
}

#[tokio::test]
async fn a_browser_is_served_under_our_names_alone() {
    for config in [guarded(), open()] {
        let stage = Stage::new(config).await;
        for (host, is_ours) in [("localhost:8088", true), ("console.example", true), ("rebound.example:8088", false)] {
            let answer = stage.ask(Asked::get("/login").browsing().header("host", host)).await;
            assert_eq!(answer.status != StatusCode::FORBIDDEN, is_ours, "{host}");
        }
    }
}

#[tokio::test]
async fn without_users_and_tokens_this_machine_may_do_anything_and_no_other() {
    let stage = Stage::new(open()).await;
    for scope in SCOPES {
        let answer = stage.ask(Asked::post(&format!("/v1/tried/{scope}"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "anybody"));
        let answer = stage.ask(Asked::post(&format!("/v1/tried/{scope}")).from("[::ffff:127.0.0.1]:1")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    for peer in ["192.0.2.1:1", "[2001:db8::1]:1"] {
        for path in ["/tried", "/v1/tried/read", "/acts"] {
            let answer = stage.ask(Asked::get(path).from(peer)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{peer} {path}");
        }
    }
    for forwarded in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let answer = stage.ask(Asked::get("/v1/tried/read").header(forwarded, "192.0.2.1")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{forwarded}");
    }
    // In a browser, too, and there a page of ours has to ask.
    let page = stage.ask(Asked::get("/tried").browsing()).await;
    let csrf = page.body.strip_prefix("anybody ").unwrap();
    let form = format!("csrf={csrf}&word=hello");
    let posted = stage.ask(Asked::post("/tried").browsing().form(&form)).await;
    assert_eq!((posted.status, posted.body.as_str()), (StatusCode::OK, "anybody said hello"));
    assert_eq!(stage.ask(Asked::post("/tried").browsing().form("word=x")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.ask(Asked::post("/v1/tried/send").browsing()).await.status, StatusCode::FORBIDDEN);
    let login = stage.ask(Asked::get("/login?next=/acts").browsing()).await;
    assert_eq!((login.status, login.header("location")), (StatusCode::SEE_OTHER, "/acts"));
}

#[tokio::test]
async fn nobody_is_led_away_from_the_console() {
    let stage = Stage::new(guarded()).await;
    for (next, expected) in [
        ("%2Facts%3Flimit%3D5", "/acts?limit=5"),
        ("", "/"),
        ("https%3A%2F%2Fother.example", "/"),
        ("%2F%2Fother.example", "/"),
        ("%2F%5Cother.example", "/"),
        ("%2F%09%2Fother.example", "/"),
        ("acts", "/"),
        ("%2F%C3%A4%0D%0Aset-cookie%3Aa", "/"),
    ] {
        let form = format!("user=ann&password={}&next={next}", PASSWORD.replace(' ', "+"));
        let answer = stage.ask(Asked::post("/login").browsing().form(&form)).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, expected), "{next}");
        let page = stage.ask(Asked::get(&format!("/login?next={next}")).browsing()).await;
        assert!(page.body.contains(&format!("name=\"next\" value=\"{expected}\"")), "{next}: {}", page.body);
    }
}

#[tokio::test]
async fn behind_tls_the_cookie_is_for_tls_and_another_is_not_read() {
    let stage = Stage::new(guarded()).await;
    let form = format!("user=ann&password={}", PASSWORD.replace(' ', "+"));
    let origin = ("origin", "https://console.example");
    let asked =
        Asked::post("/login").browsing().header("host", "console.example").header(origin.0, origin.1).form(&form);
    let answer = stage.ask(asked).await;
    let set = answer.header("set-cookie");
    assert!(set.starts_with("__Host-tropomq=") && set.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{set}");
    let secure = answer.cookie().unwrap();
    let plain = secure.replace("__Host-", "");
    let ask = async |cookie: &str, scheme: &str| {
        let asked = Asked::get("/v1/tried/read").cookie(cookie).header("x-forwarded-proto", scheme);
        stage.ask(asked).await.status
    };
    assert_eq!(ask(&secure, "https").await, StatusCode::OK);
    assert_eq!(ask(&plain, "https").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let stage = Stage::new(guarded()).await;
    let asked = [
        Asked::get("/login"),
        Asked::get("/tried"),
        Asked::get("/v1/tried/read"),
        Asked::get("/v1/tried/read").token(&secret("reader")),
        Asked::get("/nowhere").token(&secret("reader")),
        Asked::get("/login").browsing().header("host", "other.example"),
    ];
    for asked in asked {
        let answer = stage.ask(asked).await;
        let policy = answer.header("content-security-policy");
        for rule in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let headers = ["x-content-type-options", "x-frame-options", "referrer-policy", "cache-control"];
        let said = headers.map(|name| answer.header(name));
        assert_eq!(said, ["nosniff", "DENY", "same-origin", "no-store"]);
    }
}

#[tokio::test]
async fn what_is_done_is_on_record_and_shown() {
    let stage = Stage::new(guarded()).await;
    let (cookie, _) = stage.session("bob").await;
    let ann = Caller::new("ann", &Scope::ALL, Proof::Program);
    for number in 1..=3 {
        stage.console.note(&ann, "dead_letters.replay", &json!({ "letters": number })).await.unwrap();
        stage.pass(Duration::from_secs(1));
    }
    let get = async |path: &str| {
        let answer = stage.ask(Asked::get(path).token(&secret("reader"))).await;
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap())
    };
    let (_, first) = get("/v1/acts?limit=2").await;
    let expected = json!([
        { "at": "2023-11-14T22:13:22Z", "who": "ann", "action": "dead_letters.replay", "detail": { "letters": 3 } },
        { "at": "2023-11-14T22:13:21Z", "who": "ann", "action": "dead_letters.replay", "detail": { "letters": 2 } },
    ]);
    assert_eq!(first["acts"], expected);
    let (_, rest) = get(&format!("/v1/acts?cursor={}", first["next"])).await;
    assert_eq!((rest["acts"][0]["detail"].clone(), &rest["next"]), (json!({ "letters": 1 }), &Value::Null));
    for wrong in ["limit=0", "limit=501", "limit=x", "cursor=x", "other=1"] {
        assert_eq!(get(&format!("/v1/acts?{wrong}")).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let refused = stage.ask(Asked::get("/v1/acts").token(&secret("sender"))).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    let page = stage.ask(Asked::get("/acts?limit=2").browsing().cookie(&cookie)).await;
    assert_eq!(page.status, StatusCode::OK);
    for shown in ["ann", "dead_letters.replay", "letters <b>3</b>", "/acts?cursor="] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_forgotten_by_itself() {
    let stage = Stage::new(guarded()).await;
    let ann = Caller::new("ann", &Scope::ALL, Proof::Program);
    stage.console.note(&ann, "old", &json!({})).await.unwrap();
    stage.pass(Duration::from_hours(700));
    stage.console.note(&ann, "new", &json!({})).await.unwrap();
    stage.pass(Duration::from_hours(30));
    let shutdown = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(Arc::clone(&stage.console).run(shutdown.clone()));
    let deadline = Instant::now() + Duration::from_secs(20);
    let left = loop {
        let acts = stage.console.acts(&ann, &ActsAsked::default()).await.unwrap().acts;
        if acts.len() < 2 || deadline < Instant::now() {
            break acts;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let left: Vec<_> = left.iter().map(|act| act.action.as_str()).collect();
    assert_eq!(left, ["new"]);
    shutdown.cancel();
    running.join_all().await;
}

#[tokio::test]
async fn a_page_under_a_name_that_points_here_reads_nothing_whatever_it_says_it_is() {
    let stage = Stage::new(open()).await;
    let rebound = |asked: Asked| asked.header("host", "rebound.example:8088").header("user-agent", "x");
    assert_eq!(stage.ask(rebound(Asked::get("/v1/tried/read"))).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.ask(Asked::get("/v1/tried/read").header("user-agent", "x")).await.status, StatusCode::OK);
    for header in ["via", "x-forwarded-host", "x-forwarded-proto"] {
        let forwarded = stage.ask(Asked::get("/v1/tried/read").header(header, "x")).await;
        assert_eq!(forwarded.status, StatusCode::FORBIDDEN, "{header}");
    }

    let stage = Stage::new(guarded()).await;
    let (cookie, _) = stage.session("ann").await;
    assert_eq!(stage.ask(rebound(Asked::get("/v1/tried/read").cookie(&cookie))).await.status, StatusCode::FORBIDDEN);
    let by_token = stage.ask(rebound(Asked::get("/v1/tried/read").token(&secret("reader")))).await;
    assert_eq!(by_token.status, StatusCode::OK, "a page cannot have a token");
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let secret = Secret::random(&*messaging::Environment::system().chance);
    assert_eq!(format!("{secret:?} {:?}", secret.csrf()), "Secret(..) Csrf(..)");
    assert_ne!(Secret::random(&*messaging::Environment::system().chance), secret);
    let shown = format!("{:?}", guarded());
    assert!(!shown.contains("argon2") && !shown.contains("reader-") && !shown.contains("-reader"), "{shown}");
}

/// The configuration is refused, and the message names the key and says this.
#[track_caller]
fn check_refused(config: &Config, key: &str, says: &str) {
    let ConfigError { key: found, told } = config.check().unwrap_err();
    assert!(found == key && told.contains(says), "{found}: {told}");
}

#[test]
fn what_cannot_be_is_named_with_how_to_mend_it() {
    guarded().check().unwrap();
    open().check().unwrap();
    let beyond = |config: Config| Config { listen: "0.0.0.0:8088".parse().unwrap(), ..config };
    beyond(guarded()).check().unwrap();
    check_refused(&beyond(open()), "listen", "console.users");

    let mut config = guarded();
    config.users.get_mut("ann").unwrap().scopes.clear();
    check_refused(&config, "users.ann.scopes", "empty");
    let mut config = guarded();
    config.tokens.get_mut("doer").unwrap().scopes.clear();
    check_refused(&config, "tokens.doer.scopes", "empty");
    let mut config = guarded();
    config.tokens.get_mut("doer").unwrap().token = "x".repeat(31).into();
    check_refused(&config, "tokens.doer.token", "openssl rand -hex 32");
    let mut config = guarded();
    let of_doer = config.tokens["doer"].clone();
    config.tokens.insert("ann".to_owned(), of_doer);
    check_refused(&config, "tokens.ann", "user");
    for wrong in
        ["", "secret", "$2b$12$abc", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "$argon2id$v=19"]
    {
        let mut config = guarded();
        config.users.get_mut("ann").unwrap().password_hash = wrong.into();
        check_refused(&config, "users.ann.password_hash", "tropomq password");
    }
}
