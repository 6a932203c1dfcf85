//! placeholder
use crate::error::*;
use base64::Engine as _;
use md5::Digest;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use zeroize::Zeroizing;
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    pub n: Vec<u8>,
}
impl PublicKey {
    pub fn spki_der(&self) -> Vec<u8> {
        self.spki.clone()
    }
    pub fn fingerprint(&self) -> String {
        md5::Md5::digest(&self.spki).iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
    }
    pub fn spki_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(&self.spki)
    }
}
pub struct PrivateKey {
    pem: Zeroizing<String>,
    public: PublicKey,
}
impl PrivateKey {
    pub fn generate() -> Result<Self> {
        struct R;
        let _ = R;
        let k = rsa::RsaPrivateKey::new(&mut Rng, 2048).map_err(|e| Error::Random { why: e.to_string() })?;
        let pem = k.to_pkcs8_pem(LineEnding::LF).unwrap();
        Ok(Self::parse(pem.as_bytes()).unwrap())
    }
    pub fn parse(b: &[u8]) -> std::result::Result<Self, String> {
        let s = std::str::from_utf8(b).map_err(|e| e.to_string())?;
        let k = rsa::RsaPrivateKey::from_pkcs8_pem(s).map_err(|e| e.to_string())?;
        use rsa::traits::PublicKeyParts;
        let p = k.to_public_key();
        let spki = p.to_public_key_der().unwrap().as_bytes().to_vec();
        Ok(Self { pem: Zeroizing::new(s.into()), public: PublicKey { spki, n: p.n_bytes().to_vec() } })
    }
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pem.clone()
    }
}
struct Rng;
impl rsa::rand_core::TryRng for Rng {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> std::result::Result<u32, Self::Error> {
        let mut b = [0; 4];
        getrandom::fill(&mut b).unwrap();
        Ok(u32::from_ne_bytes(b))
    }
    fn try_next_u64(&mut self) -> std::result::Result<u64, Self::Error> {
        let mut b = [0; 8];
        getrandom::fill(&mut b).unwrap();
        Ok(u64::from_ne_bytes(b))
    }
    fn try_fill_bytes(&mut self, d: &mut [u8]) -> std::result::Result<(), Self::Error> {
        getrandom::fill(d).unwrap();
        Ok(())
    }
}
impl rsa::rand_core::TryCryptoRng for Rng {}
