//! `--daemon`, `--daemon-status` and `--stop-daemon`, and the background process that the first one starts.
//! Documents follow schemas/daemon-status.schema.json.

use std::path::Path;

use super::session::{take_profile_name, with_own_options};
use super::{CREDENTIAL, Invocation, settings};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::files;
use crate::fresh::daemon::{self, Daemon, Status};
use crate::fresh::keeper::Keeper;
use crate::host::Host;
use crate::options::Flags;
use crate::output::{Format, Output, print};
use crate::secret::Secret;
use crate::session::{Engine, Want};
use crate::sys;
use crate::time::UnixTime;

/// Makes the session, then starts the background process and prints its state.
pub fn start(host: &Host, mut invocation: Invocation) -> Result<Output> {
    // The verb given together with `--daemon` says which session the daemon starts with.
    let Some(want) = invocation.beside.daemon.clone() else { return Err(beside_another(&invocation)) };
    take_profile_name(&mut invocation.flags, &invocation.own)?;
    let want = with_own_options(want, &invocation.own);
    let flags = &invocation.flags;
    let mut settings = settings(host, flags)?;
    settings.given = invocation.given();
    let mut engine = Engine::new(host, &settings, want, None);
    if flags.has("--foreground") {
        engine.ensure().map_err(needs_person)?;
        return stay(host, &invocation, &settings, engine.unlock()?).map_err(needs_person);
    }
    engine.ensure()?;
    if Daemon::of(&settings).status()?.pid.is_none() {
        let passphrase = engine.unlock()?;
        Daemon::of(&settings).start(&host.env, flags, &settings, passphrase.as_ref())?;
    }
    let status = Daemon::of(&settings).status()?;
    answer(host, flags, &settings, &status, 0)
}

/// Keeps the session fresh in this process, for systemd and launchd. Prints the status document when
/// the daemon has started; messages go to stderr.
fn stay(
    host: &Host,
    invocation: &Invocation,
    settings: &Settings,
    passphrase: Option<Secret>,
) -> Result<Output> {
    let keeper = Keeper::new(host, &invocation.flags, passphrase);
    sys::forbid_core_dumps();
    let daemon = Daemon::of(settings);
    let is_new = daemon.run(keeper, || {
        let flags = &invocation.flags;
        let answer = answer(host, flags, settings, &daemon.status()?, 0)?;
        print(answer, Format::of(flags.get("--output")), &host.env).map(drop)
    })?;
    if is_new {
        Ok(Output::Code(0))
    } else {
        Err(Error::DaemonRuns { profile: settings.profile.to_string() })
    }
}

/// systemd and launchd start a daemon anew that fails, which is of no use if only a person can help: an exit code of
/// its own tells them.
fn needs_person(e: Error) -> Error {
    match e.needs_person() {
        Some((profile, why)) => Error::DaemonNeedsPerson { profile: profile.to_owned(), why },
        None => e,
    }
}

/// What a process that woci has started by itself works with.
pub struct Inherited {
    pub host: Host,
    pub flags: Flags,
    pub settings: Settings,
    pub passphrase: Option<Secret>,
}

impl Inherited {
    /// Takes the secrets that the process which has started this one hands over.
    pub fn take(host: &Host, invocation: Invocation) -> Result<Self> {
        sys::forbid_core_dumps();
        let mut flags = invocation.flags;
        let (host, passphrase) = daemon::take_secrets(host, &mut flags);
        // Relative paths are those of the working folder in which woci was run. The settings hold none any more.
        let settings = settings(&host, &flags)?;
        Ok(Self { host, flags, settings, passphrase })
    }
}

/// The background process that `start` starts.
pub fn process(host: &Host, invocation: Invocation) -> Result<Output> {
    let Inherited { host, flags, settings, passphrase } = Inherited::take(host, invocation)?;
    let keeper = Keeper::new(&host, &flags, passphrase);
    let daemon = Daemon::of(&settings);
    sys::settle().map_err(|e| Error::Daemon { log: daemon.log_file(), why: files::io_reason(&e) })?;
    daemon.run(keeper, || daemon.detach())?;
    Ok(Output::Code(0))
}

pub fn status(host: &Host, invocation: Invocation) -> Result<Output> {
    check_alone(&invocation)?;
    let settings = settings(host, &invocation.flags)?;
    let status = Daemon::of(&settings).status()?;
    let code = if status.pid.is_some() { 0 } else { 1 };
    answer(host, &invocation.flags, &settings, &status, code)
}

pub fn stop(host: &Host, invocation: Invocation) -> Result<Output> {
    check_alone(&invocation)?;
    let settings = settings(host, &invocation.flags)?;
    let code = if Daemon::of(&settings).stop()? { 0 } else { 1 };
    let status = Daemon::of(&settings).status()?;
    answer(host, &invocation.flags, &settings, &status, code)
}

fn check_alone(invocation: &Invocation) -> Result<()> {
    if invocation.beside.name == CREDENTIAL { Ok(()) } else { Err(beside_another(invocation)) }
}

fn beside_another(invocation: &Invocation) -> Error {
    Error::Conflict { one: invocation.verb.name.into(), other: "another command".into() }
}

fn answer(host: &Host, flags: &Flags, settings: &Settings, status: &Status, code: u8) -> Result<Output> {
    let upst = Engine::new(host, settings, Want::VALID, None).stored_upst()?;
    let expiration = upst.map(|upst| upst.exp().to_string());
    let log_file = Daemon::of(settings).log_file();
    let text = text(flags, settings, status, expiration.as_deref(), &log_file);
    let document = vec![
        ("running", status.pid.is_some().into()),
        ("pid", status.pid.into()),
        ("profile", settings.profile.as_str().into()),
        ("expiration", expiration.into()),
        ("next_refresh", status.next_refresh.map(|time| time.to_string()).into()),
        ("last_refresh", status.last_refresh.map(|time| time.to_string()).into()),
        ("last_error", status.last_error.clone().into()),
        ("log_file", log_file.to_string_lossy().into()),
    ];
    Ok(Output::Document { document, text: text.into(), code })
}

/// The same for a person, with what to do next.
fn text(
    flags: &Flags,
    settings: &Settings,
    status: &Status,
    expiration: Option<&str>,
    log_file: &Path,
) -> String {
    let Settings { profile, .. } = settings;
    let given = flags.given();
    let (state, next) = match status.pid {
        Some(pid) => (
            format!("keeps the session of profile {profile} fresh (process {pid})"),
            format!("{} stops it", given.command("--stop-daemon", None)),
        ),
        None => (
            format!("does not run for profile {profile}"),
            format!("{} starts it", given.command("--daemon", None)),
        ),
    };
    let moment = |time: Option<UnixTime>| time.map_or_else(|| "none".to_owned(), |time| time.to_string());
    let error = status.last_error.as_deref().unwrap_or("none");
    format!(
        "The daemon {state}\n\
         Valid     until {}\n\
         Refresh   last {}, next {}\n\
         Error     {error}\n\
         Log       {}\n\
         \n\
         Next: {next}.\n",
        expiration.unwrap_or("unknown"),
        moment(status.last_refresh),
        moment(status.next_refresh),
        log_file.display(),
    )
}
