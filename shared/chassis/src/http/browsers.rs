//! What a listener without secrets has to ask of browsers. A browser reaches this machine for every page that its user has
//! open, and under every name that somebody points here (DNS rebinding). Programs send none of the headers of a browser; a
//! page under such a name can have some browsers leave them out where it reads alone, so whoever has something to hide
//! from pages asks everybody for a known name ([`is_host_known`]).

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};

/// Where a browser says whose page asks. It comes to addresses that a browser thinks safe, such as those of this machine.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Where it says whether it asks for a page to be shown, or for a part of one, or for a script.
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A browser that asks, under a name that only this machine or its owner can have pointed here.
#[derive(Clone, Debug)]
pub struct Browser<'a> {
    headers: &'a HeaderMap,
    host: Authority,
}

/// A browser asks under a name that anybody may have pointed here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("browsers are served under an IP address, localhost, or a name that is configured")]
pub struct UnknownHost;

impl<'a> Browser<'a> {
    /// The browser that sent these headers; `None`: it was another program. `names`: those beside `localhost` and IP
    /// addresses under which browsers are served, without a port.
    ///
    /// # Errors
    /// The name is another one.
    pub fn of(headers: &'a HeaderMap, names: &[String]) -> Result<Option<Self>, UnknownHost> {
        if !is_of_browser(headers) {
            return Ok(None);
        }
        let host = known_host(headers, names).ok_or(UnknownHost)?;
        Ok(Some(Self { headers, host }))
    }

    /// Whether a page of another site asks.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let site_is_another = text(self.headers, &SITE).is_some_and(|site| matches!(site, "cross-site" | "same-site"));
        let origin_is_another = self.headers.get(header::ORIGIN).is_some_and(|origin| {
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            // What stands before the listener may speak TLS.
            !origin.is_some_and(|(scheme, place)| {
                matches!(scheme, "http" | "https") && place.eq_ignore_ascii_case(self.host.as_str())
            })
        });
        site_is_another || origin_is_another
    }

    /// Whether it says that it asks for a page to be shown, as when somebody follows a link.
    #[must_use]
    pub fn navigates(&self) -> bool {
        text(self.headers, &MODE) == Some("navigate")
    }
}

/// Whether somebody asks under a name that only this machine or its owner can have pointed here, be it a browser or not.
#[must_use]
pub fn is_host_known(headers: &HeaderMap, names: &[String]) -> bool {
    known_host(headers, names).is_some()
}

fn known_host(headers: &HeaderMap, names: &[String]) -> Option<Authority> {
    let host = text(headers, &header::HOST)?.trim().parse::<Authority>().ok()?;
    is_known(host.host(), names).then_some(host)
}

/// Whether a browser asks. Only one sends these; programs send other headers that browsers have, such as
/// `Sec-Fetch-Mode` by the `fetch` of Node.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let names_itself = text(headers, &header::USER_AGENT).is_some_and(|agent| agent.starts_with("Mozilla/"));
    names_itself || headers.contains_key(header::ORIGIN) || headers.contains_key(SITE)
}

/// Whether a name is one that only this machine or its owner can have pointed here.
fn is_known(host: &str, names: &[String]) -> bool {
    let is = |name: &str| host.eq_ignore_ascii_case(name);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || is("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || names.iter().any(|name| is(name))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
