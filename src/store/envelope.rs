//! The refresh token encrypted under a passphrase: scrypt (RFC 7914) and ChaCha20-Poly1305 (RFC 8439)
//! in a line of JSON. `schemas/refresh-token.schema.json` describes it.
//!
//! It is read as strictly as it is written: once parsed, it is written anew and has to be the same
//! bytes. So there is no second spelling (a field twice, an escape, `1e0`, loose base64) in which
//! something could hide, and each byte that is not part of the ciphertext is authenticated with it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::Secret;

/// Why an envelope does not open.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not an envelope as woci or the older tool wrote them.
    Damaged(&'static str),
    /// The passphrase is another one, or the bytes were altered: nobody can tell which.
    WrongPassphrase,
    NoMemory {
        mebibytes: usize,
    },
}

impl Refusal {
    pub fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Damaged(why) => Error::RefreshTokenFile { path, why: why.into() },
            Self::WrongPassphrase => Error::WrongPassphrase { path },
            Self::NoMemory { mebibytes } => Error::KeyMemory { mebibytes },
        }
    }
}

pub const TAG: usize = 16;

/// What deriving a key costs: memory is 128 × N × r bytes (RFC 7914 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    log_n: u8,
    r: u32,
    p: u32,
}

/// OWASP's first choice: 128 MiB and 0.3 s, once a run.
const COST: Cost = Cost { log_n: 17, r: 8, p: 1 };

/// N may be lower, for a machine with less memory.
const LEAST_LOG_N: u8 = 14;

impl Cost {
    /// woci never wrote a costlier one, so whoever did wants to exhaust this machine.
    fn is_within_bounds(self) -> bool {
        (LEAST_LOG_N..=COST.log_n).contains(&self.log_n) && (self.r, self.p) == (COST.r, COST.p)
    }
}

/// A key, and the salt and cost that made it from the passphrase.
#[derive(Clone)]
pub struct DerivedKey {
    cost: Cost,
    salt: [u8; 16],
    key: Zeroizing<[u8; 32]>,
}

impl DerivedKey {
    /// The key for an envelope that is going to be written.
    pub fn new(passphrase: &Secret, salt: [u8; 16]) -> Result<Self, Refusal> {
        Self::derive(passphrase, salt, COST)
    }

    fn derive(passphrase: &Secret, salt: [u8; 16], cost: Cost) -> Result<Self, Refusal> {
        let params = scrypt::Params::new(cost.log_n, cost.r, cost.p).expect("the cost is within bounds");
        // scrypt itself would abort the process. What can be had now can be had a moment later.
        let bytes = 128 * cost.r as usize * ((1 << cost.log_n) + cost.p as usize + 1);
        let mut room: Vec<u8> = Vec::new();
        if room.try_reserve_exact(bytes).is_err() {
            return Err(Refusal::NoMemory { mebibytes: bytes >> 20 });
        }
        // The optimiser would leave out memory that nobody looks at.
        drop(std::hint::black_box(room));
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(passphrase.expose().as_bytes(), &salt, &params, &mut *key)
            .expect("32 bytes are a length that scrypt derives");
        Ok(Self { cost, salt, key })
    }

    /// True where envelopes written from now on may use it.
    pub fn is_current(&self) -> bool {
        self.cost == COST
    }

    /// The envelope of a token, a line of text.
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

/// An envelope taken apart, still closed.
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
    /// Checks all that can be checked without the passphrase. `text` begins and ends with a brace.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let fields = serde_json::from_str(text).map_err(|_| Refusal::Damaged("its JSON is damaged"))?;
        let envelope = Self::from_fields(&fields)
            .filter(|envelope| envelope.to_json() == text)
            .ok_or(Refusal::Damaged("it is not an envelope as woci writes it"))?;
        if !envelope.header.cost.is_within_bounds() {
            return Err(Refusal::Damaged("it asks for more or less work than woci ever does"));
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

    /// The key that opens it: the costly step.
    pub fn key(&self, passphrase: &Secret) -> Result<DerivedKey, Refusal> {
        DerivedKey::derive(passphrase, self.header.salt, self.header.cost)
    }

    /// True where `key` was derived with this envelope's salt and cost.
    pub fn is_for(&self, key: &DerivedKey) -> bool {
        key.salt == self.header.salt && key.cost == self.header.cost
    }

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

impl Header {
    /// The associated data: the envelope without its ciphertext.
    fn to_json(&self) -> String {
        let Cost { log_n, r, p } = self.cost;
        format!(
            r#"{{"version":1,"enc":"ChaCha20-Poly1305","kdf":"scrypt","n":{},"r":{r},"p":{p},"salt":"{}","nonce":"{}"}}"#,
            1_u64 << log_n,
            STANDARD.encode(self.salt),
            STANDARD.encode(self.nonce),
        )
    }
}

/// A field of canonical base64 (RFC 4648 section 4: padded, no other characters, no stray bits).
pub fn bytes(fields: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    STANDARD.decode(fields.get(name)?.as_str()?).ok()
}

/// What was decrypted, as text.
pub fn text(plain: Vec<u8>) -> Result<Secret, Refusal> {
    match String::from_utf8(plain) {
        Ok(text) => Ok(Secret::new(text)),
        Err(e) => {
            drop(Zeroizing::new(e.into_bytes()));
            Err(Refusal::Damaged("what it holds is not text"))
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
    fn opens_what_it_sealed() {
        let key = DerivedKey::new(&secret("a passphrase"), [1; 16]).unwrap();
        let sealed = key.seal([2; 12], &secret("a token"));
        let envelope = Envelope::parse(&sealed).unwrap();
        assert!(envelope.is_for(&key) && key.is_current());
        let derived = envelope.key(&secret("a passphrase")).unwrap();
        assert!(envelope.open(&derived).is_ok_and(|token| token.expose() == "a token"));
        assert_eq!(
            envelope.open(&envelope.key(&secret("another")).unwrap()).err(),
            Some(Refusal::WrongPassphrase)
        );
    }

    /// With the right key throughout: so salt and cost are authenticated by themselves, and not only
    /// because they make another key.
    #[test]
    fn no_bit_can_change_and_no_byte_be_cut_off() {
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
    fn a_key_is_for_envelopes_of_its_salt_and_cost() {
        let envelope = Envelope::parse(&key(1).seal([2; 12], &secret("a token"))).unwrap();
        assert!(envelope.is_for(&key(1)));
        assert!(!envelope.is_for(&key(2)));
        let cheap = DerivedKey { cost: Cost { log_n: LEAST_LOG_N, ..COST }, ..key(1) };
        assert!(!envelope.is_for(&cheap) && !cheap.is_current());
    }

    proptest! {
        #[test]
        fn every_token_survives(token in "\\PC+", nonce in any::<[u8; 12]>()) {
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
