//! The refresh token grant. The request spends the token, so its successor must not be lost: before the
//! request the successor's place on disk is proved and filled, its rename tried and the encryption key derived;
//! after the answer only a write, an fsync, a rename and the folder's fsync remain.

use super::Outcome;
use crate::config::ProviderNeeds;
use crate::error::{Error, Result};
use crate::oauth::token;
use crate::oci::exchange;
use crate::secret::Secret;
use crate::session::establish::{Binding, Made, establish};
use crate::session::stored::{Snapshot, is_same, stored_session};
use crate::session::{Engine, Session, Source};
use crate::store::refresh_token::{self, Kept};
use crate::store::{Locked, record};
use crate::sys;

/// Spends the refresh token, exchanges the access token, and stores the session.
pub fn renew<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &ProviderNeeds,
) -> Result<Outcome<'a>> {
    let binding = Binding::of(stored.contents.key.take())?;
    let access_token = match spend(engine, locked, &mut stored, needs)? {
        Spent::Stored { access_token } => access_token?,
        Spent::ByAnother(session) => return Ok(Outcome::Renewed(session)),
        Spent::Nothing { why } => {
            stored.contents.key = binding.into_stored();
            let change = stored.contents.record.exchange_change(Some(&needs.origin));
            let why = match change {
                Some(change) => format!("{change}, and {why}"),
                None => why,
            };
            return Ok(Outcome::NeedsPerson { stored: Box::new(stored), why });
        }
    };
    let token = exchange::upst(&engine.client, &needs.domain, &access_token, &binding.spki_der())?;
    let made = Made {
        upst: binding.check(engine, &token, true)?,
        binding,
        origin: Some(needs.origin.clone()),
        console: None,
        source: Source::Refreshed,
    };
    establish(engine, locked, made, stored).map(|session| Outcome::Renewed(Box::new(session)))
}

enum Spent {
    /// The successor is stored. The access token may still have been unusable.
    Stored { access_token: Result<Secret> },
    /// The older tool has just made a session with the same refresh token.
    ByAnother(Box<Session>),
    /// There is no refresh token, or the provider does not accept it.
    Nothing { why: String },
}

/// Spends the stored refresh token. Updates `stored` when it changes the folder.
fn spend(
    engine: &mut Engine<'_>,
    locked: &Locked,
    stored: &mut Snapshot<'_>,
    needs: &ProviderNeeds,
) -> Result<Spent> {
    let ProviderNeeds { provider, origin, .. } = needs;
    let path = engine.dir.refresh_token_file();
    let identity = stored.contents.identity();
    let record = &mut stored.contents.record;
    let moves = engine.at_rest.keyring.is_some() && refresh_token::in_folder(&path)? != Kept::Nowhere;
    // A keyring's programs and a person who types the passphrase are not in the limit of the requests, before and after
    // which they are waited for.
    let client = &engine.client;
    client.uncounted(|| refresh_token::take_up(&path, &engine.at_rest))?;
    // The older tool records no origin, and its token counts as that of the configured provider. Once the token is in
    // the keyring, nothing tells it from the token of another session.
    if moves && record.origin.is_none() {
        record.origin = Some(origin.clone());
        record.identity = identity.clone();
        locked.store_record(record)?;
    }
    let Some(mut token) = client.uncounted(|| refresh_token::open(&path, &mut engine.at_rest))? else {
        return Ok(Spent::Nothing { why: "there is no refresh token".into() });
    };
    // A keyring outlives the folder that says where its token may be sent.
    if let Some(keyring) = engine.at_rest.keyring.filter(|_| record.origin.is_none()) {
        let why = format!("{} is of an unknown provider: there is no session.json", keyring.place());
        return Ok(Spent::Nothing { why });
    }
    if record.refused.as_deref() == Some(&record::hash(token.expose())) {
        return Ok(Spent::Nothing { why: "the provider refused the refresh token before".into() });
    }
    let successor = client.uncounted(|| refresh_token::prepare(&path, &mut engine.at_rest))?;
    let _spending = sys::begin_spending();
    loop {
        let dead = match token::refresh(client, provider, &token) {
            Ok(tokens) => {
                client.uncounted(|| match &tokens.refresh_token {
                    Some(next) if *next != token => successor.store(next),
                    Some(_) | None => successor.keep(&token),
                })?;
                // The provider has accepted the token. If no origin is recorded, record it now: even if the
                // exchange fails, the token must never be sent to another provider.
                if record.origin.is_none() {
                    record.origin = Some(origin.clone());
                    record.identity = identity;
                    locked.store_record(record)?;
                }
                return Ok(Spent::Stored { access_token: tokens.access_token });
            }
            Err(dead @ Error::RefreshTokenDead { .. }) => dead,
            Err(other) => return Err(other),
        };
        // The older tool, which takes no lock, may have spent the token meanwhile and stored another.
        match client.uncounted(|| refresh_token::open(&path, &mut engine.at_rest))? {
            Some(newer) if newer != token => token = newer,
            _ => {
                record.refused = Some(record::hash(token.expose()));
                locked.store_record(record)?;
                return Ok(Spent::Nothing { why: dead.say().why });
            }
        }
        let now = engine.snapshot()?;
        let is_new = !is_same(now.contents.upst.as_ref(), stored.contents.upst.as_ref());
        if is_new && engine.unusable(&now.contents).is_none() {
            return Ok(Spent::ByAnother(Box::new(stored_session(engine, now))));
        }
    }
}
