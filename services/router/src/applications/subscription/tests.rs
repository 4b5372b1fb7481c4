use super::*;
use crate::applications::text;

fn chosen(words: &[&str], reply: Option<&str>) -> Chosen {
    Chosen {
        words: words.iter().map(|&word| word.to_owned()).collect(),
        reply: reply.map(|reply| reply.parse().unwrap()),
    }
}

fn config() -> SubscriptionWords {
    let spanish = crate::config::SubscriptionLanguage {
        stop: chosen(&["alto", "BAJA"], Some("Adiós.")),
        ..crate::config::SubscriptionLanguage::default()
    };
    SubscriptionWords {
        stop: chosen(&["stop", "opt out"], Some("Goodbye.")),
        start: chosen(&["start", "yes"], Some("Welcome.")),
        help: chosen(&["help"], Some("Text STOP.")),
        languages: BTreeMap::from([("es".to_owned(), spanish)]),
    }
}

/// Whether a text is taken, the choice and its word, and the reply.
type Outcome<'a> = (bool, Option<(Option<Choice>, &'a str)>, Option<&'a str>);

/// What is said to somebody who chose that.
#[track_caller]
fn check(words: &str, known: Option<Choice>, expected: Outcome<'_>) {
    let subscription = Subscription::new(&config()).unwrap();
    let text = text(words);
    let is_ours = subscription.recall(Phase::Filter, &text) == Recall::Choice;
    let said = subscription.filter(&text, &Known { choice: known, ..Known::default() });
    assert!(is_ours || said.is_pass(), "{words}: nothing was looked up");
    let consent = said.consent.as_ref().map(|consent| (consent.choice, consent.word.as_str()));
    let reply = said.replies.first().map(|reply| reply.text.as_str());
    assert_eq!((said.takes, consent, reply), expected, "{words} of {known:?}");
    assert!(said.replies.len() <= 1);
}

const PASSED: Outcome<'_> = (false, None, None);

#[test]
fn a_word_counts_however_it_is_written_and_alone() {
    let out = |word| (true, Some((Some(Choice::Out), word)), Some("Goodbye."));
    for words in ["stop", "STOP", " Stop. ", "stop!!!", "\"STOP\"", "stop 🙏"] {
        check(words, None, out("stop"));
    }
    for words in ["opt out", "OPT-OUT", "optout"] {
        check(words, Some(Choice::In), out("optout"));
    }
    check("Baja.", None, (true, Some((Some(Choice::Out), "baja")), Some("Adiós.")));
    for words in ["please stop", "stop it", "stopp", "", "?!", "hello"] {
        check(words, None, PASSED);
    }
}

#[test]
fn a_word_counts_in_every_script_however_it_is_written() {
    for (word, texts) in [
        ("τέλος", ["ΤΈΛΟΣ", "Τελοσ."]),
        ("Schluß", ["SCHLUSS", "schluẞ!"]),
        ("iptal", ["İPTAL", "Iptal"]),
        ("arrêter", ["arre\u{302}ter", "ARRETER"]),
        ("ΣΤΟΠ", ["στοπ", "σ-τ-ο-π"]),
        ("توقف", ["تَوَقُّف", "توقف؟"]),
        ("रोकें", ["रोकें", "«रोकें»"]),
    ] {
        let config = SubscriptionWords { stop: chosen(&[word], None), ..SubscriptionWords::default() };
        let subscription = Subscription::new(&config).unwrap();
        for text in texts.map(text) {
            let consent = subscription.filter(&text, &Known::default()).consent;
            assert_eq!(consent.and_then(|consent| consent.choice), Some(Choice::Out), "{word}");
        }
    }
}

#[test]
fn a_second_stop_is_on_record_and_nothing_is_answered() {
    check("stop", Some(Choice::Out), (true, Some((Some(Choice::Out), "stop")), None));
}

#[test]
fn start_is_for_those_who_are_out_and_else_for_others_to_read() {
    check("yes", Some(Choice::Out), (true, Some((Some(Choice::In), "yes")), Some("Welcome.")));
    check("yes", Some(Choice::In), PASSED);
    check("START", None, PASSED);
}

#[test]
fn help_is_answered_also_to_who_is_out() {
    check("help?", Some(Choice::Out), (true, Some((None, "help")), Some("Text STOP.")));
    check("help", None, (true, None, Some("Text STOP.")));
    for nothing in [None, Some(" ")] {
        let config = SubscriptionWords { help: chosen(&["help"], nothing), ..config() };
        let said = Subscription::new(&config).unwrap().filter(&text("help"), &Known::default());
        assert!(said.is_pass(), "without an answer it is for others");
    }
}

#[test]
fn a_choice_without_a_reply_is_on_record_in_silence() {
    let config = SubscriptionWords { stop: chosen(&["stop"], None), ..config() };
    let said = Subscription::new(&config).unwrap().filter(&text("stop"), &Known::default());
    assert_eq!((said.takes, said.replies.len()), (true, 0));
    assert_eq!(said.consent.unwrap().choice, Some(Choice::Out));
}

#[test]
fn words_that_mean_nothing_or_two_things_are_refused() {
    let refused = |config| Subscription::new(&config).unwrap_err().to_string();
    let twice = SubscriptionWords { start: chosen(&["Opt-Out"], None), ..config() };
    assert!(refused(twice).contains("\"Opt-Out\" stands twice"));
    let accents = SubscriptionWords { stop: chosen(&["arrêter", "arreter"], None), ..config() };
    Subscription::new(&accents).unwrap();
    let empty = SubscriptionWords { stop: chosen(&["!"], None), ..config() };
    assert!(refused(empty).contains("neither a letter nor a digit"));
    Subscription::new(&SubscriptionWords::default()).unwrap();
}
