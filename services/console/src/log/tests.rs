use super::*;

fn read(change: impl FnOnce(&mut Query)) -> Result<Search, String> {
    let mut query = Query::default();
    change(&mut query);
    query.read("2026-11-23T12:00:00Z".parse().unwrap()).map_err(|problem| problem.detail().to_owned())
}

#[track_caller]
fn check(written: &str, id: bool, person: Option<&PersonSought>) {
    let search = read(|query| query.q = Some(written.to_owned())).unwrap();
    let sought = search.sought.unwrap();
    assert_eq!(sought.id.is_some(), id, "{written}");
    assert!(sought.person.as_ref() == person, "{written}");
}

fn is(address: &str) -> Option<PersonSought> {
    Some(PersonSought::Is(address.parse().unwrap()))
}

fn ends_with(digits: &str) -> Option<PersonSought> {
    Some(PersonSought::EndsWith(digits.to_owned()))
}

#[test]
fn whatever_somebody_has_is_understood() {
    check("6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7", true, None);
    check("9f0c4be1a27d4d7f8a53e6b1c0d92e44", true, None);
    check("dih06n", true, None);
    check(" +1 (555) 555-0177 ", false, is("+15555550177").as_ref());
    check("15555550177", false, is("+15555550177").as_ref());
    check("0712 345 678", false, ends_with("712345678").as_ref());
    check("…0177", false, ends_with("0177").as_ref());
    check("5177", false, ends_with("5177").as_ref());
    check("12", false, None);
    check("alice@example.net", false, is("alice@example.net").as_ref());
    check("hello world", false, None);
    check("नमस्ते", false, None);
    check("?!", false, None);
}

#[test]
fn times_are_instants_days_or_ago() {
    let since = |written: &str| {
        let search = read(|query| query.since = Some(written.to_owned()))?;
        Ok::<_, String>(search.filter.since.unwrap().to_string())
    };
    assert_eq!(since("2026-11-23T09:30:00Z").unwrap(), "2026-11-23T09:30:00Z");
    assert_eq!(since("2026-11-23T09:30:00 02:00").unwrap(), "2026-11-23T07:30:00Z");
    assert_eq!(since("2026-11-20").unwrap(), "2026-11-20T00:00:00Z");
    assert_eq!(since("90m").unwrap(), "2026-11-23T10:30:00Z");
    assert!(since("yesterday").unwrap_err().starts_with("since: must be a time"));
}

#[test]
fn what_cannot_be_is_told_by_the_name_of_the_parameter() {
    let wrong = |change: fn(&mut Query)| read(change).map(drop).unwrap_err();
    assert_eq!(wrong(|query| query.direction = Some("up".into())), "direction: must be in or out");
    assert_eq!(wrong(|query| query.limit = Some("501".into())), "limit: must be a number from 1 to 500");
    assert_eq!(wrong(|query| query.cursor = Some("x".into())), "cursor: not one of ours");
    assert!(wrong(|query| query.state = Some("lost".into())).starts_with("state: no such state"));
    assert!(wrong(|query| query.backend = Some("a b".into())).starts_with("backend: backend name must be"));
    assert!(wrong(|query| query.q = Some("a\0".into())).starts_with("q: holds a NUL"));
    assert!(read(|query| query.state = Some(" ".into())).unwrap().filter == LogFilter::default());
}
