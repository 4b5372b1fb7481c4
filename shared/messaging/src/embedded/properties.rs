//! Properties as they stand in the file: JSON, in which what is absent takes no room.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Properties;

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Cow<'a, str>>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    message_type: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headers: Option<Cow<'a, BTreeMap<String, String>>>,
}

/// Writes properties.
pub(super) fn write(properties: &Properties) -> serde_json::Result<String> {
    serde_json::to_string(&Written {
        id: properties.message_id.as_deref().map(Cow::Borrowed),
        correlation: properties.correlation_id.as_deref().map(Cow::Borrowed),
        message_type: properties.message_type.as_deref().map(Cow::Borrowed),
        app: properties.app_id.as_deref().map(Cow::Borrowed),
        timestamp: properties.timestamp,
        headers: (!properties.headers.is_empty()).then_some(Cow::Borrowed(&properties.headers)),
    })
}

/// Reads what [`write`] wrote.
pub(super) fn parse(written: &str) -> serde_json::Result<Properties> {
    let written: Written<'_> = serde_json::from_str(written)?;
    Ok(Properties {
        message_id: written.id.map(Cow::into_owned),
        correlation_id: written.correlation.map(Cow::into_owned),
        message_type: written.message_type.map(Cow::into_owned),
        app_id: written.app.map(Cow::into_owned),
        timestamp: written.timestamp,
        headers: written.headers.map(Cow::into_owned).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(properties: &Properties, expected: &str) {
        let written = write(properties).unwrap();
        assert_eq!(written, expected);
        assert_eq!(parse(&written).unwrap(), *properties);
    }

    #[test]
    fn properties_read_back_as_they_were_written() {
        check(&Properties::default(), "{}");
        let properties = Properties {
            message_id: Some("1".to_owned()),
            correlation_id: Some("\"quoted\" \u{1f600}".to_owned()),
            message_type: Some("message.sent.v1".to_owned()),
            app_id: Some(String::new()),
            timestamp: Some(7),
            headers: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        let expected = "{\"id\":\"1\",\"correlation\":\"\\\"quoted\\\" \u{1f600}\",\"type\":\"message.sent.v1\",\
            \"app\":\"\",\"timestamp\":7,\"headers\":{\"a\":\"b\"}}";
        check(&properties, expected);
    }
}
