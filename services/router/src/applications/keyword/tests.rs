use super::*;
use crate::applications::text;
use crate::config::Phrases;

fn phrases(words: &[&str]) -> Phrases {
    Phrases::Any(words.iter().map(|&word| word.to_owned()).collect())
}

fn languages(words: &[(&str, &[&str])]) -> Phrases {
    let words = words.iter().map(|(language, words)| {
        ((*language).to_owned(), words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    });
    Phrases::ByLanguage(words.collect())
}

fn rule(words: &[&str], reply: &str) -> KeywordRule {
    KeywordRule { words: phrases(words), reply: Some(reply.parse().unwrap()), ..KeywordRule::default() }
}

fn hours() -> KeywordRule {
    KeywordRule {
        words: languages(&[("en", &["hours"]), ("de", &["Öffnungszeiten"]), ("fr", &["heures", "horaires"])]),
        exact: languages(&[("de", &["offen"])]),
        replies: [("de", "9 bis 17 Uhr"), ("fr", "de 9h à 17h, {from}")]
            .map(|(language, reply)| (language.to_owned(), reply.parse().unwrap()))
            .into(),
        help: Some("hours: when we are open".parse().unwrap()),
        ..rule(&[], "9 to 5")
    }
}

fn join() -> KeywordRule {
    KeywordRule { help: Some("join NAME: be one of us".parse().unwrap()), ..rule(&["join"], "Welcome, {rest} ({1})!") }
}

fn order() -> KeywordRule {
    let pattern = Some(r"(order|send) (?<count>\d+) (?<what>\w+)".to_owned());
    KeywordRule { words: phrases(&[]), pattern, ..rule(&[], "{count} times {what}") }
}

fn keyword(rules: Vec<(&str, KeywordRule)>, help: Option<&str>) -> Result<Keyword, ConfigError> {
    let rules = rules.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect();
    let help =
        help.map(|word| KeywordHelp { words: vec![word.to_owned()], reply: "You can text:\n{list}".parse().unwrap() });
    Keyword::new(&rules, help.as_ref())
}

#[track_caller]
fn check(words: &str, expected: Option<&str>) {
    let rules = vec![
        ("ping", rule(&[], "pong")),
        ("hours", hours()),
        ("all-hours", rule(&["hours all"], "always")),
        ("join", join()),
        ("order", order()),
        ("say", rule(&["say"], "{rest}")),
    ];
    let said = keyword(rules, Some("info")).unwrap().handle(&text(words), &Known::default());
    let replies: Vec<&str> = said.replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!((replies, said.takes), (expected.into_iter().collect(), expected.is_some()), "{words}");
}

#[test]
fn a_text_is_known_by_its_first_words() {
    check("ping", Some("pong"));
    check("  PING! are you there", Some("pong"));
    check("hours ALL week", Some("always"));
    check("hours", Some("9 to 5"));
    check("pinging", None);
    check("I say ping", None);
    check("", None);
    check("?!", None);
}

#[test]
fn it_is_answered_in_the_language_of_its_words() {
    check("Hours?", Some("9 to 5"));
    check("öffnungszeiten?", Some("9 bis 17 Uhr"));
    check("HORAIRES s'il vous plaît", Some("de 9h à 17h, +15555550177"));
    check("offen", Some("9 bis 17 Uhr"));
    check("offen gesagt", None);
}

#[test]
fn what_was_captured_stands_in_the_reply() {
    check("join Ada Lovelace", Some("Welcome, Ada Lovelace (Ada)!"));
    check("Order 3 apples", Some("3 times apples"));
    check("please order 3 apples", None);
    check("say  it {rest}", Some("it {rest}"));
}

#[test]
fn a_reply_that_lacks_its_words_is_the_help_of_its_rule_or_none() {
    check("join", Some("join NAME: be one of us"));
    check("say", None);
}

#[test]
fn help_lists_what_can_be_texted_or_explains_one() {
    check("INFO", Some("You can text:\nhours: when we are open\njoin NAME: be one of us"));
    check("info please", Some("You can text:\nhours: when we are open\njoin NAME: be one of us"));
    check("info join", Some("join NAME: be one of us"));
    check("info hours", Some("hours: when we are open"));
}

#[test]
fn the_record_says_which_rule_and_why() {
    let keyword = keyword(vec![("hours", hours()), ("join", join()), ("say", rule(&["say"], "{rest}"))], None).unwrap();
    let because = |words: &str| keyword.handle(&text(words), &Known::default()).because;
    assert_eq!(because("heures").as_deref(), Some("rule hours in fr"));
    assert_eq!(because("join").as_deref(), Some("rule join: its help"));
    assert_eq!(because("say").as_deref(), Some("rule say: its reply would be empty"));
}

#[track_caller]
fn check_refused(rules: Vec<(&str, KeywordRule)>, key: &str, says: &str) {
    let told = keyword(rules, None).unwrap_err().to_string();
    assert!(told.starts_with(key) && told.contains(says), "{told}");
}

#[test]
fn rules_that_could_not_work_are_refused() {
    check_refused(vec![("a", rule(&[], " "))], "router.keyword.a.reply: ", "is empty");
    check_refused(vec![("a", rule(&["!"], "x"))], "router.keyword.a.words: ", "no letters");
    check_refused(vec![("a", rule(&[], "x")), ("b", rule(&["A"], "y"))], "router.keyword: ", "by a and by b");
    check_refused(vec![("a", KeywordRule::default())], "router.keyword.a.reply: ", "is missing");
    check_refused(vec![("a", rule(&["a"], "{name}"))], "router.keyword.a.reply: ", "there is no {name} here");
    let pattern = KeywordRule { pattern: Some("(".to_owned()), ..rule(&[], "x") };
    check_refused(vec![("a", pattern)], "router.keyword.a.pattern: ", "cannot be used");
    let exact = KeywordRule { exact: phrases(&["?"]), ..rule(&[], "x") };
    check_refused(vec![("a", exact)], "router.keyword.a.exact: ", "no letters");
    let wordless = KeywordRule { words: languages(&[("en", &[])]), ..rule(&[], "x") };
    check_refused(vec![("a", wordless)], "router.keyword.a.words.en: ", "at least one");
    let other = KeywordRule { replies: [("it".to_owned(), "ciao".parse().unwrap())].into(), ..hours() };
    check_refused(vec![("a", other)], "router.keyword.a.replies: ", "no words in \"it\"");
    let none = KeywordRule { reply: None, ..hours() };
    check_refused(vec![("a", none)], "router.keyword.a.reply: ", "none in \"en\"");
    let help = keyword(vec![("a", rule(&[], "x"))], Some("info")).unwrap_err();
    assert!(help.to_string().starts_with("router.keyword_help: has nothing to list"), "{help}");
    assert!(keyword(vec![("hours", hours())], Some("heures")).unwrap_err().to_string().contains("keyword_help"));
}

#[test]
fn a_word_may_stand_twice_in_one_rule() {
    keyword(vec![("a", rule(&["résumé", "resume", "resume"], "x"))], None).unwrap();
}
