//! The RSA key that a session is bound to. It is generated at the first sign-in and kept by refreshes.
//!
//! Reading a key involves no RSA arithmetic: only the DER is parsed (RFC 8017 appendix A.1, RFC 5958). A
//! warm run needs no more than the modulus and the exponent.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use getrandom::SysRng;
use md5::{Digest as _, Md5};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rsa::pkcs1::{self, EncodeRsaPrivateKey as _, UintRef};
use rsa::pkcs8::der::asn1::{BitStringRef, OctetStringRef};
use rsa::pkcs8::der::{Decode as _, Encode as _};
use rsa::pkcs8::{PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The key size that OCI accepts and `oci session authenticate` generates.
const BITS: usize = 2048;

/// What `oci session authenticate` writes after a key. oci looks for it at the very end: with a line feed after it,
/// oci warns as if it were not there.
const LABEL: &str = "OCI_API_KEY";

/// An RSA public key: modulus and exponent, big-endian and without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    n: Vec<u8>,
    e: Vec<u8>,
}

impl PublicKey {
    /// The SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7), as the token exchange takes it.
    pub fn spki_der(&self) -> Vec<u8> {
        let der = || {
            let key = pkcs1::RsaPublicKeyRef {
                modulus: UintRef::new(&self.n)?,
                public_exponent: UintRef::new(&self.e)?,
            }
            .to_der()?;
            let subject_public_key = BitStringRef::from_bytes(&key)?;
            SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key }.to_der()
        };
        der().expect("integers that were read from DER can be written to DER")
    }

    /// OCI's fingerprint of the key: the MD5 of its SubjectPublicKeyInfo in DER, as `aa:bb:…`.
    pub fn fingerprint(&self) -> String {
        let mut name = String::new();
        for byte in Md5::digest(self.spki_der()) {
            if !name.is_empty() {
                name.push(':');
            }
            name.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        name
    }

    /// The key as a JWK (RFC 7517) in the text that `oci session authenticate` sends, blanks and `kid` included.
    pub fn to_jwk(&self) -> String {
        let [n, e] = [&self.n, &self.e].map(|integer| URL_SAFE_NO_PAD.encode(integer));
        format!(r#"{{"kty": "RSA", "n": "{n}", "e": "{e}", "kid": "Ignored"}}"#)
    }

    pub fn matches_jwk(&self, jwk: &Jwk) -> bool {
        self.n == jwk.n && self.e == jwk.e
    }
}

/// The RSA public key in a token's `jwk` claim (RFC 7517, RFC 7518 section 6.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    n: Vec<u8>,
    e: Vec<u8>,
}

/// Base64url with or without padding. RFC 7518 forbids padding and leading zeros, but some issuers write
/// them.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Jwk {
    /// `None` if the JWK is not an RSA key with modulus and exponent.
    pub fn from_json(jwk: &Map<String, Value>) -> Option<Self> {
        if jwk.get("kty").is_some_and(|kty| kty != "RSA") {
            return None;
        }
        let integer = |name: &str| {
            let bytes = LENIENT.decode(jwk.get(name)?.as_str()?).ok()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Some(bytes[zeros..].to_vec()).filter(|bytes| !bytes.is_empty())
        };
        Some(Self { n: integer("n")?, e: integer("e")? })
    }
}

/// An RSA private key, kept as PKCS#1 DER and wiped from memory when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs1: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl PrivateKey {
    /// Generates a key of 2048 bits with the exponent 65537. Takes 50 to 200 ms.
    pub fn generate() -> Result<Self> {
        let failed = |why: String| Error::NewKey { why };
        let key = rsa::PrivateKey::new(&mut SysRng, BITS).map_err(|e| failed(e.to_string()))?;
        let der = key.to_pkcs1_der().map_err(|e| failed(e.to_string()))?;
        Self::from_pkcs1(der.as_bytes()).map_err(failed)
    }

    /// Reads an unencrypted key in PEM (RFC 7468), as PKCS#8 or PKCS#1. Text around the PEM block is
    /// ignored: OCI's tools write a line `OCI_API_KEY` after it.
    ///
    /// # Errors
    /// The reason why the file is not such a key.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        // pem's own errors are not shown: they may quote a line of the key.
        let block = pem::parse(bytes)
            .map_err(|_| "it is no PEM file (it has no intact block from -----BEGIN to -----END)")?;
        let (label, is_encrypted) = (block.tag().to_owned(), block.headers().get("DEK-Info").is_some());
        let der = Zeroizing::new(block.into_contents());
        match label.as_str() {
            _ if label == "ENCRYPTED PRIVATE KEY" || is_encrypted => {
                Err("it is encrypted, and a session's key is not".into())
            }
            "RSA PRIVATE KEY" => Self::from_pkcs1(&der),
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            _ => Err(format!("it holds a {}, not an RSA private key", printable(&label))),
        }
    }

    /// Whether the file is an encrypted key: intact, and of no use without its passphrase.
    pub fn is_encrypted(bytes: &[u8]) -> bool {
        pem::parse(bytes).is_ok_and(|block| {
            block.tag() == "ENCRYPTED PRIVATE KEY" || block.headers().get("DEK-Info").is_some()
        })
    }

    fn from_pkcs8(der: &[u8]) -> std::result::Result<Self, String> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|e| format!("its PKCS#8 is damaged ({e})"))?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err("it is not an RSA key".into());
        }
        Self::from_pkcs1(info.private_key.as_bytes())
    }

    fn from_pkcs1(der: &[u8]) -> std::result::Result<Self, String> {
        let key =
            pkcs1::RsaPrivateKeyRef::from_der(der).map_err(|e| format!("its RSA key is damaged ({e})"))?;
        let (n, e) = (key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec());
        if n.len() * 8 < BITS {
            return Err(format!("its RSA key has fewer than {BITS} bits"));
        }
        Ok(Self { pkcs1: Zeroizing::new(der.to_vec()), public: PublicKey { n, e } })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key in PEM as PKCS#8, the form that oci, the SDKs and Terraform all read, with the line after it
    /// without which oci 3.95 warns at every command.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = || {
            let key = OctetStringRef::new(&self.pkcs1)?;
            PrivateKeyInfoRef::new(pkcs1::ALGORITHM_ID, key).to_der()
        };
        let der = der().expect("a key that was read from DER can be written to DER");
        let line_feeds = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        Zeroizing::new(pem::encode_config(&pem::Pem::new("PRIVATE KEY", der), line_feeds) + LABEL)
    }

    /// Signs a message with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 8017 section 8.2), which is deterministic.
    ///
    /// ring signs in a third of the time that the rsa crate takes, and in constant time, which the rsa
    /// crate does not (RUSTSEC-2023-0071).
    pub fn sign_sha256(&self, message: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let key = KeyPair::from_der(&self.pkcs1).map_err(|e| format!("its RSA key cannot sign ({e})"))?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| "its RSA key cannot sign".to_owned())?;
        Ok(signature)
    }
}

/// The label of a PEM block, without characters that could disturb a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsa::pkcs1::DecodeRsaPrivateKey as _;
    use rsa::pkcs1v15::{Signature, VerifyingKey};
    use rsa::signature::Verifier as _;
    use serde_json::json;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::testing::fixture;

    fn pem(name: &str) -> Vec<u8> {
        fixture(&format!("keys/{name}"))
    }

    fn session() -> PrivateKey {
        PrivateKey::parse(&pem("session.pem")).unwrap()
    }

    /// The expected values are from Python's cryptography and hashlib.
    #[test]
    fn fingerprint_der_and_signature_agree_with_python() {
        let key = session();
        let sha256 = |bytes: &[u8]| -> String {
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(key.public().fingerprint(), "fd:0c:c6:50:58:0f:07:ac:cf:8a:96:3c:db:b6:ad:86");
        assert_eq!(
            sha256(&key.public().spki_der()),
            "8f592375b385de1d35b9e11b3d487f2ad9884d3601e9bff96eeccc7d262089f8"
        );
        let signature = key.sign_sha256(b"date: Thu, 05 Jan 2014 21:31:40 GMT").unwrap();
        assert_eq!(sha256(&signature), "9e607db5e82c371782fe221e1e6e1e194245e8e2681d897a63fe16a3d0b4abaf");
    }

    const JWK: &str = "{\"kty\": \"RSA\", \"n\": \"oFOj69y3ftM72QEPGQukmSKctNcip4XHCu2wzzYW1dNPOl0QbPJiW4TGRvsbwoOLkfJfBZPh6ua56nGLz0DazOTeS_LQG81o4W8UAei6HS7b8OmurDp5wZW5YU66RTSlqcSTL5u2psIbQZKKgFnh3A3ubwQa_-2NyqMFMQBkCpmYaDr4oqxZj955a4rwImmltMyoJmBpEfXelkSEIsXk7ejffZbj2cdRPG8tm7K-IuNGeuy3sq9elTr4jmmgRCQeIr2rxZ_sPdPY9PeiHStvlnZmqYKgGlkmoPqw6ehy2Wxc6A0U1ucfBC6EEuF9iMeonY3kYLiSelGFkYcJyVEf9Q\", \"e\": \"AQAB\", \"kid\": \"Ignored\"}";

    /// The expected value is from `cli_util.to_jwk` of oci-cli 3.95.1.
    #[test]
    fn a_jwk_is_the_text_that_oci_sends() {
        let jwk = session().public().to_jwk();
        assert_eq!(jwk, JWK);
        let fields: Map<String, Value> = serde_json::from_str(&jwk).unwrap();
        assert!(session().public().matches_jwk(&Jwk::from_json(&fields).unwrap()));
    }

    #[test]
    fn every_form_of_a_key_is_read_as_the_same_key() {
        for name in ["session-pkcs1.pem", "session-oci.pem", "session-crlf.pem"] {
            let key = PrivateKey::parse(&pem(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(key.public(), session().public(), "{name}");
            assert_eq!(key.to_pem(), session().to_pem(), "{name}");
        }
        assert!(PrivateKey::parse(&pem("large.pem")).is_ok());
    }

    #[test]
    fn other_files_are_refused_with_what_they_are() {
        let odd = [
            ("encrypted.pem", "it is encrypted"),
            ("encrypted-pkcs1.pem", "it is encrypted"),
            ("session-public.pem", "it holds a PUBLIC KEY"),
            ("ec.pem", "it is not an RSA key"),
            ("small.pem", "its RSA key has fewer than 2048 bits"),
        ];
        for (name, expected) in odd {
            let why = PrivateKey::parse(&pem(name)).err().unwrap();
            assert!(why.starts_with(expected), "{name}: {why}");
            assert_eq!(PrivateKey::is_encrypted(&pem(name)), name.starts_with("encrypted"), "{name}");
        }
        let whole = pem("session.pem");
        for garbage in [&b""[..], b"\0\xff", b"OCI_API_KEY\n", &whole[..whole.len() / 2]] {
            let why = PrivateKey::parse(garbage).err().unwrap();
            assert!(why.starts_with("it is no PEM file"), "{why}");
        }
    }

    #[test]
    fn a_generated_key_can_be_written_read_and_used() {
        let key = PrivateKey::generate().unwrap();
        let pem = key.to_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(pem.ends_with("-----END PRIVATE KEY-----\nOCI_API_KEY"));
        let again = PrivateKey::parse(pem.as_bytes()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!((key.public().n.len(), key.public().e.as_slice()), (256, &[1, 0, 1][..]));

        let signature = again.sign_sha256(b"message").unwrap();
        assert_eq!(signature, key.sign_sha256(b"message").unwrap());
        let whole = rsa::PrivateKey::from_pkcs1_der(&again.pkcs1).unwrap();
        VerifyingKey::<Sha256>::new(whole.to_public_key())
            .verify(b"message", &Signature::try_from(signature.as_slice()).unwrap())
            .unwrap();
    }

    #[test]
    fn a_jwk_is_read_with_padding_and_leading_zeros() {
        let jwk = |value: Value| Jwk::from_json(value.as_object().unwrap());
        let plain = jwk(json!({"kty": "RSA", "n": "-_8", "e": "AQAB"})).unwrap();
        assert_eq!(jwk(json!({"n": "APv_", "e": "AQAB=="})), None, "padding that does not fit");
        assert_eq!(jwk(json!({"n": "APv_", "e": "AQAB"})).unwrap(), plain);
        assert_eq!(jwk(json!({"n": "-_8=", "e": "AAEAAQ=="})).unwrap(), plain);
        for odd in [
            json!({}),
            json!({"kty": "EC", "n": "-_8", "e": "AQAB"}),
            json!({"kty": "RSA", "n": "-_8"}),
            json!({"kty": "RSA", "n": "-_8", "e": ""}),
            json!({"kty": "RSA", "n": "AA", "e": "AQAB"}),
            json!({"kty": "RSA", "n": "+/8", "e": "AQAB"}),
            json!({"kty": "RSA", "n": 5, "e": "AQAB"}),
        ] {
            assert_eq!(jwk(odd.clone()), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = PrivateKey::parse(&bytes);
            let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", bytes.clone()));
            prop_assert!(PrivateKey::parse(pem.as_bytes()).is_err());
            let pem = pem::encode(&pem::Pem::new("RSA PRIVATE KEY", bytes));
            prop_assert!(PrivateKey::parse(pem.as_bytes()).is_err());
        }

        #[test]
        fn a_damaged_key_is_refused_or_usable(at in 0_usize..1700, bit in 0_u32..8) {
            let mut bytes = session().to_pem().as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(key) = PrivateKey::parse(&bytes) {
                let _ = (key.public().fingerprint(), key.to_pem());
                let _ = key.sign_sha256(b"message");
            }
        }
    }
}
