//! The four steps to a session: what is stored, the lock and what is stored then, a renewal, a person.

use super::{Engine, Freshness, Session, Snapshot, Source, USABLE_SECONDS, ask, renew};
use crate::config::Settings;
use crate::error::Result;
use crate::host;
use crate::log;
use crate::oci::Upst;
use crate::time::UnixTime;

pub(super) fn ensure(engine: &mut Engine<'_>) -> Result<Session> {
    let freshness = engine.want.freshness;
    let mut seen = None;
    match freshness {
        Freshness::Valid => {
            let stored = engine.snapshot()?;
            match unusable(&stored, engine.settings, host::now()) {
                None => return Ok(stored_session(engine, stored)),
                Some(why) => log::debug(format_args!("Cannot use the stored session: {why}")),
            }
            ask::refuse_at_once(engine, &stored.contents.record)?;
        }
        Freshness::Newer => seen = engine.stored_upst()?,
        Freshness::SignedIn => {}
    }

    let locked = engine.dir.lock(renew::PURPOSE)?;
    let stored = engine.snapshot()?;
    let may_be_used = match freshness {
        Freshness::Valid => true,
        Freshness::Newer => !is_same(seen.as_ref(), stored.contents.upst.as_ref()),
        Freshness::SignedIn => false,
    };
    if may_be_used && unusable(&stored, engine.settings, host::now()).is_none() {
        log::debug(format_args!("Another process has just made a session"));
        return Ok(stored_session(engine, stored));
    }
    if freshness == Freshness::Valid {
        // For a process that waited behind a sign-in which nobody answered.
        ask::refuse_at_once(engine, &stored.contents.record)?;
    }

    for warning in &engine.settings.warnings {
        log::warning(format_args!("{warning}"));
    }
    let needs = engine.settings.provider_needs(&engine.host.env)?;
    // Before a token is spent or a person is asked for a session that could then not be named there.
    engine.check(&stored.oci_config)?;
    if freshness == Freshness::SignedIn {
        return ask::sign_in(engine, &locked, stored, &needs, "it was asked for");
    }
    match renew::renew(engine, &locked, stored, &needs)? {
        renew::Outcome::Renewed(session) => Ok(*session),
        renew::Outcome::NeedsPerson { stored, why } => ask::sign_in(engine, &locked, *stored, &needs, &why),
    }
}

/// Why the stored session cannot be used; none where it can.
pub(super) fn unusable(stored: &Snapshot<'_>, settings: &Settings, now: UnixTime) -> Option<&'static str> {
    let contents = &stored.contents;
    let (Some(upst), Some(key)) = (&contents.upst, &contents.key) else {
        return Some("there is no session token, or no key");
    };
    if !upst.is_valid_for(now, USABLE_SECONDS) {
        Some("the session token has ended or is about to")
    } else if !upst.is_bound_to(key.public()) {
        Some("the session token is bound to another key")
    } else if contents.record.differs_from(&settings.origin()).is_some() {
        Some("the session was made with another configuration")
    } else {
        None
    }
}

/// The session of a snapshot that is usable.
pub(super) fn stored_session(engine: &Engine<'_>, stored: Snapshot<'_>) -> Session {
    let Snapshot { contents, section, .. } = stored;
    let token_file = engine.dir.token_file();
    let set = engine.settings.region.clone();
    let is_named = section.key_file.as_ref() == Some(&contents.key_file)
        && section.security_token_file.as_ref() == Some(&token_file)
        && (section.region.is_some() || set.is_none());
    Session {
        upst: contents.upst.expect("a usable session has a token"),
        key: contents.key.expect("a usable session has a key"),
        key_file: contents.key_file,
        token_file,
        region: set.or(section.region),
        is_named,
        source: Source::Cached,
    }
}

pub(super) fn is_same(one: Option<&Upst>, other: Option<&Upst>) -> bool {
    one.map(Upst::token) == other.map(Upst::token)
}
