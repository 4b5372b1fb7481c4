use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::application::Remember;
use crate::applications::text;

const REGISTER: &str = r#"
[register]
words = ["register", "sign me up"]
timeout = "30m"
reply = "Thank you, {name}, {age}."
to = "+1-555-555-0188"
message = "New: {name}, {age}, {guardian} ({from})"

[[register.steps]]
name = "name"
ask = "What is your name?"

[[register.steps]]
name = "age"
ask = "How old are you, {name}?"
number = { min = 0, max = 120 }
invalid = "A number, please."

[[register.steps]]
name = "sure"
ask = "Is that right?"
one_of = { yes = ["y"], no = ["n"], child = [] }
next = { no = "name", child = "guardian" }

[[register.steps]]
name = "club"
ask = "Which club?"
pattern = '[a-z]\d'
tries_max = 2
next = "end"

[[register.steps]]
name = "guardian"
ask = "Who looks after you?"

[[register.steps]]
name = "thanks"
end = "We will call {guardian}."

[lunch]
again = "restart"
timed_out = "Too late for lunch."
reply = "Enjoy your {meal}."
steps = [{ name = "meal", ask = "What will it be?", one_of = ["soup", "lunch special"] }]
"#;

fn conversation(config: &str) -> Result<Conversation, ConfigError> {
    Conversation::new(&toml::from_str(config).unwrap())
}

/// A person, and what is remembered of them.
struct Person {
    conversation: Conversation,
    memory: Option<Value>,
    minutes: u64,
}

impl Person {
    fn new(config: &str) -> Self {
        Self { conversation: conversation(config).unwrap(), memory: None, minutes: 0 }
    }

    fn text(&mut self, words: &str) -> Said {
        let at = text(words).now + std::time::Duration::from_secs(60 * self.minutes);
        let text = Text { received_at: at, now: at, ..text(words) };
        let said = self.asked(|conversation, known| conversation.handle(&text, known));
        if said.takes { said } else { self.asked(|conversation, known| conversation.default(&text, known)) }
    }

    /// A text that another application takes.
    fn text_another(&mut self, words: &str) {
        let at = text(words).now + std::time::Duration::from_secs(60 * self.minutes);
        let text = Text { received_at: at, now: at, ..text(words) };
        assert!(!self.asked(|conversation, known| conversation.handle(&text, known)).takes);
    }

    fn asked(&mut self, ask: impl Fn(&Conversation, &Known) -> Said) -> Said {
        let said = ask(&self.conversation, &Known { memory: self.memory.clone(), ..Known::default() });
        match said.remember.clone() {
            Remember::Same => {}
            Remember::Value(value) => self.memory = Some(value),
            Remember::Nothing => self.memory = None,
        }
        said
    }

    /// Texts one after the other, each with its answers; none: it is not for this application.
    #[track_caller]
    fn check(&mut self, script: &[(&str, &[&str])]) {
        for (words, expected) in script {
            let said = self.text(words);
            let replies: Vec<&str> = said.replies.iter().map(|reply| reply.text.as_str()).collect();
            assert_eq!((replies.as_slice(), said.takes), (*expected, !expected.is_empty()), "{words}: {said:?}");
        }
    }
}

const NAME_ASKED: (&str, &[&str]) = ("register", &["What is your name?"]);
const AGE_ASKED: (&str, &[&str]) = ("Ada", &["How old are you, Ada?"]);

#[test]
fn a_dialogue_asks_its_questions_and_tells_of_the_answers_at_its_end() {
    let mut person = Person::new(REGISTER);
    person.check(&[
        ("hello", &[]),
        ("Sign me up!", &["What is your name?"]),
        (" Ada ", &["How old are you, Ada?"]),
        ("36", &["Is that right?"]),
        ("Y", &["Which club?"]),
        ("b4", &["Thank you, Ada, 36.", "New: Ada, 36,  (+15555550177)"]),
        ("hello", &[]),
    ]);
    let finished = &person.memory.unwrap()["finished"]["register"];
    assert_eq!(finished["answers"], json!({ "name": "Ada", "age": "36", "sure": "yes", "club": "b4" }));
}

#[test]
fn answers_that_cannot_be_taken_are_asked_for_again_and_end_it_in_the_end() {
    let mut person = Person::new(REGISTER);
    person.check(&[
        NAME_ASKED,
        AGE_ASKED,
        ("old", &["A number, please."]),
        ("121", &["A number, please."]),
        ("007", &["Is that right?"]),
        ("maybe", &["Is that right?"]),
        ("yes", &["Which club?"]),
        ("none", &["Which club?"]),
        ("none", &["Sorry, we could not understand your answers. Please begin again."]),
        ("a1", &[]),
    ]);
    assert_eq!(person.memory, None);
}

#[test]
fn answers_lead_to_other_questions_and_ends() {
    let mut person = Person::new(REGISTER);
    person.check(&[
        NAME_ASKED,
        AGE_ASKED,
        ("7", &["Is that right?"]),
        ("no", &["What is your name?"]),
        ("Bob", &["How old are you, Bob?"]),
        ("8", &["Is that right?"]),
        ("child", &["Who looks after you?"]),
        ("Ada", &["We will call Ada.", "New: Bob, 8, Ada (+15555550177)"]),
    ]);
}

#[test]
fn it_can_be_left_and_gone_on_with() {
    let mut person = Person::new(REGISTER);
    person.check(&[NAME_ASKED, AGE_ASKED, ("Register!", &["How old are you, Ada?"]), ("LEAVE", &["Cancelled."])]);
    person.check(&[("leave", &[]), NAME_ASKED, ("register", &["What is your name?"]), ("leave", &["Cancelled."])]);
    let meal: (&str, &[&str]) = ("lunch", &["What will it be?"]);
    person.check(&[meal, meal, ("lunch special", &["Enjoy your lunch special."])]);
}

#[test]
fn who_does_not_answer_in_time_is_in_no_dialogue() {
    let mut person = Person::new(REGISTER);
    person.check(&[NAME_ASKED]);
    person.minutes = 30;
    person.check(&[AGE_ASKED]);
    person.minutes = 61;
    person.check(&[("36", &[])]);
    assert_eq!(person.memory, None);
    person.check(&[("lunch", &["What will it be?"])]);
    person.minutes = 500;
    person.check(&[("soup", &["Too late for lunch."]), ("soup", &[]), ("lunch", &["What will it be?"])]);
    person.minutes = 1000;
    person.check(&[NAME_ASKED]);
}

#[test]
fn a_late_text_is_first_for_others() {
    let mut person = Person::new(REGISTER);
    person.check(&[("lunch", &["What will it be?"])]);
    person.minutes = 500;
    person.text_another("size small");
    person.check(&[("soup", &[])]);
    assert_eq!(person.memory, None);
}

#[test]
fn answers_of_a_way_that_was_left_are_forgotten() {
    let mut person = Person::new(REGISTER);
    person.check(&[
        NAME_ASKED,
        AGE_ASKED,
        ("7", &["Is that right?"]),
        ("no", &["What is your name?"]),
        ("Bob", &["How old are you, Bob?"]),
    ]);
    let under_way = &person.memory.unwrap()["under_way"];
    assert_eq!((&under_way["answers"], &under_way["order"]), (&json!({ "name": "Bob" }), &json!(["name"])));
}

#[test]
fn who_is_called_as_the_dialogue_is_can_go_on() {
    let hi = |again: &str| {
        Person::new(&format!(
            r#"
            [hi]
            words = ["hi", "hello there"]
            pattern = "hi.*"
            again = "{again}"
            reply = "Welcome, {{who}}."
            steps = [{{ name = "who", ask = "Who are you?" }}]
            "#
        ))
    };
    for again in ["resume", "restart"] {
        let asked: (&str, &[&str]) = ("hi", &["Who are you?"]);
        hi(again).check(&[asked, ("Hiroko", &["Welcome, Hiroko."]), asked, ("hi you", &["Welcome, hi you."])]);
        let gave_up = "Sorry, we could not understand your answers. Please begin again.";
        hi(again).check(&[asked, asked, ("Hello there!", &["Who are you?"]), ("hi", &[gave_up]), asked]);
    }
}

#[test]
fn a_dialogue_that_was_changed_meanwhile_ends_politely() {
    let mut person = Person::new(REGISTER);
    person.check(&[NAME_ASKED]);
    let renamed = REGISTER.replace("\"name\"", "\"who\"").replace("{name}", "{who}");
    person.conversation = conversation(&renamed).unwrap();
    person.check(&[("Ada", &["Sorry, this was changed meanwhile. Please begin again."]), ("Ada", &[]), NAME_ASKED]);
    person.conversation = conversation("").unwrap();
    person.check(&[("Ada", &[]), ("register", &[])]);
    person.memory = Some(json!({ "version": "2", "of": "a release to come" }));
    person.conversation = conversation(REGISTER).unwrap();
    person.check(&[("Ada", &[]), NAME_ASKED]);
}

#[test]
fn the_record_names_the_step_and_quotes_nobody() {
    let mut person = Person::new(REGISTER);
    let reasons: Vec<_> =
        ["register", "Ada", "secret", "leave"].map(|words| person.text(words).because.unwrap()).into();
    assert_eq!(
        reasons,
        [
            "dialogue register: asks name",
            "dialogue register: asks age",
            "dialogue register: the answer to age is not taken",
            "dialogue register: cancelled",
        ]
    );
}

#[track_caller]
fn check_refused(config: &str, key: &str, says: &str) {
    let told = conversation(config).unwrap_err().to_string();
    assert!(told.starts_with(&format!("router.conversation.{key}: ")) && told.contains(says), "{told}");
}

#[test]
fn dialogues_that_could_not_work_are_refused() {
    let with = |steps: &str| format!("[a]\nreply = \"x\"\nsteps = [{steps}]");
    let ask = |name: &str, more: &str| format!("{{ name = \"{name}\", ask = \"?\"{more} }}");
    check_refused(&with(""), "a.steps", "begin with a question");
    check_refused(&with("{ name = \"a\", end = \"x\" }"), "a.steps", "begin with a question");
    check_refused(&with("{ name = \"a\" }"), "a.steps.a", "either ask");
    check_refused(&with(&ask("a", ", end = \"x\"")), "a.steps.a", "either ask");
    check_refused(&with(&ask("end", "")), "a.steps", "otherwise");
    check_refused(&with(&ask("from", "")), "a.steps", "otherwise");
    check_refused(&with(&ask("a b", "")), "a.steps", "no name");
    check_refused(&with(&format!("{}, {}", ask("b", ""), ask("b", ""))), "a.steps", "two steps");
    check_refused(&with(&ask("b", ", next = \"c\"")), "a.steps.b.next", "no step \"c\"");
    check_refused(&with(&ask("b", ", next = \"b\"")), "a.steps.b", "no end");
    check_refused(&with(&format!("{}, {}", ask("b", ", next = \"end\""), ask("c", ""))), "a.steps.c", "no other");
    check_refused(&with(&ask("b", ", one_of = [\"x\"], next = { y = \"end\" }")), "a.steps.b.next", "none of");
    check_refused(&with(&ask("b", ", one_of = []")), "a.steps.b.one_of", "at least one");
    check_refused(&with(&ask("b", ", number = { min = 2, max = 1 }")), "a.steps.b.number", "less than");
    check_refused(&with(&ask("b", ", pattern = \"(\"")), "a.steps.b.pattern", "cannot be used");
    check_refused(&with(&ask("b", ", pattern = \"x\", number = {}")), "a.steps.b.one_of", "one of them");
    check_refused(&with(&ask("b", ", tries_max = 0")), "a.steps.b.tries_max", "at least 1");
    check_refused(&with(&ask("b", ", invalid = \"{c}\"")), "a.steps.b.invalid", "no {c}");
    check_refused(&with(&ask("b", ", invalid = \"{b}?\"")), "a.steps.b.invalid", "{b} is not known here");
    let early = format!(
        "{{ name = \"b\", ask = \"{{c}}?\" }}, {}",
        ask("c", ", one_of = [\"x\", \"y\"], next = { x = \"b\" }")
    );
    check_refused(&with(&early), "a.steps.b.ask", "{c} is not known here");
    let other = "{ name = \"c\", end = \"{d}\" }, { name = \"d\", ask = \"?\" }";
    let other = format!("{}, {other}", ask("b", ", one_of = [\"x\", \"y\"], next = { y = \"d\" }"));
    check_refused(&with(&other), "a.steps.c.end", "{d} is not known here");
    check_refused(&with(&ask("b", ", one_of = [\"stay\", \"leave\"]")), "a.cancel", "an answer to b");
    let zero = with(&ask("b", ", number = {}")).replace("[a]", "[a]\ncancel = [\"0\"]");
    check_refused(&zero, "a.cancel", "\"0\" ends the dialogue");
    check_refused(&with(&ask("b", "")).replace("[a]", "[a]\npattern = \"(\""), "a.pattern", "cannot be used");
    let one = with(&ask("b", ""));
    check_refused(&one.replace("[a]", "[a]\nto = \"+15555550188\""), "a.to", "belong together");
    let other = one.replace("[a]", "[b]\nwords = [\"A!\"]");
    let told = conversation(&format!("{one}\n{other}")).unwrap_err().to_string();
    assert!(told.contains("\"a\" begins a and b"), "{told}");
}

proptest! {
    #[test]
    fn whatever_is_texted_is_answered_or_left_to_others(
        texts in proptest::collection::vec("register|lunch|leave|yes|child|[a-z]1|[0-9]{1,3}|\\PC{0,20}", 1..30),
        step in "name|age|sure|club|guardian|thanks|\\PC{0,5}",
        tries in any::<u32>(),
    ) {
        let mut person = Person::new(REGISTER);
        let under_way = json!({
            "dialogue": "register", "step": step, "tries": tries, "asked_at": text("").now, "answers": {},
        });
        person.memory = Some(json!({ "version": "1", "under_way": under_way }));
        for words in texts {
            let said = person.text(&words);
            prop_assert_eq!(said.takes, !said.replies.is_empty());
            prop_assert!(said.replies.iter().all(|reply| !reply.text.as_str().trim().is_empty()));
        }
    }
}
