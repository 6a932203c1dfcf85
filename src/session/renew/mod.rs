//! Renewing a session without a person. Each way is a file of its own: the refresh token grant for a session of an
//! OpenID provider, the token of a workload, and the signed call for a console session.

pub mod console;
mod refresh_grant;
pub mod subject_token;

use std::time::Duration;

use crate::config::Needs;
use crate::error::Result;
use crate::files::lock::Purpose;
use crate::log;
use crate::oauth::http::Retry;
use crate::session::stored::Snapshot;
use crate::session::{Engine, Session};
use crate::store::{Contents, Locked};

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
    stored: Snapshot<'a>,
    needs: &Needs,
) -> Result<Outcome<'a>> {
    log::debug(format_args!("Refreshing the session of profile {}", engine.settings.profile));
    let origin = match needs {
        Needs::Provider(needs) => Some(needs.origin.clone()),
        Needs::Workload(_) | Needs::Console(_) => engine.settings.origin(),
    };
    let record = &stored.contents.record;
    let change = record.provider_change(origin.as_ref()).or_else(|| is_of_another(engine, &stored.contents));
    match (needs, change) {
        (Needs::Workload(needs), _) => subject_token::renew(engine, locked, stored, needs),
        // A refresh token belongs to its provider, and a console session's token to Oracle's service. Another
        // exchange gets the access token that comes of a refresh token.
        (_, Some(why)) => Ok(Outcome::NeedsPerson { stored: Box::new(stored), why }),
        (Needs::Provider(needs), None) => refresh_grant::renew(engine, locked, stored, needs),
        (Needs::Console(_), None) => console::renew(engine, locked, stored, Retry::Unavailable),
    }
}

/// Why a renewal, which never changes whose the session is, cannot bring the expected one.
pub fn is_of_another(engine: &Engine<'_>, contents: &Contents) -> Option<String> {
    let (expected, is) = (engine.expected(), contents.identity());
    is.differs_from(&expected)
        .then(|| format!("the stored session is of {is}, and the settings expect {}", expected.known()))
}
