//! Spending a refresh token so that it cannot be lost: its successor's place on disk is proved and
//! filled, and the passphrase's work done, before the request; after the answer there is nothing but
//! write, fsync and rename.

use crate::error::{Error, Result};
use crate::oauth::Provider;
use crate::oauth::http::Client;
use crate::oauth::token;
use crate::oci::Upst;
use crate::secret::Secret;
use crate::session::{Engine, Session};
use crate::store::{Found, Locked, Record, record, refresh_token};
use crate::sys;

pub enum Spent {
    /// The successor is stored; the access token may still have been unusable.
    Stored { access_token: Result<Secret> },
    /// The older tool has just made a session of the same token.
    ByAnother(Box<Session>),
    /// There is none, or none that the provider takes.
    Nothing { why: String },
}

pub fn spend(
    engine: &mut Engine<'_>,
    locked: &Locked,
    found: &Found,
    provider: &Provider,
    client: &Client<'_>,
) -> Result<Spent> {
    let path = engine.dir.refresh_token_file();
    let Some(mut token) = refresh_token::open(&path, &mut engine.passphrase)? else {
        return Ok(Spent::Nothing { why: "there is no refresh token".into() });
    };
    if found.record.refused.as_deref() == Some(&record::hash(token.expose())) {
        return Ok(Spent::Nothing { why: "the provider refused the refresh token before".into() });
    }
    let successor = refresh_token::prepare(&path, &mut engine.passphrase)?;
    let _held = sys::hold_signals();
    loop {
        let dead = match token::refresh(client, provider, &token) {
            Ok(tokens) => {
                // Stored again where it stays the same, so that it is in the form that is asked for.
                successor.store(tokens.refresh_token.as_ref().unwrap_or(&token))?;
                // A folder without an origin is of the provider that has just taken its token, also
                // where the exchange fails: no other is ever sent it.
                if found.record.origin.is_none() {
                    let origin = Some(engine.settings.origin());
                    locked.store_record(&Record { origin, ..found.record.clone() })?;
                }
                return Ok(Spent::Stored { access_token: tokens.access_token });
            }
            Err(dead @ Error::RefreshTokenDead { .. }) => dead,
            Err(other) => return Err(other),
        };
        // The older tool, which knows no lock, may have spent it meanwhile and stored another.
        match refresh_token::open(&path, &mut engine.passphrase)? {
            Some(newer) if newer != token => token = newer,
            _ => {
                let refused = Some(record::hash(token.expose()));
                locked.store_record(&Record { refused, ..found.record.clone() })?;
                return Ok(Spent::Nothing { why: dead.say().why });
            }
        }
        let now = engine.look()?;
        let is_new = now.upst.as_ref().map(Upst::token) != found.upst.as_ref().map(Upst::token);
        if is_new && let Some(session) = engine.usable(now) {
            return Ok(Spent::ByAnother(Box::new(session)));
        }
    }
}
