//! What a session posts, in the shape and the characters that the knobs say.

use tropo::charset;
use tropo::era::Era;
use tropo::result::SessionReport;
use tropo::session::{Party, Session};
use tropo::shape::Headers;

use super::Run;
use crate::debugger::wording::digits;
use crate::knobs::Charset;

/// What a party was called in 2010.
const UNKNOWN: &str = "unknown";

impl Run {
    /// The body of a session's first webhook.
    pub(super) fn session_body(&self, mut session: Session) -> Vec<u8> {
        let (style, charset) = self.simulator.control.payloads();
        match style.era {
            Era::Year2010 => {
                for party in parties(&mut session) {
                    party.name = Some(UNKNOWN.to_owned());
                }
            }
            Era::Year2011 | Era::Year2013 => {}
            Era::Year2017 => {
                session.application_id = Some(self.application.id.to_string());
                for party in parties(&mut session) {
                    party.e164_id = Some(party.id.clone());
                    party.name = Some(party.id.clone());
                }
                if !session.headers.is_empty() {
                    self.push_headers_of_2017(&mut session.headers);
                }
            }
        }
        in_charset(session.to_body_in(style), charset)
    }

    fn push_headers_of_2017(&self, headers: &mut Headers) {
        headers.push("Request URI", &format!("sip:{:010}@10.0.0.8;transport=udp", self.application.id));
        headers.push("x-sid", self.id.as_str());
    }

    /// The body of a result.
    pub(super) fn report_body(&self, mut report: SessionReport) -> Vec<u8> {
        let (style, charset) = self.simulator.control.payloads();
        match style.era {
            Era::Year2010 | Era::Year2011 | Era::Year2013 => {}
            Era::Year2017 => report.called_id = self.called.as_ref().map(|called| digits(called).to_owned()),
        }
        in_charset(report.to_body_in(style), charset)
    }
}

fn parties(session: &mut Session) -> impl Iterator<Item = &mut Party> {
    [&mut session.to, &mut session.from].into_iter().flatten()
}

fn in_charset(body: Vec<u8>, charset: Charset) -> Vec<u8> {
    match charset {
        Charset::Utf8 => body,
        // What we write is UTF-8; were it not, it would go out as it stands.
        Charset::Latin1 => match String::from_utf8(body) {
            Ok(json) => charset::json_in_latin1(&json),
            Err(error) => error.into_bytes(),
        },
    }
}
