//! A temporary home with a simulator, in which tests run woci. When a World is dropped, it checks that the stored
//! refresh token is valid, that no temporary files or public modes are left, and that no output holds a secret.

mod canary;
pub mod run;
pub mod session;

use canary::Canaries;
use run::{Run, Woci};
use session::Session;

use crate::sim::faults::Grant;
use crate::sim::ledger::Standing;
use crate::sim::simulator::Sim;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

pub struct World {
    pub sim: Sim,
    home: PathBuf,
    redirect_port: u16,
    runs: RefCell<Vec<Run>>,
    secrets: RefCell<Vec<String>>,
    loses_refresh_token: Cell<bool>,
}

impl World {
    /// A World without a session. `[DEFAULT]` of the manager config is set up for the simulator.
    pub fn new() -> World {
        static WORLDS: AtomicU16 = AtomicU16::new(0);
        // Before the first child, so that all have the same limits. The usual soft limit, 1024, is that of all tests
        // together, and one of them opens 600 connections.
        static MANY: Once = Once::new();
        MANY.call_once(crate::sim::sys::allow_many_descriptors);
        let serial = WORLDS.fetch_add(1, Ordering::SeqCst);
        let home = std::env::temp_dir().join(format!("woci-it-{}-{serial}", process::id()));
        let world = World {
            sim: Sim::start(),
            home,
            redirect_port: free_port(),
            runs: RefCell::default(),
            secrets: RefCell::default(),
            loses_refresh_token: Cell::default(),
        };
        make_private(&world.home);
        make_private(&world.path("bin"));
        make_private(&world.path(".oci"));
        for (name, program) in
            [("oci", sim_program()), ("browser", sim_program()), ("woci", run::woci_program())]
        {
            symlink(program, world.path("bin").join(name)).expect("a new folder takes a link");
        }
        world.manager(&[("DEFAULT", &world.settings())]);
        world
    }

    /// A World with a session of `[DEFAULT]` whose UPST is valid for an hour. No browser was involved.
    pub fn signed_in() -> World {
        let world = World::new();
        world.session().seed(3600);
        world
    }

    /// A World without a session, whose `[DEFAULT]` is set up for a console session.
    pub fn console() -> World {
        let world = World::new();
        world.manager(&[("DEFAULT", &world.console_settings())]);
        world
    }

    /// The keys of a section for a console session of this World's simulator.
    pub fn console_settings(&self) -> Vec<(String, String)> {
        let mut settings = self.sim.console_section();
        settings.push(("redirect_port".into(), self.redirect_port.to_string()));
        settings
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Puts copies in place of the links to `woci`, `oci` and `browser`, for another user: the folder that holds the
    /// programs may be one that only root can enter. Another process copies, so that no child of another test inherits
    /// a program that is open for writing.
    pub fn copy_programs(&self) {
        for name in ["woci", "oci", "browser"] {
            let link = self.path("bin").join(name);
            let program = fs::canonicalize(&link).expect("a World's programs are there");
            fs::remove_file(&link).expect("it is a link of ours");
            let copied = Command::new("cp").arg(program).arg(&link).status().expect("there is cp");
            assert!(copied.success(), "cp failed");
        }
    }

    /// A path inside the home.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.home.join(relative)
    }

    /// Writes a file, a new one with mode 0600.
    pub fn write(&self, relative: &str, text: impl AsRef<[u8]>) {
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path(relative));
        file.and_then(|mut file| file.write_all(text.as_ref())).expect("a World's home is writable");
    }

    pub fn read(&self, relative: &str) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// The keys of a section for this World's simulator, with a callback port of its own.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = self.sim.manager_section();
        settings.push(("redirect_port".into(), self.redirect_port.to_string()));
        settings
    }

    /// The same with some keys changed, or removed if the value is `None`.
    pub fn settings_with(&self, changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let mut settings = self.settings();
        for (key, value) in changes {
            settings.retain(|(known, _)| known != key);
            settings.extend(value.map(|value| ((*key).to_owned(), value.to_owned())));
        }
        settings
    }

    /// Writes `~/.oci/woci_manager.ini`.
    pub fn manager(&self, sections: &[(&str, &[(String, String)])]) {
        let mut text = String::new();
        for (name, settings) in sections {
            text += &format!("[{name}]\n");
            for (key, value) in *settings {
                text += &format!("{key} = {value}\n");
            }
        }
        self.write(".oci/woci_manager.ini", text);
    }

    pub fn redirect_port(&self) -> u16 {
        self.redirect_port
    }

    /// The session of the default profile.
    pub fn session(&self) -> Session<'_> {
        self.session_of("DEFAULT")
    }

    pub fn session_of(&self, profile: &str) -> Session<'_> {
        Session::new(self, profile)
    }

    /// woci with these arguments, to be run in this home.
    pub fn woci(&self, words: &[&str]) -> Woci<'_> {
        Woci::new(self, words)
    }

    /// Another program, run in the same way as woci: shows what the program receives without woci.
    pub fn program(&self, path: &Path, words: &[&str]) -> Woci<'_> {
        Woci::of(self, path, words)
    }

    /// A shell command with `woci` on PATH.
    pub fn shell(&self, line: &str) -> Woci<'_> {
        Woci::of(self, Path::new("/bin/sh"), &["-c", line])
    }

    /// The number of requests for the sign-in page.
    pub fn sign_ins(&self) -> usize {
        self.sim.count(Grant::Authorize)
    }

    /// Waits until this number of browsers have ended, and returns what each saw: `{"opened": URL, "pages": […]}`.
    pub fn browsers(&self, expected: usize) -> Vec<Value> {
        let path = self.path("browsers.jsonl");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            // A browser is not a child of this process, so that its output file has to be polled.
            let text = fs::read_to_string(&path).unwrap_or_default();
            let seen: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if seen.len() >= expected || Instant::now() > deadline {
                assert_eq!(seen.len(), expected, "browsers: {seen:#?}");
                return seen;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Adds a text that no output may hold.
    pub fn secret(&self, text: &str) {
        self.secrets.borrow_mut().push(text.into());
    }

    /// Skips the check of the refresh token at the end: the test removes it, or writes an invalid one.
    pub fn loses_refresh_token(&self) {
        self.loses_refresh_token.set(true);
    }

    fn keep(&self, run: Run) {
        self.runs.borrow_mut().push(run);
    }

    /// The checks at the end of every test.
    fn check(&self) {
        let mut secrets = self.sim.secrets();
        secrets.extend(self.secrets.take());
        let canaries = Canaries::new(&secrets, &self.sim.issued());
        self.runs.borrow().iter().for_each(|run| canaries.check_run(run));
        for session in self.sessions() {
            session.check();
            canaries.check_text("woci_refresh.log", &session.read("woci_refresh.log").unwrap_or_default());
        }
        if !self.loses_refresh_token.get() {
            self.check_refresh_tokens();
        }
    }

    fn check_refresh_tokens(&self) {
        assert!(!self.sim.provider.saw_reuse(), "a code or a refresh token was presented twice");
        for session in self.sessions() {
            let Some(token) = session.refresh_token() else { continue };
            let standing = self.sim.provider.standing(&token);
            // A revoked token may be stored: woci keeps it and remembers that it was refused.
            let kept = matches!(standing, Standing::Live | Standing::Revoked) || token.starts_with('{');
            assert!(kept, "{}: the refresh token is {standing:?} at the provider", session.folder.display());
        }
    }

    /// The sessions of all profiles.
    pub fn sessions(&self) -> Vec<Session<'_>> {
        let all = list(&self.path(".oci/sessions")).into_iter();
        all.map(|name| self.session_of(&name)).filter(|session| session.folder.is_dir()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn make_private(folder: &Path) {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder).expect("a temporary folder can be made");
}

/// The names of a folder's entries; empty if there is no such folder.
fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A free port below the range of ephemeral ports, so that no other program takes it before woci does. Another run of
/// these tests does not take it either: the UDP port of the same number, held until this process ends, marks it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let start = u16::try_from(process::id() % 10_000).expect("below 10000");
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::SeqCst)) % 12_000;
        let Ok(mark) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            TAKEN.lock().expect("no thread panics here").push(mark);
            return port;
        }
    }
}

/// The simulator's program. `cargo test` builds it; `cargo test --test it` does not, so that it is built here.
fn sim_program() -> PathBuf {
    static BUILT: Once = Once::new();
    let deps = std::env::current_exe().expect("a test knows its file");
    let profile = deps.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
    let program = profile.join("examples/sim");
    BUILT.call_once(|| {
        if is_older(&program, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim")) {
            build_sim(profile);
        }
    });
    program
}

fn is_older(program: &Path, sources: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let newest = list(sources).iter().filter_map(|name| changed(&sources.join(name))).max();
    changed(program) < newest
}

fn build_sim(profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "sim"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // target/<triple>/<profile> if a target triple was given.
    let triple = profile.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    if let Some(triple) = triple.filter(|name| name.contains("-linux-") || name.contains("-apple-")) {
        cargo.args(["--target", triple]);
    }
    let built = cargo.status().expect("cargo is there, since it runs this test");
    assert!(built.success(), "cargo build --example sim failed");
}
