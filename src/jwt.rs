//! Reads the claims of a JSON Web Token (RFC 7519). The signature is not checked: woci only presents the
//! token, and the service that receives it checks it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json::Object;
use crate::time::UnixTime;

/// The end of the year 9999, the last moment that RFC 3339 can express.
const LAST_MOMENT: i64 = 253_402_300_799;

/// The claims of a token in compact serialization: three base64url parts. `None` if it is not one, or if it has a claim
/// with two values (RFC 7519 section 4): each reader may take another.
pub fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || header.is_empty() || signature.is_empty() {
        return None;
    }
    // Some issuers add padding, which RFC 7515 section 2 forbids.
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims = Object::parse(&payload)?;
    claims.twice.is_none().then_some(claims.members)
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction, rounded down.
pub fn moment(claim: &Value) -> Option<UnixTime> {
    let seconds = match claim.as_i64() {
        Some(seconds) => seconds,
        None => claim.as_f64().filter(|seconds| seconds.abs() <= LAST_MOMENT as f64)?.floor() as i64,
    };
    (0..=LAST_MOMENT).contains(&seconds).then_some(UnixTime(seconds))
}

/// Checks that each claim that is read as a time is in range or none, and that the claims are those that serde_json
/// reads. Only if a claim is there twice with two values, they may differ: serde_json takes the last, and `claims`
/// refuses the token.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Few texts are base64url, so the claims are also taken as they are.
    let encoded = |text: &str| claims(&format!("e30.{}.s", URL_SAFE_NO_PAD.encode(text)));
    for claims in [claims(text), encoded(text)] {
        for moment in claims.iter().flatten().filter_map(|(_, claim)| moment(claim)) {
            assert!((0..=LAST_MOMENT).contains(&moment.0));
            assert_eq!(moment.to_string().len(), "2026-01-01T00:00:00Z".len());
        }
    }
    let other = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
    // Of a number too large for a double, `claims` drops the member, and serde_json refuses the text.
    let Some(bare) = other(text) else { return };
    if let Some(claims) = encoded(text) {
        assert_eq!(claims, bare);
    }
    // Written again, each claim is there once.
    let once = Value::Object(bare).to_string();
    if let Some(bare) = other(&once) {
        assert_eq!(encoded(&once), Some(bare));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_payload() {
        let claims = claims("e30.eyJzdWIiOiJhIn0.c2ln").unwrap();
        assert_eq!(claims["sub"], "a");
    }

    #[test]
    fn refuses_a_claim_with_two_values() {
        let token = |payload: &str| format!("e30.{}.s", URL_SAFE_NO_PAD.encode(payload));
        assert!(claims(&token(r#"{"exp":1700000000.5,"sub":1,"sub":"a"}"#)).is_none());
        assert_eq!(claims(&token(r#"{"sub":"a","sub":"a"}"#)).unwrap()["sub"], "a");
    }

    #[test]
    fn refuses_other_texts() {
        let odd =
            ["", "opaque", "a.b", "e30.e30", "e30.e30.", ".e30.x", "e30.W10.x", "e30.e30.x.y", "e30.!.x"];
        for token in odd {
            assert!(claims(token).is_none(), "{token}");
        }
    }
}
