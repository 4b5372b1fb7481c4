//! What the debugger says. Lines of `#TROPO#` and `#MRCP#` are Tropo's own words, which people search for: they are
//! never reworded. What Tropo had no known words for is said as `#SIMULATOR#`. A line is written when it is kept.

use std::borrow::Cow;
use std::fmt::{Display, from_fn};

use protocol::{Address, SessionId};
use url::Url;

use crate::application::Application;

/// Kind, service and platform of every application.
const SERVICE: &str = "_odf=cusd, _serviceId=456902, _platform=1";

/// A number was texted, and this application owns it.
pub(crate) fn found(application: &Application, url: &Url, endpoint: &Address) -> impl Display {
    let Application { name, id, settings, .. } = application;
    let (account, endpoint) = (&settings.account_id, digits(endpoint));
    from_fn(move |f| {
        write!(
            f,
            "#TROPO#: Found hostedCloudDnsApplicationInfo [_url={url}, _type=tropo-web, _account={account}, \
             _userName={name}, _appId={id}, {SERVICE}][endpoint={endpoint}]"
        )
    })
}

/// An application asked for a session. Tropo said so in these words when it was POSTed, too.
pub(crate) fn create() -> impl Display {
    "#TROPO#: HTTPDriver.doGet(): action = create"
}

/// A session begins.
pub(crate) fn starts(id: &SessionId, application: &Application, url: &Url) -> impl Display {
    let application = application.id;
    from_fn(move |f| {
        write!(f, "#TROPO#: ApplicationInstance[{url}, {application}] starts execution on Thread Tropo-Thread-{id}")
    })
}

/// A session has its engine; so many are in use.
pub(crate) fn acquired(id: &SessionId, engine: usize, active: usize) -> impl Display {
    engine_line(id, "acquired", engine, active)
}

/// A session has ended.
pub(crate) fn returned(id: &SessionId, engine: usize, active: usize) -> impl Display {
    engine_line(id, "returned", engine, active)
}

fn engine_line(id: &SessionId, what: &'static str, engine: usize, active: usize) -> impl Display {
    from_fn(move |f| {
        write!(
            f,
            "#TROPO#: Thread Tropo-Thread-{id} {what} engine com.tropo.rest.engine.TropoScriptEngine@{engine:x} of \
             type tropo-web, activeEngines = {active}"
        )
    })
}

/// A webhook is posted.
pub(crate) fn sending(id: &SessionId, url: &Url, body: &[u8]) -> impl Display {
    from_fn(move |f| {
        let body = String::from_utf8_lossy(body);
        write!(f, "#TROPO#: Sending TropoML Payload on Tropo-Thread-{id} [url={url}]: {body}")
    })
}

/// It was answered with a document, shown as the application wrote it.
pub(crate) fn received(id: &SessionId, body: &[u8]) -> impl Display {
    from_fn(move |f| {
        let body = String::from_utf8_lossy(body);
        write!(f, "#TROPO#: Received new TropoML document on Tropo-Thread-{id}: {body}")
    })
}

/// It was answered with no success.
pub(crate) fn refused(id: &SessionId, url: &Url, code: u16) -> impl Display {
    from_fn(move |f| write!(f, "#TROPO#: Received non-2XX status code on Tropo-Thread-{id} [url={url}, code={code}]"))
}

/// An answer met choices that none can fit, such as `[5 digits]`.
pub(crate) fn no_match() -> impl Display {
    "#TROPO#: ERROR_PARSING_NLSML_NOMATCH: Missing \"confidence\" attribute"
}

/// What Tropo had no known words for.
pub(crate) fn ours(what: impl Display) -> impl Display {
    from_fn(move |f| write!(f, "#SIMULATOR#: {what}"))
}

/// An address as Tropo's own wire has it: digits without `+`.
pub(crate) fn digits(address: &Address) -> &str {
    match address {
        Address::Phone(number) => number.digits(),
        Address::ShortCode(_) | Address::Name(_) | Address::Withheld => address.as_str(),
    }
}

/// Line breaks as the escapes that Tropo showed them as.
pub(crate) fn breaks_shown(text: &str) -> Cow<'_, str> {
    if text.contains(['\r', '\n']) {
        Cow::Owned(text.replace('\r', "\\r").replace('\n', "\\n"))
    } else {
        Cow::Borrowed(text)
    }
}
