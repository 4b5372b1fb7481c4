//! What every record of consent promises, and that the ledger keeps it, on each database.

use protocol::Address;
use store::{
    Choice, Claim, Claimed, Consent, ConsentChange, GaveUp, GivenUp, Keep, Kept, Opened, Outcome, Record, Why,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::place::{Place, backend, choice, claim, give_up, message, open_all, person, released, second, session};

on_all!(
    the_latest_choice_is_known_and_all_are_on_record,
    a_choice_that_comes_late_undoes_no_later_one,
    one_cause_changes_one_thing,
    who_opted_out_is_listed_page_by_page,
    to_who_opted_out_nothing_is_released,
    what_was_to_be_sent_again_to_who_opted_out_is_unconfirmed,
    the_one_reply_is_released_all_the_same,
    a_replay_releases_it_once_the_person_is_back,
    from_the_answer_to_a_stop_on_nothing_is_granted,
);

const NUMBER: &str = "+15555550177";

/// What a change makes the latest choice.
fn consent(change: &ConsentChange) -> Consent {
    let ConsentChange { cause, backend, person, choice, word, at, .. } = change.clone();
    Consent { backend, person, choice: choice.unwrap(), since: at, cause, word }
}

async fn the_latest_choice_is_known_and_all_are_on_record(place: Place) {
    let Opened { consents, .. } = open_all(&place).await;
    let (b, number) = (backend("b"), person(NUMBER));
    assert_eq!(consents.consent(&b, &number).await.unwrap(), None);
    assert_eq!(consents.history(&b, &number).await.unwrap(), []);
    assert!(consents.permits(message(), &b, &number).await.unwrap(), "who chose nothing may be texted");

    let help = ConsentChange { choice: None, reply: Some(message()), ..choice(NUMBER, Choice::In, 2) };
    let changes = [choice(NUMBER, Choice::Out, 1), help, choice(NUMBER, Choice::In, 3)];
    for (change, is_permitted) in changes.iter().zip([false, false, true]) {
        consents.change(change.clone()).await.unwrap();
        assert_eq!(consents.permits(message(), &b, &number).await.unwrap(), is_permitted, "{change:?}");
    }
    assert_eq!(consents.history(&b, &number).await.unwrap(), changes);
    drop(consents);
    let Opened { consents, .. } = open_all(&place).await;
    assert_eq!(consents.consent(&b, &number).await.unwrap(), Some(consent(&changes[2])));
    // Another person, and the same person of another backend.
    for (backend, person) in [(&b, &person("+15555550178")), (&backend("other"), &number)] {
        assert_eq!(consents.consent(backend, person).await.unwrap(), None);
        assert_eq!(consents.history(backend, person).await.unwrap(), []);
    }
}

async fn a_choice_that_comes_late_undoes_no_later_one(place: Place) {
    let Opened { consents, .. } = open_all(&place).await;
    let (b, number) = (backend("b"), person(NUMBER));
    let (out, late) = (choice(NUMBER, Choice::Out, 10), choice(NUMBER, Choice::In, 9));
    consents.change(out.clone()).await.unwrap();
    consents.change(late.clone()).await.unwrap();
    assert_eq!(consents.consent(&b, &number).await.unwrap(), Some(consent(&out)));
    assert_eq!(consents.history(&b, &number).await.unwrap(), [late, out], "what changed nothing is on record");
    let back = choice(NUMBER, Choice::In, 200);
    consents.change(back.clone()).await.unwrap();
    consents.change(choice(NUMBER, Choice::Out, 11)).await.unwrap();
    assert_eq!(consents.consent(&b, &number).await.unwrap(), Some(consent(&back)));
    // By a clock that is a little behind.
    let nearly = choice(NUMBER, Choice::Out, 117);
    consents.change(nearly.clone()).await.unwrap();
    let known = consents.consent(&b, &number).await.unwrap();
    assert_eq!(known, Some(Consent { since: second(200), ..consent(&nearly) }));
}

async fn one_cause_changes_one_thing(place: Place) {
    let Opened { consents, memories, .. } = open_all(&place).await;
    let (b, number) = (backend("b"), person(NUMBER));
    let out = choice(NUMBER, Choice::Out, 1);
    for _ in 0..2 {
        consents.change(out.clone()).await.unwrap();
    }
    consents.change(choice(NUMBER, Choice::In, 2)).await.unwrap();
    consents.change(ConsentChange { at: second(3), ..out.clone() }).await.unwrap();
    assert_eq!(consents.consent(&b, &number).await.unwrap().unwrap().choice, Choice::In);
    assert_eq!(consents.history(&b, &number).await.unwrap().len(), 2);
    // So it is as well for what is kept with a text's record.
    let text = Keep {
        text: out.cause,
        record: String::new(),
        changes: Vec::new(),
        consent: Some(ConsentChange { at: second(4), ..out }),
        at: second(4),
    };
    assert_eq!(memories.keep(text).await.unwrap(), Kept::Now);
    assert_eq!(consents.consent(&b, &number).await.unwrap().unwrap().choice, Choice::In);
}

async fn who_opted_out_is_listed_page_by_page(place: Place) {
    let Opened { consents, .. } = open_all(&place).await;
    let mut expected = Vec::new();
    for name in ["a", "b", "b-2"] {
        for number in ["+15555550101", "+15555550102", "12345", "Zoe", "alice"] {
            let out = ConsentChange { backend: backend(name), ..choice(number, Choice::Out, 1) };
            consents.change(out.clone()).await.unwrap();
            expected.push(consent(&out));
        }
    }
    consents.change(choice("+15555550100", Choice::In, 1)).await.unwrap();
    let back = expected.remove(5);
    consents
        .change(ConsentChange { backend: back.backend, ..choice(back.person.as_str(), Choice::In, 2) })
        .await
        .unwrap();
    let mut listed: Vec<Consent> = Vec::new();
    loop {
        let after = listed.last().map(|last| (last.backend.clone(), last.person.clone()));
        let page =
            consents.opted_out(after.as_ref().map(|(backend, person)| (backend, Some(person))), 4).await.unwrap();
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed, expected);
    let of_b = consents.opted_out(Some((&backend("b"), None)), 2).await.unwrap();
    assert_eq!(of_b, expected[5..7]);
}

async fn to_who_opted_out_nothing_is_released(place: Place) {
    let Opened { ledger, consents, .. } = open_all(&place).await;
    let held = released(&*ledger, 0).await;
    consents.change(choice(NUMBER, Choice::Out, 1)).await.unwrap();
    let id = message();
    let given_up = GivenUp { message_id: id, life: 0, attempts: 3, why: Why::OptedOut, at: second(2) };
    for at in [2, 3] {
        let claimed = ledger.claim(claim(id, &session("s"), second(at))).await.unwrap();
        assert_eq!(claimed, Claimed::Suppressed(given_up.clone()), "once and for all");
    }
    assert_eq!(ledger.look_up(id).await.unwrap(), Some(Record::GivenUp(given_up.clone())));
    let again = ledger.give_up(give_up(id, Why::Expired, second(4))).await.unwrap();
    assert_eq!(again, GaveUp::Already(given_up.clone()));
    // What a session was handed before, it may ask for again.
    let again = ledger.claim(claim(held.message_id, &held.session_id, second(3))).await.unwrap();
    assert_eq!(again, Claimed::Again { at: held.released_at, life: 0 });
    let refused = ledger.claim(claim(held.message_id, &session("s"), second(3))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder: held.session_id });
    // Other people, and the same person of another backend.
    let others = [
        Claim { to: person("+15555550178"), ..claim(message(), &session("s"), second(3)) },
        Claim { backend: backend("other"), ..claim(message(), &session("s"), second(3)) },
    ];
    for other in others {
        assert_eq!(ledger.claim(other).await.unwrap(), Claimed::Granted { at: second(3), life: 0 });
    }
    // It stays given up when the person is back: whoever waited was told so.
    consents.change(choice(NUMBER, Choice::In, 4)).await.unwrap();
    let late = ledger.claim(claim(id, &session("late"), second(5))).await.unwrap();
    assert_eq!(late, Claimed::Suppressed(given_up));
}

async fn what_was_to_be_sent_again_to_who_opted_out_is_unconfirmed(place: Place) {
    let Opened { ledger, consents, .. } = open_all(&place).await;
    let first = released(&*ledger, 0).await;
    assert!(ledger.reopen(&first, second(1)).await.unwrap());
    consents.change(choice(NUMBER, Choice::Out, 2)).await.unwrap();
    let next = ledger.claim(claim(first.message_id, &session("next"), second(3))).await.unwrap();
    assert_eq!(next, Claimed::Refused { holder: first.session_id.clone() });
    let Some(Record::Released(held)) = ledger.look_up(first.message_id).await.unwrap() else { panic!("not held") };
    assert_eq!((held.session_id, held.outcome), (first.session_id, Some(Outcome::Unconfirmed)));
}

async fn the_one_reply_is_released_all_the_same(place: Place) {
    let Opened { ledger, consents, .. } = open_all(&place).await;
    let (confirmation, help) = (message(), message());
    consents.change(ConsentChange { reply: Some(confirmation), ..choice(NUMBER, Choice::Out, 1) }).await.unwrap();
    let answer = ConsentChange { choice: None, reply: Some(help), ..choice(NUMBER, Choice::Out, 2) };
    consents.change(answer).await.unwrap();
    let is_permitted = async |id, name: &str, to: &Address| consents.permits(id, &backend(name), to).await.unwrap();
    for id in [confirmation, help] {
        assert!(is_permitted(id, "b", &person(NUMBER)).await);
        let granted = ledger.claim(claim(id, &session("s"), second(3))).await.unwrap();
        assert_eq!(granted, Claimed::Granted { at: second(3), life: 0 });
    }
    // Who is out again needs no word of having been back.
    let welcome = message();
    consents.change(ConsentChange { reply: Some(welcome), ..choice(NUMBER, Choice::In, 200) }).await.unwrap();
    assert!(is_permitted(welcome, "b", &person(NUMBER)).await);
    consents.change(choice(NUMBER, Choice::Out, 201)).await.unwrap();
    assert!(!is_permitted(welcome, "b", &person(NUMBER)).await);
    // It is nobody else's: not even of another who opted out.
    consents.change(choice("+15555550178", Choice::Out, 1)).await.unwrap();
    assert!(!is_permitted(confirmation, "b", &person("+15555550178")).await);
    assert!(!is_permitted(message(), "b", &person(NUMBER)).await);
}

async fn a_replay_releases_it_once_the_person_is_back(place: Place) {
    let Opened { ledger, consents, .. } = open_all(&place).await;
    let id = message();
    consents.change(choice(NUMBER, Choice::Out, 1)).await.unwrap();
    let suppressed = async |life, at| {
        let claimed = ledger.claim(claim(id, &session("s"), second(at))).await.unwrap();
        let given_up = GivenUp { message_id: id, life, attempts: 3, why: Why::OptedOut, at: second(at) };
        assert_eq!(claimed, Claimed::Suppressed(given_up));
    };
    suppressed(0, 2).await;
    assert!(ledger.replay(id, second(3), second(3)).await.unwrap());
    suppressed(1, 4).await;
    consents.change(choice(NUMBER, Choice::In, 5)).await.unwrap();
    assert!(ledger.replay(id, second(6), second(6)).await.unwrap());
    let granted = ledger.claim(claim(id, &session("s"), second(7))).await.unwrap();
    assert_eq!(granted, Claimed::Granted { at: second(7), life: 2 });
}

/// Over two replicas: one claims without a pause, the other takes a STOP meanwhile.
async fn from_the_answer_to_a_stop_on_nothing_is_granted(place: Place) {
    let (claiming, stopping) = (open_all(&place).await, open_all(&place).await);
    for round in 0..10 {
        let number = format!("+155555501{round:02}");
        let (stopped, is_stopped) = watch::channel(false);
        let mut claimants = JoinSet::new();
        for index in 0..8 {
            let (ledger, to, is_stopped) = (claiming.ledger.clone(), person(&number), is_stopped.clone());
            claimants.spawn(async move {
                let mut granted = 0;
                loop {
                    let is_after = *is_stopped.borrow();
                    let claim = Claim { to: to.clone(), ..claim(message(), &session(&index), second(1)) };
                    match ledger.claim(claim).await.unwrap() {
                        Claimed::Granted { .. } if !is_after => granted += 1,
                        Claimed::Suppressed(_) if is_after => return granted,
                        Claimed::Suppressed(_) => {}
                        other => panic!("claimed after the answer to STOP: {is_after}, {other:?}"),
                    }
                }
            });
        }
        tokio::task::yield_now().await;
        stopping.consents.change(choice(&number, Choice::Out, 1)).await.unwrap();
        stopped.send(true).unwrap();
        claimants.join_all().await;
    }
}
