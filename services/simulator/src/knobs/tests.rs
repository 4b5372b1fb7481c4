use super::*;

fn knobs(written: &str) -> Knobs {
    serde_json::from_str(written).unwrap()
}

#[test]
fn what_is_left_out_is_as_on_a_good_day_and_what_is_written_reads_back() {
    assert_eq!(knobs("{}"), Knobs::default());
    let set = knobs(
        r#"{"seed": 7, "callback_first": true, "bad_token": "401", "create_status": 429, "retry_after": "2s",
            "create_errors": 0.25, "create_reply": "garbage", "webhook_latency": "10ms"}"#,
    );
    assert_eq!(knobs(&serde_json::to_string(&set).unwrap()), set);
}

#[test]
fn what_cannot_be_is_refused() {
    for wrong in [
        r#"{"create_errors": 1.5}"#,
        r#"{"duplicate_webhooks": -1}"#,
        r#"{"create_status": 100}"#,
        r#"{"create_status": 700}"#,
        r#"{"bad_token": "418"}"#,
        r#"{"callback_delay": 5}"#,
        r#"{"era": 2012}"#,
        r#"{"sms_per_second_per_number": 0}"#,
        r#"{"webhook_charset": "EBCDIC"}"#,
        r#"{"callback_frist": true}"#,
    ] {
        assert!(serde_json::from_str::<Knobs>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn counts_count_down() {
    let control = Control::new(knobs(
        r#"{"fail_next_creates": 2, "create_error_status": 503, "retry_after": "3s",
                                         "drop_next_callbacks": 1}"#,
    ));
    let failure = Some((StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(3))));
    assert_eq!([0; 3].map(|_| control.plan_create().failure), [failure, failure, None]);
    assert_eq!(control.plan_call_back(), CallBackPlan::Never("drop_next_callbacks"));
    assert_eq!(control.plan_call_back(), CallBackPlan::After(Duration::ZERO));
    assert_eq!((control.knobs().fail_next_creates, control.knobs().drop_next_callbacks), (0, 0));
}

#[test]
fn a_status_for_all_counts_before_a_share() {
    let control = Control::new(knobs(r#"{"create_status": 429, "create_errors": 1}"#));
    assert_eq!(control.plan_create().failure, Some((StatusCode::TOO_MANY_REQUESTS, None)));
}

#[test]
fn the_same_seed_has_the_same_mishaps() {
    let mishaps = |seed: u64| {
        let control = Control::new(Knobs { seed, create_errors: Share(0.5), ..Knobs::default() });
        let run = || (0..64).map(|_| control.plan_create().failure.is_some()).collect::<Vec<_>>();
        let first = run();
        control.set(control.knobs());
        assert_eq!(run(), first);
        first
    };
    assert_eq!(mishaps(1), mishaps(1));
    assert_ne!(mishaps(1), mishaps(2));
    let share = mishaps(3).iter().filter(|failed| **failed).count();
    assert!((16..=48).contains(&share), "{share} of 64 at a share of one half");
}

#[test]
fn some_knobs_are_set_and_the_others_stay() {
    let control = Control::new(knobs(r#"{"seed": 7, "era": 2017, "create_errors": 0.5, "retry_after": "2s"}"#));
    let merge = |written: &str| control.merge(serde_json::from_str(written).unwrap());
    let merged = merge(r#"{"create_errors": null, "retry_after": null, "strict": true}"#).unwrap();
    assert_eq!(merged, knobs(r#"{"seed": 7, "era": 2017, "strict": true}"#));
    for wrong in [r#"{"strict": 1}"#, r#"{"no_such": true}"#, r#"{"no_such": null}"#] {
        assert!(merge(wrong).is_err(), "{wrong}");
    }
    assert_eq!(control.knobs(), merged);
}

#[test]
fn chance_begins_anew_with_a_seed_alone() {
    let control = Control::new(Knobs { seed: 5, create_errors: Share(0.5), ..Knobs::default() });
    let run = || (0..64).map(|_| control.plan_create().failure.is_some()).collect::<Vec<_>>();
    let first = run();
    control.merge(serde_json::from_str(r#"{"strict": true}"#).unwrap()).unwrap();
    assert_ne!(run(), first);
    control.merge(serde_json::from_str(r#"{"seed": 5}"#).unwrap()).unwrap();
    assert_eq!(run(), first);
}

#[test]
fn a_share_of_the_call_backs_is_dropped() {
    let control = Control::new(Knobs { dropped_callbacks: Share(0.25), ..Knobs::default() });
    let dropped = (0..1000).filter(|_| control.plan_call_back() == CallBackPlan::Never("dropped_callbacks")).count();
    assert!((200..300).contains(&dropped), "{dropped} of 1000 at a share of a quarter");
}
