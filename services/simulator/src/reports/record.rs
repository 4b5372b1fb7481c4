//! What a report says. Of delivery reports no payload is on record, only that they name session and call and bring a
//! status (Tropo WebAPI: SMS delivery report): their other members are ours. The members of records are Tropo's; what
//! has no meaning for a text is as it was for a call that took no time.

use protocol::{Address, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Direction, Outcome, TextReport};
use crate::subscriptions::{Event, Subscription};

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl TextReport<'_> {
    /// Whether there is such a report of this text. A text that was refused costs nothing.
    pub(super) fn is_subject_of(&self, event: Event) -> bool {
        match event {
            Event::Delivery => self.direction == Direction::Out && matches!(self.network.as_str(), "SMS" | "MMS"),
            Event::Created | Event::Rated => self.outcome == Outcome::Done,
        }
    }

    /// The report as it is posted.
    pub(super) fn body(&self, to: &Subscription, now: Timestamp) -> String {
        let time = format!("{now:.3}");
        let data = match to.event {
            Event::Delivery => self.delivery(&time),
            Event::Created => self.created(&time, now),
            Event::Rated => self.rated(&time),
        };
        let id = Uuid::new_v4();
        let mut report = json!({"data": data, "resource": "sms", "name": to.name, "id": id, "event": to.event});
        if let (Some(payload), Some(report)) = (&to.payload, report.as_object_mut()) {
            report.insert("payload".to_owned(), Value::Object(payload.clone()));
        }
        report.to_string()
    }

    fn delivery(&self, time: &str) -> Value {
        let mut data = json!({
            "sessionId": self.session_id,
            "callId": self.call_id,
            "applicationId": self.application.id.to_string(),
            "accountId": self.application.settings.account_id,
            "network": self.network,
            "from": self.from,
            "to": self.to,
            "status": self.status(),
            "timestamp": time,
        });
        if let (Outcome::Refused(reason), Some(data)) = (self.outcome, data.as_object_mut()) {
            data.insert("reason".to_owned(), reason.into());
        }
        data
    }

    /// The carrier's word. Numbers of North America have carriers that say no more than that they took it.
    fn status(&self) -> &'static str {
        match self.outcome {
            Outcome::Refused(_) => "failed",
            Outcome::Done if self.from.is_some_and(is_north_american) => "accepted",
            Outcome::Done => "delivered",
        }
    }

    fn created(&self, time: &str, now: Timestamp) -> Value {
        let mut record = self.record(time);
        record.insert("duration".to_owned(), 0.into());
        record.insert("eventTimeStamp".to_owned(), now.as_second().into());
        Value::Object(record)
    }

    fn rated(&self, time: &str) -> Value {
        let mut record = self.record(time);
        let price = json!({"reason": null, "duration": 0, "roundedDuration": 0, "cost": 0, "previousCost": 0,
                           "ratingVersion": 1, "created": time});
        if let Value::Object(price) = price {
            record.extend(price);
        }
        Value::Object(record)
    }

    /// What both kinds of record have.
    fn record(&self, time: &str) -> Map<String, Value> {
        let label = self.asked.and_then(|asked| asked.label.as_deref());
        let record = json!({
            "sessionId": self.session_id,
            "callId": self.call_id,
            "parentSessionId": "none",
            "parentCallId": "none",
            "accountId": self.application.settings.account_id,
            "applicationId": self.application.id.to_string(),
            "applicationName": self.application.name,
            "applicationType": "tropo-web",
            "startUrl": self.start_url,
            "direction": self.direction.as_str(),
            "network": self.network,
            "from": self.from,
            "to": self.to,
            "label": label,
            "messageCount": self.parts,
            "initiationTime": time,
            "startTime": time,
            "endTime": time,
            "status": "Success",
        });
        if let Value::Object(record) = record { record } else { Map::new() }
    }
}

/// Whether it is a telephone number of North America, and no short code.
fn is_north_american(number: &str) -> bool {
    matches!(number.parse(), Ok(Address::Phone(number)) if number.as_str().len() == 12 && number.digits().starts_with('1'))
}
