//! The refresh token encrypted under a passphrase: scrypt (RFC 7914) and ChaCha20-Poly1305 (RFC 8439),
//! as one line of JSON. `schemas/refresh-token.schema.json` describes the format.
//!
//! Only the exact bytes that woci writes are accepted: a parsed envelope is written to JSON again and
//! compared with the input. This excludes other spellings of the same values (a duplicate field, an
//! escape, `1e0`, non-canonical base64). All fields but the ciphertext are authenticated as associated
//! data.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::Secret;

/// The reason why an envelope cannot be opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an envelope as woci or the older tool writes it.
    Damaged(&'static str),
    /// The version of the format is one of a later woci.
    Newer,
    /// Decryption failed: the passphrase is wrong or the bytes were altered, which cannot be
    /// distinguished.
    WrongPassphrase,
    /// The memory for the key derivation is not available.
    NoMemory { mebibytes: usize },
}

impl Refusal {
    /// The error for the envelope in the file `path`.
    pub fn in_file(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Damaged(why) => Error::RefreshTokenFile { path, why: why.into() },
            Self::Newer => Error::RefreshTokenNewer { path },
            Self::WrongPassphrase => Error::WrongPassphrase { path, setting: None },
            Self::NoMemory { mebibytes } => Error::KeyMemory { mebibytes },
        }
    }
}

/// Of the format that this file describes.
const VERSION: u64 = 1;

/// Bytes of an authentication tag, of both ciphers.
pub const TAG: usize = 16;

/// scrypt's cost parameters. The memory needed is 128 × N × r bytes (RFC 7914 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    log_n: u8,
    r: u32,
    p: u32,
}

/// OWASP's first recommendation for scrypt: 128 MiB and about 0.3 s, once in a run.
const COST: Cost = Cost { log_n: 17, r: 8, p: 1 };

/// The lowest N that is accepted, for envelopes made on a machine with less memory.
const LEAST_LOG_N: u8 = 14;

impl Cost {
    /// woci never writes a higher cost; an envelope with one is an attempt to exhaust this machine.
    fn is_within_bounds(self) -> bool {
        (LEAST_LOG_N..=COST.log_n).contains(&self.log_n) && (self.r, self.p) == (COST.r, COST.p)
    }
}

/// Bytes of memory that are left when the key is derived: a new key for the session may be made at the same time.
const SPARE: usize = 4 << 20;

/// An encryption key, with the salt and cost by which it was derived from the passphrase.
#[derive(Clone)]
pub struct DerivedKey {
    cost: Cost,
    salt: [u8; 16],
    key: Zeroizing<[u8; 32]>,
}

impl DerivedKey {
    /// Derives the key for new envelopes, at the current cost.
    pub fn new(passphrase: &Secret, salt: [u8; 16]) -> Result<Self, Refusal> {
        Self::derive(passphrase, salt, COST)
    }

    fn derive(passphrase: &Secret, salt: [u8; 16], cost: Cost) -> Result<Self, Refusal> {
        let params = scrypt::Params::new(cost.log_n, cost.r, cost.p).expect("the cost is within bounds");
        // The scrypt crate aborts the process if it cannot allocate its memory, so the allocation is
        // tried first.
        let bytes = 128 * cost.r as usize * ((1 << cost.log_n) + cost.p as usize + 1);
        let mut room: Vec<u8> = Vec::new();
        if room.try_reserve_exact(bytes + SPARE).is_err() {
            return Err(Refusal::NoMemory { mebibytes: bytes >> 20 });
        }
        // Without black_box, the optimiser removes the unused allocation.
        drop(std::hint::black_box(room));
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(passphrase.expose().as_bytes(), &salt, &params, &mut *key)
            .expect("32 bytes are a length that scrypt derives");
        Ok(Self { cost, salt, key })
    }

    /// True if the key has the cost of new envelopes.
    pub fn is_current(&self) -> bool {
        self.cost == COST
    }

    /// Encrypts a token. Returns the envelope as one line of JSON.
    pub fn seal(&self, nonce: [u8; 12], token: &Secret) -> String {
        let header = Header { cost: self.cost, salt: self.salt, nonce };
        let aad = header.to_json();
        let payload = Payload { msg: token.expose().as_bytes(), aad: aad.as_bytes() };
        let ct = self.cipher().encrypt(&Nonce::from(nonce), payload).expect("a token is far below 256 GiB");
        Envelope { header, ct }.to_json()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new((&*self.key).into())
    }
}

/// A parsed envelope, not decrypted.
pub struct Envelope {
    header: Header,
    ct: Vec<u8>,
}

struct Header {
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 12],
}

impl Envelope {
    /// Parses an envelope, and checks everything that can be checked without the passphrase.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let fields = serde_json::from_str(text).map_err(|_| Refusal::Damaged("its JSON is damaged"))?;
        if is_newer(&fields) {
            return Err(Refusal::Newer);
        }
        let envelope = Self::from_fields(&fields)
            .filter(|envelope| envelope.to_json() == text)
            .ok_or(Refusal::Damaged("it is not an envelope as woci writes it"))?;
        if !envelope.header.cost.is_within_bounds() {
            return Err(Refusal::Damaged("its scrypt parameters are outside the range that woci accepts"));
        }
        Ok(envelope)
    }

    fn from_fields(fields: &Map<String, Value>) -> Option<Self> {
        let number = |name: &str| u32::try_from(fields.get(name)?.as_u64()?).ok();
        let n = number("n").filter(|n| n.is_power_of_two())?;
        let cost = Cost { log_n: n.trailing_zeros() as u8, r: number("r")?, p: number("p")? };
        let salt = bytes(fields, "salt")?.try_into().ok()?;
        let nonce = bytes(fields, "nonce")?.try_into().ok()?;
        let ct = bytes(fields, "ct").filter(|ct| ct.len() > TAG)?;
        Some(Self { header: Header { cost, salt, nonce }, ct })
    }

    /// Derives the key of this envelope. This is the slow step.
    pub fn derive_key(&self, passphrase: &Secret) -> Result<DerivedKey, Refusal> {
        DerivedKey::derive(passphrase, self.header.salt, self.header.cost)
    }

    /// True if `key` was derived with this envelope's salt and cost.
    pub fn is_for(&self, key: &DerivedKey) -> bool {
        key.salt == self.header.salt && key.cost == self.header.cost
    }

    /// Decrypts the token.
    pub fn open(&self, key: &DerivedKey) -> Result<Secret, Refusal> {
        let aad = self.header.to_json();
        let payload = Payload { msg: &self.ct, aad: aad.as_bytes() };
        let token = key
            .cipher()
            .decrypt(&Nonce::from(self.header.nonce), payload)
            .map_err(|_| Refusal::WrongPassphrase)?;
        text(token)
    }

    fn to_json(&self) -> String {
        let mut json = self.header.to_json();
        json.pop();
        json.push_str(&format!(r#","ct":"{}"}}"#, STANDARD.encode(&self.ct)));
        json
    }
}

/// Whether a later woci wrote the envelope.
fn is_newer(fields: &Map<String, Value>) -> bool {
    fields.get("version").and_then(Value::as_u64).is_some_and(|version| version > VERSION)
}

impl Header {
    /// The associated data: the envelope without its ciphertext.
    fn to_json(&self) -> String {
        let Cost { log_n, r, p } = self.cost;
        format!(
            r#"{{"version":{VERSION},"enc":"ChaCha20-Poly1305","kdf":"scrypt","n":{},"r":{r},"p":{p},"salt":"{}","nonce":"{}"}}"#,
            1_u64 << log_n,
            STANDARD.encode(self.salt),
            STANDARD.encode(self.nonce),
        )
    }
}

/// The bytes of a field in canonical base64: padded, no other characters, unused bits zero (RFC 4648
/// sections 3 and 4).
pub fn bytes(fields: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    STANDARD.decode(fields.get(name)?.as_str()?).ok()
}

/// Decrypted bytes as text.
pub fn text(plain: Vec<u8>) -> Result<Secret, Refusal> {
    match String::from_utf8(plain) {
        Ok(text) => Ok(Secret::new(text)),
        Err(e) => {
            drop(Zeroizing::new(e.into_bytes()));
            Err(Refusal::Damaged("its content is not text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn key(salt: u8) -> DerivedKey {
        DerivedKey { cost: COST, salt: [salt; 16], key: Zeroizing::new([7; 32]) }
    }

    #[test]
    fn a_sealed_token_can_be_opened() {
        let key = DerivedKey::new(&secret("a passphrase"), [1; 16]).unwrap();
        let sealed = key.seal([2; 12], &secret("a token"));
        let envelope = Envelope::parse(&sealed).unwrap();
        assert!(envelope.is_for(&key) && key.is_current());
        let derived = envelope.derive_key(&secret("a passphrase")).unwrap();
        assert!(envelope.open(&derived).is_ok_and(|token| token.expose() == "a token"));
        assert_eq!(
            envelope.open(&envelope.derive_key(&secret("another")).unwrap()).err(),
            Some(Refusal::WrongPassphrase)
        );
    }

    /// The key is always the right one. This shows that salt and cost are authenticated, and not only
    /// that a change of them results in another key.
    #[test]
    fn an_altered_or_truncated_envelope_is_refused() {
        let sealed = key(1).seal([2; 12], &secret("a token")).into_bytes();
        let opens = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).ok()?;
            Envelope::parse(text).ok()?.open(&key(1)).ok()
        };
        assert!(opens(&sealed).is_some());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(opens(&flipped).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(opens(&sealed[..length]).is_none(), "{length} bytes");
        }
    }

    #[test]
    fn a_key_matches_envelopes_of_its_salt_and_cost() {
        let envelope = Envelope::parse(&key(1).seal([2; 12], &secret("a token"))).unwrap();
        assert!(envelope.is_for(&key(1)));
        assert!(!envelope.is_for(&key(2)));
        let cheap = DerivedKey { cost: Cost { log_n: LEAST_LOG_N, ..COST }, ..key(1) };
        assert!(!envelope.is_for(&cheap) && !cheap.is_current());
    }

    proptest! {
        #[test]
        fn any_token_can_be_sealed_and_opened(token in "\\PC+", nonce in any::<[u8; 12]>()) {
            let envelope = Envelope::parse(&key(1).seal(nonce, &secret(&token))).unwrap();
            prop_assert!(envelope.open(&key(1)).is_ok_and(|opened| opened.expose() == token));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), salt in any::<String>(), number in any::<f64>()) {
            let _ = Envelope::parse(&text);
            let odd = serde_json::json!({"n": number, "r": 8, "p": 1, "salt": salt, "nonce": text, "ct": salt});
            prop_assert!(Envelope::parse(&odd.to_string()).is_err());
        }
    }
}
