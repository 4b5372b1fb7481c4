//! A virtual phone as a page: its messages, and a form to text a number.

use std::fmt::Write as _;
use std::sync::Arc;

use protocol::Address;

use super::html::{Escaped, Page, in_path, phone_path, session_path};
use crate::api::problem::Problem;
use crate::api::stream;
use crate::phones::{Direction, PhoneMessage};
use crate::{Simulator, Texting};

/// How many messages the page begins with. The script keeps so many, too.
const MESSAGES_MAX: usize = 200;

/// How many numbers the form proposes.
const PROPOSED_MAX: usize = 200;

/// The networks that the form has: those of the telephone, and those that had names.
const NETWORKS: [&str; 8] = ["SMS", "MMS", "JABBER", "GTALK", "AIM", "MSN", "YAHOO", "TWITTER"];

/// What stands in the form.
#[derive(Clone, Default)]
pub(super) struct Draft {
    to: String,
    text: String,
    network: String,
    subject: String,
    media: String,
}

impl Draft {
    /// A blank one.
    pub(super) fn to(to: String, network: String) -> Self {
        Self { to, network, ..Self::default() }
    }

    /// To the other party of the newest message, over the same network.
    pub(super) fn next(simulator: &Simulator, number: &Address) -> Self {
        let latest = simulator.phones.latest(number, 1);
        let Some(PhoneMessage { direction, from, to, network, .. }) = latest.last().map(Arc::as_ref) else {
            return Self::first(simulator);
        };
        let other = match direction {
            Direction::Received => from,
            Direction::Sent => to,
        };
        Self::to(other.as_str().to_owned(), network.as_str().to_owned())
    }

    /// To the first number of the first application.
    fn first(simulator: &Simulator) -> Self {
        let applications = simulator.applications.all();
        let number = applications.iter().find_map(|application| application.settings.numbers.first().cloned());
        Self { to: number.map(|number| number.as_str().to_owned()).unwrap_or_default(), ..Self::default() }
    }

    /// What a browser sent.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut draft = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            // Browsers end the lines of a text with CR LF, and phones with LF.
            let value = value.replace("\r\n", "\n");
            match name.as_ref() {
                "to" => draft.to = value,
                "text" => draft.text = value,
                "network" => draft.network = value,
                "subject" => draft.subject = value,
                "media" => draft.media = value,
                _ => {}
            }
        }
        draft
    }

    /// The page of a phone with a blank one to the same.
    pub(super) fn path(&self, number: &Address) -> String {
        format!("{}?to={}&network={}", phone_path(number), in_path(&self.to), in_path(&self.network))
    }

    /// What it says, if that can be sent.
    pub(super) fn texting(&self) -> Result<Texting, Problem> {
        let wrong = |what: &str, error: &dyn std::fmt::Display| Problem::bad_request(format_args!("{what}: {error}"));
        let network = if self.network.is_empty() { "SMS" } else { &self.network };
        let subject = Some(&self.subject).filter(|subject| !subject.is_empty());
        Ok(Texting {
            to: self.to.parse().map_err(|error| wrong("To", &error))?,
            text: self.text.parse().map_err(|error| wrong("Text", &error))?,
            network: network.parse().map_err(|error| wrong("Network", &error))?,
            subject: subject.map(|subject| subject.parse()).transpose().map_err(|error| wrong("Subject", &error))?,
            media: self.media.split_whitespace().map(str::to_owned).collect(),
        })
    }
}

pub(super) fn page(simulator: &Simulator, number: &Address, draft: &Draft, error: Option<&str>) -> Page {
    let messages = simulator.phones.latest(number, MESSAGES_MAX);
    let last = stream::id(&simulator.run, messages.last().map_or(0, |message| message.index));
    let (path, hidden) = (phone_path(number), if messages.is_empty() { "" } else { " hidden" });
    let mut main = format!(
        "<p id=\"state\" role=\"status\">As it was when the page was loaded.</p>\n\
         <p id=\"empty\"{hidden}>No message yet.</p>\n\
         <ol id=\"live\" class=\"messages\" aria-live=\"polite\" data-kind=\"message\" data-max=\"{MESSAGES_MAX}\" \
         data-stream=\"{path}/stream\" data-last=\"{last}\">\n"
    );
    for message in &messages {
        item(&mut main, message);
    }
    main.push_str("</ol>\n");
    if let Some(error) = error {
        let _ = writeln!(main, "<p role=\"alert\" class=\"error\">Not sent: {}</p>", Escaped(error));
    }
    form(&mut main, simulator, &path, draft);
    Page { title: format!("Phone {}", number.as_str()), main }
}

fn item(main: &mut String, message: &PhoneMessage) {
    let PhoneMessage { index, from, to, text, subject, media, network, encoding, parts, session_id, at, direction } =
        message;
    let (class, who, party) = match direction {
        Direction::Received => ("received", "from", from),
        Direction::Sent => ("sent", "to", to),
    };
    let _ = write!(
        main,
        "<li id=\"message-{index}\" class=\"{class}\"><p class=\"about\">{who} <a href=\"{}\">{}</a> \
         <time datetime=\"{at}\">{at:.0}</time> {}",
        phone_path(party),
        Escaped(party.as_str()),
        Escaped(network)
    );
    if let Some(encoding) = encoding {
        let plural = if *parts == 1 { "" } else { "s" };
        let _ = write!(main, ", {}, {parts} part{plural}", encoding.as_str());
    }
    if let Some(session) = session_id {
        let _ = write!(main, " <a href=\"{}\">session</a>", session_path(session));
    }
    main.push_str("</p>");
    if let Some(subject) = subject {
        let _ = write!(main, "<p class=\"subject\">{}</p>", Escaped(subject.as_str()));
    }
    let _ = write!(main, "<p class=\"text\">{}</p>", Escaped(text.as_str()));
    // The files are elsewhere, and are neither loaded nor linked: their addresses can be anything.
    for media in media {
        let _ = write!(main, "<p class=\"media\">{}</p>", Escaped(media));
    }
    main.push_str("</li>\n");
}

fn form(main: &mut String, simulator: &Simulator, path: &str, draft: &Draft) {
    let Draft { to, text, network, subject, media } = draft;
    let _ = write!(
        main,
        "<form action=\"{path}\" method=\"post\" class=\"write\">\n\
         <p><label for=\"to\">To</label> <input id=\"to\" name=\"to\" value=\"{}\" list=\"numbers\" required \
         autocomplete=\"off\"></p>\n\
         <p><label for=\"text\">Text</label> <textarea id=\"text\" name=\"text\" rows=\"3\" autofocus>\n{}</textarea></p>\n\
         <p><label for=\"network\">Network</label> <select id=\"network\" name=\"network\">",
        Escaped(to),
        Escaped(text)
    );
    for name in NETWORKS {
        let selected = if name == network { " selected" } else { "" };
        let _ = write!(main, "<option{selected}>{name}</option>");
    }
    let open = if subject.is_empty() && media.is_empty() { "" } else { " open" };
    let _ = write!(
        main,
        "</select> <button>Send</button></p>\n<details{open}><summary>MMS</summary>\n\
         <p><label for=\"subject\">Subject</label> <input id=\"subject\" name=\"subject\" value=\"{}\"></p>\n\
         <p><label for=\"media\">Files, one a line</label> <textarea id=\"media\" name=\"media\" rows=\"2\" \
         placeholder=\"http://files.example.net/1.jpg\">\n{}</textarea></p>\n</details>\n</form>\n<datalist id=\"numbers\">",
        Escaped(subject),
        Escaped(media)
    );
    let applications = simulator.applications.all();
    let numbers = applications.iter().flat_map(|application| &application.settings.numbers);
    for number in numbers.take(PROPOSED_MAX) {
        let _ = write!(main, "<option value=\"{}\">", Escaped(number.as_str()));
    }
    main.push_str("</datalist>\n");
}
