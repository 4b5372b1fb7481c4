//! Request targets as careless clients write them: doubled slashes, and one at the end.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The request with the plain form of its path.
pub(super) async fn plain(mut request: Request) -> Request {
    if let Some(uri) = plainer(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// A target without empty pieces in its path; none where there are none.
fn plainer(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && (!path.ends_with('/') || path == "/") {
        return None;
    }
    let mut plain: String = path.split('/').filter(|piece| !piece.is_empty()).flat_map(|piece| ["/", piece]).collect();
    if plain.is_empty() {
        plain.push('/');
    }
    if let Some(query) = uri.query() {
        plain.push('?');
        plain.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(plain.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_too_many_are_left_out() {
        for (written, plain) in [
            ("/v1//sessions/?a=//b", Some("/v1/sessions?a=//b")),
            ("//v1/sessions", Some("/v1/sessions")),
            ("//", Some("/")),
            ("/", None),
            ("/v1/sessions?a=b//", None),
        ] {
            assert_eq!(plainer(&written.parse().unwrap()).map(|uri| uri.to_string()).as_deref(), plain, "{written}");
        }
    }
}
