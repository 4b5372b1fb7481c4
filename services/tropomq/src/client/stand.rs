//! A stand-in for a console, in tests.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Client;

/// Serves a stand-in for a console while it lives.
pub(crate) struct Stand {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Stand {
    pub(crate) async fn new(routes: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, _serving: serving }
    }

    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        client(self.address, token)
    }
}

/// A client of whatever answers there.
pub(super) fn client(address: SocketAddr, token: Option<&str>) -> Client {
    chassis::tls::install_provider();
    let token = token.map(SecretString::from);
    Client::at(format!("http://{address}/below").parse().unwrap(), token.as_ref()).unwrap()
}

/// An answer that says no.
pub(super) fn problem(status: u16, more: &Value) -> Response {
    let mut problem =
        json!({ "type": "urn:tropomq:problem:x", "title": "X", "status": status, "detail": "so\u{1b}[2J" });
    problem.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::from_u16(status).unwrap(), kind, problem.to_string()).into_response()
}
