use std::collections::BTreeMap;
use std::sync::Mutex;

use protocol::RoutedOutcome;
use serde_json::{Value, json};

use super::*;
use crate::application::{Application, Choice, Consent, Known, Reply, Said};
use crate::applications::text;
use crate::fake::InMemory;
use crate::participant::InProcess;

/// An application by a table: what it says in each phase.
#[derive(Debug)]
struct Scripted {
    name: &'static str,
    phases: Vec<Phase>,
    recall: Recall,
    said: fn(Phase, &Text, &Known) -> Said,
    sending: fn(&MessageSend) -> Sending,
}

impl Scripted {
    fn new(name: &'static str, phases: &[Phase], said: fn(Phase, &Text, &Known) -> Said) -> Self {
        Self { name, phases: phases.to_vec(), recall: Recall::Nothing, said, sending: |_| Sending::Pass }
    }
}

impl Application for Scripted {
    fn name(&self) -> &str {
        self.name
    }
    fn phases(&self) -> &[Phase] {
        &self.phases
    }
    fn recall(&self, _: Phase, _: &Text) -> Recall {
        self.recall
    }
    fn filter(&self, text: &Text, known: &Known) -> Said {
        (self.said)(Phase::Filter, text, known)
    }
    fn parse(&self, text: &Text, known: &Known) -> Said {
        (self.said)(Phase::Parse, text, known)
    }
    fn handle(&self, text: &Text, known: &Known) -> Said {
        (self.said)(Phase::Handle, text, known)
    }
    fn default(&self, text: &Text, known: &Known) -> Said {
        (self.said)(Phase::Default, text, known)
    }
    fn cleanup(&self, text: &Text, known: &Known, taken_by: Option<&str>) -> Said {
        assert_eq!(taken_by.is_some(), text.received.text.as_str() != "nobody");
        (self.said)(Phase::Cleanup, text, known)
    }
    fn outgoing(&self, message: &MessageSend) -> Sending {
        (self.sending)(message)
    }
}

fn pipeline(applications: Vec<Scripted>) -> Pipeline {
    let participants = applications
        .into_iter()
        .map(|application| -> Arc<dyn Participant> { Arc::new(InProcess(Box::new(application))) });
    Pipeline::new(participants.collect())
}

fn words(routed: &Routed) -> Vec<&str> {
    routed.messages.iter().map(|(_, message)| message.text.as_str()).collect()
}

fn trail(routed: &Routed) -> Vec<String> {
    let asked = routed.asked.iter();
    asked.map(|asked| format!("{} {} {:?}", asked.application, asked.phase.as_str(), asked.said)).collect()
}

fn says(reply: &str) -> Said {
    Said::reply(reply.parse().unwrap())
}

#[tokio::test]
async fn the_phases_come_in_order_and_who_takes_a_text_is_the_last_to_be_asked_to() {
    let all = [Phase::Filter, Phase::Parse, Phase::Handle, Phase::Default, Phase::Cleanup];
    let first = Scripted::new("first", &all, |phase, _, _| match phase {
        Phase::Parse => Said { notes: BTreeMap::from([("seen".to_owned(), "yes".to_owned())]), ..Said::pass() },
        _ => Said::pass(),
    });
    let second = Scripted::new("second", &all, |phase, text, _| match phase {
        Phase::Parse => Said { words: Some(text.trimmed().to_uppercase().parse().unwrap()), ..Said::pass() },
        Phase::Handle => says(&format!("{} {}", text.words.as_str(), text.notes["seen"])),
        _ => Said::pass(),
    });
    let third = Scripted::new("third", &all, |phase, _, _| match phase {
        Phase::Handle | Phase::Default => says("never"),
        _ => Said::pass(),
    });
    let routed = pipeline(vec![first, second, third]).route(text("hi"), false, &InMemory::default()).await.unwrap();
    assert_eq!(words(&routed), ["HI yes"]);
    assert_eq!((routed.outcome, routed.application.as_deref()), (RoutedOutcome::Answered, Some("second")));
    assert_eq!(
        trail(&routed),
        [
            "first filter Passed",
            "second filter Passed",
            "third filter Passed",
            "first parse Changed",
            "second parse Changed",
            "third parse Passed",
            "first handle Passed",
            "second handle Took",
            "first cleanup Passed",
            "second cleanup Passed",
            "third cleanup Passed",
        ]
    );
}

#[tokio::test]
async fn the_default_phase_is_for_what_nobody_took() {
    let asked = |words: &'static str| async move {
        let handles = Scripted::new("handles", &[Phase::Handle], |_, text, _| match text.trimmed() {
            "mine" => Said::take(),
            _ => Said::pass(),
        });
        let default = Scripted::new("default", &[Phase::Default], |_, text, _| match text.trimmed() {
            "nobody" => Said::pass(),
            _ => says("sorry"),
        });
        pipeline(vec![default, handles]).route(text(words), false, &InMemory::default()).await.unwrap()
    };
    assert_eq!(asked("mine").await.outcome, RoutedOutcome::Taken);
    assert_eq!(words(&asked("other").await), ["sorry"]);
    assert_eq!(asked("nobody").await.outcome, RoutedOutcome::Unanswered);
}

#[tokio::test]
async fn a_filter_ends_a_text_before_anybody_else_sees_it() {
    let filter = Scripted::new("filter", &[Phase::Filter], |_, _, _| Said::take().because("blocked"));
    let other = Scripted::new("other", &[Phase::Parse, Phase::Handle], |_, _, _| unreachable!());
    let routed = pipeline(vec![other, filter]).route(text("hi"), false, &InMemory::default()).await.unwrap();
    assert_eq!((routed.outcome, trail(&routed)), (RoutedOutcome::Filtered, vec!["filter filter Took".to_owned()]));
    assert_eq!(routed.asked[0].because.as_deref(), Some("blocked"));
}

#[tokio::test]
async fn outgoing_messages_are_shown_to_the_last_application_first() {
    let handles = Scripted::new("handles", &[Phase::Handle], |_, _, _| {
        let reply = |words: &str| Reply::to_sender(words.parse().unwrap());
        Said { replies: vec![reply("one"), reply("secret"), reply("two")], ..Said::take() }
    });
    let adds = |name| Scripted {
        sending: |message| Sending::Words(format!("{}!", message.text.as_str()).parse().unwrap()),
        ..Scripted::new(name, &[Phase::Outgoing], |_, _, _| Said::pass())
    };
    let cancels = Scripted {
        sending: |message| match message.text.as_str() {
            "secret" => Sending::Cancel("a secret".to_owned()),
            _ => Sending::Pass,
        },
        ..Scripted::new("cancels", &[Phase::Outgoing], |_, _, _| Said::pass())
    };
    let pipeline = pipeline(vec![adds("a"), adds("b"), cancels, handles]);
    let routed = pipeline.route(text("hi"), false, &InMemory::default()).await.unwrap();
    assert_eq!(words(&routed), ["one!!", "two!!"]);
    assert_eq!(routed.messages.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(trail(&routed)[1..], ["cancels outgoing Cancelled", "b outgoing Changed", "a outgoing Changed"]);
    let other = MessageSend { text: "secret".parse().unwrap(), ..routed.messages[0].1.clone() };
    assert_eq!(pipeline.outgoing(other).unwrap_err(), ("cancels".to_owned(), "a secret".to_owned()));
}

/// Counts what a person texts.
fn counting(name: &'static str) -> Scripted {
    let counted = |_: Phase, _: &Text, known: &Known| {
        let count = known.memory.as_ref().and_then(Value::as_u64).unwrap_or_default() + 1;
        says(&format!("{count}")).remembering(json!(count))
    };
    Scripted { recall: Recall::Person, ..Scripted::new(name, &[Phase::Handle], counted) }
}

#[tokio::test]
async fn what_is_remembered_is_there_the_next_time_and_a_text_that_comes_again_is_answered_with_the_same() {
    let (pipeline, memories) = (pipeline(vec![counting("counts")]), InMemory::default());
    let (first, mut second) = (text("a"), text("b"));
    second.id = first.id.derive(protocol::Kind::MessageReceived, 7);
    for (text, expected) in [(&first, "1"), (&second, "2"), (&first, "1"), (&second, "2")] {
        let routed = pipeline.route(text.clone(), false, &memories).await.unwrap();
        assert_eq!(words(&routed), [expected]);
        assert_eq!(routed.asked.len(), 1);
    }
}

#[tokio::test]
async fn two_that_handle_a_persons_texts_at_once_cannot_both_have_their_way() {
    /// Changes what is remembered after it was recalled.
    #[derive(Debug)]
    struct Late(Arc<InMemory>, Mutex<bool>);
    impl Application for Late {
        fn name(&self) -> &str {
            "late"
        }
        fn phases(&self) -> &[Phase] {
            &[Phase::Handle]
        }
        fn recall(&self, _: Phase, _: &Text) -> Recall {
            Recall::Person
        }
        fn handle(&self, _: &Text, known: &Known) -> Said {
            if std::mem::replace(&mut *self.1.lock().unwrap(), false) {
                self.0.with(|state| state.memories.values_mut().for_each(|memory| memory.version += 1));
            }
            says("done").remembering(json!(known.memory.is_some()))
        }
    }
    let memories = Arc::new(InMemory::default());
    let late = |is_late| -> Arc<dyn Participant> {
        Arc::new(InProcess(Box::new(Late(Arc::clone(&memories), Mutex::new(is_late)))))
    };
    Pipeline::new(vec![late(false)]).route(text("a"), false, &*memories).await.unwrap();
    let other = Text { id: text("a").id.derive(protocol::Kind::MessageReceived, 7), ..text("b") };
    let pipeline = Pipeline::new(vec![late(true)]);
    assert!(matches!(pipeline.route(other.clone(), false, &*memories).await, Err(Stopped::Stale)));
    assert_eq!(words(&pipeline.route(other, false, &*memories).await.unwrap()), ["done"]);
}

#[tokio::test]
async fn a_choice_is_kept_with_the_id_of_the_reply_that_may_be_sent() {
    let stops = Scripted::new("stops", &[Phase::Filter], |_, _, _| Said {
        consent: Some(Consent { choice: Some(Choice::Out), word: "stop".to_owned() }),
        ..says("bye")
    });
    let memories = InMemory::default();
    pipeline(vec![stops]).route(text("STOP"), false, &memories).await.unwrap();
    let change = memories.with(|state| state.consents[0].clone());
    assert_eq!((change.choice, change.cause), (Some(Choice::Out), text("STOP").id));
    assert_eq!(change.reply, Some(text("STOP").id.derive(protocol::Kind::MessageSend, 0)));
}

#[tokio::test]
async fn an_application_that_panics_fails_and_the_trail_says_who() {
    let panics = Scripted::new("panics", &[Phase::Handle], |_, _, _| panic!("as planned"));
    let error = pipeline(vec![panics]).route(text("hi"), false, &InMemory::default()).await.unwrap_err();
    let Stopped::Failed { application, trail, .. } = error else { panic!("{error:?}") };
    assert_eq!((application.as_str(), trail.outcome), ("panics", RoutedOutcome::GivenUp));
    assert_eq!(trail.asked[0].said, SaidWord::Failed);
}

#[tokio::test]
async fn who_remembers_without_having_looked_replaces_what_is_there() {
    let forgetful = || {
        Scripted::new("forgetful", &[Phase::Handle], |_, text, _| says("noted").remembering(json!(text.id.to_string())))
    };
    let memories = InMemory::default();
    for index in 0..2 {
        let id = text("a").id.derive(protocol::Kind::MessageReceived, index);
        let routed = pipeline(vec![forgetful()]).route(Text { id, ..text("a") }, false, &memories).await.unwrap();
        assert_eq!(words(&routed), ["noted"]);
    }
}

#[tokio::test]
async fn what_was_decided_stands_whoever_fails_in_cleanup() {
    let stops = Scripted::new("stops", &[Phase::Filter], |_, _, _| Said {
        consent: Some(Consent { choice: Some(Choice::Out), word: "stop".to_owned() }),
        ..says("bye")
    });
    let panics = Scripted::new("panics", &[Phase::Cleanup], |_, _, _| panic!("as planned"));
    let memories = InMemory::default();
    let routed = pipeline(vec![stops, panics]).route(text("STOP"), false, &memories).await.unwrap();
    assert_eq!((words(&routed), memories.with(|state| state.consents.len())), (vec!["bye"], 1));
    assert_eq!(trail(&routed), ["stops filter Took", "panics cleanup Failed"]);
}

#[tokio::test]
async fn what_comes_again_is_answered_from_its_record_whoever_would_be_asked_now() {
    let memories = InMemory::default();
    pipeline(vec![counting("counts")]).route(text("a"), false, &memories).await.unwrap();
    let other = || Scripted::new("other", &[Phase::Handle], |_, _, _| says("otherwise"));
    let again = pipeline(vec![other()]).route(text("a"), true, &memories).await.unwrap();
    assert_eq!(words(&again), ["1"]);
}

#[tokio::test]
async fn a_message_is_not_sent_past_an_application_that_panics() {
    let panics = Scripted {
        sending: |_| panic!("as planned"),
        ..Scripted::new("panics", &[Phase::Outgoing], |_, _, _| Said::pass())
    };
    let handles = Scripted::new("handles", &[Phase::Handle], |_, _, _| says("words"));
    let routed = pipeline(vec![panics, handles]).route(text("hi"), false, &InMemory::default()).await.unwrap();
    assert_eq!((words(&routed), routed.outcome), (vec![], RoutedOutcome::Taken));
}

/// Away, and for some texts alone.
#[derive(Debug)]
struct AwayForSome;

impl Participant for AwayForSome {
    fn name(&self) -> &'static str {
        "some"
    }
    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }
    fn is_for(&self, text: &Text) -> bool {
        text.trimmed().starts_with("join")
    }
    fn ask<'a>(&'a self, _: Asked<'a>) -> messaging::BoxFuture<'a, Result<Said, Unanswered>> {
        Box::pin(async { Err(Unanswered::Away { because: "down".to_owned(), retry_after: None }) })
    }
}

#[tokio::test]
async fn a_text_that_is_not_for_an_application_goes_past_it_while_it_is_away() {
    let answers = Scripted::new("answers", &[Phase::Handle], |_, _, _| says("here"));
    let answers: Arc<dyn Participant> = Arc::new(InProcess(Box::new(answers)));
    let pipeline = Pipeline::new(vec![Arc::new(AwayForSome), answers]);
    let routed = pipeline.route(text("hello"), false, &InMemory::default()).await.unwrap();
    assert_eq!(words(&routed), ["here"]);
    assert_eq!(trail(&routed), ["some handle Passed", "answers handle Took"]);
    assert_eq!(routed.asked[0].because.as_deref(), Some("it is for other texts"));
    let stopped = pipeline.route(text("join us"), false, &InMemory::default()).await.unwrap_err();
    assert!(matches!(stopped, Stopped::Away(_)), "{stopped:?}");
}

#[tokio::test]
async fn messages_to_others_are_on_record() {
    let tells = || {
        Scripted::new("tells", &[Phase::Handle], |_, _, _| {
            let to = Some("+15555550199".parse().unwrap());
            Said { replies: vec![Reply { to, text: "news".parse().unwrap(), expires_at: None }], ..Said::take() }
        })
    };
    let memories = InMemory::default();
    pipeline(vec![tells()]).route(text("hi"), false, &memories).await.unwrap();
    assert_eq!(memories.with(|state| state.records.len()), 1);
}
