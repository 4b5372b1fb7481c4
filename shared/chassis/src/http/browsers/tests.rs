use super::*;

/// What the headers make of a request, where `console.example` is a name of ours: `None`, it is of no browser; else
/// whether it is foreign.
fn judged(headers: &[(&'static str, &'static str)]) -> Result<Option<bool>, UnknownHost> {
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
    let browser = Browser::of(&headers, &["console.example".to_owned()])?;
    Ok(browser.map(|browser| browser.is_foreign()))
}

#[test]
fn other_programs_may_use_any_name() {
    assert_eq!(judged(&[("host", "anything.example"), ("user-agent", "curl/8.0")]), Ok(None));
    assert_eq!(judged(&[("host", "anything.example"), ("sec-fetch-mode", "cors")]), Ok(None));
    assert_eq!(judged(&[]), Ok(None));
}

#[test]
fn a_browser_is_served_under_names_of_ours_alone() {
    for host in ["127.0.0.1:8088", "[::1]:8088", "localhost", "a.localhost:1", "CONSOLE.example:8088"] {
        assert_eq!(judged(&[("host", host), ("user-agent", "Mozilla/5.0")]), Ok(Some(false)), "{host}");
    }
    for host in ["rebound.example:8088", "localhost.example", "console.example.net", "", "a b"] {
        assert_eq!(judged(&[("host", host), ("user-agent", "Mozilla/5.0")]), Err(UnknownHost), "{host}");
    }
    assert_eq!(judged(&[("sec-fetch-site", "same-origin")]), Err(UnknownHost));
}

#[test]
fn a_page_of_another_site_is_foreign() {
    let host = ("host", "console.example");
    for ours in ["http://console.example", "https://console.example", "https://CONSOLE.example"] {
        assert_eq!(judged(&[host, ("origin", ours)]), Ok(Some(false)), "{ours}");
    }
    for another in ["null", "https://console.example:444", "https://a.console.example", "app://console.example"] {
        assert_eq!(judged(&[host, ("origin", another)]), Ok(Some(true)), "{another}");
    }
    for (site, is_foreign) in [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)] {
        assert_eq!(judged(&[host, ("sec-fetch-site", site)]), Ok(Some(is_foreign)), "{site}");
    }
    let both = [host, ("origin", "https://console.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(judged(&both), Ok(Some(true)), "one of them is enough");
}
