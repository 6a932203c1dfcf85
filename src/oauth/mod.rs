//! OAuth over HTTP: the client, the identity provider's document and token endpoint (RFC 8414, RFC 6749, RFC 7636), and
//! the types that the OCI identity domain's exchange shares with it. Nothing here knows of profiles or files.

use crate::error::Result;
use crate::secret::Secret;

pub mod device;
pub mod discovery;
pub mod http;
pub mod pkce;
mod reason;
mod resolver;
pub mod revoke;
pub mod runner;
mod tcp;
pub mod token;
pub mod url;

/// The parameters of an authorization URL that the sign-in depends on (RFC 6749 section 4.1.1, RFC 7636 section 4.3).
pub const OWN_PARAMETERS: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

/// The identity provider: its endpoints, and woci's registration as a client.
pub struct Provider {
    /// The authorization endpoint. The URL may have a query.
    pub authorization_url: String,
    pub token_url: String,
    pub client_id: String,
    /// `None` for a public client (RFC 6749 section 2.1).
    pub client_secret: Option<Secret>,
    pub scope: String,
    /// How the provider names itself in its answers; `None` if no issuer is configured.
    pub iss: Option<Iss>,
    /// The device authorization endpoint (RFC 8628), if the provider has one.
    pub device_url: Option<String>,
    pub device_form: DeviceForm,
}

/// The name of an issuer in the answers of its authorization endpoint (RFC 9207).
pub struct Iss {
    pub name: String,
    /// The provider's document says that every answer holds it.
    pub is_always_sent: bool,
}

/// What a request for a device code looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceForm {
    /// RFC 8628 section 3.1.
    Standard,
    /// That of Oracle's identity domains: with a `response_type`, and without client authentication.
    Oracle,
}

/// The OCI identity domain: its token exchange endpoint, and woci's registration as a client.
pub struct Domain {
    pub url: String,
    /// Only the identity provider's token endpoint is configured, and it was taken for this too.
    pub is_by_default: bool,
    pub client_id: String,
    pub client_secret: Secret,
}

/// What a token is exchanged for at the identity domain.
#[derive(Clone)]
pub enum Requested {
    /// The session token of a user.
    Upst,
    /// The session token of a resource.
    Rpst { res_type: String, rpst_exp: Option<String> },
}

/// The tokens of a successful token response (RFC 6749 section 5.1). The access token is a `Result` of
/// its own, so that a rotated refresh token is stored even if the rest of the response is invalid.
pub struct Tokens {
    pub access_token: Result<Secret>,
    /// `None` if the provider issued none, which also means that the old one stays valid.
    pub refresh_token: Option<Secret>,
}

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    pub use crate::oauth::device::fuzz as device_answer;
    pub use crate::oauth::discovery::fuzz as discovery;
    pub use crate::oauth::token::fuzz as token_answer;

    /// A form that can be parsed survives encoding and parsing again.
    pub fn form(bytes: &[u8]) {
        let Some(pairs) = crate::oauth::url::parse_form(bytes) else { return };
        let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
        let again = crate::oauth::url::parse_form(crate::oauth::url::form(&borrowed).as_bytes());
        assert_eq!(again, Some(pairs));
        if let Ok(url) = std::str::from_utf8(bytes) {
            let _ = (crate::oauth::url::check(url), crate::oauth::url::host(url));
        }
    }

    /// What the form and URL code makes of a text, for a comparison with a second reading of the RFCs: the pairs of a
    /// form, the text encoded, whether a token may be sent to it, its host, and what it means at a base.
    pub fn readings(text: &str) -> serde_json::Value {
        use crate::oauth::url;

        let is_url = url::check(text).is_ok();
        serde_json::json!({
            "pairs": url::parse_form(text.as_bytes()),
            "encoded": url::encode(text),
            "is_url": is_url,
            "host": is_url.then(|| url::host(text)),
            "resolved": url::resolve("https://idp.example.com/a/b?c", text),
        })
    }
}
