use super::*;
use crate::config::ImUser;

fn token(written: &str) -> Token {
    Token::try_from(written.to_owned()).unwrap()
}

fn settings(launches: &str, numbers: &[&str]) -> ApplicationConfig {
    let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
    ApplicationConfig::new("http://127.0.0.1:9/tropo".parse().unwrap(), token(launches), numbers)
}

fn owner(applications: &Applications, number: &str) -> Option<String> {
    applications.of_number(&number.parse().unwrap()).map(|owner| owner.name.clone())
}

#[test]
fn numbers_are_found_however_they_are_written_and_tokens_by_channel() {
    let applications = Applications::default();
    let voice_url: Url = "http://127.0.0.1:9/voice".parse().unwrap();
    let one = ApplicationConfig {
        voice_token: Some(token("V1")),
        voice_url: Some(voice_url.clone()),
        ..settings("T1", &["+1-555-555-0100", "12345"])
    };
    applications.add("one".to_owned(), one).unwrap();
    for written in ["15555550100", "tel:+1 (555) 555-0100", "12345"] {
        assert_eq!(owner(&applications, written).as_deref(), Some("one"), "{written}");
    }
    assert_eq!(owner(&applications, "+15555550101"), None);
    assert_eq!(applications.of_token("T1").unwrap().1, Channel::Text);
    let (application, channel) = applications.of_token("V1").unwrap();
    assert_eq!(application.url(&channel), &voice_url);
    assert!(applications.of_token("").is_none() && applications.of_token("t1").is_none());
}

#[test]
fn what_is_taken_or_useless_is_refused_and_leaves_nothing_behind() {
    let applications = Applications::default();
    let add = |name: &str, settings| applications.add(name.to_owned(), settings).map(|added| added.id);
    let one = add("one", settings("T1", &["+15555550100"])).unwrap();
    let two = add("two", ApplicationConfig::at("http://h/".parse().unwrap())).unwrap();
    let ftp = ApplicationConfig { messaging_url: "ftp://host/".parse().unwrap(), ..settings("T2", &[]) };
    let same = ApplicationConfig { voice_token: Some(token("T2")), ..settings("T2", &[]) };
    let bot = ImUser { network: "JABBER".parse().unwrap(), name: "15555550100".parse().unwrap() };
    let im = ApplicationConfig { im: vec![bot], ..settings("T2", &[]) };
    for (name, settings, error) in [
        ("", settings("T2", &[]), ApplicationError::Name),
        ("one", settings("T2", &[]), ApplicationError::NameTaken),
        ("2", settings("T1", &[]), ApplicationError::TokenTaken),
        ("2", same, ApplicationError::TokenTaken),
        ("2", ftp, ApplicationError::Url),
        ("2", im, ApplicationError::NameOnNetworkTaken),
        ("2", settings("T2", &["unknown"]), ApplicationError::Number { position: 1 }),
        ("2", settings("T2", &["12345", "15555550100"]), ApplicationError::NumberTaken { position: 2 }),
        ("2", settings("T2", &["12345", "12345"]), ApplicationError::NumberTaken { position: 2 }),
    ] {
        assert_eq!(add(name, settings.clone()), Err(error));
        let changed = applications.change(two, |draft| {
            (draft.name, draft.settings) = (name.to_owned(), settings);
            Ok::<_, ApplicationError>(())
        });
        assert_eq!(changed.unwrap_err(), error);
    }
    assert_eq!(applications.all().iter().map(|application| application.id).collect::<Vec<_>>(), [one, two]);
    assert!(applications.of_token("T2").is_none());
    assert_eq!(owner(&applications, "12345"), None);
}

#[test]
fn a_change_is_seen_at_once_and_by_nobody_who_began_before() {
    let applications = Applications::default();
    let before = applications.add("one".to_owned(), settings("T1", &["12345", "12346"])).unwrap();
    let told = applications.change(before.id, |draft| {
        assert!(draft.is_taken(&"12345".parse().unwrap()) && !draft.is_taken(&"12347".parse().unwrap()));
        draft.name = "renamed".to_owned();
        draft.settings = settings("T2", &["12346", "12347"]);
        Ok::<_, ApplicationError>("done")
    });
    assert_eq!(told.unwrap().1, "done");
    assert_eq!((before.name.as_str(), before.settings.numbers.len()), ("one", 2));
    let now = applications.of_id(before.id).unwrap();
    assert_eq!((now.id, &now.bot_key), (before.id, &before.bot_key));
    for (number, expected) in [("12345", None), ("12346", Some("renamed")), ("12347", Some("renamed"))] {
        assert_eq!(owner(&applications, number).as_deref(), expected, "{number}");
    }
    assert!(applications.of_token("T1").is_none() && applications.of_token("T2").is_some());
    assert_eq!(applications.all().len(), 1);
}

#[test]
fn what_is_removed_is_free_again_but_for_its_id() {
    let applications = Applications::default();
    let one = applications.add("one".to_owned(), settings("T1", &["12345"])).unwrap();
    assert_eq!(applications.remove(one.id).unwrap().name, "one");
    assert_eq!(applications.remove(one.id).unwrap_err(), ApplicationError::Unknown);
    let changed: Result<_, ApplicationError> = applications.change(one.id, |_| Ok(()));
    assert_eq!(changed.unwrap_err(), ApplicationError::Unknown);
    assert!(applications.of_token("T1").is_none() && owner(&applications, "12345").is_none());
    let again = applications.add("one".to_owned(), settings("T1", &["12345"])).unwrap();
    assert_eq!(again.id, one.id + 1);
}

#[test]
fn what_was_known_keeps_its_id_unless_another_has_it() {
    let applications = Applications::default();
    let known = |id| Some(Known { id, bot_key: "KEY".to_owned() });
    let one = applications.add_known("one".to_owned(), settings("T1", &[]), known(FIRST_ID + 7)).unwrap();
    assert_eq!((one.id, one.bot_key.as_str()), (FIRST_ID + 7, "KEY"));
    let two = applications.add_known("two".to_owned(), settings("T2", &[]), known(FIRST_ID + 7)).unwrap();
    assert_eq!(two.id, FIRST_ID + 8);
    applications.skip_ids(Some(FIRST_ID + 20));
    assert_eq!(applications.add("three".to_owned(), settings("T3", &[])).unwrap().id, FIRST_ID + 21);
}
