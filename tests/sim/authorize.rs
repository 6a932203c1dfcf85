//! The authorization endpoint (RFC 6749 4.1.1, 7636 4.3, 8252 7.3): the person's browser opens it, and is redirected to
//! the client.

use super::endpoint::Refused;
use super::http::{self, Pairs, Request, Response, repeated};
use super::jwt;
use super::ledger::Code;
use super::provider::{Person, Provider};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

impl Provider {
    /// There are no cookies, so each request is a new sign-in. The person answers at once, or never.
    pub fn authorize(&self, request: &Request) -> Response {
        let redirect_uri = match self.trusted_redirect(&request.query) {
            Ok(redirect_uri) => redirect_uri,
            // No redirect, since the redirect URI itself may be wrong (RFC 6749 4.1.2.1).
            Err(why) => return page(400, &format!("This sign-in was refused: {why}")),
        };
        let state = http::value(&request.query, "state").unwrap_or_default();
        let mut answer = match self.decide(request, redirect_uri) {
            Ok(Some(code)) => vec![("code", code)],
            Ok(None) => return page(200, "Please sign in"),
            Err(refused) => {
                vec![("error", refused.error), ("error_description", refused.description)]
            }
        };
        answer.push(("state", state.into()));
        answer.extend(self.rules().iss.clone().map(|iss| ("iss", iss)));
        let query: Vec<_> =
            answer.iter().map(|(name, value)| format!("{name}={}", http::encode(value))).collect();
        page(302, "Signed in").header("Location", &format!("{redirect_uri}?{}", query.join("&")))
    }

    fn trusted_redirect<'a>(&self, query: &'a Pairs) -> Result<&'a str, String> {
        if let Some(name) = repeated(query) {
            return Err(format!("{name} is given twice"));
        }
        if http::value(query, "client_id") != Some(&self.rules().client_id) {
            return Err("unknown client_id".into());
        }
        let redirect_uri = http::value(query, "redirect_uri").ok_or("no redirect_uri")?;
        // Any port, since a native app uses one that is free (RFC 8252 7.3).
        let (host, path) = self.rules().redirect;
        let port = redirect_uri
            .strip_prefix(&format!("http://{host}:"))
            .and_then(|rest| rest.strip_suffix(path).map(str::parse::<u16>));
        match port {
            Some(Ok(_)) => Ok(redirect_uri),
            _ => Err(format!("redirect_uri is not http://{host}:<port>{path}")),
        }
    }

    /// A code, or `None` if the person does not answer.
    fn decide(&self, request: &Request, redirect_uri: &str) -> Result<Option<String>, Refused> {
        let get = |name| http::value(&request.query, name);
        let person = request.header("x-person");
        if get("response_type") != Some("code") {
            return Err(Refused::new("unsupported_response_type", "only code"));
        }
        if get("code_challenge_method") != Some("S256") {
            return Err(Refused::new("invalid_request", "code_challenge_method must be S256"));
        }
        let challenge = get("code_challenge").unwrap_or_default();
        if URL_SAFE_NO_PAD.decode(challenge).map(|hash| hash.len()) != Ok(32) {
            return Err(Refused::new("invalid_request", "code_challenge is not base64url of a SHA-256"));
        }
        if get("state").unwrap_or_default().len() < 43 {
            return Err(Refused::new("invalid_request", "state has fewer than 32 bytes"));
        }
        let scope = get("scope").unwrap_or_default();
        let known = ["openid", "offline_access", "profile", "email"];
        if scope.is_empty() || !scope.split(' ').all(|word| known.contains(&word)) {
            return Err(Refused::new("invalid_scope", format!("it has an unknown word: {scope}")));
        }
        let rules = self.rules();
        let person = match person {
            Some("denies") => Person::denies(),
            _ => rules.person.clone(),
        };
        let consented = !rules.offline_needs_consent || get("prompt") == Some("consent");
        let code_lifetime = rules.code_lifetime;
        drop(rules);
        match person {
            Person::Silent => Ok(None),
            Person::Denies { error, description } => Err(Refused::new(&error, description)),
            Person::Approves => {
                let mut ledger = self.ledger();
                let text = ledger.new_secret("code");
                let code = Code {
                    family: ledger.new_family(scope),
                    redirect_uri: redirect_uri.into(),
                    challenge: challenge.into(),
                    scope: scope.into(),
                    with_refresh_token: consented && scope.split(' ').any(|word| word == "offline_access"),
                    expires: jwt::now() + code_lifetime,
                    used: false,
                };
                ledger.codes.insert(text.clone(), code);
                Ok(Some(text))
            }
        }
    }
}

fn page(status: u16, text: &str) -> Response {
    Response::new(
        status,
        "text/html; charset=utf-8",
        format!("<!doctype html><title>{text}</title><p>{text}</p>"),
    )
}
