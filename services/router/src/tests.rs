mod waiting;

use std::collections::BTreeMap;

use protocol::topology::QueueName;
use protocol::{EventId, EventType, Head, Kind, MessageRouted, MessageSend, RoutedOutcome, SessionIgnored};

use super::*;
use crate::config::{DefaultAnswer, SubscriptionWords};
use crate::fake::InMemory;

pub(crate) fn config(applications: &[&str]) -> Config {
    Config {
        applications: applications.iter().map(|&name| name.to_owned()).collect(),
        prefetch: 1,
        listen: "127.0.0.1:0".parse().unwrap(),
        limits: chassis::http::Limits::default(),
        retention: Duration::from_hours(1),
        subscription: SubscriptionWords::default(),
        keyword: applications.iter().filter(|name| **name == "keyword").map(|_| ping()).collect(),
        keyword_help: None,
        conversation: BTreeMap::new(),
        poll: BTreeMap::new(),
        group: BTreeMap::new(),
        default: DefaultAnswer { reply: "Sorry, RapidSMS could not understand your message.".parse().unwrap() },
        rapidsms: BTreeMap::new(),
        http: BTreeMap::new(),
        amqp: BTreeMap::new(),
    }
}

fn ping() -> (String, KeywordRule) {
    ("ping".to_owned(), KeywordRule { reply: Some("pong".parse().unwrap()), ..KeywordRule::default() })
}

fn envelope(data: MessageReceived) -> Envelope<MessageReceived> {
    let backend = "b".parse().unwrap();
    let id = EventId::of_webhook(&backend, &data.session_id, Kind::MessageReceived, "");
    Envelope::of_webhook(id, backend, data.session_id.clone(), now(), data)
}

fn own_numbers() -> BTreeSet<Address> {
    BTreeSet::from(["+15555550100".parse().unwrap()])
}

fn now() -> Timestamp {
    "2026-03-01T09:30:15Z".parse().unwrap()
}

fn received(words: &str) -> MessageReceived {
    applications::text(words).received
}

fn router(applications: &[&str]) -> Router {
    Router::new(&config(applications), own_numbers(), Arc::new(InMemory::default())).unwrap()
}

/// What a text causes; the last of it is the word of how it was routed.
async fn events(applications: &[&str], data: MessageReceived) -> Vec<Outgoing> {
    let (context, _) = Context::new(1, QueueName::received(), Environment::system());
    router(applications).handle(envelope(data), &context).await.unwrap()
}

async fn route(applications: &[&str], words: &str) -> Vec<Envelope<MessageSend>> {
    let events = events(applications, received(words)).await;
    let (routed, messages) = events.split_last().unwrap();
    let routed = Envelope::<MessageRouted>::from_body(routed.body()).unwrap().data;
    assert_eq!((routed.outcome, routed.replies as usize), (RoutedOutcome::Answered, messages.len()));
    messages.iter().map(|event| Envelope::from_body(event.body()).unwrap()).collect()
}

async fn check(text: &str, application: &str, reply: &str) {
    let replies = route(&["echo", "keyword", "default"], text).await;
    let [reply_sent] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!(reply_sent.data.text.as_str(), reply);
    assert_eq!(reply_sent.data.application.as_deref(), Some(application));
    assert_eq!(reply_sent.data.to.as_str(), "+15555550177");
    assert_eq!(reply_sent.data.from.as_ref().unwrap().as_str(), "+15555550100");
}

#[tokio::test]
async fn the_first_answer_wins() {
    check("echo ping", "echo", "ping").await;
    check("ping", "keyword", "pong").await;
    check("hello", "default", "Sorry, RapidSMS could not understand your message.").await;
    assert_eq!(route(&["default", "echo"], "echo x").await[0].data.application.as_deref(), Some("echo"));
}

#[tokio::test]
async fn the_same_text_is_answered_with_the_same_id_in_the_same_conversation() {
    let (first, second) = (route(&["echo"], "echo x").await, route(&["echo"], "echo x").await);
    let [Envelope { head: first, .. }] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(first.id, second[0].head.id);
    let cause = envelope(received("echo x")).head;
    let Head { id, event_type, backend, correlation_id, causation_id, .. } = first.clone();
    assert_eq!(id, cause.id.derive(Kind::MessageSend, 0));
    assert_eq!(event_type, EventType { kind: Kind::MessageSend, version: 1 });
    assert_eq!((backend, correlation_id, causation_id), (cause.backend, cause.correlation_id, Some(cause.id)));
}

async fn check_ignored(applications: &[&str], data: MessageReceived, reason: IgnoredReason) {
    let outgoing = events(applications, data).await;
    let [event, _routed] = outgoing.as_slice() else { panic!("{outgoing:?}") };
    assert_eq!(Envelope::<SessionIgnored>::from_body(event.body()).unwrap().data.reason, reason);
}

#[tokio::test]
async fn a_text_that_nobody_answers_is_on_record() {
    check_ignored(&["echo"], received("hello"), IgnoredReason::NoAnswer).await;
    let withheld = MessageReceived { from: Address::Withheld, ..received("echo x") };
    check_ignored(&["echo", "default"], withheld, IgnoredReason::WithheldSender).await;
    let own = MessageReceived { from: "15555550100".parse().unwrap(), ..received("echo x") };
    check_ignored(&["echo", "default"], own, IgnoredReason::OwnNumber).await;
}

#[tokio::test]
async fn what_comes_through_the_probes_backend_is_seen_by_its_application_alone() {
    let router = router(&["echo", "default"]).with_probe(BTreeSet::from(["b".parse().unwrap()]));
    let handle = async |words: &str| {
        let (context, _) = Context::new(1, QueueName::received(), Environment::system());
        let text = Envelope::of_webhook(
            envelope(received(words)).head.id,
            "b".parse().unwrap(),
            received(words).session_id,
            Environment::system().now(),
            received(words),
        );
        router.handle(text, &context).await.unwrap()
    };
    let words = protocol::probe::Nonce::of(17).words();
    let answered = handle(words.as_str()).await;
    let reply = Envelope::<MessageSend>::from_body(answered[0].body()).unwrap().data;
    assert_eq!((reply.text, reply.application.as_deref()), (words, Some("probe")));
    assert!(reply.expires_at.is_some(), "nobody waits for it for long");
    let other = handle("echo hello").await;
    let ignored = Envelope::<SessionIgnored>::from_body(other[0].body()).unwrap().data;
    assert_eq!((ignored.reason, other.len()), (IgnoredReason::NoAnswer, 2));
}

#[test]
fn what_a_router_that_runs_cannot_take_is_named() {
    let now = Config { listen: "127.0.0.1:8082".parse().unwrap(), ..config(&["echo"]) };
    let listening = |at: &str| Config { listen: at.parse().unwrap(), ..now.clone() };
    assert_eq!(now.needs_restart(&Config { applications: Vec::new(), ..now.clone() }), None);
    assert_eq!(now.needs_restart(&listening("127.0.0.1:0")), None);
    assert_eq!(now.needs_restart(&listening("127.0.0.1:8083")), Some("listen"));
    assert_eq!(now.needs_restart(&listening("127.0.0.2:0")), Some("listen"));
    assert_eq!(now.needs_restart(&Config { prefetch: 2, ..now.clone() }), Some("prefetch"));
    let limits = chassis::http::Limits { headers_max: 1, ..now.limits.clone() };
    assert_eq!(now.needs_restart(&Config { limits, ..now.clone() }), Some("limits"));
}

#[test]
fn a_table_is_of_an_application_that_is_asked_and_has_its_own_name() {
    let behind_http = |name: &str, applications: &[&str]| {
        let table = "url = 'https://app.example.com/'\nsecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'";
        let http = BTreeMap::from([(name.parse().unwrap(), toml::from_str(table).unwrap())]);
        super::check(&Config { http, ..config(applications) })
    };
    chassis::tls::install_provider();
    let name = || "survey".parse().unwrap();
    assert_eq!(behind_http("survey", &["survey", "echo"]), Ok(()));
    assert_eq!(behind_http("survey", &["echo"]).unwrap_err(), ConfigError::NotListed { table: "http", name: name() });
    assert_eq!(
        behind_http("echo", &["echo"]).unwrap_err(),
        ConfigError::NameTaken { table: "http", name: "echo".parse().unwrap() }
    );
}

#[test]
fn applications_are_known_and_asked_once() {
    assert_eq!(
        super::check(&config(&["ecko"])).unwrap_err(),
        ConfigError::UnknownApplication { name: "ecko".to_owned() }
    );
    assert_eq!(
        super::check(&config(&["echo", "echo"])).unwrap_err(),
        ConfigError::Repeated { name: "echo".to_owned() }
    );
}

#[test]
fn the_guide_shows_an_application_that_works() {
    let (guide, code) = (include_str!("../../../docs/applications.md"), include_str!("applications/guide.rs"));
    assert!(guide.contains(&format!("```rust\n{code}```\n")), "copy applications/guide.rs into docs/applications.md");
}

#[test]
fn what_people_choose_is_read_before_anything_else() {
    assert_eq!(super::check(&config(&["subscription", "echo"])), Ok(()));
    assert_eq!(super::check(&config(&["echo", "subscription"])).unwrap_err(), ConfigError::SubscriptionNotFirst);
}

/// The applications with these tables of theirs, and STOP in some words.
fn with_tables(tables: &str) -> Result<(), ConfigError> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Tables {
        applications: Option<Vec<String>>,
        keyword: BTreeMap<String, KeywordRule>,
        keyword_help: Option<KeywordHelp>,
        conversation: BTreeMap<String, Dialogue>,
        poll: BTreeMap<String, Poll>,
        group: BTreeMap<String, Group>,
    }
    let Tables { applications, keyword, keyword_help, conversation, poll, group } = toml::from_str(tables).unwrap();
    let mut config = config(&["subscription", "conversation", "poll", "group", "keyword"]);
    config.applications = applications.unwrap_or(config.applications);
    config.subscription.stop.words = ["cancel", "stop all", "end", "arrêter"].map(str::to_owned).into();
    super::check(&Config { keyword, keyword_help, conversation, poll, group, ..config })
}

#[track_caller]
fn check_table_refused(tables: &str, key: &str, says: &str) {
    let told = with_tables(tables).unwrap_err().to_string();
    assert!(told.starts_with(&format!("{key}: ")) && told.contains(says), "{told}");
}

#[test]
fn no_rule_waits_for_a_word_that_would_opt_people_out() {
    let check_refused = |tables: &str, key: &str| check_table_refused(tables, key, "a word of router.subscription");
    let dialogue = |more: &str| format!("reply = \"x\"\nsteps = [{{ name = \"b\", ask = \"?\"{more}");
    for (more, key) in [
        (" }]\ncancel = [\"leave\", \"CANCEL!\"]", "cancel"),
        (" }]\nexact = [\"end\"]", "exact"),
        (", one_of = [\"go on\", \"Stop all\"] }]", "steps.b.one_of"),
        (", one_of = { no = [\"cancel\"] } }]", "steps.b.one_of"),
    ] {
        check_refused(&format!("[conversation.a]\n{}", dialogue(more)), &format!("router.conversation.a.{key}"));
    }
    check_refused(&format!("[conversation.end]\n{}", dialogue(" }]")), "router.conversation.end");
    check_refused("[keyword.a]\nwords = { fr = [\"aide\", \"ARRETER\"] }\nreply = \"x\"", "router.keyword.a.words");
    check_refused("[keyword.a]\nexact = [\"cancel\"]\nreply = \"x\"", "router.keyword.a.exact");
    check_refused("[keyword.cancel]\nreply = \"x\"", "router.keyword.cancel");
    let help = "[keyword.a]\nreply = \"x\"\nhelp = \"x\"\n[keyword_help]\nwords = [\"end\"]\nreply = \"{list}\"";
    check_refused(help, "router.keyword_help.words");
    let poll = "options = [\"x\"]\nreply = \"x\"\n";
    check_refused(&format!("[poll.end]\n{poll}"), "router.poll.end");
    check_refused(&format!("[poll.a]\nwords = [\"end\"]\n{poll}"), "router.poll.a.words");
    check_refused("[group.cancel]\nowners = [\"12345\"]\nmembers = [\"12345\"]", "router.group.cancel");
    assert_eq!(with_tables("[keyword.cancel]\npattern = \"cancel \\\\d\"\nreply = \"x\""), Ok(()));
    assert_eq!(with_tables("[keyword.end]\nwords = [\"end of term\"]\nreply = \"x\""), Ok(()));
    assert_eq!(with_tables("applications = [\"keyword\"]\n[keyword.cancel]\nreply = \"x\""), Ok(()));
}

#[test]
fn a_table_whose_application_is_not_asked_is_refused() {
    let keyword = "applications = [\"subscription\", \"default\"]\n[keyword.hours]\nreply = \"{nope\"";
    check_table_refused(keyword, "router.keyword", "not among router.applications");
    let help = "applications = [\"default\"]\n[keyword_help]\nwords = [\"menu\"]\nreply = \"{list}\"";
    check_table_refused(help, "router.keyword_help", "not among router.applications");
}

#[test]
fn a_dialogue_is_waited_for_as_long_as_it_is_remembered() {
    let waiting = |timeout: &str| {
        let steps = "steps = [{ name = \"b\", ask = \"?\" }]";
        format!("[conversation.a]\nreply = \"x\"\n{steps}\ntimeout = \"{timeout}\"")
    };
    assert_eq!(with_tables(&waiting("1h")), Ok(()));
    for timeout in ["0s", "61m"] {
        check_table_refused(&waiting(timeout), "router.conversation.a.timeout", "at most router.retention");
    }
}
