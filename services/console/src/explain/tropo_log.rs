//! What Tropo's log tells of a session. Its own words are those of the Application Debugger; where Tropo had none, the
//! simulator says it (`#SIMULATOR#`).

use protocol::BackendName;
use url::Url;

use crate::simulated::TropoLine;

/// What a line tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// An application owns the number that was texted.
    Found,
    /// A session is asked for with a token.
    Created,
    /// The session begins.
    Begun,
    /// A webhook is posted to us.
    Posted,
    /// We answered with a document.
    Answered,
    /// We answered with no success: the status.
    Refused(u16),
    /// Nobody answered, or not in time.
    NotAnswered,
    /// The session does not call back.
    NotCalledBack,
    /// The document cannot be used.
    DocumentRefused,
    /// The message went to the network.
    HandedOver,
    /// The network has it.
    InProgress,
    /// The message could not be sent.
    ActionFailed,
    /// The result is not posted.
    ResultNotPosted,
    /// The session ends.
    Ended,
    /// Something else.
    Other,
}

impl Told {
    pub(super) fn of(line: &str) -> Self {
        let has = |words: &str| line.contains(words);
        if let Some(said) = line.strip_prefix("#SIMULATOR#: ") {
            let begins = |words: &str| said.starts_with(words);
            return if begins("This session does not call back") {
                Self::NotCalledBack
            } else if begins("The document is refused")
                || begins("The document cannot be done")
                || begins("The document ends at action")
                || begins("The session ends, its document cannot be used")
            {
                Self::DocumentRefused
            } else if begins("The session ends, its result is not posted") {
                Self::ResultNotPosted
            } else if begins("The session ends, ") && has(" gave no document: ") {
                Self::NotAnswered
            } else if begins("Action ") && has(" failed, ") {
                Self::ActionFailed
            } else {
                Self::Other
            };
        }
        if line.starts_with("#MRCP#: ") {
            return match line.strip_prefix("#MRCP#: (o)") {
                Some(_) => Self::HandedOver,
                None => Self::InProgress,
            };
        }
        // What is quoted may say anything: the words that Tropo begins with decide.
        let Some(said) = line.strip_prefix("#TROPO#: ") else { return Self::Other };
        let begins = |words: &str| said.starts_with(words);
        if begins("Found hostedCloudDnsApplicationInfo") {
            Self::Found
        } else if begins("HTTPDriver.doGet(): action = create") {
            Self::Created
        } else if begins("Sending TropoML Payload") {
            Self::Posted
        } else if begins("Received new TropoML document") {
            Self::Answered
        } else if begins("Received non-2XX status code") {
            Self::Refused(status(said))
        } else if begins("ApplicationInstance[") {
            Self::Begun
        } else if begins("Thread Tropo-Thread-") && has(" returned engine ") {
            Self::Ended
        } else {
            Self::Other
        }
    }

    /// The line in a sentence, which says nothing of a person.
    pub(super) fn words(self) -> String {
        match self {
            Self::Found => "Tropo found the application that owns the number".to_owned(),
            Self::Created => "Tropo was asked to create a session".to_owned(),
            Self::Begun => "The session began at Tropo".to_owned(),
            Self::Posted => "Tropo posted to us".to_owned(),
            Self::Answered => "Tropo got a document from us".to_owned(),
            Self::Refused(status) => format!("Tropo got status {status} from us"),
            Self::NotAnswered => "Tropo got no answer from us".to_owned(),
            Self::NotCalledBack => "Tropo did not call back".to_owned(),
            Self::DocumentRefused => "Tropo could not use the document".to_owned(),
            Self::HandedOver => "Tropo handed the message to the network".to_owned(),
            Self::InProgress => "The network has the message".to_owned(),
            Self::ActionFailed => "Tropo could not send the message".to_owned(),
            Self::ResultNotPosted => "Tropo did not post the result".to_owned(),
            Self::Ended => "The session ended at Tropo".to_owned(),
            Self::Other => "Tropo wrote a line".to_owned(),
        }
    }
}

/// The status in `[url=…, code=503]`; 0 where there is none.
fn status(said: &str) -> u16 {
    let code = said.rsplit_once("code=").map_or("", |(_, code)| code.trim_end_matches(']'));
    code.parse().unwrap_or_default()
}

/// The backend to whose webhook a line says that Tropo posts: `NAME` in `[url=http://HOST/tropo/NAME/SECRET]`.
pub(super) fn backend(line: &TropoLine) -> Option<BackendName> {
    let posted = Some(line.text.as_str()).filter(|text| Told::of(text) == Told::Posted)?;
    let (_, from) = posted.split_once("[url=")?;
    let (url, _) = from.split_once("]: ")?;
    let url: Url = url.parse().ok()?;
    url.path_segments()?.skip_while(|segment| *segment != "tropo").nth(1)?.parse().ok()
}

/// What Tropo's log tells of one session.
#[derive(Clone, Copy, Default)]
pub(super) struct Story<'a> {
    /// The first line.
    pub(super) first: Option<&'a TropoLine>,
    /// It posted to us.
    pub(super) posted: Option<&'a TropoLine>,
    /// We answered the first post with a document.
    pub(super) answered: Option<&'a TropoLine>,
    /// We answered it with no success: the status.
    pub(super) refused: Option<(&'a TropoLine, u16)>,
    /// Nobody answered it.
    pub(super) not_answered: Option<&'a TropoLine>,
    /// It does not call back.
    pub(super) not_called_back: Option<&'a TropoLine>,
    /// The document cannot be used.
    pub(super) document_refused: Option<&'a TropoLine>,
    /// The message went to the network.
    pub(super) handed_over: Option<&'a TropoLine>,
    /// The message could not be sent.
    pub(super) action_failed: Option<&'a TropoLine>,
    /// The result did not come to us: it was not posted, or we did not take it.
    pub(super) result_lost: Option<&'a TropoLine>,
}

impl<'a> Story<'a> {
    /// What the lines of a session tell, the oldest first.
    pub(super) fn of(lines: impl Iterator<Item = &'a TropoLine>) -> Self {
        let mut story = Self::default();
        for line in lines {
            story.first.get_or_insert(line);
            // What follows an answer is about the result.
            let is_first = story.answered.is_none() && story.refused.is_none() && story.not_answered.is_none();
            match Told::of(&line.text) {
                Told::Posted => drop(story.posted.get_or_insert(line)),
                Told::Answered if is_first => story.answered = Some(line),
                Told::Refused(status) if is_first => story.refused = Some((line, status)),
                Told::NotAnswered if is_first => story.not_answered = Some(line),
                Told::Refused(_) | Told::NotAnswered | Told::ResultNotPosted => story.result_lost = Some(line),
                Told::NotCalledBack => story.not_called_back = Some(line),
                Told::DocumentRefused => story.document_refused = Some(line),
                Told::HandedOver => story.handed_over = Some(line),
                Told::ActionFailed => story.action_failed = Some(line),
                Told::Answered
                | Told::Found
                | Told::Created
                | Told::Begun
                | Told::InProgress
                | Told::Ended
                | Told::Other => {}
            }
        }
        story
    }
}
