//! The cookies of one session: applications that keep their state in them find it again at each webhook.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// How many bytes of cookies an application may have in one session; further ones are not kept.
const BYTES_MAX: usize = 64 * 1024;

/// How many bytes one of them may have with its attributes, as in browsers.
const COOKIE_BYTES_MAX: usize = 4096;

/// How many there may be.
const COOKIES_MAX: usize = 100;

/// A jar of its own for each session: what one caller is told, no other hears.
#[derive(Default)]
pub(crate) struct Cookies {
    jar: Jar,
    held: Mutex<Held>,
}

/// What the jar holds.
#[derive(Default)]
struct Held {
    sizes: HashMap<Place, usize>,
    refused: usize,
}

/// What makes two cookies the same, so that one replaces the other.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    name: String,
    /// Where it is sent, and to which domain it says that it belongs.
    url: Url,
    domain: Option<String>,
}

impl Cookies {
    /// What a webhook to that address says in `Cookie`.
    pub(crate) fn header(&self, url: &Url) -> Option<HeaderValue> {
        self.jar.cookies(url)
    }

    /// Keeps what an answer from that address sets, as far as there is room.
    pub(crate) fn keep(&self, url: &Url, answered: &HeaderMap) {
        let mut held = self.lock();
        for cookie in answered.get_all(SET_COOKIE) {
            let Some(place) = cookie.to_str().ok().and_then(|written| Place::of(written, url)) else { continue };
            if !held.has_room(&place, cookie.len()) {
                held.refused += 1;
                continue;
            }
            self.jar.set_cookies(&mut [cookie].into_iter(), url);
            // One that is out of date deletes; one of a foreign domain is not taken.
            if self.holds(&place) {
                held.sizes.insert(place, cookie.len());
            } else {
                held.sizes.remove(&place);
            }
        }
    }

    /// How many were refused since it was asked last.
    pub(crate) fn take_refused(&self) -> usize {
        std::mem::take(&mut self.lock().refused)
    }

    fn holds(&self, place: &Place) -> bool {
        let sent = self.jar.cookies(&place.url);
        let sent = sent.as_ref().and_then(|sent| sent.to_str().ok()).unwrap_or_default();
        sent.split("; ").any(|cookie| cookie.split_once('=').is_some_and(|(name, _)| name == place.name))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whether a cookie of so many bytes may come to this place, instead of the one there.
    fn has_room(&self, place: &Place, bytes: usize) -> bool {
        let others = || self.sizes.iter().filter(|(at, _)| *at != place).map(|(_, bytes)| *bytes);
        bytes <= COOKIE_BYTES_MAX && others().count() < COOKIES_MAX && others().sum::<usize>() + bytes <= BYTES_MAX
    }
}

impl Place {
    /// The place of a cookie that an answer from that address sets; none where it has no name.
    fn of(written: &str, url: &Url) -> Option<Self> {
        let mut parts = written.split(';');
        let (name, _) = parts.next()?.split_once('=')?;
        let (mut domain, mut path) = (None, None);
        for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
            match attribute.trim().to_ascii_lowercase().as_str() {
                "domain" => domain = Some(value.trim().trim_start_matches('.').to_ascii_lowercase()),
                "path" => path = Some(value.trim()).filter(|path| path.starts_with('/')),
                _ => {}
            }
        }
        let mut url = url.clone();
        let default = url.path().rsplit_once('/').map_or("/", |(directory, _)| directory).to_owned();
        url.set_path(path.unwrap_or(&default));
        url.set_query(None);
        url.set_fragment(None);
        // Those for https alone are held, too. Every address here is http or https.
        let _ = url.set_scheme("https");
        Some(Self { name: name.trim().to_owned(), url, domain })
    }
}

/// Shows nothing: cookies are secrets.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cookies: &Cookies, url: &str, cookie: &str) {
        let headers = [(SET_COOKIE, HeaderValue::from_str(cookie).unwrap())].into_iter().collect();
        cookies.keep(&url.parse().unwrap(), &headers);
    }

    fn sent(cookies: &Cookies, url: &str) -> Option<String> {
        cookies.header(&url.parse().unwrap()).map(|header| header.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        let cookies = Cookies::default();
        assert_eq!(sent(&cookies, "http://app.example.net/"), None);
        set(&cookies, "http://app.example.net/tropo/index.json", "rack.session=BAh7; path=/; HttpOnly");
        assert_eq!(sent(&cookies, "http://app.example.net/next.json").as_deref(), Some("rack.session=BAh7"));
        assert_eq!(sent(&cookies, "http://other.example.net/"), None);
        set(&cookies, "http://app.example.net/", "rack.session=; path=/; Max-Age=0");
        assert_eq!(sent(&cookies, "http://app.example.net/"), None);
    }

    #[test]
    fn a_long_conversation_keeps_its_cookie() {
        let cookies = Cookies::default();
        let (at, padding) = ("http://app.example.net/tropo/index.json", "x".repeat(1000));
        for written in ["rack.session={}; path=/", "here={}", "safe={}; Secure; Path=/", "wide={}; Domain=.example.net"]
        {
            for count in 0..1000 {
                set(&cookies, at, &written.replace("{}", &format!("{count}{padding}")));
            }
        }
        assert_eq!((cookies.take_refused(), cookies.lock().sizes.len()), (0, 4));
        assert!(sent(&cookies, at).unwrap().contains(&format!("rack.session=999{padding}")));
        for deleted in ["rack.session=; path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "here=; Max-Age=0"] {
            set(&cookies, at, deleted);
        }
        assert_eq!(cookies.lock().sizes.len(), 2);
        set(&cookies, at, "other=x; Domain=example.org");
        assert_eq!(cookies.lock().sizes.len(), 2);
    }

    #[test]
    fn no_application_fills_the_memory() {
        let at = "http://app.example.net/";
        for (count, bytes, kept) in [(100, 2000, 32), (1000, 1, COOKIES_MAX), (1, COOKIE_BYTES_MAX, 0)] {
            let cookies = Cookies::default();
            for count in 0..count {
                set(&cookies, at, &format!("c{count}={}", "x".repeat(bytes)));
            }
            let sent = sent(&cookies, at).unwrap_or_default();
            assert_eq!((sent.matches('=').count(), cookies.take_refused()), (kept, count - kept));
            assert_eq!(cookies.take_refused(), 0);
            assert!(sent.len() <= BYTES_MAX && !format!("{cookies:?}").contains("xxx"));
        }
    }
}
