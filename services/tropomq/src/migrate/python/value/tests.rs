use super::super::statements;
use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn read(written: &str) -> Result<Value, PythonError> {
    let variables = Variables::from([
        ("TOKEN".to_owned(), text("t")),
        ("MORE".to_owned(), Value::Entries(vec![(text("m"), text("n"))])),
    ]);
    let statements = statements(written).unwrap();
    let mut reader = Reader::new(&statements[0], &variables);
    let value = reader.value()?;
    assert!(reader.is_done(), "{written}");
    Ok(value)
}

#[track_caller]
fn check(written: &str, expected: &Value) {
    assert_eq!(read(written).unwrap(), *expected, "{written}");
}

#[test]
fn literals_are_read() {
    check("'a' \"b\"", &text("ab"));
    check("('a'\n  'b')", &text("ab"));
    check("'a' + TOKEN", &text("at"));
    check("-1.5", &Value::Number("-1.5".to_owned()));
    check("True", &Value::Bool(true));
    check("None", &Value::None);
    check("()", &Value::Items(Vec::new()));
    check("('a',)", &Value::Items(vec![text("a")]));
    check("('a', 'b',)", &Value::Items(vec![text("a"), text("b")]));
    check("['a', False]", &Value::Items(vec![text("a"), Value::Bool(false)]));
    check("{'a'}", &Value::Items(vec![text("a")]));
    check("{}", &Value::Entries(Vec::new()));
}

#[test]
fn dictionaries_are_read_however_they_are_written() {
    let expected = Value::Entries(vec![(text("a"), text("t")), (text("m"), text("n"))]);
    check("{'a': TOKEN, 'm': 'n',}", &expected);
    check("{\n  'a': 't',  # why\n  **MORE\n}", &expected);
    check("dict(a='t', m=\"n\")", &expected);
    check("{'a': 1, 'a': 't'}", &Value::Entries(vec![(text("a"), text("t"))]));
}

#[test]
fn variables_of_the_environment_are_known_by_their_names() {
    let variable = |default: Option<&str>| Value::Environment {
        variable: "X".to_owned(),
        default: default.map(|default| Box::new(text(default))),
    };
    for (written, default) in [
        ("os.environ['X']", None),
        ("os.environ.get('X')", None),
        ("os.environ.get('X', None)", None),
        ("os.getenv('X', 'd')", Some("d")),
        ("env('X', default='d')", Some("d")),
        ("config('X', cast=str, default='d',)", Some("d")),
    ] {
        check(written, &variable(default));
    }
}

#[test]
fn what_only_running_would_tell_is_unknown_with_its_line() {
    for written in ["f'{x}'", "'a' % x", "load('a', 'b')['c']", "other", "'a' if x else 'b'", "os.path.join('a')"] {
        check(written, &Value::Unknown { line: 1 });
    }
    check(
        "{\n'a': load(1),\n'b': 'c'}",
        &Value::Entries(vec![(text("a"), Value::Unknown { line: 2 }), (text("b"), text("c"))]),
    );
}

#[test]
fn what_is_no_value_is_told_with_its_line() {
    for (written, expected) in [
        ("{\n'a':\n}", "line 3: a value is missing"),
        ("{'a': 'b' :}", "line 1: a comma or \"}\" is missing after this value"),
        ("dict(\n'a')", "line 1: only NAME=VALUE is understood in dict(…)"),
    ] {
        assert_eq!(read(written).unwrap_err().to_string(), expected, "{written}");
    }
}
