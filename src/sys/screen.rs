//! A terminal for unit tests, on which a shell runs one test of this test program.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::done;

/// After this time a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Set for the test that runs on the terminal.
const VARIABLE: &str = "WOCI_TEST_SCREEN";

pub struct Screen {
    person: File,
    shell: Child,
    shown: Receiver<Vec<u8>>,
    /// All that the terminal has shown, and where the next search begins.
    said: String,
    seen: usize,
}

impl Screen {
    /// Whether this process is the one on the terminal. A test that is made for it does nothing elsewhere.
    #[expect(clippy::disallowed_methods, reason = "a test's own variable")]
    pub fn runs_this_test() -> bool {
        std::env::var_os(VARIABLE).is_some()
    }

    /// Runs the test. Then says how the test ended, the terminal's settings, and what a
    /// program that is run next reads.
    pub fn of_test(name: &str) -> Self {
        Self::of_shell(
            r#"trap : INT; "$@"; echo "ended $?" >&2; stty -a >&2; stty -icanon -echo min 0 time 2; cat >&2"#,
            name,
        )
    }

    fn of_shell(script: &str, name: &str) -> Self {
        let mut shell = Command::new("bash");
        shell.args(["-c", script, "bash"]).arg(std::env::current_exe().unwrap());
        shell.args([name, "--exact", "--nocapture"]).env(VARIABLE, "1").stdout(Stdio::null());
        let person = give_terminal(&mut shell).unwrap();
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

/// Makes a new terminal the command's own: its stdin, its stderr and /dev/tty. Returns the side where a person reads
/// and types.
fn give_terminal(command: &mut Command) -> io::Result<File> {
    let (mut person, mut program) = (-1, -1);
    // SAFETY: both pointers are to living integers and the others may be null; the new descriptors are this process's
    // own; setsid and ioctl are safe after a fork.
    let (person, program) = unsafe {
        done(libc::openpty(&mut person, &mut program, ptr::null_mut(), ptr::null_mut(), ptr::null_mut()))?;
        libc::fcntl(person, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(program, libc::F_SETFD, libc::FD_CLOEXEC);
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY as _, 0);
            Ok(())
        });
        (File::from_raw_fd(person), File::from_raw_fd(program))
    };
    command.stdin(program.try_clone()?).stderr(program);
    Ok(person)
}
