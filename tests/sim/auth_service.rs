//! Oracle's auth service: a signed request with a valid UPST brings the next one of the same session and key. Its
//! request is that of `oci session refresh` (oci-cli 3.95, cli_session.py and oci/signer.py).

use super::console::{Console, Rules};
use super::domain::Upst;
use super::http::{Request, Response};
use super::jwt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::PublicKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The headers of a signature, in their order.
const SIGNED: &str = "date (request-target) host content-length content-type x-content-sha256";

/// Oracle's message for every request that does not prove who sent it.
const NOT_AUTHENTICATED: &str =
    "The required information to complete authentication was not provided or was incorrect.";

struct Refused {
    status: u16,
    code: &'static str,
    message: String,
    /// For the test only.
    why: String,
}

impl Refused {
    fn parameter(why: &str) -> Refused {
        Refused { status: 400, code: "InvalidParameter", message: why.into(), why: why.into() }
    }

    fn unauthenticated(why: impl Into<String>) -> Refused {
        let (code, message) = ("NotAuthenticated", NOT_AUTHENTICATED.into());
        Refused { status: 401, code, message, why: why.into() }
    }
}

impl Console {
    pub fn refresh(&self, request: &Request) -> Response {
        let rules = self.rules();
        match self.refreshed(request, &rules) {
            Ok(answer) => Response::json(200, &answer),
            Err(Refused { status, code, message, why }) => {
                self.ledger().refusals.push(why);
                Response::json(status, &json!({"code": code, "message": message}))
            }
        }
    }

    fn refreshed(&self, request: &Request, rules: &Rules) -> Result<Value, Refused> {
        let current = current_token(request)?;
        let signature = signature(request, &current)?;
        timely(header(request, "date")?, rules.now(), rules.clock_skew)?;
        let mut ledger = self.ledger();
        let known = |tokens: &Vec<String>| tokens.contains(&current);
        let session = ledger.sessions.iter().position(|session| known(&session.tokens));
        let session = session.ok_or_else(|| Refused::unauthenticated("the token is unknown"))?;
        let claims = jwt::claims(&current);
        let key = bound_to(&claims).map_err(|why| Refused::unauthenticated(format!("jwk: {why}")))?;
        jwt::verify(&key, &signed_text(request)?, &signature).map_err(Refused::unauthenticated)?;
        if claims["exp"].as_i64().is_none_or(|exp| exp <= rules.now()) {
            return Err(Refused::unauthenticated("the token has expired"));
        }
        if ledger.sessions[session].ends <= rules.now() {
            return Err(Refused::unauthenticated("the session has ended"));
        }
        if let Upst::Document(document) = &rules.refreshed {
            return Ok(document.clone());
        }
        let mut next = ledger.claims(session, &key, rules);
        for name in ["sub", "tenant"] {
            next[name] = claims[name].clone();
        }
        let token = ledger.issue(session, rules.refreshed.token(&self.key, next));
        Ok(json!({"token": token}))
    }
}

/// The token in the body. Checks the request apart from its signature.
fn current_token(request: &Request) -> Result<String, Refused> {
    if request.method != "POST" {
        let why = format!("the method is {}", request.method);
        return Err(Refused { status: 405, code: "MethodNotAllowed", message: why.clone(), why });
    }
    if !request.query.is_empty() {
        return Err(Refused::parameter("the request has a query"));
    }
    if header(request, "content-type")? != "application/json" {
        return Err(Refused::parameter("content-type is not application/json"));
    }
    if header(request, "content-length")? != request.body.len().to_string() {
        return Err(Refused::parameter("content-length is not the length of the body"));
    }
    if header(request, "x-content-sha256")? != STANDARD.encode(Sha256::digest(&request.body)) {
        return Err(Refused::unauthenticated("x-content-sha256 is not the hash of the body"));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let members = body.as_object().map(serde_json::Map::len);
    match (members, body["currentToken"].as_str()) {
        (Some(1), Some(token)) => Ok(token.to_owned()),
        _ => Err(Refused::parameter("the body is not {\"currentToken\": …}")),
    }
}

/// A header that the request has exactly once.
fn header<'a>(request: &'a Request, name: &str) -> Result<&'a str, Refused> {
    let mut values = request.headers.iter().filter(|(known, _)| known == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(value),
        (Some(_), Some(_)) => Err(Refused::unauthenticated(format!("{name} is given twice"))),
        (None, _) => Err(Refused::unauthenticated(format!("no {name}"))),
    }
}

/// The bytes of the signature. Checks the other parameters of the `Authorization` header.
fn signature(request: &Request, current: &str) -> Result<Vec<u8>, Refused> {
    let parameters = header(request, "authorization")?.strip_prefix("Signature ");
    let parameters = parameters.and_then(parameters_of);
    let mut parameters =
        parameters.ok_or_else(|| Refused::unauthenticated("authorization is not a Signature"))?;
    let key_id = format!("ST${current}");
    for (name, expected) in
        [("algorithm", "rsa-sha256"), ("headers", SIGNED), ("keyId", &key_id), ("version", "1")]
    {
        if parameters.remove(name) != Some(expected) {
            return Err(Refused::unauthenticated(format!("{name} of the signature is wrong")));
        }
    }
    let signature = parameters.remove("signature").and_then(|text| STANDARD.decode(text).ok());
    match signature {
        Some(signature) if parameters.is_empty() => Ok(signature),
        Some(_) => Err(Refused::unauthenticated("the signature has an unknown parameter")),
        None => Err(Refused::unauthenticated("the signature is not base64")),
    }
}

/// Reads `name="value",…`; `None` if the text is not in that form or repeats a name.
fn parameters_of(text: &str) -> Option<BTreeMap<&str, &str>> {
    let mut parameters = BTreeMap::new();
    for part in text.split(',') {
        let (name, value) = part.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        if parameters.insert(name, value).is_some() {
            return None;
        }
    }
    Some(parameters)
}

/// The text that the client has signed.
fn signed_text(request: &Request) -> Result<String, Refused> {
    let line = |name: &str| match name {
        "(request-target)" => Ok(format!("(request-target): post {}", request.path)),
        name => Ok(format!("{name}: {}", header(request, name)?)),
    };
    let lines: Vec<_> = SIGNED.split(' ').map(line).collect::<Result<_, Refused>>()?;
    Ok(lines.join("\n"))
}

/// The key that a token names in its claim `jwk`, which is JSON in a string.
pub fn bound_to(claims: &Value) -> Result<PublicKey, &'static str> {
    let text = claims["jwk"].as_str().ok_or("none")?;
    jwt::public_key(&serde_json::from_str(text).map_err(|_| "not JSON")?)
}

/// Oracle's message, as people quote it: it states the service's time and what it accepts.
fn timely(date: &str, now: i64, skew: i64) -> Result<(), Refused> {
    let sent =
        jwt::read_http_date(date).ok_or_else(|| Refused::unauthenticated("date is not an HTTP date"))?;
    if (sent - now).abs() <= skew {
        return Ok(());
    }
    let [sent, current, from, to] = [sent, now, now - skew, now + skew + 1].map(jwt::http_date);
    let message = format!(
        "Date '{sent}' is not within allowed clock skew. Current '{current}', valid datetime range: ['{from}', '{to}']"
    );
    Err(Refused { status: 401, code: "NotAuthenticated", why: message.clone(), message })
}
