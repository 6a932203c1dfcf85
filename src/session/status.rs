//! What is stored of a session and what the next run does with it, found out without a request, a lock, a write or the
//! derivation of a key. The rules are those of `ensure`, whose steps are not taken.

use std::path::PathBuf;

use super::stored::Snapshot;
use super::{Engine, USABLE_SECONDS, ensure, renew};
use crate::config::{SecretSource, SessionFrom};
use crate::error::{Error, Result};
use crate::host;
use crate::oci::Identity;
use crate::store::Contents;
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
    /// When the session ends for good, if its token says so.
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

/// Why a renewal needs a person, and what that person does about it.
struct Obstacle {
    why: String,
    next: Option<&'static str>,
    /// It should be dealt with although the session is still usable.
    is_fault: bool,
}

impl Obstacle {
    const fn new(why: String, next: &'static str) -> Self {
        Self { why, next: Some(next), is_fault: false }
    }

    fn fault(why: impl Into<String>, next: &'static str) -> Self {
        Self { is_fault: true, ..Self::new(why.into(), next) }
    }
}

const SIGN_IN: &str = "session authenticate";
const SIGN_IN_SOMEWHERE: &str = "session authenticate --region REGION";
const WITH_PASSPHRASE: &str = "session refresh --refresh-token-passphrase-prompt";
const REFRESH: &str = "session refresh";
const CHECK: &str = "config check";

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
    let is_refused = record.refused.as_ref().is_some_and(|refused| match &kept {
        Kept::Plain(hash) => hash == refused,
        Kept::Encrypted | Kept::ByCommand => true,
        Kept::Nowhere | Kept::Damaged => false,
    });
    let obstacle = obstacle(engine, &stored, &kept, is_refused, now);
    let upst = contents.upst.as_ref();
    let is_there =
        upst.is_some() || record.origin.is_some() || !matches!(kept, Kept::Nowhere | Kept::ByCommand);
    let encrypted_key = ensure::refuse_encrypted_key(engine, &stored).err();
    let unusable = engine.unusable(contents);
    let (state, why, next) = match (&encrypted_key, unusable, obstacle) {
        (Some(e), ..) => (State::NeedsPerson, Some(e.say().why), Some(SIGN_IN)),
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
        ends: upst.and_then(|upst| upst.sess_exp()),
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
fn obstacle(
    engine: &Engine<'_>,
    stored: &Snapshot<'_>,
    kept: &Kept,
    is_refused: bool,
    now: UnixTime,
) -> Option<Obstacle> {
    let (settings, contents) = (engine.settings, &stored.contents);
    let is_console = engine.is_console(contents);
    let region = stored.section.region.as_deref().or(settings.region.as_deref());
    if let Some(lack) = settings.lack(region, is_console) {
        let said = lack.say_to(&settings.given);
        return Some(match (settings.session_from, lack) {
            // Nothing is configured: a region is enough for Oracle's own sign-in.
            (None | Some(SessionFrom::Console), Error::MissingOptions { .. }) if region.is_none() => {
                Obstacle::fault("no region is known", SIGN_IN_SOMEWHERE)
            }
            (None, Error::MissingOptions { .. }) => Obstacle::new("nothing is configured".into(), SIGN_IN),
            _ => Obstacle::fault(format!("{}: {}", said.what, said.why), CHECK),
        });
    }
    if let Err(e) = engine.check(&stored.oci_config) {
        return Some(Obstacle { why: e.say().why, next: None, is_fault: true });
    }
    let change = contents.record.provider_change(settings.origin().as_ref());
    let change = change.or_else(|| renew::is_of_another(engine, contents));
    match settings.session_from {
        Some(SessionFrom::Workload) => None,
        _ if change.is_some() => change.map(|why| Obstacle::fault(why, SIGN_IN)),
        Some(SessionFrom::Provider) => refresh_token_obstacle(engine, stored, kept, is_refused),
        Some(SessionFrom::Console) | None => {
            let Contents { upst, key, record, .. } = contents;
            let why = renew::console::cannot_be_renewed(upst.as_ref(), key.as_ref(), record, now)?;
            // If it is still usable, Oracle has refused to renew it.
            Some(Obstacle { why, next: Some(SIGN_IN), is_fault: contents.upst.is_some() })
        }
    }
}

fn refresh_token_obstacle(
    engine: &Engine<'_>,
    stored: &Snapshot<'_>,
    kept: &Kept,
    is_refused: bool,
) -> Option<Obstacle> {
    let passphrase = &engine.settings.passphrase;
    if is_refused {
        return Some(Obstacle::fault("the provider refused the refresh token", SIGN_IN));
    }
    match kept {
        Kept::Plain(_) => None,
        Kept::Nowhere => Some(Obstacle::new("there is no refresh token".into(), SIGN_IN)),
        Kept::Damaged => Some(Obstacle::fault("the file of the refresh token is damaged", SIGN_IN)),
        Kept::ByCommand if stored.contents.record.origin.is_none() => {
            let why = "the refresh token in the keyring is of an unknown provider: there is no session.json";
            Some(Obstacle::new(why.into(), SIGN_IN))
        }
        Kept::ByCommand => None,
        Kept::Encrypted => match &passphrase.otherwise {
            None if passphrase.prompt => Some(Obstacle::new(
                "the refresh token is encrypted: its passphrase is asked for".into(),
                REFRESH,
            )),
            None => Some(Obstacle::fault(
                "the refresh token is encrypted, and no passphrase source is set",
                WITH_PASSPHRASE,
            )),
            Some(SecretSource::Variable { name, .. }) if engine.host.env.get(name).is_none() => {
                let why = format!("the refresh token is encrypted, and the variable {name} is not set here");
                Some(Obstacle { is_fault: false, ..Obstacle::fault(why, WITH_PASSPHRASE) })
            }
            Some(_) => None,
        },
    }
}
