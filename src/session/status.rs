//! What is stored of a session and what the next run does with it, found out without a request, a lock, a write or the
//! derivation of a key. The rules are those of `ensure`, whose steps are not taken.

use std::path::PathBuf;

use super::outlook::{self, Obstacle};
use super::stored::Snapshot;
use super::{Engine, USABLE_SECONDS, renew};
use crate::config::SessionFrom;
use crate::error::{Error, Result};
use crate::host;
use crate::oci::Identity;
use crate::store::record::FailedSignIn;
use crate::store::refresh_token::{self, Kept};
use crate::time::UnixTime;

/// A session as it is stored.
pub struct Status {
    pub state: State,
    /// Why the next run does not use the stored session, or why the one after it cannot renew it.
    pub why: Option<String>,
    /// The words of the command of woci that a person should run next.
    pub next: Option<&'static str>,
    pub session_from: Option<SessionFrom>,
    pub identity: Identity,
    pub region: Option<String>,
    pub expiration: Option<UnixTime>,
    /// In seconds; 0 for a token that no run uses any more.
    pub expires_in: Option<i64>,
    /// When a console session ends for good, if its token says so.
    pub ends: Option<UnixTime>,
    pub refresh_token: Kept,
    /// The provider has refused the refresh token.
    pub is_refused: bool,
    pub key_file: PathBuf,
    pub key: KeyState,
    /// The last sign-in, if it was not finished.
    pub failed_sign_in: Option<FailedSignIn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The next run uses the session as it is.
    Usable,
    /// The next run renews the session without a person.
    Renewable,
    /// The next run needs a person, who may have to sign in, to type a passphrase or to correct the configuration.
    NeedsPerson,
    /// Nothing of a session is stored.
    NoSession,
    /// The profile's section of the OCI config holds an API key, and there is no session.
    ApiKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Missing,
    Encrypted,
    /// The token does not name its key, or there is no token.
    Present,
    OfToken,
    /// The token is bound to another key.
    OfAnother,
}

impl State {
    pub fn needs_person(self) -> bool {
        match self {
            Self::Usable | Self::Renewable => false,
            Self::NeedsPerson | Self::NoSession | Self::ApiKey => true,
        }
    }
}

impl KeyState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Encrypted => "encrypted",
            Self::Present => "present",
            Self::OfToken => "matches",
            Self::OfAnother => "mismatch",
        }
    }
}

pub fn look(engine: &Engine<'_>) -> Result<Status> {
    let stored = engine.snapshot()?;
    let now = host::now();
    let kept = refresh_token::kept(&engine.dir.refresh_token_file(), &engine.at_rest)?;
    let contents = &stored.contents;
    let record = &contents.record;
    let is_console = engine.is_console(contents);
    let session_from = engine.settings.session_from.or(record.session_from());
    let session_from = session_from.or(is_console.then_some(SessionFrom::Console));
    let kept = match (session_from, kept) {
        // The keyring is for the refresh token of a provider.
        (Some(SessionFrom::Workload | SessionFrom::Console) | None, Kept::ByCommand) => Kept::Nowhere,
        (_, kept) => kept,
    };
    let is_refused = kept.is_refused(record.refused.as_deref());
    let obstacle = obstacle(engine, &stored, now)?;
    let upst = contents.upst.as_ref();
    let is_there =
        upst.is_some() || record.origin.is_some() || !matches!(kept, Kept::Nowhere | Kept::ByCommand);
    let encrypted_key = engine.refuse_encrypted_key(contents, &stored.section).err();
    let unusable = engine.unusable(contents);
    let (state, why, next) = match (&encrypted_key, unusable, obstacle) {
        (Some(e), ..) => (State::NeedsPerson, Some(e.say().why), Some(outlook::SIGN_IN)),
        (None, None, Some(obstacle)) => {
            let is_due = obstacle.is_fault
                || upst.is_some_and(|upst| !upst.is_valid_for(now, renew::console::ENDS_SOON_SECONDS));
            (State::Usable, Some(obstacle.why), obstacle.next.filter(|_| is_due))
        }
        (None, None, None) => (State::Usable, None, None),
        (None, Some(why), None) => (State::Renewable, Some(why.to_owned()), None),
        (None, Some(_), Some(_)) if stored.section.is_api_key() && !is_there => (State::ApiKey, None, None),
        (None, Some(_), Some(Obstacle { why, next, .. })) if is_there => {
            (State::NeedsPerson, Some(why), next)
        }
        // That it lacks its parts says nothing more.
        (None, Some(_), Some(Obstacle { why, next, is_fault })) => {
            (State::NoSession, is_fault.then_some(why), next)
        }
    };
    Ok(Status {
        state,
        why,
        next,
        session_from,
        identity: contents.identity(),
        region: engine.settings.region.clone().or(stored.section.region.clone()),
        expiration: upst.map(|upst| upst.exp()),
        expires_in: upst.map(|upst| match upst.is_valid_for(now, USABLE_SECONDS) {
            true => upst.exp().since(now),
            false => 0,
        }),
        // A provider's session lasts as long as its refresh token, whose end is not known.
        ends: upst.filter(|_| is_console).and_then(|upst| upst.sess_exp()),
        refresh_token: kept,
        is_refused,
        key: key_state(&stored, encrypted_key.is_some()),
        key_file: stored.contents.key_file,
        failed_sign_in: stored.contents.record.failed_sign_in,
    })
}

fn key_state(stored: &Snapshot<'_>, is_encrypted: bool) -> KeyState {
    match (&stored.contents.key, &stored.contents.upst) {
        _ if is_encrypted => KeyState::Encrypted,
        (None, _) => KeyState::Missing,
        (Some(key), Some(upst)) if !upst.is_bound_to(key.public()) => KeyState::OfAnother,
        (Some(key), Some(upst)) if upst.names(key.public()) == Some(true) => KeyState::OfToken,
        (Some(_), _) => KeyState::Present,
    }
}

/// What keeps the next renewal from succeeding without a person; none if nothing that can be seen here does.
fn obstacle(engine: &Engine<'_>, stored: &Snapshot<'_>, now: UnixTime) -> Result<Option<Obstacle>> {
    let (settings, contents) = (engine.settings, &stored.contents);
    let region = stored.section.region.as_deref().or(settings.region.as_deref());
    if let Some(lack) = settings.lack(region, engine.is_console(contents)) {
        let said = lack.say_to(&settings.given);
        return Ok(Some(match (settings.session_from, lack) {
            // Nothing is configured: a region is enough for Oracle's own sign-in.
            (None | Some(SessionFrom::Console), Error::MissingOptions { .. }) if region.is_none() => {
                Obstacle::fault("no region is known", outlook::SIGN_IN_SOMEWHERE)
            }
            (None, Error::MissingOptions { .. }) => Obstacle::nothing_configured(),
            _ => Obstacle::fault(said.fault(), outlook::CHECK),
        }));
    }
    if let Err(e) = engine.check(&stored.oci_config) {
        return Ok(Some(Obstacle { why: e.say().why, next: None, is_fault: true }));
    }
    engine.why_person(contents, now)
}
