//! A UPST (user principal session token), the JWT that OCI issues: its expiry, user, tenancy and key. The session token
//! of a resource (RPST) is read in the same way: it has no user, and may name its tenancy in a claim of its own.

use std::fmt;

use serde_json::{Map, Value};

use super::key::{Jwk, PublicKey};
use crate::jwt::{self, moment};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The life of a token that does not say when it was issued.
const USUAL_LIFE_SECONDS: i64 = 60 * 60;

pub struct Upst {
    token: Secret,
    exp: UnixTime,
    iat: Option<UnixTime>,
    sess_exp: Option<UnixTime>,
    sub: Option<String>,
    tenant: Option<String>,
    bound_to: BoundTo,
}

/// What the `jwk` claim says.
enum BoundTo {
    NoKey,
    Key(Jwk),
    /// The token is bound to a key, and nothing says to which.
    Unreadable,
}

/// Whose session it is: the user and the tenancy, each if the token names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub user: Option<String>,
    pub tenancy: Option<String>,
}

impl Identity {
    /// This identity, completed by another one.
    pub fn or(self, other: &Self) -> Self {
        let Self { user, tenancy } = other.clone();
        Self { user: self.user.or(user), tenancy: self.tenancy.or(tenancy) }
    }

    /// True if this identity has the user and the tenancy that are expected, each if one is.
    pub fn meets(&self, expected: &Self) -> bool {
        let meets = |is: &Option<String>, expected: &Option<String>| expected.is_none() || is == expected;
        meets(&self.user, &expected.user) && meets(&self.tenancy, &expected.tenancy)
    }

    /// The parts that are known, for a message about what is expected.
    pub fn known(&self) -> String {
        match (&self.user, &self.tenancy) {
            (Some(_), Some(_)) | (None, None) => self.to_string(),
            (Some(user), None) => format!("user {user}"),
            (None, Some(tenancy)) => format!("tenancy {tenancy}"),
        }
    }

    /// True if both name a user, or both a tenancy, and the two are not the same.
    pub fn differs_from(&self, other: &Self) -> bool {
        let differ =
            |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        differ(&self.user, &other.user) || differ(&self.tenancy, &other.tenancy)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |text: &Option<String>| text.clone().unwrap_or("unknown".into());
        write!(f, "user {} of tenancy {}", known(&self.user), known(&self.tenancy))
    }
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
            sess_exp: claims.get("sess_exp").and_then(end_of_session),
            // The `sub` of a resource is no user, and may be another one at each exchange.
            sub: ocid(&claims, "sub").filter(|_| claims.get("ptype").is_none_or(|ptype| ptype != "resource")),
            tenant: ocid(&claims, "tenant").or_else(|| ocid(&claims, "res_tenant")),
            bound_to: claims.get("jwk").map_or(BoundTo::NoKey, bound_to),
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

    /// When the session ends for good, however often its token is renewed.
    pub fn sess_exp(&self) -> Option<UnixTime> {
        self.sess_exp
    }

    /// The middle of the token's life; that of the usual life if the token does not say when it was issued.
    pub fn half_of_life(&self) -> UnixTime {
        let life = self.iat.map_or(USUAL_LIFE_SECONDS, |iat| self.exp.since(iat));
        self.exp.plus(life / 2 - life)
    }

    /// The user's OCID; none for the token of a resource.
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    /// The tenancy's OCID.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    pub fn identity(&self) -> Identity {
        Identity { user: self.sub.clone(), tenancy: self.tenant.clone() }
    }

    /// True if the token's `jwk` claim is this key, or if it has no such claim. A claim that cannot be
    /// read is no key at all.
    pub fn is_bound_to(&self, key: &PublicKey) -> bool {
        match &self.bound_to {
            BoundTo::NoKey => true,
            BoundTo::Key(jwk) => key.matches_jwk(jwk),
            BoundTo::Unreadable => false,
        }
    }

    /// Whether the key that the token names is this one. `None` if the token names no key.
    pub fn names(&self, key: &PublicKey) -> Option<bool> {
        match &self.bound_to {
            BoundTo::Key(jwk) => Some(key.matches_jwk(jwk)),
            BoundTo::NoKey | BoundTo::Unreadable => None,
        }
    }
}

/// The claim `sess_exp`, which OCI writes as a text: `Sat, 08 Nov 2025 17:19:55 UTC`. Any other form counts as none.
fn end_of_session(claim: &Value) -> Option<UnixTime> {
    match claim.as_str() {
        Some(text) => UnixTime::from_http_date(&text.replace("UTC", "GMT")),
        None => moment(claim),
    }
}

/// A claim that holds an OCID. OCIDs are written into the OCI config, where a line break would add a
/// line, so that a value with other than visible ASCII characters is ignored.
fn ocid(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().filter(|text| is_ocid(text)).map(str::to_owned)
}

/// Whether a text can be an OCID: visible ASCII characters.
pub fn is_ocid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The `jwk` claim. OCI writes the JWK as a string of JSON.
fn bound_to(claim: &Value) -> BoundTo {
    let jwk = match claim {
        Value::String(text) => serde_json::from_str(text).ok().and_then(|fields| Jwk::from_json(&fields)),
        Value::Object(fields) => Jwk::from_json(fields),
        _ => None,
    };
    jwk.map_or(BoundTo::Unreadable, BoundTo::Key)
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
                    let bound_to = match &upst.bound_to {
                        BoundTo::NoKey => "none",
                        BoundTo::Unreadable => "unreadable",
                        BoundTo::Key(jwk) if key.public().matches_jwk(jwk) => "session",
                        BoundTo::Key(_) => "other",
                    };
                    assert_eq!(upst.is_bound_to(key.public()), ["none", "session"].contains(&bound_to));
                    format!(
                        "exp {}, iat {}, sub {}, tenant {}, key {bound_to}",
                        upst.exp().0,
                        or_none(upst.iat().map(|iat| iat.0.to_string())),
                        or_none(upst.sub().map(Into::into)),
                        or_none(upst.tenant().map(Into::into)),
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

    #[test]
    fn the_end_of_the_session_is_read_from_ocis_text() {
        for (text, expected) in [
            (r#""Sat, 08 Nov 2025 17:19:55 UTC""#, Some(1_762_622_395)),
            (r#""Sat, 08 Nov 2025 17:19:55 GMT""#, Some(1_762_622_395)),
            ("1762622395", Some(1_762_622_395)),
            (r#""tomorrow""#, None),
            ("null", None),
        ] {
            let claim = serde_json::from_str(text).unwrap();
            assert_eq!(end_of_session(&claim), expected.map(UnixTime), "{text}");
        }
    }

    #[test]
    fn two_identities_differ_if_both_name_another_user_or_tenancy() {
        let of = |user: &str, tenancy: &str| {
            let name = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Identity { user: name(user), tenancy: name(tenancy) }
        };
        for (one, other, differ) in [
            (of("a", "t"), of("a", "t"), false),
            (of("a", "t"), of("b", "t"), true),
            (of("a", "t"), of("a", "u"), true),
            (of("a", ""), of("b", "t"), true),
            (of("", "t"), of("a", ""), false),
            (of("", ""), of("a", "t"), false),
        ] {
            assert_eq!(
                (one.differs_from(&other), other.differs_from(&one)),
                (differ, differ),
                "{one}, {other}"
            );
        }
        assert_eq!(of("a", "").or(&of("b", "t")), of("a", "t"));
        for (is, expected, meets) in [
            (of("a", "t"), of("", ""), true),
            (of("", ""), of("", ""), true),
            (of("a", "t"), of("a", ""), true),
            (of("a", "t"), of("", "t"), true),
            (of("a", "t"), of("a", "t"), true),
            (of("b", "t"), of("a", "t"), false),
            (of("a", "u"), of("a", "t"), false),
            (of("", "t"), of("a", ""), false),
            (of("a", ""), of("a", "t"), false),
        ] {
            assert_eq!(is.meets(&expected), meets, "{is}, {expected}");
        }
        assert_eq!(of("a", "").known(), "user a");
        assert_eq!(of("", "t").known(), "tenancy t");
        assert_eq!(of("a", "t").known(), "user a of tenancy t");
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
