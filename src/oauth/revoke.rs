//! The revocation endpoint of the identity provider (RFC 7009), which takes a refresh token back before it expires.

use super::http::{Basic, Client, Endpoint, Retry};
use super::token;
use crate::error::{REVOCATION, Result};
use crate::secret::Secret;

/// The endpoint, and woci's registration as a client.
pub struct Revocation<'a> {
    pub url: &'a str,
    pub client_id: &'a str,
    /// `None` for a public client.
    pub client_secret: Option<&'a Secret>,
}

/// Revokes a refresh token. The provider answers in the same way for a token that it no longer knows. The request can
/// be repeated without harm.
pub fn refresh_token(client: &Client<'_>, at: &Revocation<'_>, refresh_token: &Secret) -> Result<()> {
    let endpoint = Endpoint { what: REVOCATION, url: at.url };
    let basic = at.client_secret.map(|client_secret| Basic { client_id: at.client_id, client_secret });
    let mut fields = vec![("token", refresh_token.expose()), ("token_type_hint", "refresh_token")];
    if basic.is_none() {
        fields.push(("client_id", at.client_id));
    }
    let answer = client.post_form(&endpoint, basic.as_ref(), &fields, Retry::Unavailable)?;
    client.close_connection();
    // Section 2.2: the status alone counts.
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let encoded = basic.as_ref().map(Basic::encoded);
    let mut secrets = vec![refresh_token];
    secrets.extend(at.client_secret);
    secrets.extend(&encoded);
    token::success_document(&endpoint, &answer, &secrets).map(drop)
}
