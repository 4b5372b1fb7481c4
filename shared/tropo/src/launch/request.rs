//! The request for a session: a token and parameters, in four forms.

use std::collections::BTreeMap;
use std::fmt;

use url::form_urlencoded;

use super::{ReplyFormat, RequestError};
use crate::{form, json, xml};

/// A request for a session (Tropo WebAPI: session API). Its parameters come back in the session that calls back.
#[derive(Clone, PartialEq, Eq)]
pub struct LaunchRequest {
    /// The application's token. A secret.
    pub token: String,
    /// The application's own parameters; `action` and `token` are not among them.
    pub parameters: BTreeMap<String, String>,
}

impl LaunchRequest {
    /// A JSON body, with `action` as rapidsms-tropo sends it.
    #[must_use]
    pub fn to_json_body(&self) -> Vec<u8> {
        let pairs: BTreeMap<_, _> = self.pairs().collect();
        json::ascii(&pairs)
    }

    /// A form body, which is also a query: `action=create&token=...`, everything percent-encoded, `+` too.
    #[must_use]
    pub fn to_form(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs()).finish()
    }

    /// The query of a GET; the same as [`LaunchRequest::to_form`].
    #[must_use]
    pub fn to_query(&self) -> String {
        self.to_form()
    }

    /// An XML body. Control characters, which XML cannot hold, become U+FFFD.
    #[must_use]
    pub fn to_xml_body(&self) -> String {
        let token = xml::escaped(&self.token);
        let vars: String = self
            .own()
            .map(|(name, value)| format!("<var name=\"{}\" value=\"{}\"/>", xml::escaped(name), xml::escaped(value)))
            .collect();
        format!("<session><token>{token}</token>{vars}</session>")
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.own().chain([("action", "create"), ("token", self.token.as_str())])
    }

    /// The application's parameters; one of a reserved name cannot pose as the token.
    fn own(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.filter(|(name, _)| !matches!(*name, "action" | "token"))
    }

    /// Reads a request as Tropo does, and tells in which format Tropo answers it ([`ReplyFormat::of_request`]).
    ///
    /// Parameters of query and body are merged; the body's count where both have one. JSON values become strings:
    /// nested ones their JSON text, null nothing.
    ///
    /// # Errors
    /// [`RequestError`]; Tropo answers 200 with `success` false where the token is missing or wrong.
    pub fn read(
        method: &str,
        query: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<(Self, ReplyFormat), RequestError> {
        let mut parameters = form::parameters(method, query, content_type, body)?;
        let action = parameters.remove("action");
        // A POST to this address can mean nothing else; a GET is documented to need it.
        if action.as_deref().unwrap_or(if method == "GET" { "" } else { "create" }) != "create" {
            return Err(RequestError::Action);
        }
        let token = parameters.remove("token").filter(|token| !token.is_empty()).ok_or(RequestError::Token)?;
        Ok((Self { token, parameters }, ReplyFormat::of_request(method, content_type, body)))
    }
}

/// Shows the names of the parameters: the token is a secret, and the ticket holds a number and a text.
impl fmt::Debug for LaunchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchRequest").field("parameters", &self.parameters.keys()).finish_non_exhaustive()
    }
}
