//! The token exchange at the OCI identity domain: RFC 8693 with OCI's additional parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::oauth::Domain;
use crate::oauth::http::{Basic, Client, Endpoint, Retry};
use crate::oauth::token::{bad_answer, is_token, success_document};
use crate::secret::Secret;

/// Exchanges an access token for a UPST that is bound to a key. `public_key` is the key's
/// SubjectPublicKeyInfo in DER.
pub fn upst(
    client: &Client<'_>,
    domain: &Domain,
    access_token: &Secret,
    public_key: &[u8],
) -> Result<Secret> {
    let upst = ask(client, domain, access_token, public_key);
    if domain.is_token_url { upst.map_err(says_whose_url) } else { upst }
}

/// That no endpoint of the domain is configured is the likeliest reason of all.
fn says_whose_url(mut e: Error) -> Error {
    match &mut e {
        Error::Unreachable { url, .. }
        | Error::Refused { url, .. }
        | Error::BadAnswer { url, .. }
        | Error::Untrusted { url, .. } => {
            url.push_str(" (the token_url, since token_exchange_url is not set)")
        }
        _ => {}
    }
    e
}

fn ask(client: &Client<'_>, domain: &Domain, access_token: &Secret, public_key: &[u8]) -> Result<Secret> {
    if access_token.expose().split('.').count() != 3 {
        return Err(Error::OpaqueToken);
    }
    let public_key = STANDARD.encode(public_key);
    let endpoint = Endpoint { what: "token exchange", url: &domain.url };
    let basic = Basic { client_id: &domain.client_id, client_secret: &domain.client_secret };
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:oci:token-type:oci-upst"),
        ("subject_token", access_token.expose()),
        ("subject_token_type", "jwt"),
        ("public_key", &public_key),
    ];
    let answer = client.post_form(&endpoint, Some(&basic), &fields, Retry::Unavailable)?;
    client.close_connection();
    let document = success_document(&endpoint, &answer, &[access_token, &domain.client_secret])?;
    match document.get("token").and_then(Value::as_str) {
        Some(token) if !token.is_empty() && is_token(token) => Ok(Secret::new(token.to_owned())),
        _ => Err(bad_answer(&endpoint, "it holds no token")),
    }
}
