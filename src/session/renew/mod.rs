//! Renewal without a person: the refresh token grant, then the exchange.

use std::time::Duration;

mod refresh_grant;

use refresh_grant::Spent;

use super::establish::{Binding, establish};
use super::{Engine, Session, Source};
use crate::config::Renewal;
use crate::error::Result;
use crate::log;
use crate::oauth::http::Client;
use crate::oci::PrivateKey;
use crate::store::{Found, Locked};

/// Both requests with all their tries and waits: those who wait for the lock give up after 60 s.
pub const LIMIT: Duration = Duration::from_secs(50);

pub enum Outcome {
    Renewed(Box<Session>),
    NeedsPerson { why: String },
}

pub fn renew(engine: &mut Engine<'_>, locked: &Locked, found: &Found, renewal: &Renewal) -> Result<Outcome> {
    if let Some(why) = found.record.differs_from(&engine.settings.origin()) {
        return Ok(Outcome::NeedsPerson { why });
    }
    let made;
    let key = match &found.key {
        Some(key) => key,
        None => {
            made = PrivateKey::generate()?;
            &made
        }
    };
    let binding = Binding { key, key_file: &found.key_file, is_stored: found.key.is_some() };

    log::debug(format_args!("Refreshing the session of profile {}", engine.settings.profile));
    let client = Client::new(engine.host, LIMIT);
    let access_token = match refresh_grant::spend(engine, locked, found, &renewal.provider, &client)? {
        Spent::Stored { access_token } => access_token?,
        Spent::ByAnother(session) => return Ok(Outcome::Renewed(session)),
        Spent::Nothing { why } => return Ok(Outcome::NeedsPerson { why }),
    };
    let session =
        establish(engine, locked, &renewal.domain, &client, &access_token, &binding, Source::Refreshed)?;
    Ok(Outcome::Renewed(Box::new(session)))
}
