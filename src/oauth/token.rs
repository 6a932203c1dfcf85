//! The token endpoint of the identity provider: the authorization code and refresh token grants
//! (RFC 6749 sections 4.1.3 and 6), their answers and refusals.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::http::{Answer, Basic, Client, Endpoint, Retry};
use super::{Provider, Tokens, url};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Refusals that only a person at the provider can mend: the token is spent, or a login or consent is
/// asked for (RFC 6749 section 5.2, OpenID Connect Core 3.1.2.6).
const DEAD: [&str; 4] = ["invalid_grant", "interaction_required", "login_required", "consent_required"];

/// Redeems an authorization code, once: whatever happens, the code is spent.
pub fn authorization_code(
    client: &Client<'_>,
    provider: &Provider,
    code: &Secret,
    verifier: &Secret,
    redirect_uri: &str,
) -> Result<Tokens> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier.expose()),
    ];
    request(client, provider, &fields, &[code, verifier])
}

/// Spends a refresh token. [`Error::RefreshTokenDead`] where the provider no longer takes it.
pub fn refresh(client: &Client<'_>, provider: &Provider, refresh_token: &Secret) -> Result<Tokens> {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    request(client, provider, &fields, &[refresh_token]).map_err(|e| match e {
        Error::Refused { url, status: 400..=403, error: Some(error), why, .. }
            if DEAD.contains(&error.as_str()) =>
        {
            Error::RefreshTokenDead { url, error, description: why }
        }
        other => other,
    })
}

fn request(
    client: &Client<'_>,
    provider: &Provider,
    grant: &[(&str, &str)],
    secrets: &[&Secret],
) -> Result<Tokens> {
    let endpoint = Endpoint { what: "token endpoint", url: &provider.token_url };
    let mut fields = grant.to_vec();
    let mut secrets = secrets.to_vec();
    let basic = provider.client_secret.as_ref().map(|client_secret| {
        secrets.push(client_secret);
        Basic { client_id: &provider.client_id, client_secret }
    });
    if basic.is_none() {
        fields.push(("client_id", &provider.client_id));
    }
    let answer = client.post_form(&endpoint, basic.as_ref(), &fields, Retry::TooMany)?;
    let document = success(&endpoint, &answer, &secrets)?;
    Ok(tokens(&endpoint, &document))
}

/// The JSON object of a good answer, or the refusal in the provider's words.
pub fn success(endpoint: &Endpoint<'_>, answer: &Answer, secrets: &[&Secret]) -> Result<Map<String, Value>> {
    let document: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
    if answer.status == 200 {
        return document.ok_or_else(|| bad(endpoint, "it is not a JSON object"));
    }
    // A provider may quote what it was sent; what is quoted is shown to a person.
    let text = |name: &str| {
        let text = document.as_ref()?.get(name)?.as_str().filter(|text| !text.is_empty())?;
        Some(shorten(&without(text, secrets)))
    };
    Err(Error::Refused {
        what: endpoint.what,
        url: endpoint.url.to_owned(),
        status: answer.status,
        error: text("error"),
        why: text("error_description"),
    })
}

/// The text without the secrets, as they are and as they went over the wire. Before it is cut, since
/// a secret that is cut is still most of one.
fn without(text: &str, secrets: &[&Secret]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| {
        let encoded = Zeroizing::new(url::encode(secret.expose()));
        text.replace(secret.expose(), "[removed]").replace(&**encoded, "[removed]")
    })
}

fn shorten(text: &str) -> String {
    const MOST: usize = 500;
    text.chars().take(MOST).collect()
}

pub fn bad(endpoint: &Endpoint<'_>, why: &str) -> Error {
    Error::BadAnswer { what: endpoint.what, url: endpoint.url.to_owned(), why: why.to_owned() }
}

fn tokens(endpoint: &Endpoint<'_>, document: &Map<String, Value>) -> Tokens {
    let refresh_token = match document.get("refresh_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) if is_storable(text) => Some(Secret::new(text.clone())),
        Some(_) => {
            let access_token = Err(bad(endpoint, "its refresh_token is not a token"));
            return Tokens { access_token, refresh_token: None };
        }
    };
    Tokens { access_token: access_token(endpoint, document), refresh_token }
}

fn access_token(endpoint: &Endpoint<'_>, document: &Map<String, Value>) -> Result<Secret> {
    if let Some(kind) = document.get("token_type")
        && !kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"))
    {
        return Err(bad(endpoint, "its token_type is not Bearer"));
    }
    match document.get("access_token").and_then(Value::as_str) {
        None | Some("") => Err(bad(endpoint, "it has no access_token")),
        Some(text) if is_token(text) => Ok(Secret::new(text.to_owned())),
        Some(_) => Err(bad(endpoint, "its access_token is not a token")),
    }
}

/// Visible ASCII and blanks (RFC 6749 appendices A.12 and A.17), without control characters.
pub fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// A plain token's file is told from an envelope by its first byte, and ends before its trailing blanks.
fn is_storable(text: &str) -> bool {
    is_token(text) && !text.starts_with('{') && text.trim() == text
}

/// The first byte chooses the status; a secret that the answer quotes is in no message.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let endpoint = Endpoint { what: "token endpoint", url: "https://idp.example.com/token" };
    let secret = Secret::new("S3cr3t canary".into());
    let answer = Answer::of([200, 400, 401, 503][usize::from(first % 4)], body);
    match success(&endpoint, &answer, &[&secret]) {
        Ok(document) => drop(tokens(&endpoint, &document)),
        Err(e) => assert!(!e.to_string().contains(secret.expose())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: Endpoint<'_> = Endpoint { what: "token endpoint", url: "https://idp.example.com/token" };

    fn parse(json: &str) -> Tokens {
        tokens(&ENDPOINT, &serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_good_answer() {
        let tokens =
            parse(r#"{"access_token":"a","token_type":"bearer","refresh_token":"r","expires_in":1}"#);
        assert!(tokens.access_token.is_ok_and(|token| token.expose() == "a"));
        assert!(tokens.refresh_token.is_some_and(|token| token.expose() == "r"));
    }

    #[test]
    fn no_refresh_token_keeps_the_old_one() {
        for json in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","refresh_token":null}"#,
            r#"{"access_token":"a","refresh_token":""}"#,
        ] {
            let tokens = parse(json);
            assert!(tokens.access_token.is_ok() && tokens.refresh_token.is_none(), "{json}");
        }
    }

    #[test]
    fn a_rotated_refresh_token_survives_the_rest_of_a_bad_answer() {
        for json in [
            r#"{"refresh_token":"r"}"#,
            r#"{"refresh_token":"r","access_token":""}"#,
            r#"{"refresh_token":"r","access_token":1}"#,
            r#"{"refresh_token":"r","access_token":"a\u0007"}"#,
            r#"{"refresh_token":"r","access_token":"a","token_type":"DPoP"}"#,
        ] {
            let tokens = parse(json);
            assert!(tokens.access_token.is_err() && tokens.refresh_token.is_some(), "{json}");
        }
    }

    #[test]
    fn a_refresh_token_that_could_not_be_stored_is_refused() {
        for token in ["r\\n", "{r", " r", "r ", "r\\u00e4"] {
            let tokens = parse(&format!(r#"{{"access_token":"a","refresh_token":"{token}"}}"#));
            assert!(tokens.access_token.is_err() && tokens.refresh_token.is_none(), "{token}");
        }
    }
}
