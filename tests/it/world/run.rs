//! Runs woci as a child process: arguments and environment, output, exit status.

use super::World;
use crate::sim::sys;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// After this time a test fails instead of hanging. Longer than any wait of woci but that of an unanswered sign-in.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run that is not started yet. Its environment holds only HOME, PATH and BROWSER.
pub struct Woci<'w> {
    world: &'w World,
    command: Command,
    words: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    terminal: bool,
    screen: bool,
    columns: u16,
}

impl<'w> Woci<'w> {
    pub(super) fn new(world: &'w World, words: &[&str]) -> Woci<'w> {
        Woci::of(world, &woci_program(), words)
    }

    /// Another program in the same environment, for comparison.
    pub(super) fn of(world: &'w World, program: &Path, words: &[&str]) -> Woci<'w> {
        let mut command = Command::new(program);
        command.env_clear().current_dir(world.home());
        command.env("HOME", world.home());
        command.env("PATH", format!("{}:/usr/bin:/bin", world.path("bin").display()));
        command.env("BROWSER", "browser");
        command.env("SIM_BROWSER_OUT", world.path("browsers.jsonl"));
        // The most permissive umask: woci's files must not depend on a stricter one.
        sys::with_umask(&mut command, 0);
        sys::with_signals_of_a_terminal(&mut command);
        let words = words.iter().map(OsString::from).collect();
        Woci { world, command, words, stdin: None, terminal: false, screen: false, columns: 0 }
    }

    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    pub fn args(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(OsString::from));
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it as another user. Needs root.
    pub fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    /// Runs it with this group, after [`Self::user`].
    pub fn group(mut self, id: u32) -> Self {
        self.command.gid(id);
        self
    }

    /// Limits what the system gives it, by one of the `RLIMIT_` constants.
    pub fn limit(mut self, resource: sys::Resource, most: u64) -> Self {
        sys::with_limit(&mut self.command, resource, most);
        self
    }

    /// The behaviour of the simulated browser: see `sim::person::Habit`.
    pub fn browser(self, habits: &str) -> Self {
        self.env("SIM_BROWSER", habits)
    }

    pub fn directory(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Connects stdin and stderr to a terminal, on which `Running::types` types.
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// The width of the terminal; 0 leaves it unknown.
    pub fn columns(self, columns: u16) -> Self {
        Woci { columns, ..self }
    }

    /// Connects stdout to the terminal too: what is printed there is in `stderr`.
    pub fn screen(self) -> Self {
        Woci { screen: true, ..self.terminal() }
    }

    pub fn run(self) -> Run {
        self.start().finish()
    }

    pub fn start(mut self) -> Running<'w> {
        self.command.args(&self.words).stdout(Stdio::piped());
        let keyboard = if self.terminal {
            let (person, program) = sys::terminal(self.columns);
            if self.screen {
                self.command.stdout(program.try_clone().expect("a descriptor can be copied"));
            }
            self.command.stdin(program.try_clone().expect("a descriptor can be copied")).stderr(program);
            sys::with_own_terminal(&mut self.command);
            Some(person)
        } else {
            let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
            self.command.stdin(stdin).stderr(Stdio::piped());
            None
        };
        let mut child = spawn(&mut self.command);
        // The command holds a handle of the terminal. Until it is dropped, reading from the other end does not end.
        drop(self.command);
        let id = child.id();
        let out = match child.stdout.take() {
            Some(stdout) => Heard::listen(stdout),
            None => Heard::listen(std::io::empty()),
        };
        let err = match (&keyboard, child.stderr.take()) {
            (Some(person), _) => Heard::listen(person.try_clone().expect("a descriptor can be copied")),
            (None, stderr) => Heard::listen(stderr.expect("stderr is piped")),
        };
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin) {
            thread::spawn(move || pipe.write_all(&bytes));
        }
        let (tell, ended) = mpsc::channel();
        thread::spawn(move || tell.send(child.wait().expect("a child can be waited for")));
        Running { world: self.world, words: self.words, id, out, err, keyboard, ended }
    }
}

/// A test that has just written a program cannot start it while another test's child, forked at that moment and not yet
/// another program, still holds the file open for writing.
fn spawn(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(e) if e.kind() == ErrorKind::ExecutableFileBusy => thread::sleep(Duration::from_millis(5)),
            spawned => return spawned.expect("the program can be started"),
        }
    }
}

/// A started run.
pub struct Running<'w> {
    world: &'w World,
    words: Vec<OsString>,
    pub id: u32,
    out: Heard,
    err: Heard,
    keyboard: Option<File>,
    ended: Receiver<ExitStatus>,
}

impl Running<'_> {
    /// Waits until stderr, or the terminal, holds the text. Returns all of it so far.
    pub fn says(&self, text: &str) -> String {
        self.err.wait_for(text)
    }

    /// Waits until stderr, or the terminal, holds the text so many times.
    pub fn says_times(&self, text: &str, times: usize) {
        let said = self.err.wait_while(|all| all.matches(text).count() < times);
        assert!(said.matches(text).count() >= times, "ended without {text:?} {times} times: {said}");
    }

    /// Waits until stdout holds the text.
    pub fn prints(&self, text: &str) -> String {
        self.out.wait_for(text)
    }

    /// Waits for the authorization URL that a person would open by hand.
    pub fn auth_url(&self) -> String {
        self.says("Auth URL: ");
        let text = self.err.wait_while(|text| !after(text, "Auth URL: ").contains('\n'));
        after(&text, "Auth URL: ").lines().next().unwrap_or_default().trim_end().to_owned()
    }

    pub fn types(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().expect("only a terminal has a keyboard");
        keyboard.write_all(text.as_bytes()).expect("the terminal is open");
    }

    pub fn signal(&self, signal: i32) {
        sys::kill(self.id, signal);
    }

    pub fn is_running(&self) -> bool {
        Path::new(&format!("/proc/{}/stat", self.id)).exists()
    }

    pub fn finish(self) -> Run {
        let ended = self.ended.recv_timeout(PATIENCE);
        if ended.is_err() {
            sys::kill(self.id, libc::SIGKILL);
        }
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        let run = Run {
            words: words.join(" "),
            status: ended.unwrap_or(ExitStatus::from_raw(libc::SIGKILL)),
            stdout: self.out.to_the_end(),
            stderr: self.err.to_the_end(),
        };
        assert!(ended.is_ok(), "{run}\ndid not end within {PATIENCE:?}");
        assert!(!run.stderr.contains("panicked"), "{run}\npanicked");
        assert_ne!(run.code(), 101, "{run}");
        self.world.keep(run.clone());
        run
    }
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or("", |(_, rest)| rest)
}

/// The output of a pipe or terminal, read by a thread.
struct Heard(Arc<(Mutex<Sound>, Condvar)>);

#[derive(Default)]
struct Sound {
    bytes: Vec<u8>,
    ended: bool,
}

impl Sound {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Heard {
    fn listen(mut pipe: impl Read + Send + 'static) -> Heard {
        let heard = Heard(Arc::default());
        let shared = Arc::clone(&heard.0);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                // After the program has ended, reading its terminal fails with EIO.
                let read = pipe.read(&mut chunk).unwrap_or_default();
                let mut sound = shared.0.lock().expect("no thread panics while it listens");
                sound.bytes.extend_from_slice(&chunk[..read]);
                sound.ended = read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        heard
    }

    fn wait_while(&self, more: impl Fn(&str) -> bool) -> String {
        let (mutex, changed) = &*self.0;
        let sound = mutex.lock().expect("no thread panics while it listens");
        let wait = |sound: &mut Sound| !sound.ended && more(&sound.text());
        let waited = changed.wait_timeout_while(sound, PATIENCE, wait);
        let (sound, timeout) = waited.expect("no thread panics while it listens");
        assert!(!timeout.timed_out(), "still waiting after: {}", sound.text());
        sound.text()
    }

    fn wait_for(&self, wanted: &str) -> String {
        let text = self.wait_while(|text| !text.contains(wanted));
        assert!(text.contains(wanted), "ended without {wanted:?}: {text}");
        text
    }

    /// Fails if another process holds the pipe open after woci has ended, since `x=$(woci …)` would hang then.
    fn to_the_end(&self) -> String {
        self.wait_while(|_| true)
    }
}

/// A finished run.
#[derive(Clone)]
pub struct Run {
    words: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The exit code as a shell reports it: 128 plus the signal's number for a killed process.
    pub fn code(&self) -> i32 {
        self.status.code().or(self.status.signal().map(|signal| 128 + signal)).expect("a code or a signal")
    }

    pub fn ok(self) -> Run {
        self.exits(0)
    }

    pub fn exits(self, code: i32) -> Run {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// Checks that woci itself failed: this exit code, one line that begins with `woci: `, nothing on stdout.
    pub fn fails(self, code: i32) -> Run {
        let run = self.exits(code);
        let last = run.stderr.lines().next_back().unwrap_or_default();
        assert!(last.starts_with("woci: "), "{run}\nthe last line does not begin with `woci: `");
        assert_eq!(run.stdout, "", "{run}");
        run
    }

    pub fn says(self, text: &str) -> Run {
        assert!(self.stderr.contains(text), "{self}\ndoes not say {text:?}");
        self
    }

    pub fn prints(self, text: &str) -> Run {
        assert!(self.stdout.contains(text), "{self}\ndoes not print {text:?}");
        self
    }

    /// Checks that stderr is empty.
    pub fn silent(self) -> Run {
        assert_eq!(self.stderr, "", "{self}");
        self
    }

    /// stdout as JSON. Fails if it holds anything else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{self}\nstdout is not JSON: {why}"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { words, status, stdout, stderr } = self;
        write!(f, "woci {words}\n{status}\n--- stdout ---\n{stdout}\n--- stderr ---\n{stderr}\n---")
    }
}

/// The binary to test. `WOCI_BIN` names another one, such as the release build or the static build.
pub fn woci_program() -> PathBuf {
    std::env::var_os("WOCI_BIN").map_or(env!("CARGO_BIN_EXE_woci").into(), PathBuf::from)
}
