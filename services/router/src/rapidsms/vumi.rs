//! The format of RapidSMS's Vumi backend.

use protocol::{Address, MessageReceived};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::Config;
use super::wanted::{Unusable, Wanted, recipients};
use crate::application::Text;

/// A text as Vumi tells of one.
///
/// RapidSMS keeps `message_id`, and answers with it as `in_reply_to`.
pub(super) fn user_message(config: &Config, text: &Text) -> Vec<u8> {
    let MessageReceived { from, to, network, .. } = &text.received;
    // RapidSMS insists on a receiver; where Tropo named none, the backend is one.
    let to = to.as_ref().map_or(text.backend.as_str(), |to| config.identity(to));
    let message = json!({
        "message_id": text.id,
        "message_type": "user_message",
        "message_version": "20110921",
        "timestamp": text.received_at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        "to_addr": to,
        "from_addr": config.identity(from),
        "content": text.words,
        "in_reply_to": null,
        "session_event": null,
        "group": null,
        "transport_name": text.backend,
        "transport_type": network.as_str().to_ascii_lowercase(),
        "transport_metadata": {},
        "helper_metadata": {},
    });
    message.to_string().into_bytes()
}

/// One recipient, as Vumi has it, or many, as RapidSMS writes them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recipients {
    One(String),
    Many(Vec<String>),
}

/// What is read of RapidSMS's request; all else is for Vumi alone.
#[derive(Deserialize)]
struct Request {
    to_addr: Recipients,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    from_addr: Option<String>,
    #[serde(default)]
    in_reply_to: Option<String>,
    #[serde(default)]
    metadata: Value,
}

/// What RapidSMS wants sent.
pub(super) fn read(body: &[u8]) -> Result<Wanted, Unusable> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|_| Unusable::Unreadable("the JSON of RapidSMS's Vumi backend, with to_addr and content"))?;
    let to = match &request.to_addr {
        Recipients::One(address) => recipients([address.as_str()])?,
        Recipients::Many(addresses) => recipients(addresses.iter().map(String::as_str))?,
    };
    let message = request.metadata.get("rapidsms_msg_id").filter(|id| !id.is_null()).map(|id| match id {
        Value::String(id) => id.clone(),
        id => id.to_string(),
    });
    Ok(Wanted {
        to,
        text: request.content.unwrap_or_default().parse().map_err(Unusable::Text)?,
        from: request.from_addr.and_then(|from| from.parse::<Address>().ok()),
        // What is no id of ours refers to a text that was never here.
        in_reply_to: request.in_reply_to.and_then(|id| id.parse().ok()),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::super::config::Format;
    use super::super::tests::config;
    use super::*;
    use crate::applications::text;

    #[test]
    fn a_text_has_all_that_rapidsms_insists_on() {
        let text = text("né");
        let message: Value = serde_json::from_slice(&user_message(&config(Format::Vumi), &text)).unwrap();
        // The fields that VumiForm requires, and those that it looks at.
        for (field, expected) in [
            ("message_id", text.id.to_string().as_str()),
            ("from_addr", "15555550177"),
            ("to_addr", "15555550100"),
            ("content", "né"),
            ("transport_name", "story"),
            ("transport_type", "sms"),
            ("timestamp", "2026-03-01 09:30:15.000000"),
        ] {
            assert_eq!(message[field], expected, "{field}");
        }
        let mut unknown = text;
        unknown.received.to = None;
        let message: Value = serde_json::from_slice(&user_message(&config(Format::Vumi), &unknown)).unwrap();
        assert_eq!(message["to_addr"], "story");
    }

    #[test]
    fn what_rapidsms_posts_is_read() {
        // As VumiBackend.prepare_request writes it, with sendsms_params before the rest.
        let reply = r#"{"transport_name": "t", "content": "n\u00e9", "to_addr": ["15555550177"], "session_event": null,
            "metadata": {"rapidsms_msg_id": "0f8fad5bd9cb469fa16570867728950e"},
            "in_reply_to": "6f08c07b-eb3b-5be3-9044-89bbde80e4f3"}"#;
        let wanted = read(reply.as_bytes()).unwrap();
        assert_eq!((wanted.to.len(), wanted.text.as_str()), (1, "né"));
        assert_eq!(wanted.in_reply_to.unwrap().to_string(), "6f08c07b-eb3b-5be3-9044-89bbde80e4f3");
        assert_eq!(wanted.message.as_deref(), Some("0f8fad5bd9cb469fa16570867728950e"));
        assert_eq!(wanted.from, None);

        let bulk = r#"{"content": "x", "to_addr": ["+15555550177", "15555550188"], "from_addr": "15555550100",
            "metadata": {"rapidsms_msg_id": 7}}"#;
        let wanted = read(bulk.as_bytes()).unwrap();
        assert_eq!((wanted.to.len(), wanted.in_reply_to, wanted.message.as_deref()), (2, None, Some("7")));
        assert_eq!(wanted.from.unwrap().as_str(), "+15555550100");

        let bare = read(br#"{"to_addr": "15555550177", "content": null, "in_reply_to": "ASDF1234"}"#).unwrap();
        assert_eq!((bare.to.len(), bare.text.as_str(), bare.in_reply_to, bare.message), (1, "", None, None));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (body, expected) in [
            ("{bad json, , lala}", "not the JSON of RapidSMS's Vumi backend, with to_addr and content"),
            (r#"{"content": "x"}"#, "not the JSON of RapidSMS's Vumi backend, with to_addr and content"),
            (r#"{"content": "x", "to_addr": []}"#, "there is nobody to send it to"),
            (r#"{"content": "x", "to_addr": [""]}"#, "no recipient is an address"),
            (r#"{"content": "a\u0000", "to_addr": ["15555550177"]}"#, "the text cannot be sent"),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().to_string(), expected, "{body}");
        }
    }
}
