use chassis::config::{ConfigError, Layers};

use super::*;

const BACKEND: &str = "[backends.my-backend]\nmessaging_token = \"t\"\nnumber = \"+1-555-555-0100\"\n";

fn load(file: &str) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tropomq.toml");
    std::fs::write(&path, file).unwrap();
    config::load(Layers { defaults: DEFAULTS, file: Some(path), environment: Vec::new() })
}

#[test]
fn the_defaults_are_good() {
    let settings = Settings::defaults().unwrap();
    settings.check().unwrap();
    assert_eq!(settings.bus.url, BusUrl::Embedded("data/bus".into()));
    assert!(settings.backends.is_empty());
}

#[test]
fn a_backend_needs_a_token_and_a_number() {
    let settings = load(BACKEND).unwrap();
    settings.check().unwrap();
    let backend = settings.backends.values().next().unwrap();
    assert_eq!(backend.number.as_str(), "+15555550100");
    assert!(!format!("{settings:?}").contains("\"t\""));
}

#[test]
fn what_stays_unconfirmed_is_held_unless_a_backend_says_otherwise() {
    let on_unconfirmed = |line: &str| {
        let settings = load(&format!("{BACKEND}{line}")).unwrap();
        settings.backends.values().next().unwrap().for_egress(&settings.egress).unwrap().on_unconfirmed
    };
    assert_eq!(on_unconfirmed(""), egress::OnUnconfirmed::Hold);
    assert_eq!(on_unconfirmed("on_unconfirmed = \"hold\""), egress::OnUnconfirmed::Hold);
    assert_eq!(on_unconfirmed("on_unconfirmed = \"resend\""), egress::OnUnconfirmed::Resend);
}

/// The configuration is refused, and the message names the key and says this.
#[track_caller]
fn check_refused(file: &str, key: &str, says: &str) {
    let refused = load(file).and_then(|settings| {
        settings.check()?;
        settings.ticket.keyring().map(drop)
    });
    let told = refused.unwrap_err().to_string();
    assert!(told.contains(key) && told.contains(says), "{told}");
}

#[test]
fn what_is_wrong_is_named_with_how_to_mend_it() {
    let with = |line: &str| format!("{BACKEND}{line}\n");
    check_refused("[bus]\nurl = \"redis://x\"", "bus.url", "amqp://");
    check_refused("[egres]", "egres", "egress");
    check_refused(
        "[simulator.applications.a]\nmessaging_url = \"http://a.test\"\nmessaging_token = \"t\"\n\
         [simulator.applications.b]\nmessaging_url = \"http://b.test\"\nmessaging_token = \"t\"",
        "simulator.applications.b",
        "launches something already",
    );
    check_refused("[backends.a]\nnumber = \"1\"", "backends.a", "messaging_token");
    check_refused("[backends.a]\nmessaging_token = \"t\"\nnumber = \"030 1234\"", "backends.a.number", "country code");
    check_refused(
        "[backends.a]\nmessaging_token = \" \"\nnumber = \"15555550100\"",
        "backends.a.messaging_token",
        "empty",
    );
    check_refused("[backends.\"a.b\"]\nmessaging_token = \"t\"\nnumber = \"15555550100\"", "backends", "name");
    check_refused(&with("rate = 0.0"), "backends.my-backend.rate", "at least");
    check_refused(&with("on_unconfirmed = \"retry\""), "backends.my-backend.on_unconfirmed", "`hold` or `resend`");
    check_refused(&with("webhook_secret = \"short\""), "backends.my-backend.webhook_secret", "openssl rand");
    check_refused(&with("webhook_secret = \"prod:0123456789abcdef\""), "backends.my-backend.webhook_secret", "URL");
    check_refused(&with("session_api = \"ftp://x/\""), "backends.my-backend.session_api", "http");
    let probe = with("probe = true");
    check_refused(&format!("{probe}{}", probe.replace("my-backend", "other")), "backends.other.probe", "my-backend");
    check_refused("[console.probe]\ninterval = \"99ms\"", "console.probe.interval", "100ms");
    check_refused("[console.probe]\ntimeout = \"31s\"", "console.probe.timeout", "30s");
    check_refused("[store]\nurl = \"postgress://x/y\"", "store.url", "postgres");
    check_refused("[egress]\nlisten = \"127.0.0.1:8080\"", "egress.listen", "ingress.listen");
    let application = "[simulator.applications.a]\nmessaging_token = \"t\"\nmessaging_url = \"ftp://x/\"";
    check_refused(application, "simulator.applications.a", "messaging_url and voice_url must be http");
    let account = "[simulator.provisioning]\nname = \"me\"\npassword = \"\"";
    check_refused(account, "simulator.provisioning.password", "leave out");
    check_refused("[egress.retry]\nfirst = \"0s\"", "egress.retry.first", "10ms");
    check_refused(&with("allow_from = [\"x\"]"), "allow_from", "network");
    let twin = BACKEND.replace("my-backend", "my_backend");
    check_refused(&format!("{BACKEND}{twin}"), "backends.my", "rename");
    check_refused("[router]\napplications = [\"ecko\"]", "router.applications", "ecko");
    let http = "[router]\napplications = [\"survey\"]\n[router.http.survey]\nurl = \"https://app.example.com/\"\n";
    check_refused(&format!("{http}secret = \"s\""), "router.http.survey.secret", "openssl rand");
    check_refused("[router]\nlisten = \"127.0.0.1:8080\"", "router.listen", "ingress.listen");
    check_refused("[console]\nlisten = \"127.0.0.1:8080\"", "console.listen", "ingress.listen");
    check_refused("[console]\nlisten = \"0.0.0.0:8088\"", "console.listen", "tropomq password");
    let user = "[console.users.ann]\npassword_hash = \"secret\"\nscopes = [\"read\"]";
    check_refused(user, "console.users.ann.password_hash", "tropomq password");
    check_refused(&user.replace("read", "write"), "console.users.ann.scopes", "operate");
    check_refused("[router]\nprefetch = 0", "router.prefetch", "at least 1");
    let on_bus = "[router]\napplications = [\"weather\"]\n[router.amqp.weather]\n";
    check_refused(on_bus, "router.amqp.weather", "embedded bus");
    load(&format!("[bus]\nurl = \"amqp://127.0.0.1/\"\n{on_bus}")).unwrap().check().unwrap();
    // A project is reached by HTTP.
    chassis::tls::install_provider();
    let project = "[router]\napplications = [\"clinic\"]\n[router.rapidsms.clinic]\nformat = \"vumi\"\n\
                   url = \"https://clinic.example.com/\"\n";
    check_refused(project, "router.rapidsms.clinic.backend", "no backend clinic");
    check_refused(&format!("{project}password = \"short\""), "router", "openssl rand");
    check_refused(&project.replace("https", "http"), "router", "allow_private");
    let second = "[router]\napplications = [\"one\", \"two\"]\n[router.rapidsms.one]\nformat = \"vumi\"\n\
                  url = \"https://one.example.com/\"\n[router.rapidsms.two]\nbackend = \"one\"\nformat = \"vumi\"\n\
                  url = \"https://two.example.com/\"\n[backends.one]\nnumber = \"+15555550100\"\nmessaging_token = \"t\"\n";
    check_refused(second, "router.rapidsms.two.backend", "never be asked");
    check_refused("[egress]\nsession_api = \"ftp://x/\"", "egress.session_api", "http");
    check_refused("[egress]\nretention = \"1h\"", "egress.retention", "time_to_live");
    let forgetful = "[egress]\nretention = \"48h\"\nresult_timeout = \"25h\"";
    check_refused(forgetful, "egress.retention", "result_timeout");
    check_refused("[console]\nretention = \"721h\"", "console.retention", "egress.retention");
    check_refused("[journal]\nretention = \"167h\"", "journal.retention", "at least 168h");
    check_refused("[journal]\nbytes_max = \"15MiB\"", "journal.bytes_max", "at least 16MiB");
    check_refused("[journal]\nprefetch = 0", "journal.prefetch", "at least 1");
    let spool = "[ingress]\nconfirm_timeout = \"3s\"\n[ingress.spool]\n";
    check_refused(&format!("{spool}confirm_timeout = \"1500ms\""), "ingress.spool.confirm_timeout", "less than half");
    load(&format!("{spool}confirm_timeout = \"1499ms\"")).unwrap().check().unwrap();
    load(&format!("{spool}confirm_timeout = \"5s\"\nbytes_max = \"0B\"")).unwrap().check().unwrap();
    check_refused("[ingress.spool]\nage_max = \"0s\"", "ingress.spool.age_max", "more than 0s");
    check_refused("[bus]\nmanagement = \"amqp://x/\"", "bus.management", "15672");
    check_refused("[ticket.keys]\nk1 = \"short\"", "ticket.keys.k1", "32 bytes");
    let long = "0123456789abcdef0123456789abcdef";
    check_refused(&format!("[ticket.keys]\na = \"{long}\"\nb = \"{long}\""), "ticket.signing_key", "several");
    check_refused(&format!("[ticket]\nsigning_key = \"c\"\n[ticket.keys]\na = \"{long}\""), "ticket.signing_key", "c");
    check_refused("[ticket]\nkey_file = \"/nowhere/at/all\"", "ticket.keys", "openssl rand");
}

/// These services refuse the configuration, and the message names the key.
#[track_caller]
fn check_refused_for(services: Services, file: &str, key: &str) {
    let told = load(file).unwrap().check_for(services).unwrap_err().to_string();
    assert!(told.contains(key), "{told}");
}

#[test]
fn what_would_send_twice_or_for_strangers_is_refused() {
    let amqp = "[bus]\nurl = \"amqp://127.0.0.1/\"\n";
    check_refused_for(Services::EGRESS, amqp, "store.url");
    check_refused_for(Services::JOURNAL, amqp, "store.url");
    check_refused_for(Services::ROUTER, amqp, "store.url");
    load(&format!("{amqp}[store]\nsingle_egress = true")).unwrap().check_for(Services::EGRESS).unwrap();
    load(&format!("{amqp}[store]\nurl = \"postgres://127.0.0.1/x\"")).unwrap().check_for(Services::EGRESS).unwrap();

    let everywhere = "[ingress]\nlisten = \"0.0.0.0:8080\"\n";
    check_refused_for(Services::INGRESS, &format!("{everywhere}{BACKEND}"), "backends.my-backend.webhook_secret");
    load(BACKEND).unwrap().check_for(Services::INGRESS).unwrap();
    for proof in ["webhook_secret = \"0123456789abcdef\"", "allow_from = [\"192.0.2.0/24\"]", "trust_anyone = true"] {
        load(&format!("{everywhere}{BACKEND}{proof}\n")).unwrap().check_for(Services::INGRESS).unwrap();
    }
}

#[test]
fn a_key_file_is_made_once_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::defaults().unwrap();
    settings.ticket.key_file = folder.path().join("deep/ticket.key");
    let environment = messaging::Environment::system();
    settings.ticket.make_key_file(&environment).unwrap();
    let first = std::fs::read(&settings.ticket.key_file).unwrap();
    settings.ticket.make_key_file(&environment).unwrap();
    assert_eq!(std::fs::read(&settings.ticket.key_file).unwrap(), first);
    assert_eq!(std::fs::metadata(&settings.ticket.key_file).unwrap().permissions().mode() & 0o777, 0o600);
    settings.ticket.keyring().unwrap();
}

/// What a page shows of the configuration.
fn shown(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()).collect()
}

#[test]
fn what_the_page_of_applications_shows_is_good() {
    let blocks = shown(include_str!("../../../../docs/applications.md"));
    assert!(5 < blocks.len());
    for block in blocks {
        // The guide's own application is not there before the guide was followed.
        let block = block.replace("\"visits\", ", "");
        load(&block).and_then(|settings| settings.check()).unwrap_or_else(|error| panic!("{error}: {block}"));
    }
}

#[test]
fn what_the_defaults_show_of_rules_is_good() {
    let from = DEFAULTS.find("# [router.keyword.hours]").unwrap();
    let shown = DEFAULTS.get(from..).unwrap().split("\n[router.group]").next().unwrap();
    let is_key =
        |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let lines = shown.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_key);
    // A remark stands behind the value, after more than one blank.
    let lines: Vec<_> = lines.map(|line| line.split("  ").next().unwrap_or(line)).collect();
    assert!(lines.contains(&"[router.poll.lunch]"), "{lines:?}");
    load(&lines.join("\n")).and_then(|settings| settings.check()).unwrap();
}

#[test]
fn nobody_is_texted_at_a_number_of_ours() {
    let group = "[router.group.a]\nowners = [\"12345\"]\nmembers = [\"+15555550100\"]";
    check_refused(&format!("{BACKEND}{group}"), "router.group.a.members", "number of a backend");
}
