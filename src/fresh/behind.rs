//! Renewal in the background, without a daemon: with `auto_refresh`, a run that finds a renewal due hands out the session
//! at once, and starts a process that renews it once. That process has no terminal and no output, asks nobody, and is
//! not a child of the program that runs woci.
//!
//! The file `woci_renewal.lock` of the session folder says when the last process was started, so that many runs start
//! one, and not more than one in 30 s. Its lock is held only while a run reads and writes it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::daemon::{Daemon, arguments, certificates, rewrite, secrets};
use super::schedule::LEAST_PAUSE_SECONDS;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::log;
use crate::oci::Upst;
use crate::options::{Flags, Kind, RENEWAL_PROCESS, find};
use crate::secret::Secret;
use crate::session::{Engine, Session, Source, Want};
use crate::store::{RENEWAL_LOCK, record};
use crate::sys::{self, Between};
use crate::time::UnixTime;

/// Starts a process that renews the session, if a renewal is due and can be expected to succeed. The run that calls
/// this has a session: a failure is only worth a message at DEBUG. A caller that becomes another program waits for what
/// this returns.
pub fn start_if_due(
    host: &Host,
    flags: &Flags,
    settings: &Settings,
    engine: &Engine<'_>,
    session: &Session,
) -> Option<Between> {
    if !settings.auto_refresh || session.source != Source::Cached {
        return None;
    }
    let now = host::now();
    // Half of the token's life is the earliest time. Until then, nothing else is looked at.
    if session.upst.half_of_life() > now || engine.renews_session_from(session) > now {
        return None;
    }
    let started = start(host, flags, settings, engine, session, now);
    match &started {
        Ok(Some(_)) => log::debug(format_args!("The session is due for a renewal: started a process for it")),
        Ok(None) => log::debug(format_args!(
            "The session is due for a renewal: no process was started for it, since a daemon runs, another was started a moment \
             ago, or none could renew it"
        )),
        Err(e) => log::debug(format_args!("The session is not renewed in the background: {e}")),
    }
    started.ok().flatten()
}

fn start(
    host: &Host,
    flags: &Flags,
    settings: &Settings,
    engine: &Engine<'_>,
    session: &Session,
    now: UnixTime,
) -> Result<Option<Between>> {
    let stamp = Stamp::of(settings);
    if !stamp.permits(now, &session.upst)?
        || Daemon::of(settings).is_running()?
        || !engine.can_be_renewed(session)?
        || !stamp.take(now, &session.upst)?
    {
        return Ok(None);
    }
    let program = host::this_program()?;
    let mut args = vec![program.clone().into_os_string()];
    args.extend(arguments(flags, settings, RENEWAL_PROCESS));
    let is_hidden = |name: &str| settings.secret_variables.iter().any(|variable| name == variable);
    let certificates = certificates(&host.env);
    let is_certificates = |name: &str| certificates.iter().any(|(variable, _)| name == *variable);
    let is_kept = |name: &OsStr| name.to_str().is_none_or(|name| !is_hidden(name) && !is_certificates(name));
    let kept = host.env.iter().filter(|(name, _)| is_kept(name));
    let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env: Vec<_> =
        kept.chain(certificates.iter().map(|(name, value)| ((*name).into(), value.clone()))).collect();
    let is_secret = |(name, _): (&str, &str)| find(name).is_some_and(|row| row.kind == Kind::Secret);
    let has_secrets = !settings.secret_variables.is_empty() || flags.iter().any(is_secret);
    let secrets = has_secrets.then(|| secrets(&host.env, flags, settings, None));
    let input = secrets.as_ref().map(|secrets| secrets.expose().as_bytes());
    sys::start_behind(&program, &args, &env, input)
        .map(Some)
        .map_err(|e| Error::Unattended { why: files::io_reason(&e) })
}

/// In the process that was started: renews the session, unless that is not due any more or another process holds its lock.
pub fn renew(host: &Host, settings: &Settings, passphrase: Option<Secret>) -> Result<()> {
    let mut engine = Engine::new(host, settings, Want::NEWER_IF_UNLOCKED, passphrase);
    let Some(upst) = engine.stored_upst()? else { return Ok(()) };
    if engine.renews_from()?.is_none_or(|from| from > host::now()) {
        return Ok(());
    }
    let renewed = engine.ensure();
    // Another try would spend a refresh token to end in the same way.
    if renewed.as_ref().is_err_and(|e| e.needs_person().is_some()) {
        Stamp::of(settings).forbid(host::now(), &upst)?;
    }
    renewed.map(drop)
}

/// The file that limits how many processes are started: its time is that of the last one, and its content the hash of a
/// token that only a person can renew, if there was one.
struct Stamp {
    path: PathBuf,
}

impl Stamp {
    fn of(settings: &Settings) -> Self {
        Self { path: settings.session_folder.join(RENEWAL_LOCK) }
    }

    /// Whether a process may be started now to renew this token.
    fn permits(&self, now: UnixTime, upst: &Upst) -> Result<bool> {
        let Some(at) = files::modified(&self.path).map(host::unix_time) else { return Ok(true) };
        let content = files::read(&self.path)?.unwrap_or_default();
        // A time in the future is that of a clock that was set back. Another run has just made an empty file.
        let is_recent = (0..LEAST_PAUSE_SECONDS).contains(&now.since(at)) && !content.is_empty();
        Ok(!is_recent && content.trim_ascii_end() != hash(upst).as_bytes())
    }

    /// Records that a process is started now; false if another run is doing so, or has just done it.
    fn take(&self, now: UnixTime, upst: &Upst) -> Result<bool> {
        let mut file = files::open_kept(&self.path)?;
        let is_taken =
            files::try_lock(|| file.try_lock()).map_err(|e| files::file_error("lock", &self.path, &e))?;
        if !is_taken || !self.permits(now, upst)? {
            return Ok(false);
        }
        // Not written anew each time: some file systems flush a file to the disk that was cut and written.
        let is_new = file.metadata().is_ok_and(|about| about.len() == 0);
        let written = if is_new { file.write_all(b"\n") } else { Ok(()) };
        self.done(written.and_then(|()| set_time(&file, now)))?;
        Ok(true)
    }

    /// Records that only a person can renew this token.
    fn forbid(&self, now: UnixTime, upst: &Upst) -> Result<()> {
        let mut file = files::open_kept(&self.path)?;
        let written = rewrite(&mut file, format!("{}\n", hash(upst)).as_bytes());
        self.done(written.and_then(|()| set_time(&file, now)))
    }

    fn done(&self, written: io::Result<()>) -> Result<()> {
        written.map_err(|e| files::file_error("write to", &self.path, &e))
    }
}

/// Sets the time of the last change by the clock of this machine, which is not always that of the file system.
fn set_time(file: &File, now: UnixTime) -> io::Result<()> {
    let since = Duration::from_secs(u64::try_from(now.0).unwrap_or_default());
    file.set_modified(UNIX_EPOCH + since)
}

fn hash(upst: &Upst) -> String {
    record::hash(upst.token().expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    /// Two tokens, and the file of a session folder.
    fn stamp(home: &Home) -> (Stamp, [Upst; 2]) {
        let upst = |claims| Upst::parse(&format!("e30.{claims}.c2ln")).unwrap();
        // {"exp":1} and {"exp":2}
        (Stamp { path: home.path("woci_renewal.lock") }, [upst("eyJleHAiOjF9"), upst("eyJleHAiOjJ9")])
    }

    #[test]
    fn one_process_is_left_in_30_s() {
        let home = Home::new();
        let (stamp, [upst, _]) = stamp(&home);
        let now = UnixTime(1_795_467_599);
        assert!(stamp.permits(now, &upst).unwrap());
        assert!(stamp.take(now, &upst).unwrap());
        for (seconds, expected) in [(0, false), (29, false), (30, true), (-1, true), (-3600, true)] {
            assert_eq!(stamp.permits(now.plus(seconds), &upst), Ok(expected), "{seconds}");
        }
        assert!(!stamp.take(now.plus(29), &upst).unwrap());
        assert!(stamp.take(now.plus(30), &upst).unwrap());
        assert!(!stamp.permits(now.plus(30), &upst).unwrap());
    }

    #[test]
    fn while_one_run_takes_it_no_other_does() {
        let home = Home::new();
        let (stamp, [upst, _]) = stamp(&home);
        let file = files::open_kept(&stamp.path).unwrap();
        file.lock().unwrap();
        assert!(!stamp.take(UnixTime(60), &upst).unwrap());
        drop(file);
        assert!(stamp.take(UnixTime(60), &upst).unwrap());
    }

    #[test]
    fn a_token_that_only_a_person_can_renew_is_left_alone() {
        let home = Home::new();
        let (stamp, [upst, other]) = stamp(&home);
        stamp.forbid(UnixTime(60), &upst).unwrap();
        assert!(!stamp.permits(UnixTime(3600), &upst).unwrap());
        assert!(stamp.permits(UnixTime(3600), &other).unwrap());
        // The next process is started for another token.
        assert!(stamp.take(UnixTime(3600), &other).unwrap());
        assert!(!stamp.permits(UnixTime(3601), &other).unwrap());
        assert!(!stamp.permits(UnixTime(7200), &upst).unwrap());
        for damaged in ["", "x", "60 \n", "\u{fffd}\n"] {
            home.put("woci_renewal.lock", damaged);
            assert!(stamp.permits(UnixTime(3600), &upst).unwrap(), "{damaged:?}");
        }
    }
}
