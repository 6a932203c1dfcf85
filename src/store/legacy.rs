//! The older Python tool's envelope of a refresh token: PBKDF2-HMAC-SHA256 (RFC 8018) and AES-256-GCM
//! without associated data, as JSON with base64 fields. woci reads this format and never writes it.

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use serde_json::{Map, Value};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::envelope::{Refusal, TAG, bytes, text};
use crate::secret::Secret;

const FIELDS: [&str; 6] = ["enc", "kdf", "iter", "salt", "nonce", "ct"];

/// A few seconds of work. Without a limit, a forged file could keep woci busy for hours.
const MOST_ITERATIONS: u64 = 10_000_000;

/// A parsed envelope of the older tool, not decrypted.
pub struct Legacy {
    iterations: u32,
    salt: Vec<u8>,
    nonce: [u8; 12],
    ct: Vec<u8>,
}

impl Legacy {
    /// Parses the older tool's envelope. White space and the order of the fields do not matter. `None` if
    /// the text is in another format.
    pub fn parse(text: &str) -> Option<Result<Self, Refusal>> {
        let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
        if fields.get("enc")? != "AESGCM" {
            return None;
        }
        let refusal = Refusal::Damaged("it is not an envelope as the older tool wrote it");
        Some(Self::from_fields(&fields).ok_or(refusal))
    }

    fn from_fields(fields: &Map<String, Value>) -> Option<Self> {
        let known = fields.keys().all(|name| FIELDS.contains(&name.as_str()));
        let right = known && fields.get("kdf")? == "PBKDF2-HMAC-SHA256";
        let iterations = fields.get("iter")?.as_u64().filter(|iter| (1..=MOST_ITERATIONS).contains(iter))?;
        right.then_some(Self {
            iterations: u32::try_from(iterations).ok()?,
            salt: bytes(fields, "salt").filter(|salt| (8..=64).contains(&salt.len()))?,
            nonce: bytes(fields, "nonce")?.try_into().ok()?,
            ct: bytes(fields, "ct").filter(|ct| ct.len() > TAG)?,
        })
    }

    /// Derives the key and decrypts the token.
    pub fn open(&self, passphrase: &Secret) -> Result<Secret, Refusal> {
        let mut key = Zeroizing::new([0; 32]);
        let passphrase = passphrase.expose().as_bytes();
        pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, &self.salt, self.iterations, &mut *key);
        let plain = Aes256Gcm::new((&*key).into())
            .decrypt(&Nonce::from(self.nonce), self.ct.as_slice())
            .map_err(|_| Refusal::WrongPassphrase)?;
        text(plain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), iter in any::<i64>()) {
            let _ = Legacy::parse(&text);
            let odd = serde_json::json!({"enc": "AESGCM", "kdf": "PBKDF2-HMAC-SHA256", "iter": iter, "salt": text});
            prop_assert!(Legacy::parse(&odd.to_string()).is_some_and(|legacy| legacy.is_err()));
        }
    }
}
