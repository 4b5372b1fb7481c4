//! The cookies of one session: applications that keep their state in them find it again at each webhook.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// How many bytes of cookies an application may set in one session; further ones are not kept.
const BYTES_MAX: usize = 64 * 1024;

/// A jar of its own for each session: what one caller is told, no other hears.
#[derive(Default)]
pub(crate) struct Cookies {
    jar: Jar,
    taken_bytes: AtomicUsize,
}

impl Cookies {
    /// What a webhook to that address says in `Cookie`.
    pub(crate) fn header(&self, url: &Url) -> Option<HeaderValue> {
        self.jar.cookies(url)
    }

    /// Keeps what an answer from that address sets.
    pub(crate) fn keep(&self, url: &Url, answered: &HeaderMap) {
        let mut set = answered.get_all(SET_COOKIE).into_iter().filter(|cookie| self.has_room(cookie.len())).peekable();
        if set.peek().is_some() {
            self.jar.set_cookies(&mut set, url);
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.taken_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= BYTES_MAX
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
    fn no_application_fills_the_memory() {
        let cookies = Cookies::default();
        for count in 0..100 {
            set(&cookies, "http://app.example.net/", &format!("c{count}={}", "x".repeat(2000)));
        }
        assert!(sent(&cookies, "http://app.example.net/").unwrap().len() <= BYTES_MAX);
        assert!(!format!("{cookies:?}").contains('x'.to_string().repeat(9).as_str()));
    }
}
