//! A token that this machine already has, for example the identity token of a CI job, is exchanged anew at each
//! renewal. There is no refresh token, and no person is ever asked.

use super::Outcome;
use crate::config::WorkloadNeeds;
use crate::error::{Error, Result};
use crate::host;
use crate::jwt;
use crate::oci::exchange;
use crate::session::establish::{Binding, Made, establish};
use crate::session::stored::Snapshot;
use crate::session::{Engine, Source};
use crate::store::Locked;
use crate::time::UnixTime;

pub fn renew<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &WorkloadNeeds,
) -> Result<Outcome<'a>> {
    let subject_token = needs.subject_token.read(engine.host)?;
    let now = host::now();
    let exp =
        jwt::claims(subject_token.expose()).and_then(|claims| claims.get("exp")?.as_i64()).map(UnixTime);
    if let Some(exp) = exp.filter(|exp| *exp <= now) {
        return Err(Error::SubjectToken { why: format!("its `exp` is {exp}, and now is {now}") });
    }
    let binding = Binding::of(stored.contents.key.take())?;
    let token = exchange::upst(&engine.client, &needs.domain, &subject_token, &binding.spki_der())?;
    let upst = binding.check(engine, &token, true)?;
    let origin = engine.settings.origin();
    if stored.contents.record.provider_change(origin.as_ref()).is_some() {
        // The former session was another's, and its refresh token must not be sent anywhere.
        locked.remove_refresh_token()?;
        stored.contents.record.identity_may_change = true;
    }
    let made = Made { upst, binding, origin, console: None, source: Source::Refreshed };
    establish(engine, locked, made, stored).map(|session| Outcome::Renewed(Box::new(session)))
}
