//! Proof Key for Code Exchange (RFC 7636): the verifier, which is secret, and its S256 challenge.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

/// The `code_verifier`: 32 random bytes in base64url, 43 characters (RFC 7636 section 4.1).
pub fn verifier(random: [u8; 32]) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random))
}

/// The `code_challenge` by the method S256 (RFC 7636 section 4.2).
pub fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()))
}

#[cfg(test)]
mod tests {
    use super::{Secret, challenge, verifier};

    #[test]
    fn challenge_matches_the_example_of_the_rfc() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifier_has_43_characters() {
        assert_eq!(verifier([0xff; 32]).expose().len(), 43);
    }
}
