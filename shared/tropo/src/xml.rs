//! The little XML that the session API speaks: elements, attributes and text.

use std::fmt::Write as _;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// An element, in the order of the document; the first is the root.
#[derive(Default)]
pub(crate) struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, unescaped.
    pub attributes: Vec<(String, String)>,
    /// The text directly inside it, unescaped.
    pub text: String,
}

impl Element {
    /// The attribute `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// It is not well-formed XML with one root.
#[derive(Debug)]
pub(crate) struct Malformed;

/// Reads a well-formed document. Only the five predefined entities and character references are known, so nothing
/// expands.
pub(crate) fn elements(document: &str) -> Result<Vec<Element>, Malformed> {
    let mut reader = quick_xml::Reader::from_str(document);
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|_| Malformed)?;
        let text = match event {
            Event::Start(start) => {
                let at = begin(&mut elements, &open, &start)?;
                open.push(at);
                continue;
            }
            Event::Empty(start) => {
                begin(&mut elements, &open, &start)?;
                continue;
            }
            Event::End(_) => {
                open.pop().ok_or(Malformed)?;
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|_| Malformed)? {
                Some(c) => c.to_string(),
                None => resolve_predefined_entity(&reference).ok_or(Malformed)?.to_owned(),
            },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            Event::Eof => break,
        };
        match open.last().and_then(|&at| elements.get_mut(at)) {
            Some(element) => element.text.push_str(&text),
            None if text.trim().is_empty() => {}
            None => return Err(Malformed),
        }
    }
    if open.is_empty() && !elements.is_empty() { Ok(elements) } else { Err(Malformed) }
}

/// Adds an element, and tells where it stands. There is one root.
fn begin(elements: &mut Vec<Element>, open: &[usize], start: &BytesStart<'_>) -> Result<usize, Malformed> {
    if open.is_empty() && !elements.is_empty() {
        return Err(Malformed);
    }
    let mut attributes = Vec::new();
    // A repeated name is let through: to look for one takes quadratic time, and the first of them counts.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| Malformed)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Malformed)?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    elements.push(Element { name: start.local_name().as_ref().to_owned(), attributes, text: String::new() });
    Ok(elements.len() - 1)
}

/// Escapes text for an element or an attribute. What XML 1.0 cannot hold becomes U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // As they stand, a reader would turn them into blanks in an attribute.
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_unescaped() {
        let xml = "<?xml version=\"1.0\"?>\n<!-- x --><a b='1&amp;2&#10;'>p&lt;<c/><![CDATA[&q]]>&#x1F418;</a>\n";
        let read = elements(xml).unwrap();
        assert_eq!(read[0].attribute("b"), Some("1&2\n"));
        assert_eq!(read[0].text, "p<&q🐘");
        assert_eq!(read[1].name, "c");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for wrong in ["", "x", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", "<a b='&x;'/>", "<a/>x", "<a b=1/>"]
        {
            assert!(elements(wrong).is_err(), "{wrong}");
        }
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert!(elements(bomb).is_err());
    }
}
