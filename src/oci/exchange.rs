//! The token exchange at the OCI identity domain: RFC 8693 with OCI's additional parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::error::{EXCHANGE, EXCHANGE_BY_DEFAULT, Error, Result};
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
    if access_token.expose().split('.').count() != 3 {
        return Err(Error::OpaqueToken);
    }
    let public_key = STANDARD.encode(public_key);
    let what = if domain.is_by_default { EXCHANGE_BY_DEFAULT } else { EXCHANGE };
    let endpoint = Endpoint { what, url: &domain.url };
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
    let document =
        success_document(&endpoint, &answer, &[access_token, &domain.client_secret, &basic.encoded()])?;
    issued_token(&endpoint, &document)
}

/// The session token of an answer.
pub fn issued_token(endpoint: &Endpoint<'_>, document: &Map<String, Value>) -> Result<Secret> {
    match document.get("token").and_then(Value::as_str) {
        Some(token) if !token.is_empty() && is_token(token) => Ok(Secret::new(token.to_owned())),
        _ => Err(bad_answer(endpoint, "it holds no token")),
    }
}
