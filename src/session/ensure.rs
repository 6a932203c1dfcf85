//! The four steps to a session: use the stored one; take the lock and look at the stored one again; renew
//! it without a person; ask a person to sign in.

use super::{Engine, Freshness, Named, Session, Snapshot, Source, USABLE_SECONDS, ask, renew};
use crate::config::Origin;
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oci::Upst;
use crate::store::{Contents, Locked};
use crate::time::UnixTime;

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

/// Why the stored session cannot be used; none where it can. `origin` is the configured one.
pub(super) fn unusable(contents: &Contents, origin: &Origin, now: UnixTime) -> Option<&'static str> {
    let (Some(upst), Some(key)) = (&contents.upst, &contents.key) else {
        return Some("there is no session token, or no key");
    };
    if !upst.is_valid_for(now, USABLE_SECONDS) {
        Some("the session token has expired or is about to expire")
    } else if !upst.is_bound_to(key.public()) {
        Some("the session token is bound to another key")
    } else if contents.record.provider_change(origin).or(contents.record.exchange_change(origin)).is_some() {
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
        named: if is_named { Named::Yes } else { Named::NotYet },
        token_is_bare: contents.token_is_bare,
        source: Source::Cached,
    }
}

pub(super) fn is_same(one: Option<&Upst>, other: Option<&Upst>) -> bool {
    one.map(Upst::token) == other.map(Upst::token)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::oci::PrivateKey;
    use crate::store::Record;

    const NOW: UnixTime = UnixTime(1_000);

    fn upst(claims: &str) -> Option<Upst> {
        Upst::parse(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).ok()
    }

    fn contents(upst: Option<Upst>) -> Contents {
        let key = PrivateKey::parse(include_bytes!("../../fixtures/keys/session.pem")).unwrap();
        Contents {
            upst,
            token_is_bare: true,
            key: Some(key),
            key_file: "/k".into(),
            record: Record::default(),
        }
    }

    fn origin(client_id: &str) -> Origin {
        let client_id = Some(client_id.to_owned());
        Origin { token_url: None, auth_client_id: None, token_exchange_url: None, client_id }
    }

    fn why(contents: &Contents) -> Option<&'static str> {
        unusable(contents, &origin("configured"), NOW)
    }

    #[test]
    fn a_session_is_usable_if_its_token_is_valid_bound_to_its_key_and_of_the_configured_origin() {
        let good = || contents(upst(r#"{"exp":1061}"#));
        assert_eq!(why(&good()), None);

        let ending = contents(upst(r#"{"exp":1060}"#));
        assert_eq!(why(&ending), Some("the session token has expired or is about to expire"));

        let of_another_key = contents(upst(r#"{"exp":1061,"jwk":"{\"n\":\"-_8\",\"e\":\"AQAB\"}"}"#));
        assert_eq!(why(&of_another_key), Some("the session token is bound to another key"));

        let mut elsewhere = good();
        elsewhere.record.origin = Some(origin("another"));
        assert_eq!(why(&elsewhere), Some("the session was made with another configuration"));

        let missing = Some("there is no session token, or no key");
        assert_eq!(why(&contents(None)), missing);
        assert_eq!(why(&Contents { key: None, ..good() }), missing);
    }
}
