//! `--daemon`, `--daemon-status` and `--stop-daemon`, and the background process that the first one starts.
//! Documents follow schemas/daemon-status.schema.json.

use super::session::{take_profile_name, with_own_options};
use super::{CREDENTIAL, Invocation, settings};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::fresh::daemon::{self, Daemon, Status};
use crate::fresh::keeper::Keeper;
use crate::host::Host;
use crate::output::{Document, Output, print};
use crate::secret::Secret;
use crate::session::{Engine, Want};
use crate::sys;

/// Makes the session, then starts the background process and prints its state.
pub fn start(host: &Host, mut invocation: Invocation) -> Result<Output> {
    // The session that it begins with is a fact of the verb beside it.
    let Some(want) = invocation.beside.daemon else { return Err(beside_another(&invocation)) };
    take_profile_name(&mut invocation.flags, &invocation.own)?;
    let want = with_own_options(want, &invocation.own);
    let flags = &invocation.flags;
    let settings = settings(host, flags)?;
    let mut engine = Engine::new(host, &settings, want, None);
    if flags.has("--foreground") {
        engine.ensure().map_err(needs_person)?;
        return stay(host, &invocation, &settings, engine.unlock()?).map_err(needs_person);
    }
    engine.ensure()?;
    if Daemon::of(&settings).status()?.pid.is_none() {
        let passphrase = engine.unlock()?;
        Daemon::of(&settings).start(flags, &settings, passphrase.as_ref())?;
    }
    let status = Daemon::of(&settings).status()?;
    Ok(Output::Document(document(host, &settings, &status)?))
}

/// Keeps the session fresh in this process, for systemd and launchd: the document is printed once it is up,
/// messages go to stderr.
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
        let document = document(host, settings, &daemon.status()?)?;
        print(Output::Document(document)).map(drop)
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
    match e {
        Error::NobodyToAsk { profile, why } => Error::DaemonNeedsPerson { profile, why },
        other => other,
    }
}

/// The background process that `start` starts.
pub fn process(host: &Host, invocation: Invocation) -> Result<Output> {
    sys::forbid_core_dumps();
    let mut flags = invocation.flags;
    let passphrase = daemon::take_secrets(&mut flags);
    let settings = settings(host, &flags)?;
    let keeper = Keeper::new(host, &flags, passphrase);
    let daemon = Daemon::of(&settings);
    daemon.run(keeper, || daemon.detach())?;
    Ok(Output::Code(0))
}

pub fn status(host: &Host, invocation: Invocation) -> Result<Output> {
    check_alone(&invocation)?;
    let settings = settings(host, &invocation.flags)?;
    let status = Daemon::of(&settings).status()?;
    let code = if status.pid.is_some() { 0 } else { 1 };
    Ok(Output::Answer { document: document(host, &settings, &status)?, code })
}

pub fn stop(host: &Host, invocation: Invocation) -> Result<Output> {
    check_alone(&invocation)?;
    let settings = settings(host, &invocation.flags)?;
    let code = if Daemon::of(&settings).stop()? { 0 } else { 1 };
    let status = Daemon::of(&settings).status()?;
    Ok(Output::Answer { document: document(host, &settings, &status)?, code })
}

fn check_alone(invocation: &Invocation) -> Result<()> {
    if invocation.beside.name == CREDENTIAL { Ok(()) } else { Err(beside_another(invocation)) }
}

fn beside_another(invocation: &Invocation) -> Error {
    Error::Conflict { one: invocation.verb.name.into(), other: "another command".into() }
}

fn document(host: &Host, settings: &Settings, status: &Status) -> Result<Document> {
    let upst = Engine::new(host, settings, Want::VALID, None).stored_upst()?;
    Ok(vec![
        ("running", status.pid.is_some().into()),
        ("pid", status.pid.into()),
        ("profile", settings.profile.as_str().into()),
        ("expiration", upst.map(|upst| upst.exp().to_string()).into()),
        ("next_refresh", status.next_refresh.map(|time| time.to_string()).into()),
        ("last_refresh", status.last_refresh.map(|time| time.to_string()).into()),
        ("last_error", status.last_error.clone().into()),
        ("log_file", Daemon::of(settings).log_file().to_string_lossy().into()),
    ])
}
