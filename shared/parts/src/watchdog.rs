//! What cleans up behind a process, however it ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A shell that waits until its owner is gone, and then runs a script.
///
/// It waits for the end of a pipe that the owner holds, so it acts when the owner is dropped, when its process ends,
/// and when that is killed with a signal that cannot be caught. It leads a process group of its own, so that
/// what ends the owner's group does not end it.
#[derive(Debug)]
pub struct Watchdog(Child);

impl Watchdog {
    /// Will run `script` with `sh`; there `$1`, `$2` … are `arguments`.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn start(script: &str, arguments: &[&str]) -> io::Result<Self> {
        // `cat` ends when the last writer of the pipe is gone; the pipe closes in every other child on exec.
        Command::new("sh")
            .args(["-c", &format!("cat >/dev/null\n{script}"), "watchdog"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
    }

    /// Ends it; the script is not run.
    pub fn dismiss(mut self) {
        // Its shell is killed before the pipe closes; there is nobody to tell if that fails.
        let _ = self.0.kill();
    }
}

/// Lets it run the script, and waits for the end of that.
impl Drop for Watchdog {
    fn drop(&mut self) {
        // `wait` closes the pipe first. There is nobody to tell if it fails.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_when_the_owner_goes_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("done");
        let watchdog = Watchdog::start("echo \"$2\" > \"$1\"", &[file.to_str().unwrap(), "gone"]).unwrap();
        assert!(!file.exists());
        drop(watchdog);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "gone\n");
    }
}
