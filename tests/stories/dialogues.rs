//! The applications of the house, with real phones: dialogues, polls and groups.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::crowd::patient;
use crate::stage::{Bus, Phone, Setup, Stage, until};

on_both_buses! {
    a_dialogue_goes_its_way_and_its_answers_arrive
    a_dialogue_that_is_not_answered_in_time_is_over
    a_dialogue_goes_on_after_the_router_was_killed
    votes_are_counted_and_a_group_is_texted
    two_hundred_people_have_their_dialogues_at_once
}

/// Asks for a name and whether to go on; `no` leads elsewhere.
fn setup(bus: Bus) -> Setup {
    let steps = json!([
        { "name": "name", "ask": "Your name?" },
        { "name": "age", "ask": "How old are you, {name}?", "number": { "min": 1 }, "invalid": "A number, please." },
        { "name": "sure", "ask": "Sure?", "one_of": ["yes", "no"], "next": { "yes": "end", "no": "pity" } },
        { "name": "pity", "end": "What a pity." },
    ]);
    Setup::new(bus)
        .with("router.applications", vec!["subscription", "conversation", "poll", "group", "echo", "default"])
        .with("router.conversation.register.steps", table(steps))
        .with("router.conversation.register.reply", "Welcome, {name}, {age}.")
        .with("router.conversation.register.message", "{name} came.")
        .with("router.conversation.register.to", "+15555560009")
}

fn table(value: Value) -> toml::Value {
    serde_json::from_value(value).unwrap()
}

/// Texts, and waits for one more message: the last that the phone has.
async fn ask(phone: &Phone, words: &str, count: &mut usize) -> String {
    phone.text(words).await;
    *count += 1;
    phone.received(*count).await.pop().unwrap().text
}

async fn check(phone: &Phone, count: &mut usize, script: &[(&str, &str)]) {
    for (words, expected) in script {
        assert_eq!(ask(phone, words, count).await, *expected, "{words}");
    }
}

async fn a_dialogue_goes_its_way_and_its_answers_arrive(bus: Bus) {
    let stage = setup(bus).start().await;
    let (ada, bob, operator) = (stage.phone(0), stage.phone(1), stage.phone(9));
    let (mut of_ada, mut of_bob) = (0, 0);
    check(&ada, &mut of_ada, &[("register", "Your name?"), ("Ada", "How old are you, Ada?")]).await;
    check(&bob, &mut of_bob, &[("Register!", "Your name?"), ("echo", "How old are you, echo?")]).await;
    check(&ada, &mut of_ada, &[("old", "A number, please."), ("36", "Sure?"), ("YES", "Welcome, Ada, 36.")]).await;
    check(&bob, &mut of_bob, &[("7", "Sure?"), ("no", "What a pity."), ("echo hi", "hi")]).await;
    operator.received(2).await;
    stage.settle().await;
    operator.assert_has(&["Ada came.", "echo came."]).await;
}

async fn a_dialogue_that_is_not_answered_in_time_is_over(bus: Bus) {
    let setup = setup(bus)
        .with("router.conversation.register.timeout", "1s")
        .with("router.conversation.register.timed_out", "Too late.");
    let stage = setup.start().await;
    let (phone, mut count) = (stage.phone(0), 0);
    check(&phone, &mut count, &[("register", "Your name?")]).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    check(&phone, &mut count, &[("Ada", "Too late."), ("echo hi", "hi")]).await;
    stage.settle().await;
}

async fn a_dialogue_goes_on_after_the_router_was_killed(bus: Bus) {
    let mut stage = setup(bus).simulator_apart().start().await;
    let (phone, mut count) = (stage.phone(0), 0);
    check(&phone, &mut count, &[("register", "Your name?"), ("Ada", "How old are you, Ada?")]).await;
    stage.router().kill();
    stage.router().start();
    stage.router().ready().await;
    check(&phone, &mut count, &[("36", "Sure?"), ("yes", "Welcome, Ada, 36.")]).await;
    stage.phone(9).received(1).await;
}

async fn votes_are_counted_and_a_group_is_texted(bus: Bus) {
    let owner = "+15555560000";
    let stage = setup(bus)
        .with("router.poll.lunch.options", vec!["pizza", "soup"])
        .with("router.poll.lunch.reply", "Thanks: {option}.")
        .with("router.poll.lunch.owners", vec![owner])
        .with("router.group.crew.owners", vec![owner])
        .with("router.group.crew.members", vec![owner, "+15555560001", "+15555560002"])
        .start()
        .await;
    let phones = stage.phones(3);
    for (phone, vote) in phones.iter().zip(["pizza", "soup", "pizza"]) {
        phone.text(&format!("lunch {vote}")).await;
        assert_eq!(phone.reply().await.text, format!("Thanks: {vote}."));
    }
    phones[2].text("lunch soup").await;
    phones[2].received(2).await;
    phones[0].text("lunch results").await;
    phones[1].text("crew to arms").await;
    phones[0].text("crew we eat at six").await;
    settled(&stage, &phones).await;
    phones[0].assert_has(&["Thanks: pizza.", "pizza: 1, soup: 2; 3 in all.", "Sent to 2."]).await;
    let sorry = "Sorry, RapidSMS could not understand your message.";
    phones[1].assert_has(&["Thanks: soup.", sorry, "we eat at six"]).await;
    phones[2].assert_has(&["Thanks: pizza.", "Thanks: soup.", "we eat at six"]).await;
}

/// Waits until each phone has its three messages, and nothing is under way any more.
async fn settled(stage: &Stage, phones: &[Phone]) {
    for phone in phones {
        phone.received(3).await;
    }
    stage.settle().await;
}

/// On RabbitMQ two routers share the people, and one of them is killed in the middle of it.
async fn two_hundred_people_have_their_dialogues_at_once(bus: Bus) {
    const PEOPLE: usize = 200;
    let setup = if bus == Bus::RabbitMq { setup(bus).replicas(2) } else { setup(bus) };
    let mut stage = patient(setup).start().await;
    let phones: Vec<Phone> = (100..100 + PEOPLE).map(|index| stage.phone(index)).collect();
    let mut talks = JoinSet::new();
    for phone in &phones {
        talks.spawn(talk(phone.clone()));
    }
    if bus == Bus::RabbitMq {
        until("half of it is done", async || {
            let handled = stage.metrics().await.settled("router.message.received.", "handled");
            (PEOPLE as u64 * 2 < handled).then_some(())
        })
        .await;
        stage.router().kill();
    }
    talks.join_all().await;
    for phone in &phones {
        assert_eq!(phone.inbox().await.len(), 5, "{}: each text is answered once", phone.number);
    }
    stage.phone(9).received(PEOPLE).await;
}

/// A dialogue from beginning to end, each answer after its question.
async fn talk(phone: Phone) {
    let name = phone.number.clone();
    let (asks, welcome) = (format!("How old are you, {name}?"), format!("Welcome, {name}, 36."));
    let script = [
        ("register", "Your name?"),
        (&*name, &*asks),
        ("old", "A number, please."),
        ("36", "Sure?"),
        ("yes", &*welcome),
    ];
    check(&phone, &mut 0, &script).await;
}
