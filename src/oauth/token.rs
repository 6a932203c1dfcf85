//! The token endpoint of the identity provider: the authorization code and refresh token grants
//! (RFC 6749 sections 4.1.3 and 6), and its success and error responses (sections 5.1 and 5.2).

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::http::{Answer, Basic, Client, Endpoint, Retry};
use super::reason::{self, Reason};
use super::{Provider, Tokens, url};
use crate::error::{Error, Result, TOKEN_ENDPOINT};
use crate::json::Object;
use crate::printable;
use crate::secret::Secret;

/// Error codes after which a refresh token is of no further use, and a person has to sign in: the token
/// is spent or revoked, or the provider asks for a login or consent (RFC 6749 section 5.2, OpenID
/// Connect Core 1.0 section 3.1.2.6).
const DEAD_CODES: [&str; 4] = ["invalid_grant", "interaction_required", "login_required", "consent_required"];

/// Redeems an authorization code. The code is spent even if this fails.
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
    request(client, provider, &fields, &[code, verifier], Retry::TooManyRequests)
}

/// Exchanges a refresh token for new tokens. The refresh token may be spent even if this fails.
///
/// # Errors
/// [`Error::RefreshTokenDead`] if the provider no longer accepts the token.
pub fn refresh(client: &Client<'_>, provider: &Provider, refresh_token: &Secret) -> Result<Tokens> {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    request(client, provider, &fields, &[refresh_token], Retry::TooManyRequests).map_err(|e| match e {
        Error::Refused { url, status: 200 | 400..=403, error: Some(error), why, .. }
            if DEAD_CODES.contains(&error.as_str()) =>
        {
            Error::RefreshTokenDead { url, error, description: why }
        }
        Error::Unreachable { url, why, is_sent: true, .. } => Error::AnswerLost { url, why },
        other => other,
    })
}

/// Asks for tokens with the fields of a grant, `secrets` among them.
pub(super) fn request(
    client: &Client<'_>,
    provider: &Provider,
    grant: &[(&str, &str)],
    secrets: &[&Secret],
    retry: Retry,
) -> Result<Tokens> {
    let endpoint = Endpoint { what: TOKEN_ENDPOINT, url: &provider.token_url };
    let mut fields = grant.to_vec();
    let mut secrets = secrets.to_vec();
    let basic = provider.client_secret.as_ref().map(|client_secret| {
        secrets.push(client_secret);
        Basic { client_id: &provider.client_id, client_secret }
    });
    if basic.is_none() {
        fields.push(("client_id", &provider.client_id));
    }
    let answer = client.post_form(&endpoint, basic.as_ref(), &fields, retry)?;
    let encoded = basic.as_ref().map(Basic::encoded);
    secrets.extend(&encoded);
    Ok(tokens(&endpoint, &success_object(&endpoint, &answer, &secrets)?))
}

/// The members of a response with status 200.
///
/// # Errors
/// [`Error::Refused`] for another status, or a reason in place of tokens, with the server's own words,
/// from which `secrets` are removed. [`Error::BadAnswer`] if the body is not a JSON object, or has a member twice.
pub fn success_document(
    endpoint: &Endpoint<'_>,
    answer: &Answer,
    secrets: &[&Secret],
) -> Result<Map<String, Value>> {
    let object = success_object(endpoint, answer, secrets)?;
    check_unique(endpoint, &object)?;
    Ok(object.members)
}

/// The members of a response whose status is known.
pub fn object(endpoint: &Endpoint<'_>, answer: &Answer) -> Result<Map<String, Value>> {
    let object =
        Object::parse(&answer.body).ok_or_else(|| bad_answer(endpoint, "it is not a JSON object"))?;
    check_unique(endpoint, &object)?;
    Ok(object.members)
}

/// Of two values, one may be an attacker's, or what another reader takes.
fn check_unique(endpoint: &Endpoint<'_>, object: &Object) -> Result<()> {
    match &object.twice {
        Some(name) => {
            let why = format!("it has {} twice, with different values", printable::line(name));
            Err(bad_answer(endpoint, &why))
        }
        None => Ok(()),
    }
}

fn success_object(endpoint: &Endpoint<'_>, answer: &Answer, secrets: &[&Secret]) -> Result<Object> {
    const TOKENS: [&str; 3] = ["access_token", "refresh_token", "token"];
    let document = Object::parse(&answer.body);
    let has_tokens = document
        .as_ref()
        .is_some_and(|document| TOKENS.iter().any(|name| document.members.contains_key(*name)));
    let reason = match &document {
        _ if answer.status == 200 && has_tokens => Reason::default(),
        Some(object) => reason::of_object(&object.members),
        // A text with status 200 may hold tokens in a form that woci does not read.
        None if answer.status == 200 => Reason::default(),
        None => reason::of_text(&answer.body),
    };
    let reason = match redirect(answer) {
        Some(why) => Reason { error: None, why: Some(why) },
        None => reason,
    };
    if answer.status == 200 && reason == Reason::default() {
        return document.ok_or_else(|| bad_answer(endpoint, "it is not a JSON object"));
    }
    // A server may quote the request, and its words are shown to a person. A key in the URL's query is a secret too.
    let query: Vec<Secret> = query_values(endpoint.url).map(|value| Secret::new(value.to_owned())).collect();
    let secrets: Vec<&Secret> = secrets.iter().copied().chain(&query).collect();
    let encoded: Vec<_> = secrets.iter().map(|secret| Zeroizing::new(url::encode(secret.expose()))).collect();
    let quoted =
        || secrets.iter().map(|secret| secret.expose()).chain(encoded.iter().map(|text| text.as_str()));
    let shown = |text: Option<String>| text.map(|text| printable::line_without(&text, quoted()));
    Err(Error::Refused {
        what: endpoint.what,
        url: endpoint.url.to_owned(),
        status: answer.status,
        error: shown(reason.error),
        why: shown(reason.why),
    })
}

/// The values in the query of a URL, apart from those that say nothing.
fn query_values(url: &str) -> impl Iterator<Item = &str> {
    const SHORTEST: usize = 8;
    let (_, query) = url.split_once('?').unwrap_or_default();
    let values = query.split('&').map(|part| part.split_once('=').map_or(part, |(_, value)| value));
    values.filter(|value| value.len() >= SHORTEST)
}

/// Where a redirect leads, without the query, which may hold what the server keeps of a session. No redirect is
/// followed: the request holds secrets.
fn redirect(answer: &Answer) -> Option<String> {
    let target = answer.location.as_ref().filter(|_| (300..400).contains(&answer.status))?;
    target
        .split(['?', '#'])
        .next()
        .filter(|target| !target.is_empty())
        .map(|target| format!("a redirect to {target}"))
}

/// An [`Error::BadAnswer`] of this endpoint.
pub fn bad_answer(endpoint: &Endpoint<'_>, why: &str) -> Error {
    Error::BadAnswer { what: endpoint.what, url: endpoint.url.to_owned(), why: why.to_owned() }
}

fn tokens(endpoint: &Endpoint<'_>, object: &Object) -> Tokens {
    let document = &object.members;
    let refresh_token = match document.get("refresh_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) if is_storable(text) => Some(Secret::new(text.clone())),
        Some(_) => {
            let access_token = Err(bad_answer(endpoint, "its refresh_token is not a token"));
            return Tokens { access_token, refresh_token: None };
        }
    };
    // The answer has spent a refresh token: whatever is wrong with the rest, the next one is kept.
    let access_token = check_unique(endpoint, object).and_then(|()| access_token(endpoint, document));
    Tokens { access_token, refresh_token }
}

fn access_token(endpoint: &Endpoint<'_>, document: &Map<String, Value>) -> Result<Secret> {
    if let Some(kind) = document.get("token_type")
        && !kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"))
    {
        return Err(bad_answer(endpoint, "its token_type is not Bearer"));
    }
    match document.get("access_token").and_then(Value::as_str) {
        None | Some("") => Err(bad_answer(endpoint, "it has no access_token")),
        Some(text) if is_token(text) => Ok(Secret::new(text.to_owned())),
        Some(_) => Err(bad_answer(endpoint, "its access_token is not a token")),
    }
}

/// The characters of a token: printable ASCII and spaces (RFC 6749 appendices A.12 and A.17).
pub fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// Whether a refresh token can be stored as plain text and read back unchanged. A file that begins with
/// `{` is read as an encrypted token, and white space at the end of the file is removed.
fn is_storable(text: &str) -> bool {
    is_token(text) && !text.starts_with('{') && text.trim() == text
}

/// Parses any response body; the first byte chooses the status. No error message quotes a secret.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let endpoint = Endpoint { what: "token endpoint", url: "https://idp.example.com/token" };
    let secret = Secret::new("S3cr3t canary".into());
    let answer = Answer::of([200, 400, 401, 503][usize::from(first % 4)], body);
    match success_object(&endpoint, &answer, &[&secret]) {
        Ok(object) => drop(tokens(&endpoint, &object)),
        Err(e) => assert!(!e.to_string().contains(secret.expose())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: Endpoint<'_> = Endpoint { what: "token endpoint", url: "https://idp.example.com/token" };

    fn parse(json: &str) -> Tokens {
        tokens(&ENDPOINT, &Object::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn a_success_response_gives_both_tokens() {
        let tokens =
            parse(r#"{"access_token":"a","token_type":"bearer","refresh_token":"r","expires_in":1}"#);
        assert!(tokens.access_token.is_ok_and(|token| token.expose() == "a"));
        assert!(tokens.refresh_token.is_some_and(|token| token.expose() == "r"));
    }

    #[test]
    fn a_response_without_a_refresh_token_is_valid() {
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
    fn a_rotated_refresh_token_is_kept_if_the_rest_of_the_response_is_invalid() {
        for json in [
            r#"{"refresh_token":"r"}"#,
            r#"{"refresh_token":"r","access_token":""}"#,
            r#"{"refresh_token":"r","access_token":1}"#,
            r#"{"refresh_token":"r","access_token":"a\u0007"}"#,
            r#"{"refresh_token":"r","access_token":"a","access_token":"b"}"#,
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
