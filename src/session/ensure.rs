//! The four steps to a session: use the stored one; take the lock and look at the stored one again; renew
//! it without a person; ask a person to sign in.

use std::time::Duration;

use super::stored::{Snapshot, is_same, stored_session};
use super::{Engine, Freshness, Person, Session, ask, discover, renew};
use crate::config::Needs;
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oauth::discovery::Issuer;
use crate::oauth::http::Retry;
use crate::oci::config_file::Section;
use crate::oci::{PrivateKey, Upst};
use crate::signin::console;
use crate::store::{Contents, Locked};

pub(super) fn ensure(engine: &mut Engine<'_>) -> Result<Session> {
    let freshness = engine.want.freshness;
    let mut seen = None;
    match freshness {
        Freshness::Valid => {
            let stored = engine.snapshot()?;
            engine.refuse_encrypted_key(&stored.contents, &stored.section)?;
            match engine.unusable(&stored.contents) {
                // With `auto_refresh`, the caller hands the session out at once, and it is renewed in the background.
                None if !engine.settings.auto_refresh
                    && renew::console::is_due(engine, &stored.contents, host::now()) =>
                {
                    return renew_in_time(engine, stored);
                }
                None => {
                    let warning = renew::console::ends_soon(engine, &stored.contents, host::now());
                    let session = stored_session(engine, stored);
                    if let Some(why) = warning {
                        not_renewed(engine, &session, &engine.nobody_to_ask(why));
                    }
                    log::debug(format_args!(
                        "No refresh: the stored session token is valid until {}",
                        session.upst.exp()
                    ));
                    return Ok(session);
                }
                Some(why) => log::debug(format_args!("Cannot use the stored session: {why}")),
            }
            ask::refuse_at_once(engine, &stored.contents.record)?;
        }
        Freshness::Newer => seen = engine.stored_upst()?,
        Freshness::SignedIn => {}
    }

    let purpose = renew::purpose(engine.settings);
    let locked = match engine.want.waits_for_lock {
        true => engine.dir.lock(purpose)?,
        false => engine.dir.lock_within(purpose, Duration::ZERO, console::PURPOSE)?,
    };
    let ensured = ensure_locked(engine, &locked, seen.as_ref());
    after(engine, locked, ensured)
}

/// Releases the lock after a run. A failure is shared with the runs that wait, and if nothing was stored, the folder is
/// removed.
fn after(engine: &Engine<'_>, mut locked: Locked, outcome: Result<Session>) -> Result<Session> {
    outcome.inspect_err(|e| {
        share(engine, &mut locked, e);
        locked.leave_no_empty_folder();
    })
}

/// Tells the runs that wait that the service is down, so that they do not all try it. A refusal is not shared: this
/// run's own options may be its cause.
fn share(engine: &Engine<'_>, locked: &mut Locked, e: &Error) {
    let is_down = matches!(
        e,
        Error::Unreachable { .. }
            | Error::AnswerLost { .. }
            | Error::Proxy { .. }
            | Error::Refused { status: 408 | 429 | 500.., .. }
    );
    // Those who wait have a failure that was shared with this run from the file already.
    if is_down && engine.want.freshness != Freshness::SignedIn {
        let said = e.say_to(&engine.settings.given);
        locked.fail(said.code, said.to_string(), renew::PURPOSE);
    }
}

/// Renews a console session of which less than half is left. The stored session is valid, so that a renewal that
/// fails costs nobody anything yet.
fn renew_in_time(engine: &mut Engine<'_>, stored: Snapshot<'_>) -> Result<Session> {
    let e = match try_to_renew(engine) {
        Ok(session) => return Ok(session),
        Err(e) => e,
    };
    // Meanwhile somebody has logged out: the session that was read before is not handed out.
    if engine.stored_upst()?.is_none() {
        return Err(e);
    }
    let session = stored_session(engine, stored);
    not_renewed(engine, &session, &e);
    Ok(session)
}

/// Tells the person why a session that is handed out was not renewed, if it ends soon.
fn not_renewed(engine: &Engine<'_>, session: &Session, e: &Error) {
    let (profile, upst) = (&engine.settings.profile, &session.upst);
    let (exp, said) = (upst.exp(), e.say_to(&engine.settings.given));
    match upst.is_valid_for(host::now(), renew::console::ENDS_SOON_SECONDS) {
        true => log::debug(format_args!("The session of profile {profile} was not renewed: {said}")),
        false => log::warning(format_args!("The session of profile {profile} ends at {exp}: {said}")),
    }
}

fn try_to_renew(engine: &mut Engine<'_>) -> Result<Session> {
    let locked = engine.dir.lock_within(renew::PURPOSE, renew::console::LIMIT, console::PURPOSE)?;
    let renewed = try_to_renew_locked(engine, &locked);
    after(engine, locked, renewed)
}

fn try_to_renew_locked(engine: &mut Engine<'_>, locked: &Locked) -> Result<Session> {
    let stored = engine.snapshot()?;
    if engine.unusable(&stored.contents).is_none()
        && !renew::console::is_due(engine, &stored.contents, host::now())
    {
        log::debug(format_args!("Another process has just renewed the session"));
        return Ok(stored_session(engine, stored));
    }
    if let Some(e) = locked.failure_elsewhere() {
        return Err(e);
    }
    // Whoever waits has a session that works: no second try.
    match renew::console::renew(engine, locked, stored, Retry::Never)? {
        renew::Outcome::Renewed(session) => Ok(*session),
        renew::Outcome::NeedsPerson { why, .. } => Err(engine.nobody_to_ask(why)),
    }
}

impl Engine<'_> {
    /// A session whose key needs a passphrase is left as it is, unless a person asks for a new one. If the token
    /// is bound to another key, the encrypted key is left from an earlier session.
    pub fn refuse_encrypted_key(&self, contents: &Contents, section: &Section) -> Result<()> {
        let Contents { upst, key, key_is_encrypted, .. } = contents;
        let is_of_token = |key: &PrivateKey| upst.as_ref().is_some_and(|upst| upst.is_bound_to(key.public()));
        match &section.key_file {
            Some(path) if *key_is_encrypted && !key.as_ref().is_some_and(is_of_token) => {
                let profile = self.settings.profile.to_string();
                Err(Error::KeyEncrypted { path: path.clone(), profile })
            }
            _ => Ok(()),
        }
    }
}

fn ensure_locked(engine: &mut Engine<'_>, locked: &Locked, seen: Option<&Upst>) -> Result<Session> {
    let freshness = engine.want.freshness;
    let stored = engine.snapshot()?;
    if freshness != Freshness::SignedIn {
        engine.refuse_encrypted_key(&stored.contents, &stored.section)?;
    }
    let may_be_used = match freshness {
        Freshness::Valid => true,
        Freshness::Newer => !is_same(seen, stored.contents.upst.as_ref()),
        Freshness::SignedIn => false,
    };
    if may_be_used && engine.unusable(&stored.contents).is_none() {
        log::debug(format_args!("Another process has just made a session"));
        return Ok(stored_session(engine, stored));
    }
    if freshness != Freshness::SignedIn
        && let Some(e) = locked.failure_elsewhere()
    {
        return Err(e);
    }
    // Whoever keeps a session fresh began with one. A workload's session could be made of nothing that is stored.
    let Contents { upst, record, .. } = &stored.contents;
    let is_gone = upst.is_none() && record.origin.is_none() && !engine.dir.has_refresh_token();
    if is_gone && engine.want.person == Person::Nobody {
        return Err(engine.nobody_to_ask("there is no session: somebody has logged out".into()));
    }
    if freshness == Freshness::Valid {
        // While this process waited for the lock, another one's sign-in may have failed.
        ask::refuse_at_once(engine, &stored.contents.record)?;
    }

    let is_somewhere = || stored.section.exists || !locked.is_empty();
    if let Some(e) = engine.settings.unknown_profile(is_somewhere) {
        return Err(e);
    }
    for warning in engine.settings.warnings.iter().chain(&engine.settings.exposed()) {
        log::warning(format_args!("{warning}"));
    }
    let is_asked_for = freshness == Freshness::SignedIn;
    let is_console = is_asked_for || engine.is_console(&stored.contents);
    // A `--region` for one command does not move the session to another region.
    let (set, of_section) = (&engine.settings.region, &stored.section.region);
    let region = if is_asked_for {
        set.as_ref().or(of_section.as_ref())
    } else {
        of_section.as_ref().or(set.as_ref())
    };
    // All that follows needs random bytes, and so do libraries, which would abort.
    let [_] = host::random()?;
    // For all requests that follow, a sign-in apart: whoever waits for the lock gives up after that.
    engine.client.begin(renew::LIMIT);
    let discover = |issuer: &Issuer| discover::document(engine, locked, issuer);
    let needs = engine.settings.needs(&engine.host.env, region.map(String::as_str), is_console, discover)?;
    if let Some(option) = engine.want.login.option()
        && !matches!(needs, Needs::Console(_))
    {
        let other = "a session that is not made at Oracle's own sign-in".into();
        return Err(Error::Conflict { one: option.into(), other });
    }
    // Checked first: no token is spent and no person is asked if the session could not be written into the
    // OCI config afterwards.
    engine.check(&stored.oci_config)?;
    if is_asked_for && !matches!(needs, Needs::Workload(_)) {
        return ask::sign_in(engine, locked, stored, &needs, "you asked for it");
    }
    match renew::renew(engine, locked, stored, &needs)? {
        renew::Outcome::Renewed(session) => Ok(*session),
        renew::Outcome::NeedsPerson { why, .. } if matches!(needs, Needs::Console(_)) && !is_console => {
            let why = format!("{why}, and Oracle's own sign-in starts only when you ask for it");
            Err(engine.nobody_to_ask(why))
        }
        renew::Outcome::NeedsPerson { stored, why } => ask::sign_in(engine, locked, *stored, &needs, &why),
    }
}
