//! What goes over the wire: to the identity provider (RFC 6749, 7636) and to the OCI identity
//! domain (RFC 8693 with OCI's additions). It knows nothing of profiles or files.

use crate::error::Result;
use crate::secret::Secret;

pub mod http;
pub mod pkce;
mod tcp;
pub mod token;
pub mod url;

/// The identity provider, as one client of it sees it.
pub struct Provider {
    /// The authorization endpoint, perhaps with a query of its own.
    pub authorization_url: String,
    pub token_url: String,
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<Secret>,
    pub scope: String,
}

/// The OCI identity domain's exchange, as its client sees it.
pub struct Domain {
    pub url: String,
    pub client_id: String,
    pub client_secret: Secret,
}

/// What a token endpoint hands out (RFC 6749 section 5.1). Its halves are apart, so that a rotated
/// refresh token is stored even where the rest of the answer is of no use.
pub struct Tokens {
    pub access_token: Result<Secret>,
    /// Absent where the provider gave none, or where the old one stays in force.
    pub refresh_token: Option<Secret>,
}

#[cfg(fuzzing)]
pub mod fuzz {
    pub use crate::oauth::token::fuzz as token_answer;

    /// A form that is read is written so that it is read again as the same.
    pub fn form(bytes: &[u8]) {
        let Some(pairs) = crate::oauth::url::parse_form(bytes) else { return };
        let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
        let again = crate::oauth::url::parse_form(crate::oauth::url::form(&borrowed).as_bytes());
        assert_eq!(again, Some(pairs));
        if let Ok(url) = std::str::from_utf8(bytes) {
            let _ = (crate::oauth::url::check(url), crate::oauth::url::host(url));
        }
    }
}
