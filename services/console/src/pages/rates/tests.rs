use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a second of 1970 is a time")
}

fn tally(minute: i64, kind: &str, count: u64) -> Tally {
    let backend = "clinic".parse().expect("a name");
    Tally { minute: at(minute * 60), backend, kind: kind.to_owned(), count }
}

fn latency(texted: i64, released: i64) -> Latency {
    Latency { backend: "clinic".parse().expect("a name"), texted_at: at(texted), released_at: at(released) }
}

#[track_caller]
fn check_within(waits: &[f64], share: f64, expected: Option<f64>) {
    assert_eq!(within(waits, share), expected);
}

#[test]
fn a_share_of_the_waits_is_within_the_least_that_covers_it() {
    check_within(&[], 0.5, None);
    check_within(&[3.0], 0.99, Some(3.0));
    check_within(&[1.0, 2.0], 0.5, Some(1.0));
    check_within(&[1.0, 2.0, 3.0, 4.0], 0.5, Some(2.0));
    check_within(&[1.0, 2.0, 3.0, 4.0], 0.95, Some(4.0));
    let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
    check_within(&hundred, 0.95, Some(95.0));
    check_within(&hundred, 0.99, Some(99.0));
}

#[test]
fn the_last_minutes_end_with_the_one_that_is_not_over() {
    let minutes = minutes(at(7265));
    assert_eq!(minutes.len(), MINUTES);
    assert_eq!(minutes.last(), Some(&at(7260)));
    assert_eq!(minutes.first(), Some(&at(7260 - 59 * 60)));
}

#[test]
fn events_are_counted_in_their_minutes_over_all_backends() {
    let tallies = [
        tally(1, "message.received", 2),
        tally(1, "message.received", 3),
        tally(2, "message.failed", 1),
        tally(2, DEAD_LETTER, 4),
        tally(2, "message.launched", 9),
    ];
    let lines = counts(&[at(60), at(120)], &tallies);
    let values = |name| lines.iter().find(|line| line.name == name).map(|line| line.values.clone());
    assert_eq!(values("texts"), Some(vec![Some(5.0), Some(0.0)]));
    assert_eq!(values("went wrong"), Some(vec![Some(0.0), Some(5.0)]));
    assert_eq!(values("sent"), Some(vec![Some(0.0), Some(0.0)]));
}

#[test]
fn waits_stand_in_the_minute_of_the_release() {
    let lines = waits(&[at(60), at(120)], &[latency(50, 130), latency(125, 126)]);
    let half = lines.first().map(|line| line.values.clone());
    assert_eq!(half, Some(vec![None, Some(1.0)]));
    let most = lines.last().map(|line| line.values.clone());
    assert_eq!(most, Some(vec![None, Some(80.0)]));
}

#[test]
fn clocks_that_disagree_make_no_wait_of_less_than_nothing() {
    let lines = waits(&[at(0)], &[latency(60, 59)]);
    assert!(lines.iter().all(|line| line.values == [Some(0.0)]));
    let lines = waits(&[at(0)], &[]);
    assert!(lines.iter().all(|line| line.values == [None]));
}
