use super::super::backends::find;
use super::*;

/// The settings of the tutorial, with a backend beside that is none of ours.
const TUTORIAL: &str = r##"
INSTALLED_BACKENDS = {
    "message_tester": {
        "ENGINE": "rapidsms.backends.database.DatabaseBackend",
    },
    "my-tropo-backend": {
        "ENGINE": "rtropo.outgoing.TropoBackend",
        'config': {
            # Your Tropo application's outbound token for messaging
            'messaging_token': 'YYYYYYYYYYYYYYYY'
                               'YYYYYYYYYYYYYYYY',
            # Your Tropo application's voice/messaging phone number
            'number': '+1-555-555-1212',
        },
    },
}
"##;

fn tropo(file: &str) -> Result<Vec<Tropo>, BackendError> {
    let found = find(file).unwrap();
    found.backends.iter().filter_map(|(name, settings)| Tropo::read(name, settings).transpose()).collect()
}

fn plan<'a>(format: Format, project: &'a Url, router: &'a Url) -> Plan<'a> {
    Plan { format, project, router, password: "a-password" }
}

#[test]
fn the_backend_of_the_tutorial_becomes_a_backend_and_a_project() {
    let (project, router) = ("http://127.0.0.1:8000".parse().unwrap(), "http://127.0.0.1:8082".parse().unwrap());
    let ours = tropo(TUTORIAL).unwrap();
    let [backend] = ours.as_slice() else { panic!("{ours:?}") };
    let plan = plan(Format::Vumi, &project, &router);
    let written = applications(&ours) + &plan.configuration(backend, "a-secret");
    let read: toml::Table = written.parse().unwrap();
    let expected: toml::Table = r#"
        [router]
        applications = ["subscription", "my-tropo-backend"]
        [backends.my-tropo-backend]
        messaging_token = "YYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYY"
        number = "+1-555-555-1212"
        webhook_secret = "a-secret"
        [router.rapidsms.my-tropo-backend]
        format = "vumi"
        url = "http://127.0.0.1:8000/backend/my-tropo-backend/"
        password = "a-password"
        allow_private = true
    "#
    .parse()
    .unwrap();
    assert_eq!(read, expected);
    let advice = plan.advice(backend);
    for line in [
        r#"    "my-tropo-backend": {"#,
        r#"        "ENGINE": "rapidsms.backends.vumi.VumiBackend","#,
        r#"        "sendsms_url": "http://127.0.0.1:8082/rapidsms/my-tropo-backend/vumi","#,
        r#"        "sendsms_user": "my-tropo-backend","#,
        r#"In ALLOWED_HOSTS, have "127.0.0.1": router asks the project by that name, and Django answers to no other."#,
        r#"    path("backend/my-tropo-backend/", VumiBackendView.as_view(backend_name="my-tropo-backend")),"#,
    ] {
        assert!(advice.lines().any(|told| told == line), "{line}: {advice}");
    }
    assert!(!advice.contains("a-password") && !advice.contains("YYYY"), "{advice}");
}

#[test]
fn each_format_has_lines_of_its_own() {
    let (project, router) = ("http://p/".parse().unwrap(), "http://r/".parse().unwrap());
    let ours = tropo(TUTORIAL).unwrap();
    for (format, engine, view) in [
        (Format::Kannel, "kannel.KannelBackend", "KannelBackendView.as_view"),
        (Format::Http, "vumi.VumiBackend", "GenericHttpBackendView.as_view"),
    ] {
        let advice = plan(format, &project, &router).advice(&ours[0]);
        assert!(advice.contains(engine) && advice.contains(view), "{advice}");
    }
}

#[test]
fn what_stands_in_the_environment_stays_there() {
    let file = "INSTALLED_BACKENDS = {'my tropo': {'ENGINE': 'rtropo.outgoing.TropoBackend', 'CONFIG': {\
                'messaging_token': os.environ['TOKEN'], 'number': '+15555551212'}}}";
    let (project, router) = ("http://p/".parse().unwrap(), "http://r/".parse().unwrap());
    let ours = tropo(file).unwrap();
    let written = plan(Format::Vumi, &project, &router).configuration(&ours[0], "s");
    let expected =
        "# messaging_token: set TROPOMQ__BACKENDS__MY_TROPO__MESSAGING_TOKEN to what the project has in TOKEN.";
    assert!(written.lines().any(|line| line == expected), "{written}");
    assert!(plan(Format::Vumi, &project, &router).advice(&ours[0]).contains(r#"backend_name="my tropo""#));
}

/// Settings with Tropo's backends of these names.
fn settings(names: &[&str]) -> String {
    let backend = |name: &&str| {
        format!(
            "'{name}': {{'ENGINE': 'rtropo.outgoing.TropoBackend', 'config': {{'messaging_token': 't', 'number': '1'}}}}"
        )
    };
    format!("INSTALLED_BACKENDS = {{{}}}", names.iter().map(backend).collect::<Vec<_>>().join(", "))
}

#[test]
fn a_project_with_several_backends_shows_one_password() {
    let (project, router) = ("http://p/".parse().unwrap(), "http://r/".parse().unwrap());
    let plan = plan(Format::Vumi, &project, &router);
    let ours = tropo(&settings(&["one", "two"])).unwrap();
    let written: String = ours.iter().map(|tropo| plan.configuration(tropo, "s")).collect();
    let read: toml::Table = written.parse().unwrap();
    for (name, tropo) in ["one", "two"].into_iter().zip(&ours) {
        assert_eq!(read["router"]["rapidsms"][name]["password"].as_str(), Some("a-password"), "{name}");
        assert!(plan.advice(tropo).contains(r#""sendsms_pass": os.environ["TROPOMQ_PASSWORD"],"#), "{name}");
    }
}

#[test]
fn a_project_does_not_have_the_name_of_an_application_of_the_house() {
    let (project, router) = ("http://p/".parse().unwrap(), "http://r/".parse().unwrap());
    for name in ["default", "echo", "poll"] {
        let ours = tropo(&settings(&[name])).unwrap();
        let plan = plan(Format::Vumi, &project, &router);
        let read: toml::Table = (applications(&ours) + &plan.configuration(&ours[0], "s")).parse().unwrap();
        let application = format!("{name}-rapidsms");
        assert_eq!(read["router"]["applications"][1].as_str(), Some(application.as_str()));
        assert_eq!(read["router"]["rapidsms"][&application]["backend"].as_str(), Some(name));
        assert!(read["backends"].get(name).is_some());
        let advice = plan.advice(&ours[0]);
        assert!(advice.contains(&format!("http://r/rapidsms/{application}/vumi")), "{advice}");
        assert!(advice.contains(&format!(r#""sendsms_user": "{application}""#)), "{advice}");
        assert!(advice.contains(&format!(r#"backend_name="{name}""#)), "{advice}");
    }
}

#[test]
fn nothing_is_written_but_what_a_variable_can_be_called() {
    for variable in ["X\\n[router.http.evil]", "a b", "1X", ""] {
        let file = settings(&["a"]).replace("'t'", &format!("os.environ['{variable}']"));
        let error = tropo(&file).unwrap_err().to_string();
        assert!(error.contains("no messaging_token") && error.ends_with("(line 1)"), "{variable}: {error}");
    }
}

#[test]
fn what_is_not_understood_is_named_with_its_line() {
    for (settings, expected) in [
        ("load()", "its settings are no dictionary that can be read (line 2)"),
        ("{'ENGINE': load()}", "its ENGINE is not written as a text (line 2)"),
        (
            "{'ENGINE': 'rtropo.outgoing.TropoBackend',\n'config': {'messaging_token': load()}}",
            "its config has no messaging_token that is written as a text or taken from the environment (line 3)",
        ),
        (
            "{'ENGINE': 'rtropo.outgoing.TropoBackend', 'config': {'messaging_token': 't'}}",
            "its config has no number that is written as a text or taken from the environment",
        ),
    ] {
        let error = tropo(&format!("INSTALLED_BACKENDS = {{\n'a': {settings}}}")).unwrap_err();
        assert_eq!(error.to_string(), expected, "{settings}");
    }
}
