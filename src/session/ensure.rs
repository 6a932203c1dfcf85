//! The four steps to a session: use the stored one; take the lock and look at the stored one again; renew
//! it without a person; ask a person to sign in.

use super::stored::{is_same, stored_session, unusable};
use super::{Engine, Freshness, Session, ask, renew};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oci::Upst;
use crate::store::Locked;

pub(super) fn ensure(engine: &mut Engine<'_>) -> Result<Session> {
    let freshness = engine.want.freshness;
    let mut seen = None;
    match freshness {
        Freshness::Valid => {
            let stored = engine.snapshot()?;
            match unusable(&stored.contents, &engine.settings.origin(), host::now()) {
                None => {
                    let session = stored_session(engine, stored);
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

    let locked = engine.dir.lock(renew::PURPOSE)?;
    match ensure_locked(engine, &locked, seen.as_ref()) {
        Ok(session) => Ok(session),
        Err(e) => {
            locked.leave_no_empty_folder();
            Err(e)
        }
    }
}

fn ensure_locked(engine: &mut Engine<'_>, locked: &Locked, seen: Option<&Upst>) -> Result<Session> {
    let freshness = engine.want.freshness;
    let stored = engine.snapshot()?;
    let may_be_used = match freshness {
        Freshness::Valid => true,
        Freshness::Newer => !is_same(seen, stored.contents.upst.as_ref()),
        Freshness::SignedIn => false,
    };
    if may_be_used && unusable(&stored.contents, &engine.settings.origin(), host::now()).is_none() {
        log::debug(format_args!("Another process has just made a session"));
        return Ok(stored_session(engine, stored));
    }
    if freshness == Freshness::Valid {
        // While this process waited for the lock, another one's sign-in may have failed.
        ask::refuse_at_once(engine, &stored.contents.record)?;
    }

    if let Some(known) = &engine.settings.other_profiles
        && !stored.section.exists
        && locked.is_empty()
    {
        let profile = engine.settings.profile.to_string();
        return Err(Error::UnknownProfile { profile, known: known.clone() });
    }
    for warning in engine.settings.warnings.iter().chain(&engine.settings.exposed()) {
        log::warning(format_args!("{warning}"));
    }
    let needs = engine.settings.provider_needs(&engine.host.env)?;
    // Checked first: no token is spent and no person is asked if the session could not be written into the
    // OCI config afterwards.
    engine.check(&stored.oci_config)?;
    if freshness == Freshness::SignedIn {
        return ask::sign_in(engine, locked, stored, &needs, "you asked for it");
    }
    match renew::renew(engine, locked, stored, &needs)? {
        renew::Outcome::Renewed(session) => Ok(*session),
        renew::Outcome::NeedsPerson { stored, why } => ask::sign_in(engine, locked, *stored, &needs, &why),
    }
}
