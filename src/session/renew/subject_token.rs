//! A token that this machine already has, for example the identity token of a CI job, is exchanged anew at each
//! renewal. There is no refresh token, and no person is ever asked.

use super::Outcome;
use crate::config::{Origin, WorkloadNeeds};
use crate::error::{Error, Result};
use crate::host;
use crate::jwt;
use crate::oci::exchange;
use crate::printable;
use crate::secret::Secret;
use crate::session::establish::{Binding, Made, establish};
use crate::session::stored::Snapshot;
use crate::session::{Engine, Freshness, Source};
use crate::store::Locked;
use crate::time::UnixTime;

/// How far the clock of the issuer may be ahead of this machine's.
const CLOCK_SKEW_SECONDS: i64 = 60;

pub fn renew<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &WorkloadNeeds,
) -> Result<Outcome<'a>> {
    let subject_token = needs.subject_token.read(engine.host, &engine.client)?;
    let flaw = flaw(&subject_token, needs.audience.as_deref(), host::now());
    if let Some(why) = flaw {
        return Err(Error::SubjectToken { from: needs.subject_token.name(), why });
    }
    let binding = Binding::of(stored.contents.key.take())?;
    let token = exchange::session_token(
        &engine.client,
        &needs.domain,
        &subject_token,
        &needs.requested,
        &binding.spki_der(),
    )?;
    let upst = binding.check(engine, &token, true)?;
    let origin = engine.settings.origin();
    let record = &mut stored.contents.record;
    if record.provider_change(origin.as_ref()).is_some() {
        // The former session was another's, and its refresh token must not be sent anywhere.
        locked.remove_refresh_token()?;
        record.identity_may_change = true;
    }
    if engine.want.freshness == Freshness::SignedIn
        || requests_another(record.origin.as_ref(), origin.as_ref())
    {
        record.identity_may_change = true;
    }
    let made = Made { upst, binding, origin, console: None, source: Source::Refreshed };
    establish(engine, locked, made, stored).map(|session| Outcome::Renewed(Box::new(session)))
}

/// Whether the stored session is that of a user and the new one that of a resource, or the other way round.
fn requests_another(recorded: Option<&Origin>, configured: Option<&Origin>) -> bool {
    match (recorded, configured) {
        (
            Some(Origin::Workload { requested_token: was, .. }),
            Some(Origin::Workload { requested_token: is, .. }),
        ) => was != is,
        _ => false,
    }
}

/// Why the identity domain would refuse a token, if that can be seen here: it names the claim, and never the token.
pub fn flaw(token: &Secret, audience: Option<&str>, now: UnixTime) -> Option<String> {
    let Some(claims) = jwt::claims(token.expose()) else {
        return Some("it is opaque or damaged, and the exchange needs a JWT".into());
    };
    for (name, is_wrong) in [
        ("exp", (|moment, now| moment <= now) as fn(UnixTime, UnixTime) -> bool),
        ("nbf", |moment, now| moment.since(now) > CLOCK_SKEW_SECONDS),
    ] {
        match claims.get(name).map(jwt::moment) {
            Some(None) => return Some(format!("its `{name}` is not a moment in seconds since 1970")),
            Some(Some(moment)) if is_wrong(moment, now) => {
                return Some(format!("its `{name}` is {moment}, and now is {now}"));
            }
            Some(Some(_)) | None => {}
        }
    }
    let (wanted, named) = (audience?, claims.get("aud")?);
    let all: Vec<&str> = match named.as_array() {
        Some(all) => all.iter().filter_map(|one| one.as_str()).collect(),
        None => named.as_str().into_iter().collect(),
    };
    let is_named = all.contains(&wanted);
    let named = printable::line(&all.join(", "));
    (!is_named).then(|| format!("its `aud` is {named}, and subject_token_audience is {wanted}"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime(1_795_467_600);

    fn flaw_of(claims: &str, audience: Option<&str>) -> Option<String> {
        let token = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
        flaw(&token, audience, NOW)
    }

    #[test]
    fn a_token_is_good_until_its_exp_from_its_nbf_on_and_for_its_audience() {
        for (claims, audience) in [
            ("{}", None),
            ("{}", Some("oci")),
            (r#"{"exp":1795467601,"nbf":1795467660,"aud":"oci"}"#, Some("oci")),
            (r#"{"exp":1795467601.5,"nbf":1795467660.9,"aud":["a","oci"]}"#, Some("oci")),
            (r#"{"exp":1.7954676019e9,"aud":"other"}"#, None),
        ] {
            assert_eq!(flaw_of(claims, audience), None, "{claims}");
        }
        for (claims, names) in [
            (r#"{"exp":1795467600}"#, "`exp`"),
            (r#"{"exp":1795467600.9}"#, "`exp`"),
            (r#"{"exp":1.0}"#, "`exp`"),
            (r#"{"exp":"tomorrow"}"#, "`exp`"),
            (r#"{"exp":null}"#, "`exp`"),
            (r#"{"nbf":1795467661}"#, "`nbf`"),
            (r#"{"nbf":[]}"#, "`nbf`"),
            (r#"{"aud":"other"}"#, "`aud` is other"),
            (r#"{"aud":["one","two"]}"#, "`aud` is one, two"),
            (r#"{"aud":[]}"#, "`aud`"),
            (r#"{"aud":7}"#, "`aud`"),
        ] {
            let said = flaw_of(claims, Some("oci")).unwrap_or_else(|| panic!("{claims} is good"));
            assert!(said.contains(names), "{claims}: {said}");
        }
    }

    #[test]
    fn what_is_no_jwt_is_refused_and_not_shown() {
        for text in ["S3cret", "S3cret.S3cret", "e30.S3cret.x", "e30.e30.", "a.b.c.d", "e30.e30.x\ne30.e30.x"]
        {
            let said = flaw(&Secret::new(text.to_owned()), None, NOW).unwrap_or_default();
            assert!(said.contains("opaque") && !said.contains("S3cret"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_claims_make_it_panic(claims: String, exp: f64, aud: Vec<String>) {
            let _ = flaw_of(&claims, Some("oci"));
            let _ = flaw_of(&serde_json::json!({ "exp": exp, "nbf": exp, "aud": aud }).to_string(), Some("oci"));
        }
    }
}
