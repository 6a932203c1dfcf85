//! A UPST (user principal session token), the JWT that OCI issues: its expiry, user, tenancy and key.

use serde_json::{Map, Value};

use super::key::{Jwk, PublicKey};
use crate::jwt;
use crate::secret::Secret;
use crate::time::UnixTime;

/// The end of the year 9999, the last moment that RFC 3339 can express.
const LAST_MOMENT: i64 = 253_402_300_799;

pub struct Upst {
    token: Secret,
    exp: UnixTime,
    iat: Option<UnixTime>,
    sub: Option<String>,
    tenant: Option<String>,
    jwk: Option<Jwk>,
}

impl Upst {
    /// Reads a token and its claims. White space after the token, as in its file, is ignored.
    ///
    /// # Errors
    /// The reason why the text is not a UPST.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let token = text.trim_ascii_end();
        // The token is written into headers and quoted strings without escaping.
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=');
        if !token.bytes().all(is_allowed) {
            return Err("it holds characters that a token cannot have".into());
        }
        let claims = jwt::claims(token).ok_or("it is not a JWT")?;
        let exp = claims.get("exp").ok_or("it has no `exp`")?;
        let exp = moment(exp).ok_or("its `exp` is not a moment in seconds since 1970")?;
        Ok(Self {
            token: Secret::new(token.to_owned()),
            exp,
            // `iat` serves to calculate the token's lifetime, which has to be positive.
            iat: claims.get("iat").and_then(moment).filter(|iat| *iat < exp),
            sub: ocid(&claims, "sub"),
            tenant: ocid(&claims, "tenant"),
            jwk: claims.get("jwk").and_then(jwk),
        })
    }

    /// True if the token expires more than `seconds` after `now`.
    pub fn is_valid_for(&self, now: UnixTime, seconds: i64) -> bool {
        self.exp.since(now) > seconds
    }

    pub fn token(&self) -> &Secret {
        &self.token
    }

    pub fn exp(&self) -> UnixTime {
        self.exp
    }

    pub fn iat(&self) -> Option<UnixTime> {
        self.iat
    }

    /// The user's OCID.
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    /// The tenancy's OCID.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// True if the token's `jwk` claim is this key, or if it has no such claim.
    pub fn is_bound_to(&self, key: &PublicKey) -> bool {
        self.jwk.as_ref().is_none_or(|jwk| key.matches_jwk(jwk))
    }
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction, rounded down.
fn moment(claim: &Value) -> Option<UnixTime> {
    let seconds = match claim.as_i64() {
        Some(seconds) => seconds,
        None => claim.as_f64().filter(|seconds| seconds.abs() <= LAST_MOMENT as f64)?.floor() as i64,
    };
    (0..=LAST_MOMENT).contains(&seconds).then_some(UnixTime(seconds))
}

/// A claim that holds an OCID. OCIDs are written into the OCI config, where a line break would add a
/// line, so that a value with other than visible ASCII characters is ignored.
fn ocid(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?;
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
}

/// The `jwk` claim. OCI writes the JWK as a string of JSON.
fn jwk(claim: &Value) -> Option<Jwk> {
    match claim {
        Value::String(text) => Jwk::from_json(&serde_json::from_str(text).ok()?),
        Value::Object(fields) => Jwk::from_json(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oci::PrivateKey;
    use crate::testing::{fixture, vectors};

    #[test]
    fn every_vector_is_read_as_expected() {
        let key = PrivateKey::parse(&fixture("keys/session.pem")).unwrap();
        for vector in vectors::all("upst") {
            // The replacement character makes a vector that is not UTF-8 invalid.
            let text = String::from_utf8_lossy(&vector.bytes);
            let found = match Upst::parse(&text) {
                Err(_) => "refused".to_owned(),
                Ok(upst) => {
                    let or_none = |text: Option<String>| text.unwrap_or("none".into());
                    let bound = upst.jwk.as_ref().map(|jwk| key.public().matches_jwk(jwk));
                    format!(
                        "exp {}, iat {}, sub {}, tenant {}, key {}",
                        upst.exp().0,
                        or_none(upst.iat().map(|iat| iat.0.to_string())),
                        or_none(upst.sub().map(Into::into)),
                        or_none(upst.tenant().map(Into::into)),
                        bound.map_or("none", |bound| if bound { "session" } else { "other" }),
                    )
                }
            };
            assert_eq!(found, vector.expect, "{}", vector.name);
        }
    }

    #[test]
    fn a_token_is_valid_until_the_margin_before_its_expiry() {
        let upst = Upst::parse("e30.eyJleHAiOjEwMDB9.eA").unwrap();
        assert!(upst.is_valid_for(UnixTime(939), 60));
        assert!(!upst.is_valid_for(UnixTime(940), 60));
        assert!(!upst.is_valid_for(UnixTime(i64::MAX), 60));
        assert!(upst.is_valid_for(UnixTime(i64::MIN), 60));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), payload in any::<Vec<u8>>()) {
            use base64::Engine as _;
            let _ = Upst::parse(&text);
            let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
            let _ = Upst::parse(&format!("e30.{payload}.eA"));
        }

        #[test]
        fn every_number_is_a_moment_or_refused(exp in any::<f64>()) {
            use base64::Engine as _;
            let payload = serde_json::json!({"exp": exp}).to_string();
            let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
            if let Ok(upst) = Upst::parse(&format!("e30.{payload}.eA")) {
                prop_assert_eq!(upst.exp().0, exp.floor() as i64);
            }
        }
    }
}
