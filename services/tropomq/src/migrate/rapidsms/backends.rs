//! Finds `INSTALLED_BACKENDS` in the settings of a project.

use std::collections::BTreeSet;

use crate::migrate::python::{PythonError, Reader, Statement, Token, Value, Variables, statements};

/// The setting.
const NAME: &str = "INSTALLED_BACKENDS";

/// The words of statements that may give any name in them another value.
const BINDING: [&str; 9] = ["as", "case", "class", "def", "del", "for", "global", "import", "nonlocal"];

/// The backends of a project, and what is to be said about how they were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Each by its name, in their order.
    pub(super) backends: Vec<(String, Value)>,
    /// What was read as well as it could be, with its line.
    pub(super) doubts: Vec<String>,
}

/// Why no backends were found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FindError {
    /// The file is not Python.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// The setting is not there.
    #[error("there is no INSTALLED_BACKENDS here{}", elsewhere(.imported))]
    Missing {
        /// The modules from which the file takes all that is there.
        imported: Vec<String>,
    },
    /// What the setting is only running the file would tell.
    #[error(
        "line {line}: INSTALLED_BACKENDS is put together in a way that is not understood: write it as a dictionary"
    )]
    NotUnderstood {
        /// Its line.
        line: usize,
    },
}

fn elsewhere(imported: &[String]) -> String {
    if imported.is_empty() {
        String::new()
    } else {
        format!("; it may stand in the file of {}, from which this one takes its settings", imported.join(" or "))
    }
}

/// The backends that a settings file installs.
pub(super) fn find(file: &str) -> Result<Found, FindError> {
    let mut variables = Variables::new();
    let (mut doubts, mut imported, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    for statement in statements(file)? {
        let Some((line, first)) = statement.tokens.first() else { continue };
        if let Some(module) = star_import(&statement) {
            if !variables.is_empty() {
                let told = "is not read, and may change what was read above";
                doubts.push(format!("line {line}: what comes from {module} {told}"));
            }
            imported.push(module);
        } else if is_name(first, NAME) {
            used.extend(names(&statement).map(str::to_owned));
            if statement.indented {
                doubts.push(format!("line {line}: this stands in a block, and is read as if it always counted"));
            }
            let understood = change(&statement, &mut variables)?;
            if !understood && variables.contains_key(NAME) {
                doubts.push(format!(
                    "line {line}: what is done to INSTALLED_BACKENDS here is not understood, and left out"
                ));
            } else if !understood {
                return Err(FindError::NotUnderstood { line: *line });
            }
        } else if !assign(&statement, &mut variables) {
            for name in changed(&statement, &variables) {
                let changes_entries = matches!(variables.get(&name), Some(Value::Entries(_)));
                if name == NAME || (used.contains(&name) && changes_entries) {
                    doubts.push(format!("line {line}: what is done to {name} here is not understood, and left out"));
                } else {
                    variables.insert(name, Value::Unknown { line: *line });
                }
            }
        }
    }
    let line = statements(file)?.iter().find_map(|statement| match statement.tokens.first() {
        Some((line, first)) if is_name(first, NAME) => Some(*line),
        _ => None,
    });
    match (variables.remove(NAME), line) {
        (Some(Value::Entries(entries)), _) => {
            let mut backends = Vec::new();
            for (name, value) in entries {
                match (name, value) {
                    (Value::Text(name), value) => backends.push((name, value)),
                    (Value::Unknown { line }, _) => {
                        doubts.push(format!("line {line}: the backends that come from here are not understood"));
                    }
                    (_, _) => doubts.push("a backend whose name is no text is left out".to_owned()),
                }
            }
            Ok(Found { backends, doubts })
        }
        (_, Some(line)) => Err(FindError::NotUnderstood { line }),
        (_, None) => Err(FindError::Missing { imported }),
    }
}

/// The module of `from MODULE import *`.
fn star_import(statement: &Statement) -> Option<String> {
    let words: Vec<String> = statement
        .tokens
        .iter()
        .map(|(_, token)| match token {
            Token::Name(word) | Token::Text(word) | Token::Number(word) => word.clone(),
            Token::Mark(mark) => (*mark).to_owned(),
            Token::Formatted => String::new(),
        })
        .collect();
    let (from, rest) = words.split_first()?;
    let module = rest.strip_suffix(&["import".to_owned(), "*".to_owned()])?;
    (from == "from").then(|| module.concat())
}

fn is_name(token: &Token, name: &str) -> bool {
    matches!(token, Token::Name(written) if written == name)
}

fn names(statement: &Statement) -> impl Iterator<Item = &str> {
    statement
        .tokens
        .iter()
        .filter_map(|(_, token)| if let Token::Name(name) = token { Some(name.as_str()) } else { None })
}

/// Remembers what a name stands for, `NAME = VALUE`; whether the statement is one that does that always, and nothing else.
fn assign(statement: &Statement, variables: &mut Variables) -> bool {
    if statement.indented || statement.tokens.iter().any(|(_, token)| *token == Token::Mark(":=")) {
        return false;
    }
    let mut reader = Reader::new(statement, variables);
    let Some(name) = reader.name() else { return false };
    if !reader.mark("=") {
        return false;
    }
    // What cannot be read matters where it is needed, and is unknown there.
    match reader.value() {
        Ok(value) if reader.is_done() => {
            variables.insert(name.to_owned(), value);
            true
        }
        Ok(_) | Err(_) => false,
    }
}

/// The names with values that may have others after a statement that is not understood. Rather too many than too few:
/// that a name begins the statement, or stands before an assignment, is enough.
fn changed(statement: &Statement, variables: &Variables) -> BTreeSet<String> {
    let mut depth = 0_usize;
    let mut assigned = 1;
    for (at, (_, token)) in statement.tokens.iter().enumerate() {
        match token {
            Token::Mark("(" | "[" | "{") => depth += 1,
            Token::Mark(")" | "]" | "}") => depth = depth.saturating_sub(1),
            Token::Mark(":=") => assigned = at,
            Token::Mark("==" | "!=" | "<=" | ">=") => {}
            Token::Mark(mark) if depth == 0 && mark.ends_with('=') => assigned = at,
            Token::Name(word) if BINDING.contains(&word.as_str()) => assigned = statement.tokens.len(),
            Token::Name(_) | Token::Text(_) | Token::Formatted | Token::Number(_) | Token::Mark(_) => {}
        }
    }
    let targets = statement.tokens.iter().take(assigned);
    let known = targets.filter_map(|(_, token)| match token {
        Token::Name(name) if variables.contains_key(name) => Some(name.clone()),
        _ => None,
    });
    known.collect()
}

/// A statement that begins with the setting; whether it was understood.
fn change(statement: &Statement, variables: &mut Variables) -> Result<bool, FindError> {
    let mut backends = variables.get(NAME).cloned().unwrap_or(Value::Unknown { line: 0 });
    let mut reader = Reader::new(statement, variables);
    reader.name();
    if reader.mark(":") {
        // An annotation stands before the value.
        reader.value()?;
    }
    if reader.mark("=") {
        backends = reader.value()?;
    } else if reader.mark("|=") {
        if !merge(&mut backends, reader.value()?) {
            return Ok(false);
        }
    } else if reader.mark("[") {
        let mut path = vec![reader.value()?];
        while reader.mark("]") && reader.mark("[") {
            path.push(reader.value()?);
        }
        if !reader.mark("=") {
            return Ok(false);
        }
        let value = reader.value()?;
        if !set(&mut backends, &path, value) {
            return Ok(false);
        }
    } else if reader.mark(".") {
        let (method, open) = (reader.name(), reader.mark("("));
        let understood = match (method, open) {
            (Some("update"), true) => {
                let more = reader.value()?;
                reader.mark(",");
                merge(&mut backends, more)
            }
            (Some("setdefault"), true) => {
                let name = reader.value()?;
                let value = if reader.mark(",") { reader.value()? } else { Value::None };
                reader.mark(",");
                let there = name.as_text().is_some_and(|name| backends.get(name).is_some());
                there || backends.set(name, value)
            }
            _ => false,
        };
        if !understood || !reader.mark(")") {
            return Ok(false);
        }
    } else {
        return Ok(false);
    }
    if !reader.is_done() {
        return Ok(false);
    }
    variables.insert(NAME.to_owned(), backends);
    Ok(true)
}

/// Adds the entries of one dictionary to another; whether both are.
fn merge(entries: &mut Value, more: Value) -> bool {
    let (Value::Entries(_), Value::Entries(more)) = (&entries, more) else { return false };
    more.into_iter().all(|(key, value)| entries.set(key, value))
}

/// Sets what is at the end of a path of keys; whether there are dictionaries along it.
fn set(entries: &mut Value, path: &[Value], value: Value) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        return entries.set(first.clone(), value);
    }
    let Value::Entries(entries) = entries else { return false };
    entries.iter_mut().find(|(key, _)| key == first).is_some_and(|(_, inner)| set(inner, rest, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(file: &str) -> Vec<String> {
        find(file).unwrap().backends.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn backends_are_found_however_they_are_installed() {
        for file in [
            "INSTALLED_BACKENDS = {'a': {}, 'b': {}}",
            "INSTALLED_BACKENDS: dict = {'a': {}}\nINSTALLED_BACKENDS['b'] = {}",
            "INSTALLED_BACKENDS = {'a': {}}\nif x:\n    INSTALLED_BACKENDS.update({'b': {}})",
            "INSTALLED_BACKENDS = {'a': {}}\nINSTALLED_BACKENDS |= {'b': {}}",
            "INSTALLED_BACKENDS = {'a': {}}; INSTALLED_BACKENDS.setdefault('b', {})",
            "MINE = {'b': {}}\nINSTALLED_BACKENDS = dict(a={})\nINSTALLED_BACKENDS.update(MINE)",
            "MINE = {'a': {}}\nINSTALLED_BACKENDS = {**MINE, 'b': {}}",
        ] {
            assert_eq!(installed(file), ["a", "b"], "{file}");
        }
    }

    #[test]
    fn what_is_set_later_counts() {
        let file = "INSTALLED_BACKENDS = {'a': {'config': {'number': '1'}}}\n\
                    INSTALLED_BACKENDS['a']['config']['number'] = '2'";
        let found = find(file).unwrap();
        assert_eq!(found.backends[0].1.get("config").unwrap().get("number").unwrap().as_text(), Some("2"));
    }

    #[test]
    fn what_is_read_as_well_as_it_can_be_is_told() {
        let found = find("INSTALLED_BACKENDS = {\n'a': {},\n**load()}\nif x:\n  INSTALLED_BACKENDS.pop('a')").unwrap();
        assert_eq!(
            found.doubts,
            [
                "line 5: this stands in a block, and is read as if it always counted",
                "line 5: what is done to INSTALLED_BACKENDS here is not understood, and left out",
                "line 3: the backends that come from here are not understood",
            ]
        );
    }

    #[test]
    fn a_name_that_may_have_another_value_is_not_understood() {
        for (change, line) in [
            ("", None),
            ("TOKEN = 'b'", None),
            ("print(TOKEN)\nif TOKEN == 'b' and OTHER <= 'c': pass", None),
            ("send(TOKEN='b')\nOTHER = dict(TOKEN='b')", None),
            ("TOKEN += '-tail'", Some(2)),
            ("TOKEN: str = 'b'", Some(2)),
            ("TOKEN = OTHER = 'b'", Some(2)),
            ("OTHER = TOKEN = 'b'", Some(2)),
            ("TOKEN, OTHER = 'b', 'c'", Some(2)),
            ("OTHER, TOKEN = 'b', 'c'", Some(2)),
            ("(OTHER, TOKEN) = 'b', 'c'", Some(2)),
            ("if os.environ.get('STAGING'):\n    TOKEN = 'b'", Some(3)),
            ("if STAGING: TOKEN = 'b'", Some(2)),
            ("try:\n  pass\nelse: TOKEN = 'b'", Some(4)),
            ("def other():\n    TOKEN = 'b'", Some(3)),
            ("class Other:\n    TOKEN = 'b'", Some(3)),
            ("OTHER = (TOKEN := 'b')", Some(2)),
            ("for TOKEN in tokens: pass", Some(2)),
            ("from .secrets import TOKEN", Some(2)),
            ("with token() as TOKEN: pass", Some(2)),
            ("try: from .secrets import TOKEN\nexcept ImportError: pass", Some(2)),
            ("del TOKEN", Some(2)),
        ] {
            let file = format!("TOKEN = 'a'\n{change}\nINSTALLED_BACKENDS = {{'a': TOKEN}}");
            let found = find(&file).unwrap();
            assert_eq!(found.doubts, [""; 0], "{change}");
            match (&found.backends[0].1, line) {
                (Value::Text(text), None) => assert!(["a", "b"].contains(&text.as_str()), "{change}"),
                (value, line) => assert_eq!(Some(value.clone()), line.map(|line| Value::Unknown { line }), "{change}"),
            }
        }
    }

    #[test]
    fn what_may_change_the_backends_after_they_were_read_is_told() {
        let file = "from .base import *\nMINE = {'b': {}}\nINSTALLED_BACKENDS = {'a': {}, **MINE}";
        assert_eq!(find(file).unwrap().doubts, [""; 0]);
        for (later, doubt) in [
            ("from .local import *", "line 4: what comes from .local is not read, and may change what was read above"),
            (
                "try:\n    from .local import *\nexcept ImportError: pass",
                "line 5: what comes from .local is not read, and may change what was read above",
            ),
            ("MINE['b'] = 1", "line 4: what is done to MINE here is not understood, and left out"),
            (
                "for one in INSTALLED_BACKENDS.values(): one['config'] = {}",
                "line 4: what is done to INSTALLED_BACKENDS here is not understood, and left out",
            ),
        ] {
            assert_eq!(find(&format!("{file}\n{later}")).unwrap().doubts, [doubt], "{later}");
        }
    }

    #[test]
    fn what_is_not_there_is_told() {
        for (file, expected) in [
            ("A = 1", "there is no INSTALLED_BACKENDS here"),
            (
                "from .base import *\nA = 1",
                "there is no INSTALLED_BACKENDS here; it may stand in the file of .base, from which this one takes its \
                 settings",
            ),
            (
                "\nINSTALLED_BACKENDS = load()",
                "line 2: INSTALLED_BACKENDS is put together in a way that is not understood: write it as a dictionary",
            ),
            (
                "INSTALLED_BACKENDS.update({})",
                "line 1: INSTALLED_BACKENDS is put together in a way that is not understood: write it as a dictionary",
            ),
            ("INSTALLED_BACKENDS = {\n", "line 1: this \"{\" is never closed"),
        ] {
            assert_eq!(find(file).unwrap_err().to_string(), expected, "{file}");
        }
    }
}
