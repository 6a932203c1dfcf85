//! The token exchange at the OCI identity domain: RFC 8693 with OCI's additional parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::error::{EXCHANGE, EXCHANGE_BY_DEFAULT, Error, Result};
use crate::oauth::http::{Basic, Client, Endpoint, Retry};
use crate::oauth::token::{bad_answer, is_token, success_document};
use crate::oauth::{Domain, Requested};
use crate::secret::Secret;

/// Exchanges a person's access token for a UPST that is bound to a key. `public_key` is the key's SubjectPublicKeyInfo
/// in DER.
pub fn upst(
    client: &Client<'_>,
    domain: &Domain,
    access_token: &Secret,
    public_key: &[u8],
) -> Result<Secret> {
    session_token(client, domain, access_token, &Requested::Upst, public_key)
}

/// Exchanges an access token or a workload's token for a session token that is bound to a key. `public_key` is the
/// key's SubjectPublicKeyInfo in DER.
pub fn session_token(
    client: &Client<'_>,
    domain: &Domain,
    access_token: &Secret,
    requested: &Requested,
    public_key: &[u8],
) -> Result<Secret> {
    if access_token.expose().split('.').count() != 3 {
        return Err(Error::OpaqueToken);
    }
    let public_key = STANDARD.encode(public_key);
    let what = if domain.is_by_default { EXCHANGE_BY_DEFAULT } else { EXCHANGE };
    let endpoint = Endpoint { what, url: &domain.url };
    let basic = Basic { client_id: &domain.client_id, client_secret: &domain.client_secret };
    let requested_token_type = match requested {
        Requested::Upst => "urn:oci:token-type:oci-upst",
        Requested::Rpst { .. } => "urn:oci:token-type:oci-rpst",
    };
    let mut fields = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", requested_token_type),
        ("subject_token", access_token.expose()),
        ("subject_token_type", "jwt"),
        ("public_key", &public_key),
    ];
    if let Requested::Rpst { res_type, rpst_exp } = requested {
        fields.push(("res_type", res_type));
        fields.extend(rpst_exp.as_ref().map(|rpst_exp| ("rpst_exp", rpst_exp.as_str())));
    }
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

/// An answer of the identity domain: a token that needs no escaping, or an error without the request's secrets.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    use crate::oauth::http::Answer;

    let Some((first, body)) = bytes.split_first() else { return };
    let endpoint = Endpoint { what: EXCHANGE, url: "https://idcs.example.com/oauth2/v1/token" };
    let secret = Secret::new("S3cr3t canary".into());
    let answer = Answer::of([200, 400, 401, 503][usize::from(first % 4)], body);
    let token = success_document(&endpoint, &answer, &[&secret])
        .and_then(|document| issued_token(&endpoint, &document));
    match token {
        Ok(token) => {
            assert!(is_token(token.expose()));
            crate::oci::fuzz::upst(token.expose().as_bytes());
        }
        Err(e) => assert!(!e.to_string().contains(secret.expose())),
    }
}
