use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

/// How many attempts are let through of so many.
fn let_through(attempts: &Attempts, from: Option<IpAddr>, name: &str, now: Timestamp, of: usize) -> usize {
    (0..of).filter(|_| attempts.begin(from, name, now).is_ok()).count()
}

#[test]
fn an_address_has_ten_at_once_and_then_one_every_thirty_seconds() {
    let attempts = Attempts::default();
    assert_eq!(let_through(&attempts, address(1), "ann", at(0), 20), 10);
    let refused = attempts.begin(address(1), "bob", at(0)).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(30));
    assert_eq!(let_through(&attempts, address(1), "ann", at(29), 2), 0);
    assert_eq!(let_through(&attempts, address(1), "ann", at(30), 2), 1);
    assert_eq!(let_through(&attempts, address(1), "ann", at(3600), 20), 10);
}

#[test]
fn a_name_has_a_limit_over_all_addresses_that_one_address_does_not_reach() {
    let attempts = Attempts::default();
    assert_eq!(let_through(&attempts, address(1), "ann", at(0), 100), 10);
    assert_eq!(let_through(&attempts, address(2), "ann", at(0), 1), 1, "another address may still try");
    let through: usize = (3..=20).map(|last| let_through(&attempts, address(last), "ann", at(0), 10)).sum();
    assert_eq!(through, 100 - 10 - 1);
    assert_eq!(let_through(&attempts, address(30), "bob", at(0), 1), 1);
}

#[test]
fn whoever_knows_the_password_uses_up_nothing() {
    let attempts = Attempts::default();
    for _ in 0..50 {
        attempts.begin(address(1), "ann", at(0)).unwrap();
        attempts.give_back(address(1), "ann");
    }
    assert_eq!(let_through(&attempts, address(1), "ann", at(0), 20), 10);
}

#[test]
fn a_network_of_long_addresses_counts_as_one() {
    let attempts = Attempts::default();
    let of_network = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
    let through = (0..20).filter(|last| attempts.begin(of_network(*last), "ann", at(0)).is_ok()).count();
    assert_eq!(through, 10);
    let mapped = Some("::ffff:192.0.2.1".parse().unwrap());
    assert_eq!(let_through(&attempts, address(1), "bob", at(0), 10), 10);
    assert_eq!(let_through(&attempts, mapped, "bob", at(0), 1), 0);
}

#[test]
fn what_is_remembered_is_bounded_and_the_greedy_are_remembered_longest() {
    let attempts = Attempts::default();
    assert_eq!(let_through(&attempts, address(1), "ann", at(0), 20), 10);
    for other in 0..u32::try_from(REMEMBERED_MAX).unwrap() {
        let other_address = Some(IpAddr::from((0x0a00_0000 + other).to_be_bytes()));
        attempts.begin(other_address, &other.to_string(), at(0)).unwrap();
    }
    assert_eq!(attempts.used().len(), REMEMBERED_MAX);
    assert_eq!(let_through(&attempts, address(1), "bob", at(0), 1), 0);
}
