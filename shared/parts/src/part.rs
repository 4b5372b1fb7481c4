//! A server that runs as a child of this process, in a folder.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::usage::Usage;
use crate::watchdog::Watchdog;

/// How much of a server's own output an error quotes, in bytes.
const TAIL: usize = 2000;

/// Why a part is not to be had, or does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// It is not installed.
    #[error("{part} is not installed: run `apt-get install -y {package}`")]
    Missing {
        /// What was to be started.
        part: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// It ended while it started, or was not ready in time.
    #[error("{part} did not start; it said last:\n{output}")]
    NotStarted {
        /// What was to be started.
        part: &'static str,
        /// The end of its output.
        output: String,
    },
    /// It answered, and refused.
    #[error("{request} was refused: {answer}")]
    Refused {
        /// What was asked.
        request: String,
        /// What came back.
        answer: String,
    },
    /// The operating system refused, or no answer came.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why that failed.
        #[source]
        source: io::Error,
    },
}

impl PartError {
    /// For `map_err`: what was being done when the operating system refused.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// A server as a child: its folder, its process if it runs, and the watchdog that ends it.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    folder: PathBuf,
    child: Option<Child>,
    /// Kills what the file `<name>.pids` lists, and then cleans up.
    watchdog: Option<Watchdog>,
}

impl Part {
    /// A part with a folder but no process yet. `afterwards` is a line of shell that ends what the server left.
    pub(crate) fn new(name: &'static str, afterwards: &str) -> Result<Self, PartError> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("tropomq-{name}-"))
            .tempdir()
            .map_err(PartError::io("create a folder"))?
            .keep();
        let removal =
            format!("{afterwards}\nfor attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$1\" && break; sleep 0.2; done");
        Self::watched(name, folder, &removal)
    }

    /// A part in a folder that stays, and may be that of other parts too, of other names. No process runs yet.
    ///
    /// # Errors
    /// When its watchdog cannot be started.
    pub fn in_folder(name: &'static str, folder: PathBuf) -> Result<Self, PartError> {
        Self::watched(name, folder, "rm -f \"$1/$2.pids\"")
    }

    fn watched(name: &'static str, folder: PathBuf, afterwards: &str) -> Result<Self, PartError> {
        let script = format!("[ -s \"$1/$2.pids\" ] && kill -KILL $(cat \"$1/$2.pids\")\n{afterwards}");
        let watchdog = Watchdog::start(&script, &[&folder.to_string_lossy(), name])
            .map_err(PartError::io("start the watchdog of a part"))?;
        Ok(Self { name, folder, child: None, watchdog: Some(watchdog) })
    }

    /// What it was named.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, PartError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(PartError::io(format!("write {name}")))?;
        Ok(path)
    }

    /// Starts the server, which must not run. Its output goes to the file `<name>.log` in the folder, behind that of an
    /// earlier start.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn launch(&mut self, mut command: Command) -> Result<(), PartError> {
        let doing = || PartError::io(format!("start {}", self.name));
        let output = File::options().create(true).append(true).open(self.output_file()).map_err(doing())?;
        // A group of its own, so that an interrupt from the keyboard comes to its owner and not to the server.
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(doing())?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .map_err(doing())?;
        self.child = Some(child);
        self.note_pids(&[])
    }

    /// Waits until `ready`, as long as the server runs.
    ///
    /// # Errors
    /// [`PartError::NotStarted`] when it ended, or the deadline passed.
    pub fn wait_ready(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) -> Result<(), PartError> {
        let mut running = true;
        let done = crate::holds_within(deadline, || {
            running = self.is_running();
            !running || ready()
        });
        if done && running {
            return Ok(());
        }
        Err(PartError::NotStarted { part: self.name, output: self.output_tail() })
    }

    /// The pid of the server, if it was started and not killed since.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What its processes use; nothing where none runs.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.pid().map(Usage::of_tree).unwrap_or_default()
    }

    /// Whether its process is there. One that has ended by itself is not.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends the server at once, as a power cut would, with all its processes. Nothing happens where none runs.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&mut self) -> Result<(), PartError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let mut pids = vec![child.id()];
        // Stopped first, so that it starts no further process between the look and the kill.
        signal("STOP", &pids)?;
        pids.extend(children(child.id()));
        signal("KILL", &pids)?;
        child.wait().map_err(PartError::io(format!("wait for the end of {}", self.name)))?;
        self.note_pids(&[])
    }

    /// Asks the server to stop (`SIGTERM`), and waits for its end; what has not ended within the deadline is killed.
    /// Returns whether it ended by itself with exit code 0.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&mut self, deadline: Duration) -> Result<bool, PartError> {
        let Some(child) = &mut self.child else { return Ok(false) };
        signal("TERM", &[child.id()])?;
        let mut status = None;
        crate::holds_within(deadline, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        if let Some(status) = status {
            self.child = None;
            self.note_pids(&[])?;
            return Ok(status.success());
        }
        self.kill().map(|()| false)
    }

    /// Freezes the server with all its processes: connections stay open, and nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn pause(&self) -> Result<(), PartError> {
        let Some(child) = &self.child else { return Ok(()) };
        signal("STOP", &[child.id()])?;
        let children = children(child.id());
        self.note_pids(&children)?;
        if children.is_empty() { Ok(()) } else { signal("STOP", &children) }
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&self) -> Result<(), PartError> {
        let Some(child) = &self.child else { return Ok(()) };
        let mut pids = children(child.id());
        pids.push(child.id());
        signal("CONT", &pids)?;
        self.note_pids(&[])
    }

    /// Tells the watchdog whom to kill.
    fn note_pids(&self, children: &[u32]) -> Result<(), PartError> {
        let mut text = String::new();
        for pid in self.child.iter().map(Child::id).chain(children.iter().copied()) {
            let _ = writeln!(text, "{pid}");
        }
        self.write(&format!("{}.pids", self.name), &text).map(drop)
    }

    /// The file with what it printed.
    #[must_use]
    pub fn output_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// The end of what it printed.
    #[must_use]
    pub fn output_tail(&self) -> String {
        let output = fs::read(self.output_file()).unwrap_or_default();
        let tail = output.get(output.len().saturating_sub(TAIL)..).unwrap_or_default();
        String::from_utf8_lossy(tail).into_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.watchdog.take());
        if let Some(mut child) = self.child.take() {
            // The watchdog has killed it; this takes its exit status, so that no zombie is left.
            let _ = child.wait();
        }
    }
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String, PartError> {
    let request = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(PartError::io(format!("run {request}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let code = output.status.code().or(output.status.signal()).unwrap_or_default();
    let answer = format!("{code}, {}{}", lossy(&output.stdout), lossy(&output.stderr));
    Err(PartError::Refused { request, answer })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn signal(name: &str, pids: &[u32]) -> Result<(), PartError> {
    let sent = run(Command::new("kill").arg(format!("-{name}")).args(pids.iter().map(u32::to_string)));
    match sent {
        // A child that has ended meanwhile needs no signal; the server itself is unreaped, so it is always there.
        Err(PartError::Refused { answer, .. }) if answer.contains("No such process") => Ok(()),
        sent => sent.map(drop),
    }
}

/// The processes whose parent is `pid`. A server's processes need not be in its group: PostgreSQL's are not.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child: &u32| parent(*child) == Some(pid))
        .collect()
}

/// The parent of a process: the second field after its name, which is in brackets and may hold anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// A part that says when it can be asked to stop.
    fn started(folder: &Path, script: &str) -> Part {
        let mut part = Part::in_folder("shell", folder.to_owned()).unwrap();
        part.launch(shell(script)).unwrap();
        let log = part.output_file();
        part.wait_ready(DEADLINE, || fs::read_to_string(&log).is_ok_and(|said| said.ends_with("ready\n"))).unwrap();
        part
    }

    #[test]
    fn a_part_that_is_asked_to_stop_ends_by_itself_or_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let ends_with = |code: u8| format!("trap 'exit {code}' TERM; echo ready; while :; do sleep 0.01; done");
        assert!(started(folder.path(), &ends_with(0)).terminate(DEADLINE).unwrap());
        assert!(!started(folder.path(), &ends_with(3)).terminate(DEADLINE).unwrap());
        let mut deaf = started(folder.path(), "trap '' TERM; echo ready; while :; do sleep 0.01; done");
        assert!(!deaf.terminate(Duration::from_millis(100)).unwrap());
        assert!(!deaf.is_running());
        assert!(!deaf.terminate(DEADLINE).unwrap(), "nothing runs");
    }

    #[test]
    fn a_part_in_a_folder_goes_with_its_owner_and_leaves_the_folder_and_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = started(folder.path(), "echo ready; exec sleep 600");
        assert!(part.is_running());
        let pid = part.pid().unwrap();
        drop(part);
        assert_eq!(parent(pid), None, "it runs on");
        assert!(folder.path().join("shell.log").exists() && !folder.path().join("shell.pids").exists());
    }
}
