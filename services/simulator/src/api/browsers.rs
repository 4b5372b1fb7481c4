//! What browsers may do here. The simulator trusts whoever reaches it, and a browser reaches it for every page that its
//! user has open: so pages of others may change and launch nothing, and a page under a name that somebody pointed here
//! (DNS rebinding) is served nothing. Other programs send none of these headers, and are served as they ask.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::problem::Problem;
use crate::Simulator;

/// Where a browser says whose page asks. It comes to addresses that a browser thinks safe, such as those of this machine.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The request, if it is no browser's, or one of a page of ours.
///
/// # Errors
/// 403, which says why.
pub(super) async fn ours(State(simulator): State<Arc<Simulator>>, request: Request) -> Result<Request, Problem> {
    let headers = request.headers();
    if !is_of_browser(headers) {
        return Ok(request);
    }
    let refused = |error: &str| Err(Problem::new(StatusCode::FORBIDDEN, error));
    let host = text(headers, &header::HOST).and_then(|host| host.trim().parse::<Authority>().ok());
    if !host.as_ref().is_some_and(|host| is_known(host.host(), &simulator.hosts)) {
        return refused("browsers are served under an IP address, localhost, or a name that simulator.hosts lists");
    }
    if acts(request.method(), request.uri().path()) && is_foreign(headers, host.as_ref()) {
        return refused(
            "a page of another site asks for this: pages may change and launch nothing but on their own site",
        );
    }
    Ok(request)
}

/// Whether a browser asks. Only one sends these; programs send other headers that browsers have, such as
/// `Sec-Fetch-Mode` by the `fetch` of Node.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let names_itself = text(headers, &header::USER_AGENT).is_some_and(|agent| agent.starts_with("Mozilla/"));
    names_itself || headers.contains_key(header::ORIGIN) || headers.contains_key(SITE)
}

/// Whether a name is one that only this machine or its owner can have pointed here.
fn is_known(host: &str, listed: &[String]) -> bool {
    let is = |name: &str| host.eq_ignore_ascii_case(name);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || is("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || listed.iter().any(|listed| is(listed))
}

/// Whether a request may change or launch something. Tropo's interfaces do so by GET, too.
fn acts(method: &Method, path: &str) -> bool {
    let is_tropos = ["/1.0/", "/v1/"].iter().any(|version| path.starts_with(version));
    !method.is_safe() || (is_tropos && (path.ends_with("/sessions") || path.ends_with("/signals")))
}

/// Whether a page of another site asks.
fn is_foreign(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let site_is_another = text(headers, &SITE).is_some_and(|site| matches!(site, "cross-site" | "same-site"));
    let origin_is_another = headers.get(header::ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        // What stands before the simulator may speak TLS.
        !origin.zip(host).is_some_and(|((scheme, place), host)| {
            matches!(scheme, "http" | "https") && place.eq_ignore_ascii_case(host.as_str())
        })
    });
    site_is_another || origin_is_another
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
