//! How a project is given a text: the request to the view of its backend.

use std::fmt;

use axum::http::Method;
use url::Url;
use url::form_urlencoded::Serializer;

use super::config::{Config, Format};
use super::vumi;
use crate::application::Text;

/// A request that gives a text to a project.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// GET or POST, as the view has it.
    pub(crate) method: Method,
    /// The view; in the format of Kannel, with the text.
    pub(crate) url: Url,
    /// What the body is.
    pub(crate) content_type: &'static str,
    /// The text, in the other formats.
    pub(crate) body: Vec<u8>,
}

/// Shows neither text nor number.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The request that gives this text to this project.
pub(crate) fn delivery(config: &Config, text: &Text) -> Delivery {
    let (person, words) = (config.identity(&text.received.from), text.words.as_str());
    let mut url = config.url.clone();
    match config.format {
        Format::Vumi => Delivery {
            method: Method::POST,
            url,
            content_type: "application/json; charset=utf-8",
            body: vumi::user_message(config, text),
        },
        Format::Kannel => {
            // RapidSMS reads the query as UTF-8 whatever is said beside it; the coding only tells what it was on the air.
            let coding = if words.is_ascii() { "0" } else { "2" };
            url.query_pairs_mut().extend_pairs([
                ("id", person),
                ("text", words),
                ("charset", "UTF-8"),
                ("coding", coding),
            ]);
            Delivery { method: Method::GET, url, content_type: "", body: Vec::new() }
        }
        Format::Http => {
            let mut form = Serializer::new(String::new());
            form.append_pair(&config.identity_name, person).append_pair(&config.text_name, words);
            Delivery {
                method: Method::POST,
                url,
                content_type: "application/x-www-form-urlencoded",
                body: form.finish().into_bytes(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Identity;
    use super::super::tests::config;
    use super::*;
    use crate::applications::text;

    fn given(config: &Config) -> (Method, String, String) {
        let Delivery { method, url, body, .. } = delivery(config, &text("né & 🐘"));
        (method, url.to_string(), String::from_utf8(body).unwrap())
    }

    #[test]
    fn the_http_backend_gets_a_form_with_fields_of_its_choice() {
        let mut http = config(Format::Http);
        let (method, url, body) = given(&http);
        assert_eq!((method, url.as_str()), (Method::POST, "http://127.0.0.1:8000/backend/?key=1"));
        assert_eq!(body, "identity=15555550177&text=n%C3%A9+%26+%F0%9F%90%98");
        (http.identity_name, http.text_name) = ("phone".to_owned(), "message".to_owned());
        assert_eq!(given(&http).2, "phone=15555550177&message=n%C3%A9+%26+%F0%9F%90%98");
    }

    #[test]
    fn the_kannel_backend_gets_a_query_behind_that_of_its_own() {
        let (method, url, body) = given(&config(Format::Kannel));
        let words = "n%C3%A9+%26+%F0%9F%90%98&charset=UTF-8&coding=2";
        assert_eq!((method, body.as_str()), (Method::GET, ""));
        assert_eq!(url, format!("http://127.0.0.1:8000/backend/?key=1&id=15555550177&text={words}"));
        let ascii = delivery(&config(Format::Kannel), &text("hi"));
        assert!(ascii.url.query().unwrap().ends_with("&text=hi&charset=UTF-8&coding=0"));
    }

    #[test]
    fn the_vumi_backend_gets_json() {
        let given = delivery(&config(Format::Vumi), &text("hi"));
        assert_eq!((given.method, given.content_type), (Method::POST, "application/json; charset=utf-8"));
        assert_eq!(given.url.as_str(), "http://127.0.0.1:8000/backend/?key=1");
        assert!(serde_json::from_slice::<serde_json::Value>(&given.body).unwrap().is_object());
    }

    #[test]
    fn a_number_is_written_as_the_project_knows_it() {
        let plus = Config { identity: Identity::Plus, ..config(Format::Http) };
        assert_eq!(given(&plus).2.split('&').next().unwrap(), "identity=%2B15555550177");
        let name = "alice@example.net".parse().unwrap();
        assert_eq!(config(Format::Http).identity(&name), "alice@example.net");
        assert_eq!(config(Format::Http).identity(&"12345".parse().unwrap()), "12345");
    }

    #[test]
    fn what_is_logged_of_it_tells_nothing_of_a_person() {
        let told = format!("{:?}", delivery(&config(Format::Kannel), &text("secret")));
        assert!(!told.contains("secret") && !told.contains("5555"), "{told}");
    }
}
