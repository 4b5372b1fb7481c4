//! The values that can be known without running the file: literals, what is named by another, and variables of the
//! environment.

use std::collections::BTreeMap;

use super::{PythonError, Statement, Token};

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::migrate) enum Value {
    /// A string.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// True or False.
    Bool(bool),
    /// None.
    None,
    /// A list, a tuple or a set.
    Items(Vec<Self>),
    /// A dictionary, in the order in which it is written.
    Entries(Vec<(Self, Self)>),
    /// What a variable of the environment says, and what counts where there is none.
    Environment {
        /// The variable.
        variable: String,
        /// What counts where it is not set.
        default: Option<Box<Self>>,
    },
    /// What only running the file would tell.
    Unknown {
        /// Its line.
        line: usize,
    },
}

/// The values of names so far.
pub(in crate::migrate) type Variables = BTreeMap<String, Value>;

impl Value {
    /// The text, where it is one.
    pub(in crate::migrate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The entry of a dictionary; of a key that stands twice, the last.
    pub(in crate::migrate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Entries(entries) = self else { return None };
        entries.iter().rev().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
    }

    /// Sets an entry of a dictionary; whether it is one.
    pub(in crate::migrate) fn set(&mut self, key: Self, value: Self) -> bool {
        let Self::Entries(entries) = self else { return false };
        match entries.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => entries.push((key, value)),
        }
        true
    }
}

/// The calls and subscripts that read a variable of the environment, by how they are written in Django projects.
const ENVIRONMENT: [&str; 12] = [
    "os.environ",
    "environ",
    "os.environ.get",
    "environ.get",
    "os.getenv",
    "getenv",
    "env",
    "env.str",
    "os.environ.pop",
    "config",
    "decouple.config",
    "env.get_value",
];

/// Reads the values of a statement.
pub(in crate::migrate) struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    variables: &'a Variables,
    line: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a statement, where these names have values.
    pub(in crate::migrate) fn new(statement: &'a Statement, variables: &'a Variables) -> Self {
        let line = statement.tokens.first().map_or(0, |(line, _)| *line);
        Self { tokens: &statement.tokens, variables, line }
    }

    /// Whether nothing is left.
    pub(in crate::migrate) fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.first().map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let ((line, token), rest) = self.tokens.split_first()?;
        (self.tokens, self.line) = (rest, *line);
        Some(token)
    }

    /// Takes this mark, if it is the next.
    pub(in crate::migrate) fn mark(&mut self, mark: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Mark(next)) if *next == mark);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Takes a name, if one is next.
    pub(in crate::migrate) fn name(&mut self) -> Option<&'a str> {
        let Some(Token::Name(name)) = self.peek() else { return None };
        self.next();
        Some(name)
    }

    /// The next value, up to what ends it: a comma, a colon or a closing bracket.
    ///
    /// # Errors
    /// [`PythonError`] where no value stands.
    pub(in crate::migrate) fn value(&mut self) -> Result<Value, PythonError> {
        let begun = self.tokens;
        let line = begun.first().map_or(self.line, |(line, _)| *line);
        if self.ends() {
            return Err(PythonError::new(line, "a value is missing"));
        }
        let mut value = self.operand()?;
        // Texts are joined; anything else that is done with values is not.
        while let Some(Value::Text(text)) = &value
            && self.mark("+")
        {
            value = match self.operand()? {
                Some(Value::Text(more)) => Some(Value::Text(format!("{text}{more}"))),
                _ => None,
            };
        }
        if let Some(value) = value
            && self.ends()
        {
            return Ok(value);
        }
        self.tokens = begun;
        self.skip_value();
        Ok(Value::Unknown { line })
    }

    fn ends(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Mark("," | ":" | ")" | "]" | "}" | "=")))
    }

    /// Passes over what is not understood.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        // The colon and comma of a lambda are its own; no settings that matter here have one.
        while depth != 0 || !self.ends() {
            match self.next() {
                Some(Token::Mark("(" | "[" | "{")) => depth += 1,
                Some(Token::Mark(")" | "]" | "}")) => depth = depth.saturating_sub(1),
                Some(_) => {}
                None => break,
            }
        }
    }

    /// One value; `None` where it begins with something that is not understood.
    fn operand(&mut self) -> Result<Option<Value>, PythonError> {
        Ok(Some(match self.peek() {
            Some(Token::Text(_)) => {
                let mut whole = String::new();
                while let Some(Token::Text(text)) = self.peek() {
                    whole.push_str(text);
                    self.next();
                }
                Value::Text(whole)
            }
            Some(Token::Number(number)) => {
                self.next();
                Value::Number(number.clone())
            }
            Some(Token::Mark("-")) => {
                self.next();
                let Some(Token::Number(number)) = self.next() else { return Ok(None) };
                Value::Number(format!("-{number}"))
            }
            Some(Token::Mark("(")) => {
                self.next();
                let (mut items, tuple) = self.items(")")?;
                match (items.pop(), tuple) {
                    (Some(only), false) if items.is_empty() => only,
                    (last, _) => Value::Items(items.into_iter().chain(last).collect()),
                }
            }
            Some(Token::Mark("[")) => {
                self.next();
                Value::Items(self.items("]")?.0)
            }
            Some(Token::Mark("{")) => {
                self.next();
                self.entries()?
            }
            Some(Token::Name(_)) => return self.named(),
            Some(Token::Mark(_) | Token::Formatted) | None => return Ok(None),
        }))
    }

    /// The values up to the closing bracket, and whether a comma stood among them.
    fn items(&mut self, close: &str) -> Result<(Vec<Value>, bool), PythonError> {
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.mark(close) {
            items.push(self.value()?);
            if self.mark(",") {
                comma = true;
            } else if !self.mark(close) {
                // A comprehension, or a call's named argument.
                return Err(PythonError::new(self.line, format!("a comma or {close:?} is missing after this value")));
            } else {
                break;
            }
        }
        Ok((items, comma))
    }

    /// A dictionary or a set, after its bracket.
    fn entries(&mut self) -> Result<Value, PythonError> {
        let (mut entries, mut items) = (Value::Entries(Vec::new()), Vec::new());
        while !self.mark("}") {
            if self.mark("**") {
                let line = self.line;
                match self.value()? {
                    Value::Entries(more) => {
                        for (key, value) in more {
                            entries.set(key, value);
                        }
                    }
                    _ => drop(entries.set(Value::Unknown { line }, Value::Unknown { line })),
                }
            } else {
                let key = self.value()?;
                if self.mark(":") {
                    let value = self.value()?;
                    entries.set(key, value);
                } else {
                    items.push(key);
                }
            }
            if !self.mark(",") && !matches!(self.peek(), Some(Token::Mark("}"))) {
                return Err(PythonError::new(self.line, "a comma or \"}\" is missing after this value"));
            }
        }
        Ok(if items.is_empty() { entries } else { Value::Items(items) })
    }

    /// A value that begins with a name.
    fn named(&mut self) -> Result<Option<Value>, PythonError> {
        let mut path = self.name().unwrap_or_default().to_owned();
        while self.mark(".") {
            let Some(name) = self.name() else { return Ok(None) };
            path = format!("{path}.{name}");
        }
        match path.as_str() {
            "True" => return Ok(Some(Value::Bool(true))),
            "False" => return Ok(Some(Value::Bool(false))),
            "None" => return Ok(Some(Value::None)),
            "dict" if self.mark("(") => return self.keywords().map(|entries| Some(Value::Entries(entries))),
            _ => {}
        }
        if ENVIRONMENT.contains(&path.as_str()) {
            return self.environment();
        }
        Ok(self.variables.get(&path).cloned())
    }

    /// `name=value` up to the closing bracket of a call.
    fn keywords(&mut self) -> Result<Vec<(Value, Value)>, PythonError> {
        let mut entries = Vec::new();
        while !self.mark(")") {
            let (name, line) = (self.name(), self.line);
            let (Some(name), true) = (name, self.mark("=")) else {
                return Err(PythonError::new(line, "only NAME=VALUE is understood in dict(…)"));
            };
            entries.push((Value::Text(name.to_owned()), self.value()?));
            if !self.mark(",") && !matches!(self.peek(), Some(Token::Mark(")"))) {
                return Err(PythonError::new(self.line, "a comma or \")\" is missing after this value"));
            }
        }
        Ok(entries)
    }

    /// The variable that a call or a subscript names, and its default.
    fn environment(&mut self) -> Result<Option<Value>, PythonError> {
        let close = if self.mark("[") {
            "]"
        } else if self.mark("(") {
            ")"
        } else {
            return Ok(None);
        };
        let Value::Text(variable) = self.value()? else { return Ok(None) };
        if !is_variable(&variable) {
            return Ok(None);
        }
        let mut default = None;
        while self.mark(",") {
            let ahead = self.tokens;
            let named = self.name().filter(|_| self.mark("="));
            if named.is_none() {
                self.tokens = ahead;
            }
            if self.mark(close) {
                return Ok(Some(Value::Environment { variable, default }));
            }
            let value = self.value()?;
            if named.is_none_or(|name| name == "default") && value != Value::None {
                default = Some(Box::new(value));
            }
        }
        Ok(self.mark(close).then_some(Value::Environment { variable, default }))
    }
}

/// Whether a shell could set a variable of that name.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
