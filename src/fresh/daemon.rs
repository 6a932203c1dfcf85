//! The daemon: woci once more, detached, keeping one profile's session fresh.
//!
//! The truth of its being there is the lock on `woci_refresh.lock`, held for its life; what it knows
//! stands in that file. `woci_refresh.pid` is a hint for people. What is secret reaches it by its
//! stdin, and it says on its stdout that it is up.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::keeper::{Keeper, Report};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::files;
use crate::host;
use crate::log;
use crate::options::{self, DAEMON_PROCESS, Flags, Kind};
use crate::secret::Secret;
use crate::sys;
use crate::time::UnixTime;

const READY: &str = "ready";

/// What is asked of the system often enough that nobody waits for it, and seldom enough.
const POLL: Duration = Duration::from_millis(10);
/// A look at the lock holds it for a moment; a daemon that starts just then tries again.
const LOOKS_END_WITHIN: Duration = Duration::from_secs(1);
/// A refresh in flight is finished first, and that has a limit of its own.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

const LARGEST_LOG: u64 = 512 << 10;

/// One profile's daemon, whether it runs or not.
pub struct Daemon {
    folder: PathBuf,
}

/// What is known of it from outside.
pub struct Status {
    /// Of the process that holds the lock now.
    pub pid: Option<u32>,
    pub next_refresh: Option<UnixTime>,
    pub last_refresh: Option<UnixTime>,
    pub last_error: Option<String>,
}

impl Daemon {
    pub fn of(settings: &Settings) -> Self {
        Self { folder: settings.session_folder.clone() }
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join("woci_refresh.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("woci_refresh.pid")
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.join("woci_refresh.lock")
    }

    /// Who holds the lock, and what it wrote there. What an ended one left is still told.
    pub fn status(&self) -> Result<Status> {
        let is_held = files::is_locked(&self.lock_file())?;
        let mut known = self.published()?;
        let since = Instant::now();
        // It is written in place, so that a look may fall between two of its states.
        while is_held && known.get("pid").is_none() && since.elapsed() < LOOKS_END_WITHIN {
            thread::sleep(POLL);
            known = self.published()?;
        }
        let moment = |key: &str| known.get(key).and_then(Value::as_i64).map(UnixTime);
        let pid = known.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        Ok(Status {
            pid: pid.filter(|_| is_held),
            next_refresh: moment("next_refresh").filter(|_| is_held),
            last_refresh: moment("last_refresh"),
            last_error: known.get("last_error").and_then(Value::as_str).map(str::to_owned),
        })
    }

    fn published(&self) -> Result<Value> {
        let bytes = files::read(&self.lock_file())?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Starts one and comes back when it is up.
    pub fn start(&self, flags: &Flags, settings: &Settings, passphrase: Option<&Secret>) -> Result<()> {
        let mut command = Command::new(host::this_program()?);
        command.args(arguments(flags, settings)).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(variable) = &settings.passphrase.variable {
            command.env_remove(variable);
        }
        let failed = |e: &std::io::Error| Error::Daemon { log: self.log_file(), why: files::io_reason(e) };
        let mut child = sys::spawn_detached(&mut command).map_err(|e| failed(&e))?;
        let secrets = secrets(flags, passphrase);
        // Both pipes are closed by the end of this block; the daemon waits for the first.
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
        Err(Error::Daemon { log: self.log_file(), why: "it ended before it was up".into() })
    }

    /// Ends it and waits until it is gone; false where none runs.
    pub fn stop(&self) -> Result<bool> {
        let Some(pid) = self.status()?.pid else { return Ok(false) };
        let path = self.lock_file();
        if !files::is_locked(&path)? {
            return Ok(false);
        }
        sys::terminate(pid);
        let since = Instant::now();
        while files::is_locked(&path)? {
            if since.elapsed() >= ENDS_WITHIN {
                return Err(Error::DaemonStays { pid, seconds: ENDS_WITHIN.as_secs() });
            }
            thread::sleep(POLL);
        }
        Ok(true)
    }

    /// Two that refresh the same token get in each other's way, and the older tool knows no lock.
    fn warn_of_older_tool(&self) {
        let Ok(Some(pid)) = files::read(&self.pid_file()) else { return };
        let Some(pid) = String::from_utf8_lossy(&pid).trim().parse().ok() else { return };
        if sys::command_line(pid).is_some_and(|line| is_older_tool(&line)) {
            log::warning(format_args!(
                "Process {pid} looks like the older tool's daemon for this profile; end it, since both refresh the same session"
            ));
        }
    }

    /// The daemon's life, in this process, until it is told to end. `ready` is called when it is up.
    /// Comes back at once, with false, where another one lives.
    pub fn live(&self, mut keeper: Keeper<'_>, ready: impl FnOnce() -> Result<()>) -> Result<bool> {
        files::make_folder(&self.folder)?;
        let Some(mut lock) = self.take_lock()? else { return Ok(false) };
        let pid = std::process::id();
        // At once: what a killed one left there names a process that may be anybody's by now.
        publish(&mut lock, Some(pid), &keeper.report);
        let stop = sys::stop_signals()
            .map_err(|e| Error::Daemon { log: self.log_file(), why: files::io_reason(&e) })?;
        self.warn_of_older_tool();
        // In place: whoever holds the session's lock now would take a temporary file for a dead one's.
        rewrite(&mut files::open_kept(&self.pid_file())?, format!("{pid}\n").as_bytes())
            .map_err(|e| files::file_error("write to", &self.pid_file(), &e))?;
        let mut ready = Some(ready);
        let ended = keeper.keep(&stop, |report| {
            publish(&mut lock, Some(pid), report);
            if let Some(ready) = ready.take() {
                ready()?;
                log::info(format_args!("Keeping the session fresh as process {pid}"));
            }
            self.bound_log();
            Ok(())
        });
        match &ended {
            Ok(()) => log::info(format_args!("Ended, as it was told to")),
            Err(e) => keeper.report.last_error = Some(e.to_string()),
        }
        files::remove(&self.pid_file())?;
        publish(&mut lock, None, &keeper.report);
        ended.map(|()| true)
    }

    fn take_lock(&self) -> Result<Option<File>> {
        let path = self.lock_file();
        let file = files::open_kept(&path)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if since.elapsed() < LOOKS_END_WITHIN => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(files::file_error("lock", &path, &e)),
            }
        }
    }

    /// Tells the woci that started this one that it is up, and lets go of all that came from there.
    /// From here on messages go to the log.
    pub fn detach(&self) -> Result<()> {
        let path = self.log_file();
        let log = files::open_kept(&path)?;
        sys::detach(READY, &log).map_err(|e| files::file_error("write to", &path, &e))
    }

    /// Keeps the later half of a log that has grown large.
    fn bound_log(&self) {
        let path = self.log_file();
        if let Ok(Some(bytes)) = files::read(&path)
            && bytes.len() as u64 > LARGEST_LOG
            && let Ok(mut file) = files::open_kept(&path)
        {
            let half = &bytes[bytes.len() / 2..];
            let line = half.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let _ = rewrite(&mut file, &half[line..]);
        }
    }
}

/// On macOS, Python's own program is `Python`.
fn is_older_tool(command_line: &str) -> bool {
    let line = command_line.to_ascii_lowercase();
    line.contains("python") && line.contains("woci")
}

fn publish(lock: &mut File, pid: Option<u32>, report: &Report) {
    let known = json!({
        "pid": pid,
        "next_refresh": report.next_refresh.map(|time| time.0),
        "last_refresh": report.last_refresh.map(|time| time.0),
        "last_error": report.last_error,
    });
    // The session matters more than what is told of it.
    let _ = rewrite(lock, format!("{known}\n").as_bytes());
}

/// The content of a file that [`files::open_kept`] opened.
fn rewrite(file: &mut File, content: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(content)
}

/// The daemon's command line: the flags of this one, without the secret ones.
fn arguments(flags: &Flags, settings: &Settings) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec![format!("--profile={}", settings.profile).into()];
    for (name, value) in flags.iter() {
        match options::find(name).map(|row| row.kind) {
            Some(Kind::Secret) | None => {}
            Some(_) if ["--profile", "--daemon", "--auth"].contains(&name) => {}
            Some(Kind::Flag) => args.push(name.into()),
            Some(_) => args.push(format!("{name}={value}").into()),
        }
    }
    args.push(DAEMON_PROCESS.into());
    args
}

/// What the daemon reads from its stdin.
fn secrets(flags: &Flags, passphrase: Option<&Secret>) -> Secret {
    let flags =
        flags.iter().filter(|(name, _)| options::find(name).is_some_and(|row| row.kind == Kind::Secret));
    let flags: serde_json::Map<String, Value> =
        flags.map(|(name, value)| (name.into(), value.into())).collect();
    Secret::new(json!({ "flags": flags, "passphrase": passphrase.map(Secret::expose) }).to_string())
}

/// In the daemon's process: puts the secret flags back to the others, and returns the passphrase.
pub fn take_secrets(flags: &mut Flags) -> Option<Secret> {
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
    secrets["passphrase"].as_str().map(|passphrase| Secret::new(passphrase.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_tool_is_told_by_its_command_line() {
        const OF_MACOS: &str =
            "/Library/Frameworks/Python.framework/Versions/3.12/Resources/Python.app/Contents/MacOS/Python";
        for (line, expected) in [
            ("python3 /home/ada/bin/woci --daemon".to_owned(), true),
            (format!("{OF_MACOS} /Users/ada/bin/woci --daemon"), true),
            (format!("{OF_MACOS} -m http.server"), false),
            ("/home/ada/.local/bin/woci --profile=prod --daemon-process".to_owned(), false),
        ] {
            assert_eq!(is_older_tool(&line), expected, "{line}");
        }
    }
}
