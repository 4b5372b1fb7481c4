//! Who asks, and where: whoever has an [`Account`] was let in.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, NestedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::Problem;
use crate::{Credentials, Simulator};

/// The account of a request that may do what it asks for.
pub(super) struct Account {
    /// What its hrefs begin with: the address that the client used.
    base: String,
}

/// A request of somebody else.
pub(super) struct Stranger;

impl Account {
    /// The address of a resource.
    pub(super) fn href(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The answer to a request that made or changed it.
    pub(super) fn made(&self, path: &str) -> Json<Value> {
        Json(json!({"href": self.href(path)}))
    }
}

impl FromRequestParts<Arc<Simulator>> for Account {
    type Rejection = Stranger;

    async fn from_request_parts(parts: &mut Parts, simulator: &Arc<Simulator>) -> Result<Self, Stranger> {
        if let Some(credentials) = &simulator.provisioning
            && !shows(&parts.headers, credentials)
        {
            return Err(Stranger);
        }
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let host = text("host").filter(|host| !host.trim().is_empty()).map(str::to_owned);
        let host = host.unwrap_or_else(|| simulator.listen.to_string());
        // What stands before it may speak TLS, as Tropo did.
        let scheme = text("x-forwarded-proto").filter(|scheme| scheme.eq_ignore_ascii_case("https"));
        let scheme = scheme.map_or("http", |_| "https");
        let version = parts.extensions.get::<NestedPath>().map(NestedPath::as_str).unwrap_or_default();
        Ok(Self { base: format!("{scheme}://{host}{version}") })
    }
}

/// Whether a request shows them, by HTTP Basic.
fn shows(headers: &HeaderMap, credentials: &Credentials) -> bool {
    let shown = || -> Option<Vec<u8>> {
        let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())?
    };
    let Credentials { name, password } = credentials;
    let wanted = format!("{name}:{}", password.expose_secret());
    shown().is_some_and(|shown| shown.ct_eq(wanted.as_bytes()).into())
}

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        let told = "authenticate with HTTP Basic: simulator.provisioning has the name and the password";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, told).into_response();
        let challenge = HeaderValue::from_static("Basic realm=\"tropo\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}
