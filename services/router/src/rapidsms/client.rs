//! Gives texts to projects.

use std::time::Duration;

use axum::http::{StatusCode, header};

use super::delivery::Delivery;

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP client of one project.
#[derive(Debug)]
pub(super) struct Client(reqwest::Client);

/// What a project answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
}

/// Why a project did not answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum GiveError {
    /// It does not have the text.
    #[error("{0}")]
    NotGiven(String),
    /// It may have the text.
    #[error("{0}")]
    Unknown(String),
}

impl Client {
    /// A client that waits so long for an answer.
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        // Who is sent elsewhere with a text might be sent anywhere.
        let redirect = reqwest::redirect::Policy::none();
        let builder = reqwest::Client::builder().redirect(redirect).no_proxy();
        builder.connect_timeout(CONNECT_TIMEOUT).timeout(timeout).build().map(Self)
    }

    /// Gives a text, once, and waits for the answer; its body says nothing.
    pub(super) async fn give(
        &self,
        Delivery { method, url, content_type, body }: Delivery,
    ) -> Result<Answer, GiveError> {
        let mut request = self.0.request(method, url);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type).body(body);
        }
        // The address of the view may hold a text, or a key.
        let answer = request.send().await.map_err(|error| judge(&error.without_url()))?;
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        Ok(Answer { status: answer.status(), retry_after })
    }
}

/// Whether the project may have the text although it did not answer.
fn judge(error: &reqwest::Error) -> GiveError {
    let because = protocol::chain(error);
    if error.is_connect() || error.is_builder() { GiveError::NotGiven(because) } else { GiveError::Unknown(because) }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use chassis::tasks::Crowd;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What becomes of a text that is given to a server which does this with the connection.
    async fn given(answer: Option<&'static str>, hangs: bool) -> Result<Answer, GiveError> {
        chassis::tls::install_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/view/?key=secret", listener.local_addr().unwrap()).parse().unwrap();
        let crowd = Crowd::default();
        crowd.spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _request = connection.read(&mut [0; 4096]).await.unwrap();
            if let Some(answer) = answer {
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
            if hangs {
                std::future::pending::<()>().await;
            }
        });
        let delivery = Delivery { method: Method::POST, url, content_type: "text/plain", body: b"hi".to_vec() };
        Client::new(Duration::from_millis(500)).unwrap().give(delivery).await
    }

    #[tokio::test]
    async fn an_answer_is_told_whatever_it_is() {
        for (answer, status, retry_after) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 200, None),
            ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, None),
            ("HTTP/1.1 503 Away\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 503, Some(Duration::from_secs(7))),
        ] {
            let expected = Answer { status: StatusCode::from_u16(status).unwrap(), retry_after };
            assert_eq!(given(Some(answer), false).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn a_project_that_falls_silent_may_have_the_text() {
        for (answer, hangs) in [(None, false), (None, true), (Some("HTTP/1.1 20"), false)] {
            let Err(GiveError::Unknown(because)) = given(answer, hangs).await else { panic!("{answer:?} {hangs}") };
            assert!(!because.contains("secret"), "{because}");
        }
    }

    #[tokio::test]
    async fn a_project_that_is_not_there_does_not_have_the_text() {
        chassis::tls::install_provider();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/").parse().unwrap();
        let delivery = Delivery { method: Method::GET, url, content_type: "", body: Vec::new() };
        let given = Client::new(Duration::from_secs(5)).unwrap().give(delivery).await;
        assert!(matches!(given, Err(GiveError::NotGiven(_))), "{given:?}");
    }
}
