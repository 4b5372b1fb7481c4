//! A headless Chromium that tests can look through, driven over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::part::PartError;
use crate::watchdog::Watchdog;

/// Debian's.
const PROGRAM: &str = "/usr/bin/chromium";
const NAME: &str = "chromium";

/// The longest wait for one answer of the browser; the first one waits for its start.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// It asks nobody anything by itself, and keeps nothing.
const ARGUMENTS: [&str; 16] = [
    "--headless=new",
    // Tests run as root in containers, where its sandbox cannot work; it loads pages of this machine alone.
    "--no-sandbox",
    "--disable-gpu",
    // As on a phone and on many a desk: they lie over the page, and take no width from it.
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-proxy-server",
    // What is pressed before the first picture is not dropped.
    "--allow-pre-commit-input",
    "--remote-debugging-pipe",
];

/// A browser that runs as a child of this process, with an empty profile. Dropping it ends it and removes that.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    last_id: u64,
    /// What the pages complained of, by the session of their tab.
    complaints: Vec<(String, String)>,
    /// Kills the browser with all its processes, and removes the profile.
    watchdog: Option<Watchdog>,
}

/// A page of the browser.
#[derive(Debug)]
pub struct Tab<'a> {
    browser: &'a mut Chromium,
    session: String,
}

impl Chromium {
    /// Starts a browser; takes about a second.
    ///
    /// # Errors
    /// [`PartError::Missing`] says what to install; the others why it did not start.
    pub fn start() -> Result<Self, PartError> {
        if !Path::new(PROGRAM).exists() {
            return Err(PartError::Missing { part: "Chromium", package: "chromium" });
        }
        let profile = tempfile::Builder::new()
            .prefix("tropomq-chromium-")
            .tempdir()
            .map_err(PartError::io("create a folder"))?
            .keep();
        // It reads requests from file 3 and writes answers to file 4, each ended by a NUL: here its standard input and
        // output. When these close, because this process is gone, it ends by itself.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, PROGRAM])
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .current_dir(&profile)
            .env("HOME", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(PartError::io("start Chromium"))?;
        let ended = "kill -s KILL -- \"-$1\"\n\
                     for attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$2\" && break; sleep 0.2; done";
        let watchdog = Watchdog::start(ended, &[&child.id().to_string(), &profile.to_string_lossy()])
            .map_err(PartError::io("start the watchdog of Chromium"))?;
        let (Some(requests), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(not_started("it has no pipes"));
        };
        let (sender, answers) = channel();
        // Ends with the browser, or with whoever listens.
        thread::spawn(move || {
            let messages = BufReader::new(output).split(0).map_while(Result::ok);
            for message in messages.filter_map(|message| serde_json::from_slice(&message).ok()) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let complaints = Vec::new();
        let mut browser = Self { child, requests, answers, last_id: 0, complaints, watchdog: Some(watchdog) };
        browser.ask("Browser.getVersion", &json!({}), None)?;
        Ok(browser)
    }

    /// Opens a page and waits until it is loaded and drawn. Its window has so many pixels.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn open(&mut self, url: &str, size: (u32, u32)) -> Result<Tab<'_>, PartError> {
        let (width, height) = size;
        let target = self.ask("Target.createTarget", &json!({"url": "about:blank"}), None)?;
        let attach = json!({"targetId": target.get("targetId"), "flatten": true});
        let attached = self.ask("Target.attachToTarget", &attach, None)?;
        let session = attached.get("sessionId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", &metrics, Some(&session))?;
        for domain in ["Runtime.enable", "Log.enable"] {
            self.ask(domain, &json!({}), Some(&session))?;
        }
        let navigated = self.ask("Page.navigate", &json!({"url": url}), Some(&session))?;
        if let Some(error) = navigated.get("errorText").and_then(Value::as_str) {
            return Err(PartError::Refused { request: format!("load {url}"), answer: error.to_owned() });
        }
        let mut tab = Tab { browser: self, session };
        // The page before, which is blank, is complete as well.
        tab.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'", ANSWER_MAX)?;
        // The first picture that is asked for may be the one in hand: the next one shows the page.
        tab.wait_for(
            "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))",
            ANSWER_MAX,
        )?;
        Ok(tab)
    }

    /// Sends a request and waits for its answer; of what else the browser has to tell, the complaints
    /// of pages are kept.
    fn ask(&mut self, method: &str, parameters: &Value, session: Option<&str>) -> Result<Value, PartError> {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method, "params": parameters});
        if let (Some(session), Some(request)) = (session, request.as_object_mut()) {
            request.insert("sessionId".to_owned(), session.into());
        }
        let mut message = request.to_string().into_bytes();
        message.push(0);
        self.requests.write_all(&message).map_err(PartError::io(format!("ask Chromium for {method}")))?;
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut answer = match self.answers.recv_timeout(left) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout) => return Err(not_started(&format!("no answer to {method} in time"))),
                Err(RecvTimeoutError::Disconnected) => return Err(not_started(&format!("it ended at {method}"))),
            };
            if answer.get("id").and_then(Value::as_u64) != Some(self.last_id) {
                self.complaints.extend(complaint(&answer));
                continue;
            }
            if let Some(error) = answer.get("error") {
                return Err(PartError::Refused { request: method.to_owned(), answer: error.to_string() });
            }
            return Ok(answer.get_mut("result").map(Value::take).unwrap_or_default());
        }
    }
}

impl Tab<'_> {
    /// The value of an expression in the page, as JSON.
    ///
    /// # Errors
    /// What the expression throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, PartError> {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.browser.ask("Runtime.evaluate", &parameters, Some(&self.session))?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            return Err(PartError::Refused { request: expression.to_owned(), answer: thrown.to_string() });
        }
        Ok(answer.pointer_mut("/result/value").map(Value::take).unwrap_or_default())
    }

    /// Waits until the page is loaded and an expression is true in it. So its modules have run, and what is pressed next is
    /// theirs to handle.
    ///
    /// # Errors
    /// When it does not become so in time; the error has the text of the page.
    pub fn wait_for(&mut self, expression: &str, deadline: Duration) -> Result<(), PartError> {
        let mut failed = None;
        let loaded = format!("document.readyState === 'complete' && ({expression})");
        let holds = crate::holds_within(deadline, || match self.evaluate(&loaded) {
            Ok(value) => value == true,
            // A page that is being loaded has no expressions for a moment.
            Err(PartError::Refused { .. }) => false,
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        match failed {
            Some(error) => Err(error),
            None if holds => Ok(()),
            None => {
                let page = self.evaluate("document.documentElement.outerHTML")?;
                let answer = format!("not in time; the page is {}", page.as_str().unwrap_or_default());
                Err(PartError::Refused { request: expression.to_owned(), answer })
            }
        }
    }

    /// Writes into what has the focus, as the keyboard does.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn write(&mut self, text: &str) -> Result<(), PartError> {
        self.browser.ask("Input.insertText", &json!({"text": text}), Some(&self.session)).map(drop)
    }

    /// Clicks the first element that a selector finds, in its middle; it is scrolled to before.
    ///
    /// # Errors
    /// When nothing is found, or the browser refuses.
    pub fn click(&mut self, selector: &str) -> Result<(), PartError> {
        let middle = format!(
            "(() => {{ const found = document.querySelector({}); \
             found.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const {{ x, y, width, height }} = found.getBoundingClientRect(); \
             return [x + width / 2, y + height / 2]; }})()",
            Value::from(selector)
        );
        let middle = self.evaluate(&middle)?;
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": middle.get(0), "y": middle.get(1), "button": "left", "clickCount": 1});
            self.browser.ask("Input.dispatchMouseEvent", &event, Some(&self.session))?;
        }
        Ok(())
    }

    /// Presses a key, such as `Enter` or `Tab`, and lets it go.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn press(&mut self, key: &str) -> Result<(), PartError> {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            " " => (32, " "),
            "Escape" => (27, ""),
            "ArrowDown" => (40, ""),
            "ArrowUp" => (38, ""),
            _ => (0, ""),
        };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.browser.ask("Input.dispatchKeyEvent", &event, Some(&self.session))?;
        }
        Ok(())
    }

    /// What the page has complained of since this was asked last: errors of its scripts, of what it wrote to the console as
    /// an error, and of what it could not load.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn complaints(&mut self) -> Result<Vec<String>, PartError> {
        // What was told before the answer to this is there now.
        self.evaluate("0")?;
        let (own, others) = self.browser.complaints.drain(..).partition(|(session, _)| *session == self.session);
        self.browser.complaints = others;
        let own: Vec<(String, String)> = own;
        Ok(own.into_iter().map(|(_, complaint)| complaint).collect())
    }

    /// A picture of the whole page, as PNG.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn picture(&mut self) -> Result<Vec<u8>, PartError> {
        let metrics = self.browser.ask("Page.getLayoutMetrics", &json!({}), Some(&self.session))?;
        let length = |side: &str| metrics.pointer(&format!("/cssContentSize/{side}")).cloned().unwrap_or_default();
        let clip = json!({"x": 0, "y": 0, "width": length("width"), "height": length("height"), "scale": 1});
        let asked = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let taken = self.browser.ask("Page.captureScreenshot", &asked, Some(&self.session))?;
        let data = taken.get("data").and_then(Value::as_str).unwrap_or_default();
        let refused = |error: base64::DecodeError| PartError::Refused {
            request: "Page.captureScreenshot".to_owned(),
            answer: error.to_string(),
        };
        BASE64_STANDARD.decode(data).map_err(refused)
    }

    /// Whether the reader has asked for a dark page.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn prefer_dark(&mut self, is_dark: bool) -> Result<(), PartError> {
        let value = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.browser.ask("Emulation.setEmulatedMedia", &media, Some(&self.session)).map(drop)
    }
}

/// What a page complains of, with the session of its tab.
fn complaint(told: &Value) -> Option<(String, String)> {
    let at = |pointer: &str| told.pointer(pointer).and_then(Value::as_str);
    let words = match at("/method")? {
        "Runtime.exceptionThrown" => told.pointer("/params/exceptionDetails")?.to_string(),
        "Runtime.consoleAPICalled" if at("/params/type") == Some("error") => told.pointer("/params/args")?.to_string(),
        "Log.entryAdded" if at("/params/entry/level") == Some("error") => told.pointer("/params/entry")?.to_string(),
        _ => return None,
    };
    Some((at("/sessionId")?.to_owned(), words))
}

fn not_started(output: &str) -> PartError {
    PartError::NotStarted { part: NAME, output: output.to_owned() }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.watchdog.take());
        // The watchdog has killed it; this takes its exit status, so that no zombie is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs the browser; whoever lacks it is told what to install.
    #[test]
    fn a_browser_shows_a_page_takes_what_is_written_and_goes_with_its_owner() {
        let mut browser = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
        let pid = browser.child.id();
        let url = "data:text/html,<title>x</title><input autofocus onkeydown=\"document.title=event.key\">\
                   <p style=\"height: 900px\"></p><button onclick=\"this.textContent='clicked'\">click</button>";
        let mut tab = browser.open(url, (400, 300)).unwrap();
        assert_eq!(tab.evaluate("[document.title, innerWidth]").unwrap(), json!(["x", 400]));
        tab.wait_for("document.activeElement.tagName === 'INPUT'", ANSWER_MAX).unwrap();
        tab.write("é 🐘").unwrap();
        tab.press("Enter").unwrap();
        tab.wait_for("document.title === 'Enter'", ANSWER_MAX).unwrap();
        assert_eq!(tab.evaluate("document.querySelector('input').value").unwrap(), "é 🐘");
        tab.click("button").unwrap();
        assert_eq!(tab.evaluate("document.querySelector('button').textContent").unwrap(), "clicked");
        assert!(matches!(tab.click("nothing"), Err(PartError::Refused { .. })));
        assert!(matches!(tab.evaluate("nothing.at.all"), Err(PartError::Refused { .. })));
        assert_eq!(tab.complaints().unwrap(), Vec::<String>::new());
        tab.evaluate("console.error('too', 'bad'); setTimeout(() => { throw new Error('late') }); 0").unwrap();
        tab.wait_for("new Promise((done) => setTimeout(() => done(true), 20))", ANSWER_MAX).unwrap();
        let complaints = tab.complaints().unwrap();
        assert!(complaints.len() == 2 && complaints.concat().contains("late"), "{complaints:?}");
        assert_eq!(tab.complaints().unwrap(), Vec::<String>::new());
        assert!(tab.picture().unwrap().starts_with(b"\x89PNG"));
        let error = tab.wait_for("document.title === 'y'", Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("<title>Enter</title>"), "{error}");
        drop(browser);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it runs on");
    }

    #[test]
    fn a_page_that_cannot_be_loaded_is_told() {
        let mut browser = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
        // A port that was just free, and that nobody listens on.
        let url = format!("http://127.0.0.1:{}/", crate::free_port().unwrap());
        let error = browser.open(&url, (400, 300)).unwrap_err().to_string();
        assert!(error.contains("ERR_CONNECTION_REFUSED"), "{error}");
    }
}
