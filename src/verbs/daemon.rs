//! `--daemon`, `--daemon-status`, `--stop-daemon`, and the process that the first leaves behind.
//! Documents follow schemas/daemon-status.schema.json.

use super::settings;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::fresh::daemon::{self, Daemon, Status};
use crate::fresh::keeper::Keeper;
use crate::host::Host;
use crate::options::Flags;
use crate::output::{Document, Output, print};
use crate::session::{Engine, Want};
use crate::sys;

/// Makes the session, then leaves a daemon behind and says how it is.
pub fn start(host: &Host, flags: &Flags, want: Want) -> Result<Output> {
    let settings = settings(host, flags)?;
    let mut engine = Engine::new(host, &settings, want, None);
    engine.ensure()?;
    if Daemon::of(&settings).status()?.pid.is_none() {
        let passphrase = engine.unlock()?;
        Daemon::of(&settings).start(flags, &settings, passphrase.as_ref())?;
    }
    let status = Daemon::of(&settings).status()?;
    Ok(Output::Document(document(host, &settings, &status)?))
}

/// The same in front, for systemd and launchd: the document once it is up, messages on stderr.
pub fn stay(host: &Host, flags: &Flags, want: Want) -> Result<Output> {
    let settings = settings(host, flags)?;
    let mut engine = Engine::new(host, &settings, want, None);
    engine.ensure()?;
    let keeper = Keeper::new(host, flags, engine.unlock()?);
    sys::forbid_core_dumps();
    let daemon = Daemon::of(&settings);
    let is_new = daemon.run(keeper, || {
        let document = document(host, &settings, &daemon.status()?)?;
        print(Output::Document(document)).map(drop)
    })?;
    if is_new {
        Ok(Output::Code(0))
    } else {
        Err(Error::DaemonRuns { profile: settings.profile.to_string() })
    }
}

/// What `start` leaves behind.
pub fn process(host: &Host, mut flags: Flags) -> Result<Output> {
    sys::forbid_core_dumps();
    let passphrase = daemon::take_secrets(&mut flags);
    let settings = settings(host, &flags)?;
    let keeper = Keeper::new(host, &flags, passphrase);
    let daemon = Daemon::of(&settings);
    daemon.run(keeper, || daemon.detach())?;
    Ok(Output::Code(0))
}

pub fn status(host: &Host, flags: &Flags) -> Result<Output> {
    let settings = settings(host, flags)?;
    let status = Daemon::of(&settings).status()?;
    let code = if status.pid.is_some() { 0 } else { 1 };
    Ok(Output::Answer { document: document(host, &settings, &status)?, code })
}

pub fn stop(host: &Host, flags: &Flags) -> Result<Output> {
    let settings = settings(host, flags)?;
    let code = if Daemon::of(&settings).stop()? { 0 } else { 1 };
    let status = Daemon::of(&settings).status()?;
    Ok(Output::Answer { document: document(host, &settings, &status)?, code })
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
