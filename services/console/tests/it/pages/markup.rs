//! Reads as much of a page as tells whether it is whole. Our pages are written by one hand: attributes stand in double
//! quotes, and tags in lower case.

use std::collections::BTreeSet;

/// The tags of a name, as they are written, with what stands before each.
fn tags<'a>(page: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let tag = |(at, _): (usize, &str)| {
        let (before, rest) = page.split_at(at);
        let tag = rest.split_inclusive('>').next()?;
        let is_it = tag.strip_prefix('<')?.strip_prefix(name)?.starts_with([' ', '>']);
        is_it.then_some((before, tag))
    };
    page.match_indices('<').filter_map(tag).collect()
}

/// The value of an attribute that stands somewhere.
pub(super) fn attribute(within: &str, name: &str) -> Option<String> {
    let (_, rest) = within.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&"))
}

/// Where the first link or style sheet leads that has this.
pub(super) fn link(page: &str, has: &str) -> Option<String> {
    let all = tags(page, "a").into_iter().chain(tags(page, "link"));
    let (_, tag) = all.into_iter().find(|(_, tag)| tag.contains(has))?;
    attribute(tag, "href")
}

/// Where the navigation leads.
pub(super) fn navigation(page: &str) -> Vec<String> {
    let (_, rest) = page.split_once("<nav aria-label=\"Pages\">").unwrap();
    let (links, _) = rest.split_once("</nav>").unwrap();
    tags(links, "a").into_iter().map(|(_, tag)| attribute(tag, "href").unwrap()).collect()
}

/// Where the scripts of a page are.
pub(super) fn scripts(page: &str) -> Vec<String> {
    tags(page, "script").into_iter().map(|(_, tag)| attribute(tag, "src").unwrap()).collect()
}

/// Fails unless a page has what everybody needs to read it, and nothing that its security policy forbids.
#[track_caller]
pub(crate) fn check(path: &str, page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"), "{path}: {page}");
    assert!(page.contains("<html lang=\"en\">"), "{path}: no language");
    assert_eq!(
        tags(page, "title").iter().filter(|(before, _)| !before.contains("</head>")).count(),
        1,
        "{path}: title"
    );
    for (name, count) in [("h1", 1), ("main", 1)] {
        assert_eq!(tags(page, name).len(), count, "{path}: {name}");
    }
    assert!(page.contains("href=\"#main\""), "{path}: no way past the navigation");
    for field in ["input", "select", "textarea"] {
        for (before, tag) in tags(page, field) {
            let is_hidden = tag.contains("type=\"hidden\"");
            assert!(is_hidden || is_labelled(page, before, tag), "{path}: nobody knows what this is for: {tag}");
        }
    }
    for (_, tag) in tags(page, "th") {
        assert!(tag.contains("scope="), "{path}: {tag}");
    }
    for (_, tag) in tags(page, "form").into_iter().filter(|(_, tag)| tag.contains("method=\"post\"")) {
        assert!(page.contains("name=\"csrf\""), "{path}: {tag}");
    }
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let different: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), different.len(), "{path}: an id stands twice: {ids:?}");
    assert!(
        tags(page, "script").iter().all(|(_, tag)| tag.contains(" src=\"/assets/")),
        "{path}: a script in the page"
    );
    assert!(!page.contains(" style=\"") && !page.contains("<style"), "{path}: a style in the page");
    assert!(!page.contains("NaN") && !page.contains(">inf<"), "{path}: a number that is none");
}

/// Whether a label names it, or stands around it.
fn is_labelled(page: &str, before: &str, tag: &str) -> bool {
    let named = attribute(tag, "id").is_some_and(|id| page.contains(&format!("<label for=\"{id}\"")));
    named || before.rfind("<label").is_some_and(|label| before.rfind("</label>").is_none_or(|end| end < label))
}
