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
    Plan { format, project, router }
}

#[test]
fn the_backend_of_the_tutorial_becomes_a_backend_and_a_project() {
    let (project, router) = ("http://127.0.0.1:8000".parse().unwrap(), "http://127.0.0.1:8082".parse().unwrap());
    let ours = tropo(TUTORIAL).unwrap();
    let [backend] = ours.as_slice() else { panic!("{ours:?}") };
    let plan = plan(Format::Vumi, &project, &router);
    let written = applications(&ours) + &plan.configuration(backend, "a-secret", "a-password");
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
    let written = plan(Format::Vumi, &project, &router).configuration(&ours[0], "s", "p");
    let expected =
        "# messaging_token: set TROPOMQ__BACKENDS__MY_TROPO__MESSAGING_TOKEN to what the project has in TOKEN.";
    assert!(written.lines().any(|line| line == expected), "{written}");
    assert!(plan(Format::Vumi, &project, &router).advice(&ours[0]).contains(r#"backend_name="my tropo""#));
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
