//! The end of a session: its refresh token is revoked at the provider (RFC 7009), then its secrets are removed, then
//! the keys in the OCI config that name it, then the rest. A run that is killed in between is completed by the next
//! one.

use std::path::PathBuf;
use std::time::Duration;

use super::{Engine, discover, renew};
use crate::config::{Origin, RevocationNeeds};
use crate::error::{Error, Result};
use crate::files::lock::Purpose;
use crate::log;
use crate::oauth::revoke::{self, Revocation};
use crate::oci::config_file::Forgotten;
use crate::printable;
use crate::secret::Secret;
use crate::store::refresh_token::{self, Kept};
use crate::store::{Locked, Record};

/// For those who wait for the lock meanwhile: longer than the requests and the programs of a keyring take.
const PURPOSE: Purpose = Purpose { word: "logout", limit: Duration::from_secs(150) };

/// What is no longer there.
#[derive(Default)]
pub struct LoggedOut {
    pub revoked: Revoked,
    /// Files, and a keyring in the words of a message.
    pub removed: Vec<String>,
    pub oci_config: Forgotten,
}

/// What became of the refresh token at the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Revoked {
    Yes,
    /// It stays valid there.
    No {
        why: String,
    },
    #[default]
    ThereWasNone,
}

impl LoggedOut {
    /// Nothing of a session was there.
    pub fn is_nothing(&self) -> bool {
        self.removed.is_empty() && self.oci_config == Forgotten::default()
    }
}

pub fn log_out(engine: &mut Engine<'_>, restores: bool) -> (LoggedOut, Result<()>) {
    let mut done = LoggedOut::default();
    let outcome = if engine.dir.path.symlink_metadata().is_ok() || engine.at_rest.keyring.is_some() {
        // It waits for a renewal under way, whose refresh token is the one to revoke.
        match engine.dir.lock(PURPOSE) {
            Ok(locked) => end(engine, locked, restores, &mut done),
            Err(e) => Err(e),
        }
    } else {
        forget(engine, restores, &mut done)
    };
    (done, outcome)
}

/// Goes on after each failure, and returns the first.
fn end(engine: &mut Engine<'_>, locked: Locked, restores: bool, done: &mut LoggedOut) -> Result<()> {
    let record = engine.dir.record().unwrap_or(Record { damaged: true, ..Record::default() });
    let section = engine.oci_config().and_then(|oci_config| oci_config.section(&engine.settings.profile));
    let key_file = section.ok().and_then(|section| section.key_file);
    engine.client.begin(renew::LIMIT);
    done.revoked = revoke(engine, &locked, &record);
    let mut removed = Vec::new();
    let refresh_token = remove_refresh_token(engine, &mut removed, done);
    let secrets = locked.remove_secrets(key_file.as_deref(), &mut removed);
    let oci_config = forget(engine, restores, done);
    // A refresh token that is left needs the record of whose it is.
    let rest = match refresh_token {
        Ok(()) => locked.remove_rest(&mut removed),
        Err(_) => Ok(()),
    };
    done.removed.extend(removed.iter().map(|path| path.to_string_lossy().into_owned()));
    locked.remove_folder();
    refresh_token.and(secrets).and(rest).and(oci_config)
}

fn remove_refresh_token(
    engine: &mut Engine<'_>,
    removed: &mut Vec<PathBuf>,
    done: &mut LoggedOut,
) -> Result<()> {
    let path = engine.dir.refresh_token_file();
    let is_there = engine.dir.has_refresh_token();
    if let Some(keyring) = engine.at_rest.keyring
        && keyring.get()?.is_some()
    {
        keyring.clear()?;
        done.removed.push(keyring.place());
    }
    refresh_token::remove_files(&path)?;
    removed.extend(is_there.then_some(path));
    Ok(())
}

/// The session's keys in the OCI config. A file that cannot be written is a warning, unless an API key was to be
/// brought back.
fn forget(engine: &Engine<'_>, restores: bool, done: &mut LoggedOut) -> Result<()> {
    let forgotten = engine
        .oci_config()
        .and_then(|oci_config| oci_config.forget(&engine.settings.profile, &engine.dir.path, restores));
    match forgotten {
        Ok(forgotten) => {
            done.oci_config = forgotten;
            Ok(())
        }
        Err(e @ (Error::File { .. } | Error::Locked { .. } | Error::OciConfig { .. })) if !restores => {
            log::warning(format_args!("The OCI config still names the session: {e}"));
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Revokes the refresh token. That it stays valid is a warning, unless there is no endpoint that would take it back.
fn revoke(engine: &mut Engine<'_>, locked: &Locked, record: &Record) -> Revoked {
    let path = engine.dir.refresh_token_file();
    // That of a renewal whose token could not be put in its place. A failure leaves it where it is removed.
    if let Err(e) = refresh_token::take_up(&path, &engine.at_rest) {
        log::debug(format_args!("{e}"));
    }
    let kept = refresh_token::kept(&path, &engine.at_rest);
    if kept == Ok(Kept::Nowhere) {
        return Revoked::ThereWasNone;
    }
    // The programs of a keyring are run once, and only if there is one.
    let token = match engine.at_rest.keyring {
        Some(_) => match refresh_token::open(&path, &mut engine.at_rest) {
            Ok(None) => return Revoked::ThereWasNone,
            opened => Some(opened),
        },
        None => None,
    };
    let why = match try_to_revoke(engine, locked, record, token) {
        Ok(()) => return Revoked::Yes,
        Err(NotRevoked::NoEndpoint) => {
            let why =
                "no revocation endpoint is known: neither revocation_url nor the issuer's document names one";
            return Revoked::No { why: why.into() };
        }
        Err(NotRevoked::Elsewhere(why)) => why,
        Err(NotRevoked::Failed(e)) => {
            let said = engine.name_secret(e).say_to(&engine.settings.given);
            printable::text(&said.fault())
        }
    };
    log::warning(format_args!("The refresh token stays valid at the provider: {why}"));
    Revoked::No { why }
}

enum NotRevoked {
    NoEndpoint,
    /// The token is of another provider than the configured one, which must not see it.
    Elsewhere(String),
    Failed(Error),
}

impl From<Error> for NotRevoked {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

fn try_to_revoke(
    engine: &mut Engine<'_>,
    locked: &Locked,
    record: &Record,
    token: Option<Result<Option<Secret>>>,
) -> std::result::Result<(), NotRevoked> {
    let settings = engine.settings;
    let origin = settings.origin();
    if let Some(why) = record.provider_change(origin.as_ref()) {
        return Err(NotRevoked::Elsewhere(why));
    }
    if let Some(keyring) = engine.at_rest.keyring.filter(|_| record.origin.is_none()) {
        let why = format!("{} is of an unknown provider: there is no session.json", keyring.place());
        return Err(NotRevoked::Elsewhere(why));
    }
    let Some(needs) = settings.revocation() else {
        return Err(NotRevoked::Elsewhere("its provider is not configured".into()));
    };
    let RevocationNeeds { url, issuer, client_id, client_secret } = needs;
    let url = match (url, issuer) {
        (Some(url), _) => url.to_owned(),
        (None, None) => return Err(NotRevoked::NoEndpoint),
        (None, Some(issuer)) => {
            let document = discover::document(engine, locked, issuer)?;
            // A token that came from another endpoint of this issuer is sent to none of its new ones.
            let found = with_token_url(origin, document.token_endpoint);
            if let Some(why) = record.provider_change(found.as_ref()) {
                return Err(NotRevoked::Elsewhere(why));
            }
            document.revocation_endpoint.ok_or(NotRevoked::NoEndpoint)?
        }
    };
    let client_secret = client_secret.map(|secret| secret.resolve(&engine.host.env)).transpose()?;
    let path = engine.dir.refresh_token_file();
    let token = token.unwrap_or_else(|| refresh_token::open(&path, &mut engine.at_rest))?;
    let Some(token) = token else { return Ok(()) };
    let at = Revocation { url: &url, client_id, client_secret: client_secret.as_ref() };
    Ok(revoke::refresh_token(&engine.client, &at, &token)?)
}

/// The origin with the token endpoint of the provider's document, unless one is configured.
fn with_token_url(origin: Option<Origin>, discovered: Option<String>) -> Option<Origin> {
    match origin {
        Some(Origin::Provider { issuer, token_url, auth_client_id, token_exchange_url, client_id }) => {
            let token_url = token_url.or(discovered);
            Some(Origin::Provider { issuer, token_url, auth_client_id, token_exchange_url, client_id })
        }
        other => other,
    }
}
