//! The checks of a token endpoint that do not depend on the grant, and its error answers (RFC 6749 2.3.1, 3.2, 5.2).

use super::http::{self, Pairs, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub struct Refused {
    pub status: u16,
    pub error: String,
    pub description: String,
}

impl Refused {
    pub fn new(error: &str, description: impl Into<String>) -> Refused {
        Refused { status: 400, error: error.into(), description: description.into() }
    }

    /// The client's authentication failed.
    pub fn client() -> Refused {
        Refused { status: 401, ..Refused::new("invalid_client", "Client authentication failed") }
    }
}

pub fn answer(result: Result<Value, Refused>) -> Response {
    match result {
        Ok(answer) => Response::json(200, &answer),
        Err(Refused { status, error, description }) => {
            let answer = Response::json(status, &json!({"error": error, "error_description": description}));
            if status == 401 {
                answer.header("WWW-Authenticate", "Basic realm=\"simulator\"")
            } else {
                answer
            }
        }
    }
}

/// The form of a token request.
pub fn token_request(request: &Request) -> Result<Pairs, Refused> {
    let content_type = request.header("content-type").unwrap_or_default();
    if request.method != "POST" || !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(Refused::new("invalid_request", "not a form POST"));
    }
    if !request.query.is_empty() {
        return Err(Refused::new("invalid_request", "parameters belong in the body"));
    }
    let form = std::str::from_utf8(&request.body).ok().and_then(http::decode_form);
    let form = form.ok_or_else(|| Refused::new("invalid_request", "the body is not form-encoded"))?;
    match http::repeated(&form) {
        Some(name) => Err(Refused::new("invalid_request", format!("{name} is given twice"))),
        None => Ok(form),
    }
}

/// The client ID and secret of HTTP Basic authentication. OAuth form-encodes both (RFC 6749 2.3.1).
pub fn basic(request: &Request) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((http::decode(id)?, http::decode(secret)?))
}
