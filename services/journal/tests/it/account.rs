//! The account, on every event of many conversations.

use journal::balance::{Look, Prefetch, Queues, Since, judge, queues};
use messaging::Outgoing;
use protocol::{
    Envelope, EventId, Kind, MessageReceived, MessageRouted, MessageSend, MessageSent, Network, RoutedOutcome,
    SessionId, Timestamp,
};
use store::{EventsOf, Standing};

use crate::stage::{Running, Stage, backend};

/// How many conversations there are, of four events each.
const CONVERSATIONS: usize = 1500;

/// A text, its answer with the reason, and the word that it was sent.
fn conversation(number: usize) -> [Outgoing; 4] {
    let session_id: SessionId = format!("s{number}").parse().unwrap();
    let now = Timestamp::now();
    let text = MessageReceived {
        session_id: session_id.clone(),
        from: "+15555550177".parse().unwrap(),
        to: None,
        text: "hello".parse().unwrap(),
        network: Network::sms(),
    };
    let id = EventId::of_webhook(&backend(), &session_id, Kind::MessageReceived, "");
    let received = Envelope::of_webhook(id, backend(), session_id.clone(), now, text);
    let answer = MessageSend {
        to: "+15555550177".parse().unwrap(),
        text: "hello".parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: None,
        expires_at: None,
    };
    let send = Envelope::caused_by(&received.head, 0, now, answer);
    let routed = MessageRouted {
        session_id: session_id.clone(),
        outcome: RoutedOutcome::Answered,
        application: Some("echo".to_owned()),
        replies: 1,
        asked: Vec::new(),
        attempts: 1,
    };
    let routed = Envelope::caused_by(&received.head, 0, now, routed);
    let data = MessageSent { message_id: send.head.id, session_id };
    let sent = Envelope::caused_by(&send.head, 0, now, data);
    [Outgoing::new(&received), Outgoing::new(&send), Outgoing::new(&routed), Outgoing::new(&sent)]
}

async fn look(stage: &Stage) -> Look {
    let backends = [backend()];
    let counted = stage.bus.depths(&queues(&backends)).await.unwrap();
    let counted = Queues::of(&backends, &counted);
    let since = Since { settled_before: Timestamp::now(), awaited_since: Timestamp::UNIX_EPOCH };
    Look::take(&*stage.database.accounts, counted, since).await.unwrap()
}

/// Every event is kept and counts once, though each is published twice, in no order, and the journal is stopped in
/// between. Nothing takes texts and commands off their queues here, so what did not end waits there.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_counts_once() {
    let stage = Stage::new().await;
    let publisher = stage.publisher();
    let mut events: Vec<Outgoing> = (0..CONVERSATIONS).flat_map(conversation).collect();
    // One text has no answer, and one message no end.
    events.pop();
    events.extend_from_slice(&conversation(CONVERSATIONS)[..1]);
    let (first, second) = events.split_at(events.len() / 2);
    let running = Running::start(&stage);
    publisher.publish_all(second).await.unwrap();
    running.stop().await;
    publisher.publish_all(first).await.unwrap();
    publisher.publish_all(second).await.unwrap();
    publisher.publish_all(first).await.unwrap();

    let running = Running::start(&stage);
    stage.kept_up().await;
    let last = look(&stage).await;
    let count = CONVERSATIONS as u64;
    let account = last.account.get(&backend()).unwrap();
    assert_eq!((account.texts.begun, account.texts.count(Standing::Waiting)), (count + 1, 1));
    assert_eq!(account.texts.count(Standing::Answered), count);
    assert_eq!((account.messages.begun, account.messages.count(Standing::Sent)), (count, count - 1));
    assert_eq!(account.messages.count(Standing::Waiting), 1);
    for number in 0..CONVERSATIONS {
        let session = EventsOf::Conversation(format!("s{number}").parse().unwrap());
        let found = stage.database.journal.events(&session).await.unwrap();
        let routed = found.iter().filter(|event| event.kind == Kind::MessageRouted.as_str()).count();
        assert_eq!(routed, 1, "{session:?}: {found:?}");
    }
    assert_eq!(judge(&last, None, Prefetch { texts: 1, messages: 1, events: 1 }), []);
    let size = stage.database.journal.size().await.unwrap();
    assert_eq!(size.events, events.len() as u64);
    running.stop().await;
    stage.bus.close().await;
}
