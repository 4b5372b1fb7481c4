use proptest::prelude::*;

use super::*;

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn matching(words: &[&str], exact: &[&str], pattern: Option<&str>) -> Result<Matching, MatchingError> {
    Matching::new(Takes { words: &strings(words), exact: &strings(exact), pattern })
}

type Taken = Option<(Closeness, &'static [(&'static str, &'static str)])>;

/// How closely the rule takes the text, and what a template of these placeholders would be filled with.
#[track_caller]
fn check(rule: &Matching, text: &str, expected: Taken) {
    let words = Words::of(text);
    let captured = rule.take(&words);
    assert_eq!(
        captured.as_ref().map(|captured| captured.closeness),
        expected.map(|(closeness, _)| closeness),
        "{text}"
    );
    for (placeholder, value) in expected.map_or([].as_slice(), |(_, values)| values) {
        let found = captured.as_ref().and_then(|captured| captured.get(placeholder));
        assert_eq!(found.unwrap_or("-"), *value, "{text}: {placeholder}");
    }
}

fn by(count: usize, values: &'static [(&'static str, &'static str)]) -> Taken {
    Some((Closeness::Words(count), values))
}

#[test]
fn words_are_the_first_of_a_text_whatever_their_case_and_punctuation() {
    let rule = matching(&["hours", "Öffnungszeiten", "opening hours", "ΣΑΣ", "straße"], &[], None).unwrap();
    check(&rule, "HOURS", by(1, &[("rest", ""), ("1", "-")]));
    check(&rule, "  Hours:  of  Monday, please ", by(1, &[("rest", "of  Monday, please"), ("2", "Monday,")]));
    check(&rule, "¿öffnungszeiten?", by(1, &[]));
    check(&rule, "\"Opening - HOURS\" now", by(2, &[("rest", "now"), ("1", "now"), ("9", "-"), ("10", "-")]));
    check(&rule, "σας", by(1, &[]));
    check(&rule, "STRASSE 5", by(1, &[("1", "5")]));
    check(&rule, "opening times", None);
    check(&rule, "hoursly", None);
    check(&rule, "?!", None);
    check(&rule, "", None);
}

#[test]
fn exact_words_are_the_whole_text() {
    let rule = matching(&[], &["yes", "of course"], None).unwrap();
    check(&rule, "Yes!", Some((Closeness::Exact, &[("rest", "")])));
    check(&rule, "of  COURSE .", Some((Closeness::Exact, &[])));
    check(&rule, "yes sir", None);
}

#[test]
fn a_pattern_is_the_whole_text_and_captures_its_groups() {
    let rule = matching(&[], &[], Some(r"order (?<count>\d+)(?: (.+))?|list")).unwrap();
    let all = &[("count", "3"), ("1", "3"), ("2", "two\nlines")];
    check(&rule, " ORDER 3 two\nlines\n", Some((Closeness::Pattern, all)));
    check(&rule, "order 12", Some((Closeness::Pattern, &[("count", "12"), ("2", "-")])));
    check(&rule, "list", Some((Closeness::Pattern, &[("count", "-")])));
    check(&rule, "please order 3", None);
    check(&rule, "lists", None);
    assert_eq!(rule.placeholders(), ["1", "2", "count"]);
}

#[test]
fn a_pattern_fills_in_the_reply_of_a_rule_that_has_words_too() {
    let rule = matching(&["order"], &[], Some(r"order (?<n>\d+)")).unwrap();
    check(&rule, "order 5", by(1, &[("n", "5"), ("1", "5"), ("rest", "5")]));
    check(&rule, "order five", by(1, &[("n", "-"), ("1", "five")]));
}

#[test]
fn a_pattern_may_end_with_a_comment() {
    let rule = matching(&[], &[], Some("(?x) a b # both")).unwrap();
    check(&rule, "ab", Some((Closeness::Pattern, &[])));
    check(&rule, "ab\n", Some((Closeness::Pattern, &[])));
    check(&rule, "abc", None);
}

#[test]
fn accents_do_not_matter_and_neither_does_how_they_are_written() {
    let rule = matching(&["istanbul", "arrêter"], &["τέλος"], None).unwrap();
    check(&rule, "İstanbul'da", None);
    check(&rule, "İstanbul 3", by(1, &[("rest", "3")]));
    check(&rule, "ARRE\u{302}TER tout", by(1, &[("rest", "tout")]));
    check(&rule, "ΤΕΛΟΣ", Some((Closeness::Exact, &[])));
}

#[test]
fn without_anything_to_go_by_every_text_is_taken() {
    let rule = matching(&[], &[], None).unwrap();
    check(&rule, " any thing ", Some((Closeness::All, &[("rest", "any thing"), ("1", "any")])));
    check(&rule, "", Some((Closeness::All, &[("rest", "")])));
}

#[test]
fn what_could_take_no_text_is_refused() {
    assert_eq!(matching(&["!?"], &[], None).unwrap_err(), MatchingError::Words(NoWords("!?".to_owned())));
    assert_eq!(matching(&[], &[" "], None).unwrap_err(), MatchingError::Exact(NoWords(" ".to_owned())));
    for pattern in ["(", "a)|(b", r"\w{500}{500}", r"(a)\1"] {
        assert!(matches!(matching(&[], &[], Some(pattern)), Err(MatchingError::Pattern(_))), "{pattern}");
    }
}

proptest! {
    #[test]
    fn what_stands_behind_the_words_of_a_rule_is_the_end_of_the_text(text in "\\PC*", words in "[a-zß. ]{1,8}") {
        let Ok(rule) = matching(&[&words], &[], Some("(?<all>.*)")) else { return Ok(()) };
        let whole = format!("{words} {text}");
        let captured = rule.take(&Words::of(&whole)).map(|captured| (captured.closeness, captured.rest.to_owned()));
        let (closeness, rest) = captured.unwrap();
        prop_assert!(matches!(closeness, Closeness::Words(_)));
        prop_assert!(whole.trim().ends_with(&rest));
        prop_assert_eq!(Words::of(&rest).folded, Words::of(&text).folded);
        prop_assert!(rule.take(&Words::of(&text)).is_some());
    }
}
