//! What every desk promises, on each database.

use std::sync::Arc;

use store::{Act, Desk, Digest, NumberedAct, Opened, Request, Requested, SignedIn};

use crate::place::{Place, message, open_all, second};

on_all!(
    who_signed_in_is_known_until_the_end_of_the_session,
    who_signs_out_is_known_no_longer_and_others_are,
    a_request_is_the_first_again_or_another,
    of_many_who_ask_at_once_one_is_the_first,
    acts_are_paged_the_newest_first,
    acts_are_found_by_words_in_their_details,
    only_what_is_old_is_forgotten_and_so_many_at_most,
);

/// The 32 bytes that begin with this number.
fn digest(number: u8) -> Digest {
    std::array::from_fn(|at| if at == 0 { number } else { 0xff })
}

fn signed_in(session: u8, until: i64) -> SignedIn {
    let (since, until) = (second(0), second(until));
    SignedIn { session: digest(session), user: "Änn".to_owned(), proof: digest(99), since, until }
}

fn act(at: i64, action: &str) -> Act {
    let detail = r#"{"queue":"a \u0000 ✓"}"#.to_owned();
    Act { at: second(at), who: "ann".to_owned(), action: action.to_owned(), detail }
}

fn actions(acts: &[NumberedAct]) -> Vec<&str> {
    acts.iter().map(|numbered| numbered.act.action.as_str()).collect()
}

async fn who_signed_in_is_known_until_the_end_of_the_session(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    let ann = signed_in(1, 10);
    assert_eq!(desk.signed_in(&ann.session, second(0)).await.unwrap(), None);
    desk.sign_in(&ann).await.unwrap();
    // Repeated, it changes nothing.
    desk.sign_in(&SignedIn { user: "bob".to_owned(), until: second(99), ..ann.clone() }).await.unwrap();
    drop(desk);
    let Opened { desk, .. } = open_all(&place).await;
    assert_eq!(desk.signed_in(&ann.session, second(9)).await.unwrap(), Some(ann.clone()));
    assert_eq!(desk.signed_in(&ann.session, second(10)).await.unwrap(), None);
    assert_eq!(desk.signed_in(&digest(2), second(0)).await.unwrap(), None);
}

async fn who_signs_out_is_known_no_longer_and_others_are(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    let (one, other) = (signed_in(1, 10), signed_in(2, 10));
    desk.sign_in(&one).await.unwrap();
    desk.sign_in(&other).await.unwrap();
    for _ in 0..2 {
        desk.sign_out(&one.session).await.unwrap();
        assert_eq!(desk.signed_in(&one.session, second(0)).await.unwrap(), None);
    }
    assert_eq!(desk.signed_in(&other.session, second(0)).await.unwrap(), Some(other));
}

async fn a_request_is_the_first_again_or_another(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    let first = Request { key: digest(1), content: digest(2), id: message(), at: second(0) };
    assert_eq!(desk.request(&first).await.unwrap(), Requested::First);
    let again = Request { id: message(), at: second(5), ..first.clone() };
    assert_eq!(desk.request(&again).await.unwrap(), Requested::Again(first.id));
    let other = Request { content: digest(3), ..again.clone() };
    assert_eq!(desk.request(&other).await.unwrap(), Requested::Other);
    let of_another = Request { key: digest(4), ..again };
    assert_eq!(desk.request(&of_another).await.unwrap(), Requested::First);
}

async fn of_many_who_ask_at_once_one_is_the_first(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let desk: Arc<dyn Desk> = Arc::clone(&desk);
        let request = Request { key: digest(1), content: digest(2), id: message(), at: second(0) };
        asking.spawn(async move { (request.id, desk.request(&request).await.unwrap()) });
    }
    let answers = asking.join_all().await;
    let first: Vec<_> = answers.iter().filter(|(_, answer)| *answer == Requested::First).collect();
    let [(id, _)] = *first else { panic!("{first:?}") };
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Requested::First) || *answer == Requested::Again(*id)));
}

async fn acts_are_paged_the_newest_first(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    assert_eq!(desk.acts(None, 10).await.unwrap(), []);
    for (at, action) in [(3, "one"), (1, "two"), (2, "three")] {
        desk.note_act(&act(at, action)).await.unwrap();
    }
    // As after a connection that was lost before its answer came.
    desk.note_act(&act(2, "three")).await.unwrap();
    let newest = desk.acts(None, 2).await.unwrap();
    assert_eq!(actions(&newest), ["three", "two"]);
    assert_eq!(newest[1].act, act(1, "two"));
    let rest = desk.acts(Some(newest[1].number), 2).await.unwrap();
    assert_eq!(actions(&rest), ["one"]);
    assert_eq!(desk.acts(Some(rest[0].number), 2).await.unwrap(), []);
}

async fn acts_are_found_by_words_in_their_details(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    for (at, action, detail) in [(1, "a", "of one"), (2, "a", "of two"), (3, "b", "of one"), (4, "a", "of one")] {
        desk.note_act(&Act { detail: detail.to_owned(), ..act(at, action) }).await.unwrap();
    }
    let found = async |words, limit| {
        let found = desk.acts_with("a", words, limit).await.unwrap();
        found.iter().map(|found| found.act.at.as_second()).collect::<Vec<_>>()
    };
    assert_eq!(found("of one", 9).await, [4, 1].map(|at| second(at).as_second()));
    assert_eq!(found("of one", 1).await, [second(4).as_second()]);
    assert!(found("of %", 9).await.is_empty());
}

async fn only_what_is_old_is_forgotten_and_so_many_at_most(place: Place) {
    let Opened { desk, .. } = open_all(&place).await;
    for number in 1..=4 {
        let at = i64::from(number);
        desk.sign_in(&signed_in(number, at)).await.unwrap();
        let request = Request { key: digest(number), content: digest(0), id: message(), at: second(at) };
        desk.request(&request).await.unwrap();
        desk.note_act(&act(at, &number.to_string())).await.unwrap();
    }
    // Of the sessions one, two and three have ended; of the rest, one and two are old.
    assert_eq!(desk.forget_desk(second(3), second(3), 1).await.unwrap(), 3);
    assert_eq!(desk.forget_desk(second(3), second(3), 9).await.unwrap(), 4);
    assert_eq!(desk.forget_desk(second(3), second(3), 9).await.unwrap(), 0);
    assert_eq!(actions(&desk.acts(None, 9).await.unwrap()), ["4", "3"]);
    assert!(desk.signed_in(&digest(4), second(3)).await.unwrap().is_some());
    let request = Request { key: digest(2), content: digest(9), id: message(), at: second(9) };
    assert_eq!(desk.request(&request).await.unwrap(), Requested::First, "what is forgotten may be asked for again");
    let request = Request { key: digest(3), ..request };
    assert_eq!(desk.request(&request).await.unwrap(), Requested::Other);
}
