//! What all pages have: the frame, the escapes, the addresses.

use std::fmt::{self, Display, Write as _};

use protocol::{Address, SessionId};

/// Nothing comes from elsewhere, nothing stands in the page itself, and no other site frames it.
pub(super) const SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                          form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page: its title, and what is in it.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) main: String,
}

impl Page {
    /// All of it.
    pub(super) fn written(&self) -> String {
        let Self { title, main } = self;
        let title = Escaped(title);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <link rel=\"stylesheet\" href=\"/pages/style.css\">\n\
             <script src=\"/pages/live.js\" defer></script>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
             <nav aria-label=\"Pages\"><a href=\"/\">Simulator</a> <a href=\"/debugger/page\">Application Debugger</a></nav>\n\
             <main id=\"main\">\n<h1>{title}</h1>\n{main}</main>\n</body>\n</html>\n"
        )
    }
}

/// What somebody else wrote, as text of a page or of an attribute.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Where the page of a phone is.
pub(super) fn phone_path(number: &Address) -> String {
    format!("/phones/{}", in_path(number.as_str()))
}

/// Where the lines of a session are.
pub(super) fn session_path(session: &SessionId) -> String {
    format!("/debugger/page?session={}", in_path(session.as_str()))
}

/// A segment of a path, or a value of a query.
pub(super) fn in_path(segment: &str) -> String {
    // The form's plus sign for a blank is a plus sign in a path.
    url::form_urlencoded::byte_serialize(segment.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_text_wherever_it_stands() {
        let written = Escaped("<script>alert('x' & \"y\")</script>").to_string();
        assert_eq!(written, "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;");
        let page = Page { title: "<b>".to_owned(), main: String::new() }.written();
        assert!(page.contains("<title>&lt;b&gt;</title>") && !page.contains("<b>"));
    }

    #[test]
    fn a_path_holds_any_number() {
        for (number, path) in
            [("+15555550177", "/phones/%2B15555550177"), ("a b/c?d#e%f@x", "/phones/a%20b%2Fc%3Fd%23e%25f%40x")]
        {
            assert_eq!(phone_path(&number.parse().unwrap()), path);
        }
    }
}
