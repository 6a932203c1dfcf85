//! Renewing a session without a person. Each way is a file of its own; the refresh token grant is the
//! one that a session of an OpenID provider has.

mod refresh_grant;

use std::time::Duration;

use refresh_grant::Spent;

use crate::config::ProviderNeeds;
use crate::error::Result;
use crate::files::lock::Purpose;
use crate::log;
use crate::session::establish::{Binding, establish};
use crate::session::stored::Snapshot;
use crate::session::{Engine, Session, Source};
use crate::store::Locked;

/// For both requests with all their tries and waits.
pub const LIMIT: Duration = Duration::from_secs(50);

/// Longer than [`LIMIT`], since a slow disk adds to the time that the requests take: a process that waits
/// for the lock must not give up before the renewal does.
pub const PURPOSE: Purpose = Purpose { word: "refresh", limit: Duration::from_secs(60) };

pub enum Outcome<'a> {
    Renewed(Box<Session>),
    /// `stored` is what the folder holds now.
    NeedsPerson {
        stored: Box<Snapshot<'a>>,
        why: String,
    },
}

pub fn renew<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &ProviderNeeds,
) -> Result<Outcome<'a>> {
    // A refresh token belongs to its provider. Another exchange gets the access token that comes of it.
    if let Some(why) = stored.contents.record.provider_change(&engine.settings.origin()) {
        return Ok(Outcome::NeedsPerson { stored: Box::new(stored), why });
    }
    log::debug(format_args!("Refreshing the session of profile {}", engine.settings.profile));
    let binding = Binding::of(stored.contents.key.take())?;
    engine.client.begin(LIMIT);
    let access_token = match refresh_grant::spend(engine, locked, &mut stored, &needs.provider)? {
        Spent::Stored { access_token } => access_token?,
        Spent::ByAnother(session) => return Ok(Outcome::Renewed(session)),
        Spent::Nothing { why } => {
            stored.contents.key = binding.into_stored();
            let change = stored.contents.record.exchange_change(&engine.settings.origin());
            let why = match change {
                Some(change) => format!("{change}, and {why}"),
                None => why,
            };
            return Ok(Outcome::NeedsPerson { stored: Box::new(stored), why });
        }
    };
    let session =
        establish(engine, locked, &needs.domain, &access_token, binding, stored, Source::Refreshed)?;
    Ok(Outcome::Renewed(Box::new(session)))
}
