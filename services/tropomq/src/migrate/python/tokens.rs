//! The words of a Python file, statement by statement.

use std::iter::Peekable;
use std::mem;
use std::str::Chars;

use super::PythonError;

/// A word of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::migrate) enum Token {
    /// A name or a keyword.
    Name(String),
    /// A string, as it reads.
    Text(String),
    /// A string that only running the file would tell.
    Formatted,
    /// A number, as it is written.
    Number(String),
    /// A bracket, an operator or a mark between values.
    Mark(&'static str),
}

/// A statement on one logical line: its words, each with its line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::migrate) struct Statement {
    /// The words.
    pub(in crate::migrate) tokens: Vec<(usize, Token)>,
    /// Whether it stands in a block: under an `if`, say.
    pub(in crate::migrate) indented: bool,
}

/// The marks, the longer ones first.
const MARKS: [&str; 47] = [
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "==", "!=", "<=", ">=", "->", ":=", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "@=", "(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "=", "+", "-", "*", "/", "%",
    "&", "|", "^", "~", "<", ">", "@",
];

/// The statements of a file, in their order.
///
/// # Errors
/// [`PythonError`] where a string or a bracket does not end, or a character stands that is not Python.
pub(in crate::migrate) fn statements(file: &str) -> Result<Vec<Statement>, PythonError> {
    let file = file.strip_prefix('\u{feff}').unwrap_or(file).replace("\r\n", "\n").replace('\r', "\n");
    let mut lexer = Lexer {
        rest: &file,
        line: 1,
        open: Vec::new(),
        statements: Vec::new(),
        current: Statement::default(),
        at_start: true,
    };
    while lexer.step()? {}
    if let Some((mark, line)) = lexer.open.pop() {
        return Err(PythonError::new(line, format!("this {mark:?} is never closed")));
    }
    lexer.end(false);
    Ok(lexer.statements)
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    /// The brackets that are open, each with its line.
    open: Vec<(&'static str, usize)>,
    statements: Vec<Statement>,
    current: Statement,
    /// Whether nothing but blanks stood on this logical line yet.
    at_start: bool,
}

impl<'a> Lexer<'a> {
    /// Reads on; whether there was anything.
    fn step(&mut self) -> Result<bool, PythonError> {
        let Some(first) = self.rest.chars().next() else { return Ok(false) };
        match first {
            '\n' => {
                self.skip(1);
                self.line += 1;
                if self.open.is_empty() {
                    self.end(false);
                    self.at_start = true;
                }
            }
            ' ' | '\t' | '\u{c}' => {
                self.skip(1);
                if self.at_start {
                    self.current.indented = true;
                }
            }
            '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
            '\\' if self.rest.starts_with("\\\n") => {
                self.skip(2);
                self.line += 1;
            }
            '"' | '\'' => self.string("")?,
            _ if first.is_alphabetic() || first == '_' => self.word()?,
            _ if first.is_ascii_digit() => self.number(),
            '.' if self.rest.chars().nth(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            _ => self.mark(first)?,
        }
        Ok(true)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !holds(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// The statement ends, and the next begins.
    fn end(&mut self, indented: bool) {
        let ended = mem::replace(&mut self.current, Statement { tokens: Vec::new(), indented });
        if !ended.tokens.is_empty() {
            self.statements.push(ended);
        }
    }

    fn push(&mut self, line: usize, token: Token) {
        self.at_start = false;
        self.current.tokens.push((line, token));
    }

    fn word(&mut self) -> Result<(), PythonError> {
        let word = self.take(|c| c.is_alphanumeric() || c == '_');
        let prefix = word.len() <= 2 && word.chars().all(|c| "rRbBuUfFtT".contains(c));
        if prefix && self.rest.starts_with(['"', '\'']) {
            return self.string(word);
        }
        self.push(self.line, Token::Name(word.to_owned()));
        Ok(())
    }

    fn number(&mut self) {
        let number = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        self.push(self.line, Token::Number(number.to_owned()));
    }

    fn mark(&mut self, first: char) -> Result<(), PythonError> {
        let Some(mark) = MARKS.into_iter().find(|mark| self.rest.starts_with(mark)) else {
            return Err(PythonError::new(self.line, format!("{first:?} is not Python here")));
        };
        self.skip(mark.len());
        match mark {
            "(" | "[" | "{" => self.open.push((mark, self.line)),
            ")" | "]" | "}" => match self.open.pop() {
                Some((open, _)) if matches!((open, mark), ("(", ")") | ("[", "]") | ("{", "}")) => {}
                Some((open, line)) => {
                    let what = format!("this {mark:?} does not close the {open:?} of line {line}");
                    return Err(PythonError::new(self.line, what));
                }
                None => return Err(PythonError::new(self.line, format!("this {mark:?} closes nothing"))),
            },
            ";" if self.open.is_empty() => {
                self.end(self.current.indented);
                return Ok(());
            }
            _ => {}
        }
        self.push(self.line, Token::Mark(mark));
        Ok(())
    }

    /// A string, from its quotation mark on.
    fn string(&mut self, prefix: &str) -> Result<(), PythonError> {
        let has = |letter: char| prefix.chars().any(|c| c.eq_ignore_ascii_case(&letter));
        let (begun, mark) = (self.line, if self.rest.starts_with('"') { "\"" } else { "'" });
        let long = mark.repeat(3);
        let quote = if self.rest.starts_with(&long) { long.as_str() } else { mark };
        self.skip(quote.len());
        let mut end = 0;
        let content = loop {
            let rest = self.rest.get(end..).unwrap_or_default();
            let Some(next) = rest.chars().next() else {
                return Err(PythonError::new(begun, "this string never ends"));
            };
            if rest.starts_with(quote) {
                break self.rest.get(..end).unwrap_or_default();
            }
            if next == '\n' && quote.len() == 1 {
                return Err(PythonError::new(begun, "this string never ends"));
            }
            // What is escaped ends nothing, in a raw string too.
            let escaped = if next == '\\' { rest.chars().nth(1) } else { None };
            self.line += usize::from(next == '\n') + usize::from(escaped == Some('\n'));
            end += next.len_utf8() + escaped.map_or(0, char::len_utf8);
        };
        self.skip(end + quote.len());
        let text = if has('r') { Some(content.to_owned()) } else { unescaped(content, begun)? };
        let formatted = (has('f') || has('t')) && content.contains(['{', '}']);
        self.push(begun, text.filter(|_| !formatted).map_or(Token::Formatted, Token::Text));
        Ok(())
    }
}

/// The text of a string that is not raw; `None`, where a character is named in it.
fn unescaped(content: &str, line: usize) -> Result<Option<String>, PythonError> {
    let mut text = String::with_capacity(content.len());
    let mut chars = content.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        let Some(escape) = chars.next() else { break };
        let wrong = || PythonError::new(line, format!("the escape \\{escape} of this string is not complete"));
        match escape {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(escape),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\u{b}'),
            'x' => text.push(character(&mut chars, 16, 2..=2, "").ok_or_else(wrong)?),
            'u' => text.push(character(&mut chars, 16, 4..=4, "").ok_or_else(wrong)?),
            'U' => text.push(character(&mut chars, 16, 8..=8, "").ok_or_else(wrong)?),
            '0'..='7' => text.push(character(&mut chars, 8, 0..=2, &escape.to_string()).ok_or_else(wrong)?),
            // Only Python knows all of the names.
            'N' => return Ok(None),
            // Python leaves both.
            other => text.extend(['\\', other]),
        }
    }
    Ok(Some(text))
}

/// The character of a number that is written in digits.
fn character(
    chars: &mut Peekable<Chars<'_>>,
    radix: u32,
    count: std::ops::RangeInclusive<usize>,
    first: &str,
) -> Option<char> {
    let mut digits = first.to_owned();
    let mut read = 0;
    while read < *count.end()
        && let Some(digit) = chars.next_if(|c| c.is_digit(radix))
    {
        digits.push(digit);
        read += 1;
    }
    if read < *count.start() {
        return None;
    }
    char::from_u32(u32::from_str_radix(&digits, radix).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Vec<String> {
        let tokens = statements(file).unwrap().into_iter().flat_map(|statement| statement.tokens);
        tokens.filter_map(|(_, token)| if let Token::Text(text) = token { Some(text) } else { None }).collect()
    }

    #[test]
    fn strings_are_read_in_every_quotation() {
        for (written, expected) in [
            (r#""a'b""#, "a'b"),
            (r"'a\'b\\'", r"a'b\"),
            (r"r'\d\''", r"\d\'"),
            ("u'é'", "é"),
            ("b'x'", "x"),
            ("Rb'\\x'", "\\x"),
            ("\"\"\"a\n\"b\" 'c'\"\"\"", "a\n\"b\" 'c'"),
            ("''''a'''", "'a"),
            (r"'\x41\u00e9\U0001f418\101\0\q'", "Aé🐘A\0\\q"),
            ("'a\\\nb'", "ab"),
            ("f'plain'", "plain"),
            ("''", ""),
        ] {
            assert_eq!(texts(written), [expected], "{written}");
        }
    }

    #[test]
    fn statements_end_with_their_logical_line() {
        let file = "\u{feff}a = 1  # one\r\nb = [\n  1,\n\n  2]\nif x:\n    c = 'a' \\\n  'b'; d = 2\n";
        let read = statements(file).unwrap();
        let shown: Vec<(usize, usize, bool)> =
            read.iter().map(|statement| (statement.tokens[0].0, statement.tokens.len(), statement.indented)).collect();
        assert_eq!(shown, [(1, 3, false), (2, 7, false), (6, 3, false), (7, 4, true), (8, 3, true)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (file, expected) in [
            ("a = 1\nb = 'x", "line 2: this string never ends"),
            ("a = '''x\n\n", "line 1: this string never ends"),
            ("a = {\n'b': [1,\n2)}", "line 3: this \")\" does not close the \"[\" of line 2"),
            ("a = {\n", "line 1: this \"{\" is never closed"),
            ("a = 1\n)", "line 2: this \")\" closes nothing"),
            ("a = $", "line 1: '$' is not Python here"),
            ("a = '\\x4'", "line 1: the escape \\x of this string is not complete"),
        ] {
            assert_eq!(statements(file).unwrap_err().to_string(), expected, "{file}");
        }
    }

    #[test]
    fn what_is_put_together_when_it_is_run_is_no_text() {
        for file in ["f'{x}'", r"'a \N{BULLET} b'"] {
            assert_eq!(statements(file).unwrap()[0].tokens, [(1, Token::Formatted)], "{file}");
        }
    }
}
