//! The last step: a person signs in. Decides whether a person may be asked, records a sign-in that failed, and tells
//! the person in the browser how the sign-in ended. The sign-in at a provider and the one at Oracle's own page are
//! files of their own.

mod console;
mod provider;
mod way;

use std::io::{self, IsTerminal as _};

use way::{Choice, Here, Unmet};

use super::stored::Snapshot;
use super::{Engine, Freshness, Person, Session};
use crate::config::{Needs, Origin, Settings, SignIn};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::signin::{self, Reach, Reply, page};
use crate::store::record::{FailedSignIn, HowFailed};
use crate::store::{Locked, Record, refresh_token};

/// After a sign-in that was denied or not answered, a run without a terminal opens no browser for this
/// long.
const REMEMBERED_SECONDS: i64 = 600;

/// Sends a person to sign in, makes a session of the answer and tells the person how that ended, in
/// the browser too. `why` says why a sign-in is needed.
pub fn sign_in<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    stored: Snapshot<'a>,
    needs: &Needs,
    why: &str,
) -> Result<Session> {
    if engine.want.freshness != Freshness::SignedIn {
        may_ask(engine, &stored.contents.record, why)?;
    }
    let mut reply = Reply::default();
    let session = match needs {
        Needs::Provider(needs) => provider::sign_in(engine, locked, stored, needs, why, &mut reply),
        Needs::Console(needs) => console::sign_in(engine, locked, stored, needs, why, &mut reply),
        Needs::Workload(_) => {
            Err(engine.nobody_to_ask(format!("{why}, and a workload's session needs no person")))
        }
    };
    let Settings { profile, given, .. } = engine.settings;
    reply.end(match &session {
        Ok(session) => page::signed_in(profile.as_str(), session.upst.sub(), &session.upst.exp().to_string()),
        Err(e) => page::failed(&e.say_to(given)),
    });
    session
}

/// Refuses if a browser must not be opened, or if an earlier sign-in failed a short time ago: a kubectl in
/// the background would otherwise open one tab after another.
fn may_ask(engine: &Engine<'_>, record: &Record, why: &str) -> Result<()> {
    if engine.want.person == Person::Nobody {
        return Err(engine.nobody_to_ask(why.to_owned()));
    }
    if engine.settings.sign_in == SignIn::Never {
        let why = format!("{why}, and opening a browser is forbidden (--sign-in never)");
        return Err(engine.nobody_to_ask(why));
    }
    match &record.failed_sign_in {
        Some(failed) if is_remembered(failed) => Err(engine.nobody_to_ask(failed_recently(failed))),
        _ => Ok(()),
    }
}

/// Refuses for a remembered sign-in as [`may_ask`] does, but before the lock is taken and the passphrase is
/// asked for, so that many processes in the background do not queue for the lock.
pub fn refuse_at_once(engine: &Engine<'_>, record: &Record) -> Result<()> {
    let Some(failed) = &record.failed_sign_in else { return Ok(()) };
    if engine.want.person != Person::Nobody
        && is_remembered(failed)
        && record.provider_change(engine.settings.origin().as_ref()).is_none()
        && let Some(dead_file) = &failed.dead_file
        && *dead_file == refresh_token::file_hash(&engine.dir.refresh_token_file())?
    {
        return Err(engine.nobody_to_ask(failed_recently(failed)));
    }
    Ok(())
}

/// Whether a person sees what is printed and can act on it.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn is_remembered(failed: &FailedSignIn) -> bool {
    !has_terminal() && (0..REMEMBERED_SECONDS).contains(&host::now().since(failed.at))
}

fn failed_recently(FailedSignIn { how, at, .. }: &FailedSignIn) -> String {
    format!(
        "the sign-in at {at} was {}; for {} minutes after it, runs without a terminal open no browser",
        how.word(),
        REMEMBERED_SECONDS / 60
    )
}

/// How the person is reached for this sign-in. `device` says whether the provider has a device authorization endpoint.
fn choose(engine: &Engine<'_>, device: bool, why: &str) -> Result<Choice> {
    let here = Here {
        browser: signin::can_open_browser(&engine.host.env),
        device,
        viewer: waits_without_browser(engine),
        keyboard: has_keyboard(engine),
    };
    way::choose(engine.settings.sign_in_with, here).map_err(|unmet| match unmet {
        Unmet::NoKeyboard => {
            let profile = engine.settings.profile.to_string();
            let other = if device { "device" } else { "browser" };
            Error::NoTerminalToPaste { profile, why: why.to_owned(), other }
        }
        Unmet::NoDeviceEndpoint => Error::BadValue {
            name: "--sign-in-with device (sign_in_with)".into(),
            why: "the provider has no device authorization endpoint, and none is configured (device_url)"
                .into(),
        },
    })
}

/// Whether a person is at the terminal, and may type there for woci.
fn has_keyboard(engine: &Engine<'_>) -> bool {
    engine.want.person == Person::AtTerminal && has_terminal()
}

fn reach(engine: &Engine<'_>, opens_browser: bool) -> Reach {
    Reach {
        opens_browser,
        secret_variables: engine.settings.secret_variables.clone(),
        wait_without_browser: waits_without_browser(engine),
        reads_terminal: has_keyboard(engine),
    }
}

/// Whether the listener waits although no browser opened: a person may open the URL elsewhere.
fn waits_without_browser(engine: &Engine<'_>) -> bool {
    engine.want.freshness == Freshness::SignedIn || has_terminal()
}

/// The hash of the refresh token file that has failed. In an explicit sign-in, and with another provider than the one
/// of `origin`, the token in the file may still be good.
fn dead_file(engine: &Engine<'_>, record: &Record, origin: Option<&Origin>) -> Result<Option<String>> {
    let is_of_other = record.provider_change(origin).is_some();
    if engine.want.freshness == Freshness::SignedIn || is_of_other {
        return Ok(None);
    }
    refresh_token::file_hash(&engine.dir.refresh_token_file()).map(Some)
}

/// Where no browser opens and nobody is at a terminal, the run says why it needs a person.
fn without_browser(engine: &Engine<'_>, why: &str, e: Error) -> Error {
    match e {
        Error::NoBrowser => {
            engine.nobody_to_ask(format!("{why}, no browser opens here, and there is no terminal"))
        }
        other => other,
    }
}

/// Gives the folder to the origin of the sign-in, even if what follows fails. If this run is killed meanwhile, nothing
/// of the former session is sent to the new origin: the token goes before the record changes, and the former refresh
/// token by then belongs to another origin.
fn give_folder_to(origin: Option<&Origin>, locked: &Locked, stored: &mut Snapshot<'_>) -> Result<()> {
    let record = &stored.contents.record;
    if record.provider_change(origin).or(record.exchange_change(origin)).is_some() {
        locked.remove_token()?;
    }
    stored.contents.record = Record {
        origin: origin.cloned(),
        identity: stored.contents.identity(),
        identity_may_change: true,
        ..Record::default()
    };
    locked.store_record(&stored.contents.record)
}

/// Minutes may have passed since the OCI config was read.
fn read_oci_config_again<'a>(engine: &Engine<'a>, stored: &mut Snapshot<'a>) -> Result<()> {
    stored.oci_config = engine.oci_config()?;
    stored.section = stored.oci_config.section(&engine.settings.profile)?;
    Ok(())
}

/// Records a sign-in that a person denied or did not finish, or that ended with what was refused.
fn remember(locked: &Locked, record: &Record, e: &Error, dead_file: Option<String>) {
    match e {
        Error::Unanswered { .. } => remember_as(HowFailed::Unanswered, locked, record, dead_file),
        Error::Denied { .. } => remember_as(HowFailed::Denied, locked, record, dead_file),
        Error::AnotherIssuer { .. } | Error::UnexpectedIdentity { .. } => {
            remember_as(HowFailed::Unsuccessful, locked, record, dead_file);
        }
        _ => {}
    }
}

fn remember_as(how: HowFailed, locked: &Locked, record: &Record, dead_file: Option<String>) {
    let failed_sign_in = Some(FailedSignIn { how, at: host::now(), dead_file });
    if let Err(e) = locked.store_record(&Record { failed_sign_in, ..record.clone() }) {
        log::warning(format_args!("{e}"));
    }
}
