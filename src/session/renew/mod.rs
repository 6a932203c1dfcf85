//! Renewing a session without a person. Each way is a file of its own: the refresh token grant for a session of an
//! OpenID provider, the token of a workload, and the signed call for a console session.

pub mod console;
mod refresh_grant;
pub mod subject_token;

use std::time::Duration;

use crate::command;
use crate::config::{Needs, Settings};
use crate::error::Result;
use crate::files::lock::Purpose;
use crate::log;
use crate::oauth::http::Retry;
use crate::oci::Upst;
use crate::session::stored::Snapshot;
use crate::session::{Engine, Session};
use crate::store::{Contents, Locked};
use crate::time::UnixTime;

/// For both requests with all their tries and waits. Helper programs are not in it: they come before and after.
pub const LIMIT: Duration = Duration::from_secs(50);

/// Longer than [`LIMIT`], since a slow disk adds to the time that the requests take: a process that waits
/// for the lock must not give up before the renewal does.
pub const PURPOSE: Purpose = Purpose { word: "refresh", limit: Duration::from_secs(60) };

/// The moment from which on a session is renewed although its token is valid: from half of the token's life on, or
/// later, `window` seconds before it expires. A console session has no window, since it cannot be renewed once its
/// token has expired. A provider may issue tokens that are valid for less than the window, and each would be renewed at
/// once.
pub fn due_from(upst: &Upst, window: Option<u32>) -> UnixTime {
    let half = upst.half_of_life();
    window.map_or(half, |window| half.max(upst.exp().plus(-i64::from(window))))
}

/// What the holder of the profile's lock does, with the time that helper programs may take.
pub fn purpose(settings: &Settings) -> Purpose {
    Purpose { limit: PURPOSE.limit + settings.program_runs * command::LIMIT, ..PURPOSE }
}

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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    fn upst(exp: i64, iat: Option<i64>) -> Upst {
        let claims = serde_json::json!({ "exp": exp, "iat": iat }).to_string();
        Upst::parse(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).unwrap()
    }

    #[test]
    fn a_session_is_renewed_a_window_before_its_token_expires_but_not_in_the_first_half() {
        for (exp, iat, window, expected) in [
            (3_600, Some(0), Some(600), 3_000),
            (600, Some(0), Some(600), 300),
            (121, Some(0), Some(600), 60),
            (3_600, Some(0), Some(0), 3_600),
            (3_600, Some(0), None, 1_800),
            (9_000, None, Some(600), 8_400),
            (9_000, None, Some(86_400), 7_200),
            (9_000, None, None, 7_200),
        ] {
            let is = due_from(&upst(exp, iat), window);
            assert_eq!(is, UnixTime(expected), "{exp} {iat:?} {window:?}");
        }
    }

    proptest! {
        #[test]
        fn no_window_is_earlier_than_none(exp in 1..200_000_000_000_i64, iat: Option<u32>, window: u32) {
            let upst = upst(exp, iat.map(i64::from));
            prop_assert!((due_from(&upst, None)..=upst.exp()).contains(&due_from(&upst, Some(window))));
        }
    }
}
