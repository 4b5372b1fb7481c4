use super::*;

#[track_caller]
fn check_scale(highest: f64, expected: &[f64]) {
    let lines = scale(highest);
    let same =
        lines.len() == expected.len() && lines.iter().zip(expected).all(|(is, should)| (is - should).abs() < 1e-9);
    assert!(same, "{highest}: {lines:?}");
}

#[test]
fn the_scale_has_round_numbers_up_to_above_the_highest() {
    check_scale(4.0, &[0.0, 1.0, 2.0, 3.0, 4.0]);
    check_scale(7.0, &[0.0, 2.0, 4.0, 6.0, 8.0]);
    check_scale(1234.0, &[0.0, 500.0, 1000.0, 1500.0]);
    check_scale(0.03, &[0.0, 0.01, 0.02, 0.03]);
}

#[test]
fn the_scale_of_nothing_is_one() {
    check_scale(0.0, &[0.0, 0.5, 1.0]);
    check_scale(f64::NAN, &[0.0, 0.5, 1.0]);
    check_scale(f64::INFINITY, &[0.0, 0.5, 1.0]);
    check_scale(-3.0, &[0.0, 0.5, 1.0]);
}

#[test]
fn numbers_have_the_digits_that_they_deserve() {
    let check = |value: f64, expected: &str| assert_eq!(number(value), expected);
    check(0.0, "0");
    check(0.256, "0.26");
    check(1.0, "1");
    check(2.5, "2.5");
    check(12.4, "12");
    check(1500.0, "1500");
}

fn chart(lines: &[Line]) -> String {
    let minutes: Vec<Timestamp> =
        (0..3).map(|minute| Timestamp::from_second(minute * 60).expect("a minute of 1970 is a time")).collect();
    Chart { id: "a", title: "Texts <in>", unit: "a minute", minutes: &minutes, lines }.draw().into_string()
}

#[test]
fn a_minute_without_a_value_is_a_gap() {
    let line = Line { name: "texts", values: vec![Some(1.0), None, Some(1.0)] };
    let path = line.path(1.0);
    assert_eq!(path.matches('M').count(), 2, "{path}");
    assert!(!path.contains('L'), "{path}");
    let line = Line { name: "texts", values: vec![Some(1.0), Some(0.0), Some(1.0)] };
    let path = line.path(1.0);
    assert_eq!((path.matches('M').count(), path.matches('L').count()), (1, 2), "{path}");
}

#[test]
fn what_is_drawn_stays_within_the_drawing() {
    for value in [0.0, 3.0, 8.0] {
        let y = up(value, 8.0);
        assert!((ABOVE..=HEIGHT - BELOW).contains(&y), "{value} is at {y}");
    }
    for place in 0..3 {
        let x = across(place, 3);
        assert!((LEFT..=WIDTH).contains(&x), "{place} is at {x}");
    }
    assert!((LEFT..=WIDTH).contains(&across(0, 1)));
}

#[test]
fn a_chart_tells_in_words_and_numbers_what_it_shows() {
    let drawn = chart(&[Line { name: "texts", values: vec![Some(4.0), Some(7.0), Some(2.5)] }]);
    assert!(drawn.contains("texts: 2.5 at the end, 7 at the highest."), "{drawn}");
    assert!(drawn.contains("<td class=\"number\">7</td>"), "{drawn}");
    assert!(drawn.contains("Texts &lt;in&gt;"), "{drawn}");
    assert!(!drawn.contains("<in>"), "{drawn}");
}

#[test]
fn a_chart_of_nothing_is_drawn() {
    let drawn = chart(&[Line { name: "texts", values: vec![None, None, None] }]);
    assert!(drawn.contains("texts: none at the end, none at the highest."), "{drawn}");
    assert!(!drawn.contains("NaN"), "{drawn}");
}
