//! JSON Web Tokens signed with RS256 (RFC 7515, 7518, 7519), the simulator's keys, and its clock.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::signature::{SignatureEncoding, Signer, Verifier};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PrivateKey, PublicKey};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Fixed keys, since making one takes a second in an unoptimised build.
pub const PROVIDER_PEM: &str = include_str!("../../fixtures/keys/provider.pem");
pub const DOMAIN_PEM: &str = include_str!("../../fixtures/keys/domain.pem");
pub const SESSION_PEM: &str = include_str!("../../fixtures/keys/session.pem");
pub const RUNNER_PEM: &str = include_str!("../../fixtures/keys/runner.pem");
pub const OTHER_PEM: &str = include_str!("../../fixtures/keys/other.pem");

/// An RSA private key, of a token endpoint or of a session.
pub struct Key {
    private: PrivateKey,
}

impl Key {
    pub fn from_pem(text: &str) -> Key {
        let der = pem::parse(text).expect("a fixture key is PEM");
        let private = PrivateKey::from_pkcs8_der(der.contents()).expect("a fixture key is PKCS#8");
        Key { private }
    }

    pub fn public(&self) -> PublicKey {
        self.private.to_public_key()
    }

    /// A signed JWT with these claims.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": typ, "kid": thumbprint(&self.public())});
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        format!("{signed}.{}", encode(self.sign_text(&signed)))
    }

    /// The claims of a token that this key signed, or the reason why it is not valid.
    pub fn verify(&self, token: &str) -> Result<Value, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("not a JWT")?;
        if decode_json(header)?["alg"] != "RS256" {
            return Err("alg is not RS256");
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "signature is not base64url")?;
        verify(&self.public(), signed, &signature)?;
        decode_json(claims)
    }

    /// A signature of any text: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2).
    pub fn sign_text(&self, text: &str) -> Vec<u8> {
        SigningKey::<Sha256>::new(self.private.clone()).sign(text.as_bytes()).to_vec()
    }
}

/// Verifies a signature that `Key::sign_text` or another program has made.
pub fn verify(key: &PublicKey, text: &str, signature: &[u8]) -> Result<(), &'static str> {
    let signature = Signature::try_from(signature).map_err(|_| "signature is malformed")?;
    let verified = VerifyingKey::<Sha256>::new(key.clone()).verify(text.as_bytes(), &signature);
    verified.map_err(|_| "signature does not match")
}

/// The claims of any JWT, without verification.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    decode_json(payload).expect("a JWT's payload is JSON")
}

/// The public key as a JSON Web Key, with the members that OCI's identity domains write.
pub fn jwk(key: &PublicKey) -> Value {
    json!({
        "kid": thumbprint(key),
        "n": encode(key.n().to_be_bytes_trimmed_vartime()),
        "e": encode(key.e().to_be_bytes_trimmed_vartime()),
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
    })
}

/// The RSA key of a JSON Web Key.
pub fn public_key(jwk: &Value) -> Result<PublicKey, &'static str> {
    let number = |name: &str| -> Result<BoxedUint, &'static str> {
        let text = jwk[name].as_str().ok_or("the JWK lacks n or e")?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "n or e is not base64url without padding")?;
        BoxedUint::from_be_slice(&bytes, 2048).map_err(|_| "n or e is longer than 2048 bits")
    };
    if jwk["kty"] != "RSA" {
        return Err("kty is not RSA");
    }
    PublicKey::new(number("n")?, number("e")?).map_err(|_| "n and e are not an RSA key")
}

pub fn spki_der(key: &PublicKey) -> Vec<u8> {
    key.to_public_key_der().expect("an RSA key has a DER form").into_vec()
}

fn thumbprint(key: &PublicKey) -> String {
    use sha2::Digest;
    encode(&Sha256::digest(spki_der(key))[..8])
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode_json(part: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "part is not base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "part is not JSON")
}

/// Seconds since 1970, as in `exp` and `iat`.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_secs()).expect("the clock is within i64")
}

/// The seconds since 1970 of an HTTP date: `Sat, 08 Nov 2025 17:19:55 GMT` (RFC 9110 5.6.7).
pub fn read_http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = words[..] else {
        return None;
    };
    let number = |word: &str| word.parse::<i64>().ok();
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    // Years and months from 1 March, so that a leap day is the last day of a year.
    let (year, month) = (number(year)? - i64::from(month < 2), (month + 10) % 12);
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + number(day)? - 1 - 719_468;
    let unix = days * 86_400 + number(hour)? * 3_600 + number(minute)? * 60 + number(second)?;
    // Written again, it is the same text: the weekday is right, and no number is too large or lacks a zero.
    (http_date(unix).replace("UTC", "GMT") == text).then_some(unix)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The date format of a UPST's `sess_exp`: `Sat, 08 Nov 2025 17:19:55 UTC`.
pub fn http_date(unix: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).expect("below 7")];
    // From days to a date, in eras of 400 years that begin on 1 March (H. Hinnant's algorithm).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let month = MONTHS[usize::try_from(month).expect("below 12")];
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} UTC")
}
