//! A terminal of a test's own, on which a shell runs one test of this test program.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::sys;

/// After this time a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Screen {
    person: File,
    shell: Child,
    shown: Receiver<Vec<u8>>,
    /// All that the terminal has shown, and where the next search begins.
    said: String,
    seen: usize,
}

impl Screen {
    /// Runs the test with WOCI_TEST_SCREEN set. Then says how the test ended, the terminal's settings, and what a
    /// program that is run next reads.
    pub fn of_test(name: &str) -> Self {
        Self::of_shell(
            r#"trap : INT; "$@"; echo "ended $?" >&2; stty -a >&2; stty -icanon -echo min 0 time 2; cat >&2"#,
            name,
        )
    }

    /// Runs the test as a job of the shell, which brings the job to the foreground again when it has stopped.
    pub fn of_job(name: &str) -> Self {
        Self::of_shell(r#"set -m; "$@"; echo continued >&2; fg"#, name)
    }

    fn of_shell(script: &str, name: &str) -> Self {
        let mut shell = Command::new("bash");
        shell.args(["-c", script, "bash"]).arg(std::env::current_exe().unwrap());
        shell.args([name, "--exact", "--nocapture"]).env("WOCI_TEST_SCREEN", "1").stdout(Stdio::null());
        let person = sys::give_terminal(&mut shell).unwrap();
        let child = shell.spawn().unwrap();
        // The command holds a handle of the terminal. Until it is dropped, reading from the other end does not end.
        drop(shell);
        let (show, shown) = mpsc::channel();
        let mut reader = person.try_clone().unwrap();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // After the shell has ended, reading fails with EIO.
            while let Ok(length @ 1..) = reader.read(&mut piece) {
                let _ = show.send(piece[..length].to_vec());
            }
        });
        Self { person, shell: child, shown, said: String::new(), seen: 0 }
    }

    /// Waits until the terminal shows the text, after what was waited for before. Returns what follows the text.
    pub fn says(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.said[self.seen..].find(text) {
                self.seen += at + text.len();
                return self.said[self.seen..].to_owned();
            }
            let piece = self.shown.recv_timeout(PATIENCE);
            let piece = piece.unwrap_or_else(|e| panic!("{e} without {text:?}: {}", self.said));
            self.said.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// Waits for the rest of the line.
    pub fn line(&mut self) -> String {
        let start = self.seen;
        self.says("\n");
        self.said[start..self.seen].trim_end().to_owned()
    }

    /// Types without waiting for the program to read.
    pub fn types(&mut self, bytes: &[u8]) {
        let (mut person, bytes) = (self.person.try_clone().unwrap(), bytes.to_vec());
        thread::spawn(move || person.write_all(&bytes));
    }

    /// Waits for the end of the shell. Returns all that the terminal has shown.
    pub fn end(mut self) -> String {
        while let Ok(piece) = self.shown.recv_timeout(PATIENCE) {
            self.said.push_str(&String::from_utf8_lossy(&piece));
        }
        self.shell.wait().unwrap();
        self.said
    }
}
