use proptest::prelude::*;

use super::*;
use crate::fixtures::any_text;

fn choices(value: &str) -> Choices {
    Choices { value: Some(value.to_owned()), ..Choices::default() }
}

/// The utterance, interpretation and value of an answer; none where it does not fit.
#[track_caller]
fn check(value: &str, answer: &str, expected: Option<(&str, &str, &str)>) {
    let grammar = Grammar::of(&choices(value)).unwrap();
    let found = grammar.understand(answer);
    let found = found.as_ref().map(|found| (&*found.utterance, &*found.interpretation, &*found.value));
    assert_eq!(found, expected, "{value:?} {answer:?}");
}

#[test]
fn any_takes_anything_as_it_is() {
    check("[ANY]", " What's Up? ", Some(("What's Up?", "What's Up?", "What's Up?")));
    check(" [ ANY ] ", "", Some(("", "", "")));
}

#[test]
fn digits_are_counted_without_what_stands_between_them() {
    check("[5 DIGITS]", "12345", Some(("12345", "12345", "12345")));
    check("[5 DIGITS]", " 1 2-3.45 ", Some(("12345", "12345", "12345")));
    check("[5 DIGITS]", "1234", None);
    check("[5 DIGITS]", "123456", None);
    check("[5 DIGITS]", "1234a", None);
    check("[5 DIGITS]", "１２３４５", None);
    check("[4-6 DIGITS]", "1234", Some(("1234", "1234", "1234")));
    check("[4-6 DIGITS]", "123456", Some(("123456", "123456", "123456")));
    check("[4-6 DIGITS]", "123", None);
    check("[1 DIGIT]", "7", Some(("7", "7", "7")));
    check("[0-1 DIGITS]", "", Some(("", "", "")));
}

#[test]
fn a_list_is_matched_in_any_case_and_tells_what_was_meant() {
    check("red, blue, Green", "BLUE ", Some(("BLUE", "blue", "blue")));
    check("red, blue, Green", "green", Some(("green", "Green", "Green")));
    check("red, blue, Green", "grey", None);
    check("new york, ny", "New  York", Some(("New  York", "new york", "new york")));
    check("yes(y, 1), no(n, 2)", "Y", Some(("Y", "y", "yes")));
    check("yes(y, 1), no(n, 2)", "2", Some(("2", "2", "no")));
    check("yes(y, 1), no(n, 2)", "No", Some(("No", "no", "no")));
    check("BBQ(BBQ, Bar Bee Que)", "bar bee que", Some(("bar bee que", "Bar Bee Que", "BBQ")));
    check("yes(y, 1", "1", Some(("1", "1", "yes")));
    check("(y, 1)", "1", Some(("1", "1", "1")));
    check("ja, né", "NÉ", Some(("NÉ", "né", "né")));
    check("#, *(star)", "#", Some(("#", "#", "#")));
    check("[5 DIGITS], help", "help", Some(("help", "help", "help")));
    check("[5 DIGITS], help", "12345", Some(("12345", "12345", "12345")));
}

#[test]
fn the_concept_is_told_of_lists_alone() {
    let concept = |value, answer| Grammar::of(&choices(value)).unwrap().understand(answer).unwrap().concept;
    assert_eq!(concept("[ANY]", "1"), None);
    assert_eq!(concept("[1 DIGITS]", "1"), None);
    assert_eq!(concept("yes(y, 1)", "1").as_deref(), Some("yes"));
}

#[test]
fn a_keyword_that_is_none_takes_no_answer() {
    for value in
        ["[5 digits]", "[any]", "[DIGITS]", "[6-4 DIGITS]", "[-1 DIGITS]", "[5 DIGITS", "[]", "()", ",", "[1e9 DIGITS]"]
    {
        let grammar = Grammar::of(&choices(value)).unwrap();
        assert!(grammar.takes_nothing(), "{value}");
        assert_eq!(grammar.understand("12345"), None, "{value}");
    }
    assert!(!Grammar::of(&choices("[99999999999 DIGITS]")).unwrap().takes_nothing());
}

#[test]
fn a_terminator_is_cut_off() {
    let with = |value: &str, terminator: &str| {
        Grammar::of(&Choices { terminator: Some(terminator.to_owned()), ..choices(value) }).unwrap()
    };
    assert_eq!(with("[4 DIGITS]", "#").understand("4711#").unwrap().value, "4711");
    assert_eq!(with("[ANY]", "#").understand("a # b #").unwrap().value, "a # b");
    assert_eq!(with("[ANY]", " ").understand("a#").unwrap().value, "a#");
}

#[test]
fn what_is_no_short_grammar_is_told_apart() {
    for (value, error) in [
        ("", GrammarError::Missing),
        ("  ", GrammarError::Missing),
        ("http://example.net/g.grxml", GrammarError::Address),
        ("HTTPS://example.net/g?a=(b,c)", GrammarError::Address),
        ("builtin:grammar/digits", GrammarError::Address),
        ("<?xml version=\"1.0\"?><grammar/>", GrammarError::Full),
        ("#ABNF 1.0; root $x;", GrammarError::Full),
    ] {
        assert_eq!(Grammar::of(&choices(value)), Err(error), "{value}");
    }
    assert_eq!(Grammar::of(&Choices::default()), Err(GrammarError::Missing));
    check("note: a, b", "note: a", Some(("note: a", "note: a", "note: a")));
}

#[test]
fn the_mode_is_as_asked_and_else_as_it_looks() {
    let mode = |mode: Option<&str>, answer| {
        let asked = Choices { mode: mode.map(str::to_owned), ..choices("[ANY]") };
        Grammar::of(&asked).unwrap().understand(answer).unwrap().mode
    };
    assert_eq!((mode(None, "4711"), mode(None, "four"), mode(None, "")), (Mode::Dtmf, Mode::Speech, Mode::Speech));
    assert_eq!((mode(Some("any"), "*1#"), mode(Some("SPEECH"), "1")), (Mode::Dtmf, Mode::Speech));
    assert_eq!(mode(Some("DTMF"), "one"), Mode::Dtmf);
}

#[test]
fn the_xml_is_escaped_and_has_the_line_ends_of_the_platform() {
    let grammar = Grammar::of(&choices("[ANY]")).unwrap();
    let xml = grammar.understand("a<b> & \"c\"").unwrap().xml(0x1a2b_3c4d);
    assert!(xml.starts_with("<?xml version=\"1.0\"?>\r\n<result grammar=\"0@1a2b3c4d.vxmlgrammar\">\r\n"), "{xml}");
    assert!(xml.contains("<input mode=\"speech\">a&lt;b&gt; &amp; &quot;c&quot;</input>\r\n"), "{xml}");
    assert!(xml.contains(" confidence=\"100\">\r\n") && xml.ends_with("</result>\r\n"), "{xml}");
    assert_eq!(xml.matches('\n').count(), xml.matches("\r\n").count());
}

#[test]
fn debug_shows_nobody() {
    let grammar = Grammar::of(&choices("alice(a), bob")).unwrap();
    let shown = format!("{grammar:?} {:?}", grammar.understand("Alice"));
    assert!(!shown.to_lowercase().contains("alice"), "{shown}");
}

proptest! {
    #[test]
    fn no_grammar_and_no_answer_makes_it_panic(value in any_text(), answer in any_text(), terminator in any_text()) {
        if let Ok(grammar) = Grammar::of(&Choices { terminator: Some(terminator), ..choices(&value) })
            && let Some(found) = grammar.understand(&answer)
        {
            prop_assert!(xml::elements(&found.xml(7)).is_ok());
            prop_assert!(!grammar.takes_nothing());
        }
    }

    #[test]
    fn every_word_of_a_list_is_taken(words in proptest::collection::vec("[a-z]{1,8}( [a-z]{1,8})?", 1..6), at in any::<prop::sample::Index>()) {
        let word = at.get(&words);
        let found = Grammar::of(&choices(&words.join(", "))).unwrap().understand(&word.to_uppercase()).unwrap();
        prop_assert_eq!(&found.value, word);
    }
}
