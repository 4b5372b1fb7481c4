//! MMS: what comes with a text, in and out (Tropo WebAPI: `initialMedia`; `say` with `media`).

use protocol::{MessageText, TextError};
use tropo::document::Say;
use tropo::era::Era;
use tropo::session::{InitialMedia, Session};
use tropo::shape::OneOrMany;
use url::Url;

use super::Run;
use crate::application::is_http;
use crate::debugger::wording;
use crate::phones::Delivery;

/// What an application is told of a file that did not come through.
const UPLOAD_FAILED: &str = "Failed to upload: 500 Internal Error";

/// The network of MMS.
const MMS: &str = "MMS";

/// What is said, as a phone gets it.
pub(super) struct Words {
    pub(super) text: MessageText,
    pub(super) subject: Option<MessageText>,
    pub(super) media: Vec<String>,
}

impl Run {
    /// Puts subject and media of an inbound MMS into its session. Before 2017 there were none.
    pub(super) fn take_mms(&self, session: &mut Session, delivery: &Delivery) {
        if delivery.subject.is_none() && delivery.media.is_empty() {
            return;
        }
        let (style, _) = self.simulator.control.payloads();
        if style.era != Era::Year2017 {
            self.log(wording::ours("The subject and the media are left out: Tropo has them since 2017 (knob era)"));
            return;
        }
        session.subject = delivery.subject.as_ref().map(|subject| subject.as_str().to_owned());
        session.initial_media = delivery.media.iter().map(|media| initial(media)).collect();
        if !delivery.text.as_str().is_empty() {
            let text = Some(delivery.text.as_str().to_owned());
            session.initial_media.push(InitialMedia { status: success(), text, ..InitialMedia::default() });
        }
    }

    /// What a phone gets of what is said: in an MMS the value is its subject, and the media are files or words.
    pub(super) fn words(&self, say: &Say, network: &str) -> Result<Words, TextError> {
        let media = say.media.as_ref().filter(|media| media.first().is_some());
        let Some(media) = media else {
            return Ok(Words { text: say.value.parse()?, subject: None, media: Vec::new() });
        };
        if network != MMS {
            self.log(wording::ours("The media are left out: set network MMS"));
            return Ok(Words { text: say.value.parse()?, subject: None, media: Vec::new() });
        }
        mms(&say.value, media)
    }
}

fn mms(subject: &str, parts: &OneOrMany<String>) -> Result<Words, TextError> {
    let (files, words): (Vec<&String>, Vec<&String>) = parts.iter().partition(|part| is_file(part));
    let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
    let subject = Some(subject).filter(|subject| !subject.is_empty()).map(str::parse).transpose()?;
    Ok(Words { text: words.join("\n").parse()?, subject, media: files.into_iter().cloned().collect() })
}

/// A file that came through has an address; of one that did not, only its name is known.
fn initial(media: &str) -> InitialMedia {
    let name = Some(media.to_owned());
    if is_file(media) {
        InitialMedia { status: success(), media: name, ..InitialMedia::default() }
    } else {
        let (status, disposition) = (Some("failure".to_owned()), Some(UPLOAD_FAILED.to_owned()));
        InitialMedia { status, media: name, disposition, ..InitialMedia::default() }
    }
}

fn success() -> Option<String> {
    Some("success".to_owned())
}

fn is_file(part: &str) -> bool {
    part.trim().parse::<Url>().is_ok_and(|url| is_http(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mms_has_its_value_for_a_subject_and_its_media_are_files_or_words() {
        let parts = ["http://files.example.net/1.jpg", "first words", "https://files.example.net/2.jpg", "last words"];
        let words = mms("holiday", &OneOrMany::Many(parts.map(str::to_owned).to_vec())).unwrap();
        assert_eq!(words.text.as_str(), "first words\nlast words");
        assert_eq!(words.subject.unwrap().as_str(), "holiday");
        assert_eq!(words.media, [parts[0], parts[2]]);
        let words = mms("", &OneOrMany::One("ftp://host/x".to_owned())).unwrap();
        assert_eq!((words.text.as_str(), words.subject.is_none(), words.media.len()), ("ftp://host/x", true, 0));
    }

    #[test]
    fn a_file_that_did_not_come_through_has_a_name_and_a_reason() {
        let (came, lost) = (initial("http://files.example.net/1.jpg"), initial("2.jpg"));
        assert_eq!((came.status.as_deref(), came.disposition), (Some("success"), None));
        assert_eq!((lost.status.as_deref(), lost.disposition.as_deref()), (Some("failure"), Some(UPLOAD_FAILED)));
        assert_eq!(lost.media.as_deref(), Some("2.jpg"));
    }
}
