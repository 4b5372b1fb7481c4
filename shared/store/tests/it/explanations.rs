//! What every record of explanations promises, on each database.

use protocol::EventId;
use store::{Explanation, Fact, Mark, Opened, Sought, Subject};

use crate::place::{Place, backend, message, open_all, second, session};

on_both!(
    what_is_kept_is_found_by_its_text_and_by_its_session,
    a_text_that_was_given_up_and_replayed_has_several_in_order,
    a_message_leads_to_the_text_that_began_its_conversation,
    what_is_on_record_stays_as_it_is,
    only_what_is_old_is_forgotten,
);

fn explanation(text: EventId, session_id: &str, at: i64) -> Explanation {
    Explanation {
        id: message(),
        text,
        session_id: session(session_id),
        backend: backend("b"),
        at: second(at),
        body: r#"{"outcome":"answered","because":"a word \u0000 ✓"}"#.to_owned(),
    }
}

async fn what_is_kept_is_found_by_its_text_and_by_its_session(place: Place) {
    let Opened { explanations, .. } = open_all(&place).await;
    let (one, other) = (explanation(message(), "one", 1), explanation(message(), "other", 2));
    assert_eq!(explanations.find(&Sought::Text(one.text)).await.unwrap(), []);
    explanations.keep(&[]).await.unwrap();
    explanations.keep(&[one.clone(), other.clone()]).await.unwrap();
    drop(explanations);
    let Opened { explanations, .. } = open_all(&place).await;
    assert_eq!(explanations.find(&Sought::Text(one.text)).await.unwrap(), [one]);
    assert_eq!(explanations.find(&Sought::Session(session("other"))).await.unwrap(), [other]);
    assert_eq!(explanations.find(&Sought::Session(session("nobody's"))).await.unwrap(), []);
}

async fn a_text_that_was_given_up_and_replayed_has_several_in_order(place: Place) {
    let Opened { explanations, .. } = open_all(&place).await;
    let text = message();
    let [first, second, third] = [1, 2, 3].map(|at| explanation(text, "s", at));
    explanations.keep(&[third.clone(), first.clone()]).await.unwrap();
    explanations.keep(std::slice::from_ref(&second)).await.unwrap();
    let in_order = [first, second, third];
    assert_eq!(explanations.find(&Sought::Text(text)).await.unwrap(), in_order);
    assert_eq!(explanations.find(&Sought::Session(session("s"))).await.unwrap(), in_order);
}

async fn a_message_leads_to_the_text_that_began_its_conversation(place: Place) {
    let Opened { accounts, explanations, .. } = open_all(&place).await;
    let (one, other) = (explanation(message(), "one", 1), explanation(message(), "other", 1));
    explanations.keep(&[one.clone(), other]).await.unwrap();
    let fact = |session_id| Fact {
        subject: Subject::Message,
        id: message(),
        backend: backend("elsewhere"),
        correlation_id: session_id,
        mark: Mark::Begun,
        at: second(1),
    };
    let (answer, by_itself) = (fact(Some(session("one"))), fact(None));
    accounts.record(&[answer.clone(), by_itself.clone()]).await.unwrap();
    assert_eq!(explanations.find(&Sought::Message(answer.id)).await.unwrap(), std::slice::from_ref(&one));
    for id in [by_itself.id, one.text, message()] {
        assert_eq!(explanations.find(&Sought::Message(id)).await.unwrap(), []);
    }
}

async fn what_is_on_record_stays_as_it_is(place: Place) {
    let Opened { explanations, .. } = open_all(&place).await;
    let first = explanation(message(), "s", 1);
    let again = Explanation { at: second(9), body: "{}".to_owned(), ..first.clone() };
    explanations.keep(&[first.clone(), again.clone()]).await.unwrap();
    explanations.keep(&[again, first.clone()]).await.unwrap();
    assert_eq!(explanations.find(&Sought::Text(first.text)).await.unwrap(), [first]);
}

async fn only_what_is_old_is_forgotten(place: Place) {
    let Opened { explanations, .. } = open_all(&place).await;
    let kept: Vec<Explanation> = (1..=4).map(|at| explanation(message(), "s", at)).collect();
    explanations.keep(&kept).await.unwrap();
    assert_eq!(explanations.forget(second(1), 9).await.unwrap(), 0);
    assert_eq!(explanations.forget(second(4), 2).await.unwrap(), 2);
    assert_eq!(explanations.find(&Sought::Session(session("s"))).await.unwrap(), kept[2..]);
    assert_eq!(explanations.forget(second(4), 2).await.unwrap(), 1);
    assert_eq!(explanations.find(&Sought::Session(session("s"))).await.unwrap(), kept[3..]);
}
