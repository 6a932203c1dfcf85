//! The daemon: a detached woci process that keeps one profile's session fresh.
//!
//! The daemon holds an exclusive lock on `woci_refresh.lock` while it runs; that lock, not the PID file
//! `woci_refresh.pid`, says whether it is alive. It writes its status into the locked file. It receives
//! secret options, the passphrase and the variables that hold secrets on stdin, and writes one line to stdout once it
//! is ready.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{PathBuf, absolute};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::keeper::{Keeper, Report};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Env, Host};
use crate::log;
use crate::options::{self, DAEMON_PROCESS, Flags, Kind};
use crate::printable;
use crate::secret::Secret;
use crate::store::{DAEMON_LOCK, DAEMON_LOG, DAEMON_PID};
use crate::sys::{self, Mark};
use crate::time::UnixTime;

/// The line that a daemon writes to stdout once it is ready.
const READY: &str = "ready";

/// Lock polling interval: too short to notice, long enough to cost nothing.
const POLL: Duration = Duration::from_millis(10);
/// How long a starting daemon waits for its lock, and a status query for a complete status. Status
/// queries hold the lock for a moment too.
const LOCK_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait for a daemon to end. It finishes a refresh in progress first, which has a limit of
/// its own.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// In bytes; a larger log is cut to half of this.
const LARGEST_LOG: u64 = 512 << 10;

/// The daemon of one profile, running or not.
pub struct Daemon {
    folder: PathBuf,
    profile: String,
}

/// The status of a daemon. The last refresh and the last error are also known of one that has ended.
pub struct Status {
    /// The process ID, if the daemon is running.
    pub pid: Option<u32>,
    /// `None` if the daemon is not running.
    pub next_refresh: Option<UnixTime>,
    pub last_refresh: Option<UnixTime>,
    pub last_error: Option<String>,
    /// The version of woci that it is ([`host::version`]), if it is running and says so.
    pub version: Option<String>,
    /// What tells its process from every other one. Empty in what an older woci has written.
    mark: Mark,
}

impl Status {
    /// Whether it has been running since before an upgrade of woci.
    pub fn is_outdated(&self) -> bool {
        self.outdated().is_some()
    }

    /// Which process it is, if it has been running since before an upgrade of woci.
    pub fn outdated(&self) -> Option<String> {
        let pid = self.pid?;
        let of = match self.version.as_deref() {
            Some(version) if version == host::version() => return None,
            Some(version) => format!("woci {}", printable::line(version)),
            None => "an older woci".to_owned(),
        };
        Some(format!("process {pid} of {of}, from before an upgrade"))
    }
}

impl Daemon {
    pub fn of(settings: &Settings) -> Self {
        Self { folder: settings.session_folder.clone(), profile: settings.profile.to_string() }
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join(DAEMON_LOG)
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join(DAEMON_PID)
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.join(DAEMON_LOCK)
    }

    pub(super) fn is_running(&self) -> Result<bool> {
        files::is_locked(&self.lock_file())
    }

    /// Tests the lock and reads the status file.
    pub fn status(&self) -> Result<Status> {
        let is_held = self.is_running()?;
        let mut known = self.read_status()?;
        let since = Instant::now();
        // The file is written in place, and may be read while it is incomplete.
        while is_held && known.get("pid").is_none() && since.elapsed() < LOCK_LIMIT {
            thread::sleep(POLL);
            known = self.read_status()?;
        }
        let moment = |key: &str| known.get(key).and_then(Value::as_i64).map(UnixTime);
        let text = |key: &str| known.get(key).and_then(Value::as_str).map(str::to_owned);
        let pid = known.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        Ok(Status {
            pid: pid.filter(|_| is_held),
            next_refresh: moment("next_refresh").filter(|_| is_held),
            last_refresh: moment("last_refresh"),
            last_error: text("last_error"),
            version: text("version").filter(|_| is_held),
            mark: Mark { namespace: text("namespace"), started: text("started") },
        })
    }

    fn read_status(&self) -> Result<Value> {
        let bytes = files::read(&self.lock_file())?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Starts the daemon and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::Daemon`] if it cannot be started or ends before it is ready.
    pub fn start(
        &self,
        env: &Env,
        flags: &Flags,
        settings: &Settings,
        passphrase: Option<&Secret>,
    ) -> Result<()> {
        let mut command = Command::new(host::this_program()?);
        command.args(arguments(flags, settings, DAEMON_PROCESS)).stdin(Stdio::piped()).stdout(Stdio::piped());
        for variable in &settings.secret_variables {
            command.env_remove(variable);
        }
        command.envs(certificates(env));
        let failed = |e: &std::io::Error| Error::Daemon { log: self.log_file(), why: files::io_reason(e) };
        let mut child = sys::spawn_detached(&mut command).map_err(|e| failed(&e))?;
        let secrets = secrets(env, flags, settings, passphrase);
        // The handle is dropped at the end of this statement, which closes the pipe. The daemon reads
        // its stdin to the end.
        child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(secrets.expose().as_bytes())
            .map_err(|e| failed(&e))?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).map_err(|e| failed(&e))?;
        if line.trim_end() == READY || self.status()?.pid.is_some() {
            return Ok(());
        }
        Err(Error::Daemon { log: self.log_file(), why: "it ended before it was ready".into() })
    }

    /// Sends the daemon SIGTERM and waits until it has ended. Returns false if none is running.
    ///
    /// # Errors
    /// [`Error::DaemonStays`] if it still runs after 60 s; [`Error::DaemonElsewhere`] if its PID counts elsewhere;
    /// [`Error::DaemonUnknown`] if the file does not name the process that holds the lock.
    pub fn stop(&self) -> Result<bool> {
        let path = self.lock_file();
        let since = Instant::now();
        let pid = loop {
            let Status { pid: Some(pid), mark, .. } = self.status()? else { return Ok(false) };
            let process = sys::Process::of(pid);
            // Found out after the process was opened: from then on its number is no other one's.
            let seen = Mark::of(pid);
            if mark.namespace.is_some() && mark.namespace != seen.namespace {
                return Err(Error::DaemonElsewhere { pid, profile: self.profile.clone() });
            }
            let is_another = mark.started.is_some() && mark.started != seen.started;
            if !is_another && self.is_held_by(&process, pid)? {
                process.terminate();
                break pid;
            }
            // The file still names a killed daemon: the one that has just taken the lock has yet to write its own PID.
            if since.elapsed() >= LOCK_LIMIT {
                return Err(Error::DaemonUnknown { lock: path });
            }
            thread::sleep(POLL);
        };
        let since = Instant::now();
        while files::is_locked(&path)? {
            if since.elapsed() >= STOP_LIMIT {
                return Err(Error::DaemonStays { pid, seconds: STOP_LIMIT.as_secs() });
            }
            thread::sleep(POLL);
        }
        Ok(true)
    }

    /// Whether this process holds the lock. Where the system does not tell, by its command line.
    fn is_held_by(&self, process: &sys::Process, pid: u32) -> Result<bool> {
        let path = self.lock_file();
        let about = fs::metadata(&path).map_err(|e| files::file_error("look at", &path, &e))?;
        let by_command_line =
            || sys::command_line(pid).is_some_and(|line| line.contains("woci") && line.contains("--daemon"));
        Ok(process.holds_lock(&about).unwrap_or_else(by_command_line))
    }

    /// Ends the daemon if its folder or lock file was replaced: another daemon can run there, and the session is
    /// another one.
    fn check_place(&self, lock: &File) -> Result<()> {
        let path = self.lock_file();
        let ours = lock.metadata().map_err(|e| files::file_error("look at", &path, &e))?;
        match fs::metadata(&path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(()),
            Ok(_) => Err(Error::DaemonDisplaced { folder: self.folder.clone() }),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(Error::DaemonDisplaced { folder: self.folder.clone() })
            }
            Err(e) => Err(files::file_error("look at", &path, &e)),
        }
    }

    /// Warns if the older tool's daemon seems to run. It does not use woci's lock, so that both daemons
    /// would spend each other's refresh tokens.
    fn warn_of_older_tool(&self) {
        if let Some(pid) = self.older_tool() {
            log::warning(format_args!(
                "Process {pid} seems to be the older tool's daemon for this profile; end it, since both refresh the same session"
            ));
        }
    }

    /// The process that seems to be the older tool's daemon for this profile.
    pub fn older_tool(&self) -> Option<u32> {
        let pid = files::read(&self.pid_file()).ok()??;
        let pid = String::from_utf8_lossy(&pid).trim().parse().ok()?;
        sys::command_line(pid).filter(|line| is_older_tool(line)).map(|_| pid)
    }

    /// Runs the daemon in this process until it receives a stop signal. Calls `ready` after the first
    /// look at the session. Returns false at once if another daemon is running.
    pub fn run(&self, mut keeper: Keeper<'_>, ready: impl FnOnce() -> Result<()>) -> Result<bool> {
        files::make_folder(&self.folder)?;
        let Some(mut lock) = self.take_lock()? else { return Ok(false) };
        let pid = std::process::id();
        let process = Some((pid, Mark::of(pid)));
        // Written first: a killed daemon's PID may by now belong to another process.
        write_status(&mut lock, process.as_ref(), &keeper.report);
        let stop = sys::stop_signals()
            .map_err(|e| Error::Daemon { log: self.log_file(), why: files::io_reason(&e) })?;
        self.warn_of_older_tool();
        // Written in place: a process that holds the session's lock removes temporary files, which it takes
        // for those of killed runs.
        rewrite(&mut files::open_kept(&self.pid_file())?, format!("{pid}\n").as_bytes())
            .map_err(|e| files::file_error("write to", &self.pid_file(), &e))?;
        let mut ready = Some(ready);
        let place = lock.try_clone().map_err(|e| files::file_error("open", &self.lock_file(), &e))?;
        let check = || self.check_place(&place);
        let ended = keeper.keep(&stop, check, |report| {
            write_status(&mut lock, process.as_ref(), report);
            if let Some(ready) = ready.take() {
                ready()?;
                log::info(format_args!("Keeping the session fresh as process {pid}"));
            }
            self.shorten_log();
            Ok(())
        });
        match &ended {
            Ok(()) => log::info(format_args!("Stopped as requested")),
            Err(e) => keeper.report.last_error = Some(keeper.say(e).to_string()),
        }
        // The PID file of another folder belongs to the daemon there.
        if self.check_place(&place).is_ok() {
            files::remove(&self.pid_file())?;
        }
        write_status(&mut lock, None, &keeper.report);
        ended.map(|()| true)
    }

    /// Takes the exclusive lock; `None` if another daemon holds it.
    fn take_lock(&self) -> Result<Option<File>> {
        let path = self.lock_file();
        let file = files::open_kept(&path)?;
        let since = Instant::now();
        loop {
            match files::try_lock(|| file.try_lock()) {
                Ok(true) => return Ok(Some(file)),
                Ok(false) if since.elapsed() < LOCK_LIMIT => thread::sleep(POLL),
                Ok(false) => return Ok(None),
                Err(e) => return Err(files::file_error("lock", &path, &e)),
            }
        }
    }

    /// Writes the ready line for the process that started the daemon, then detaches: stderr goes to the
    /// log file, stdin and stdout to /dev/null.
    pub fn detach(&self) -> Result<()> {
        let path = self.log_file();
        let log = files::open_kept(&path)?;
        sys::detach(READY, &log).map_err(|e| files::file_error("write to", &path, &e))
    }

    /// Cuts a log that is larger than [`LARGEST_LOG`] to its last lines, half as many bytes. A failure is ignored.
    fn shorten_log(&self) {
        const KEPT: u64 = LARGEST_LOG / 2;
        let Ok(mut file) = files::open_kept(&self.log_file()) else { return };
        let length = file.metadata().map_or(0, |about| about.len());
        if length <= LARGEST_LOG {
            return;
        }
        let mut kept = Vec::new();
        let read =
            file.seek(SeekFrom::Start(length - KEPT)).and_then(|_| (&file).take(KEPT).read_to_end(&mut kept));
        if read.is_ok() {
            let line = kept.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let _ = rewrite(&mut file, &kept[line..]);
        }
    }
}

/// Whether a command line is that of the older tool, a Python script named woci. On macOS, the Python
/// interpreter is named `Python`.
fn is_older_tool(command_line: &str) -> bool {
    let line = command_line.to_ascii_lowercase();
    line.contains("python") && line.contains("woci")
}

/// `process` is the one that holds the lock; none if it is about to end.
fn write_status(lock: &mut File, process: Option<&(u32, Mark)>, report: &Report) {
    let mark = process.map(|(_, mark)| mark);
    let known = json!({
        "pid": process.map(|(pid, _)| pid),
        "version": host::version(),
        "namespace": mark.and_then(|mark| mark.namespace.as_ref()),
        "started": mark.and_then(|mark| mark.started.as_ref()),
        "next_refresh": report.next_refresh.map(|time| time.0),
        "last_refresh": report.last_refresh.map(|time| time.0),
        "last_error": report.last_error,
    });
    // A failure is ignored: the refreshes go on without a status.
    let _ = rewrite(lock, format!("{known}\n").as_bytes());
}

/// Replaces the content of a file that [`files::open_kept`] opened (for appending).
pub(super) fn rewrite(file: &mut File, content: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(content)
}

/// The arguments for another process of woci's: the options of this process, without the secret ones, and the verb.
pub(super) fn arguments(flags: &Flags, settings: &Settings, verb: &str) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec![format!("--profile={}", settings.profile).into()];
    for (name, value) in flags.iter() {
        match options::find(name).map(|row| row.kind) {
            Some(Kind::Secret) | None => {}
            Some(_) if ["--profile", "--daemon", "--auth"].contains(&name) => {}
            Some(Kind::Flag) => args.push(name.into()),
            Some(_) => args.push(format!("{name}={value}").into()),
        }
    }
    args.push(verb.into());
    args
}

/// The variables by which the system's certificates are found, with absolute paths: a library reads these variables
/// itself, and the other process leaves the folder that a relative path belongs to.
pub(super) fn certificates(env: &Env) -> Vec<(&'static str, OsString)> {
    let file = env.get("SSL_CERT_FILE").and_then(|file| Some(absolute(file).ok()?.into_os_string()));
    // Several folders, as in PATH.
    let folders = env.get("SSL_CERT_DIR").and_then(|list| {
        let folders: Vec<PathBuf> =
            std::env::split_paths(list).map(absolute).collect::<std::io::Result<_>>().ok()?;
        std::env::join_paths(folders).ok()
    });
    let all = [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", folders)];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The secret options, the passphrase and the variables that hold secrets, as the JSON that the other process reads
/// from stdin.
pub(super) fn secrets(env: &Env, flags: &Flags, settings: &Settings, passphrase: Option<&Secret>) -> Secret {
    let variable = |name: &String| Some((name.clone(), env.get(name)?.to_str()?.into()));
    let variables: serde_json::Map<String, Value> =
        settings.secret_variables.iter().filter_map(variable).collect();
    let flags =
        flags.iter().filter(|(name, _)| options::find(name).is_some_and(|row| row.kind == Kind::Secret));
    let flags: serde_json::Map<String, Value> =
        flags.map(|(name, value)| (name.into(), value.into())).collect();
    Secret::new(
        json!({ "flags": flags, "variables": variables, "passphrase": passphrase.map(Secret::expose) })
            .to_string(),
    )
}

/// In the other process: reads the JSON from stdin, and adds the secret options to `flags`. Returns the host with the
/// variables that hold secrets, and the passphrase.
pub fn take_secrets(host: &Host, flags: &mut Flags) -> (Host, Option<Secret>) {
    const LARGEST: u64 = 1 << 20;
    let mut text = String::new();
    let _ = std::io::stdin().take(LARGEST).read_to_string(&mut text);
    let text = Secret::new(text);
    let secrets: Value = serde_json::from_str(text.expose()).unwrap_or_default();
    for row in options::OPTIONS.iter().filter(|row| row.kind == Kind::Secret) {
        if let Some(value) = secrets["flags"][row.name].as_str() {
            flags.set(row.name, value.to_owned());
        }
    }
    let variables = secrets["variables"].as_object().into_iter().flatten();
    let variables = variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let passphrase = secrets["passphrase"].as_str().map(|passphrase| Secret::new(passphrase.to_owned()));
    (host.with_variables(variables.collect()), passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_found_from_another_folder() {
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        for (variables, expected) in [
            (&[("SSL_CERT_FILE", "a:b/ca.pem")][..], vec![("SSL_CERT_FILE", format!("{here}/a:b/ca.pem"))]),
            (&[("SSL_CERT_DIR", "/etc/ca:own")], vec![("SSL_CERT_DIR", format!("/etc/ca:{here}/own"))]),
            (&[("SSL_CERT_FILE", ""), ("SSL_CERT_DIR", "")], vec![]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(name, value)| (name, OsString::from(value))).collect();
            assert_eq!(certificates(&Env::of(variables)), expected);
        }
    }

    #[test]
    fn the_older_tool_is_recognized_by_its_command_line() {
        const PYTHON_OF_MACOS: &str =
            "/Library/Frameworks/Python.framework/Versions/3.12/Resources/Python.app/Contents/MacOS/Python";
        for (line, expected) in [
            ("python3 /home/ada/bin/woci --daemon".to_owned(), true),
            (format!("{PYTHON_OF_MACOS} /Users/ada/bin/woci --daemon"), true),
            (format!("{PYTHON_OF_MACOS} -m http.server"), false),
            ("/home/ada/.local/bin/woci --profile=prod --daemon-process".to_owned(), false),
        ] {
            assert_eq!(is_older_tool(&line), expected, "{line}");
        }
    }
}
