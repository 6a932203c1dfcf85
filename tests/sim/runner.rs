//! The token service of a CI runner, strict: GitHub Actions and Forgejo at `/github/idtoken`, Azure DevOps at
//! `/azure/oidctoken`. Its issuer is one that the identity domain trusts, and other workloads get its tokens too.

use super::http::{self, Request, Response};
use super::jwt::{self, Key};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard};

/// What Azure DevOps puts into every token.
pub const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";
/// The token that a runner gives a job for its requests. A URL must not be able to spoil it.
pub const REQUEST_TOKEN: &str = "canary-request-token-Zm9v.YmFy-_~+/=";

pub struct Runner {
    pub origin: String,
    key: Key,
    rules: Mutex<Rules>,
    issued: Mutex<Vec<String>>,
}

/// The settings of the issuer, which a test may change.
pub struct Rules {
    /// Seconds.
    pub lifetime: i64,
    /// The service connections of Azure DevOps.
    pub service_connections: Vec<String>,
    /// This document instead of one with a token.
    pub document: Option<Value>,
}

impl Runner {
    pub fn new(origin: String) -> Runner {
        let rules = Rules { lifetime: 300, service_connections: Vec::new(), document: None };
        let key = Key::from_pem(jwt::RUNNER_PEM);
        Runner { origin, key, rules: Mutex::new(rules), issued: Mutex::default() }
    }

    pub fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no thread panics with the rules")
    }

    /// The value of `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub fn github_url(&self) -> String {
        self.origin.clone() + "/github/idtoken?api-version=2.0"
    }

    /// The value of `SYSTEM_OIDCREQUESTURI`.
    pub fn azure_url(&self) -> String {
        self.origin.clone() + "/azure/oidctoken"
    }

    /// A token with this `aud`, as a job finds it in a variable or a pod in a file.
    pub fn token(&self, audience: impl Into<Value>) -> String {
        let now = jwt::now();
        let lifetime = self.rules().lifetime;
        self.sign(json!({
            "iss": self.origin,
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "aud": audience.into(),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
        }))
    }

    /// A token with these claims.
    pub fn sign(&self, claims: Value) -> String {
        let token = self.key.sign("JWT", &claims);
        self.issued.lock().expect("no thread panics with the list").push(token.clone());
        token
    }

    /// Verifies a token, as an identity domain does that trusts this issuer.
    pub fn verify(&self, token: &str) -> Result<Value, &'static str> {
        self.key.verify(token)
    }

    /// What no output of woci may contain.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.issued.lock().expect("no thread panics with the list").clone();
        secrets.push(REQUEST_TOKEN.into());
        secrets
    }

    pub fn answer(&self, request: &Request) -> Response {
        let result = match request.path.as_str() {
            "/github/idtoken" => self.github(request),
            "/azure/oidctoken" => self.azure(request),
            _ => Err(refused(404, "nothing here")),
        };
        let document = self.rules().document.clone();
        result.map_or_else(|refused| refused, |answer| Response::json(200, &document.unwrap_or(answer)))
    }

    fn github(&self, request: &Request) -> Result<Value, Response> {
        if request.method != "GET" || !request.body.is_empty() {
            return Err(refused(405, "only GET, without a body"));
        }
        if request.header("authorization") != Some(&format!("bearer {REQUEST_TOKEN}")) {
            return Err(refused(401, "the request token is not that of a job"));
        }
        let audience = match http::repeated(&request.query) {
            Some(name) => return Err(refused(400, &format!("{name} is given twice"))),
            None if http::value(&request.query, "api-version") != Some("2.0") => {
                return Err(refused(400, "the query of the URL is not kept"));
            }
            None => http::value(&request.query, "audience").unwrap_or("https://github.com/acme"),
        };
        Ok(json!({ "count": 1054, "value": self.token(audience) }))
    }

    fn azure(&self, request: &Request) -> Result<Value, Response> {
        if request.method != "POST" || !request.body.is_empty() {
            return Err(refused(405, "only POST, without a body"));
        }
        if request.header("content-type") != Some("application/json") {
            return Err(refused(415, "the content type is not JSON"));
        }
        if request.header("authorization") != Some(&format!("Bearer {REQUEST_TOKEN}")) {
            return Err(match request.header("x-tfs-fedauthredirect") {
                Some("Suppress") => refused(401, "the request token is not that of a job"),
                _ => refused(302, "").header("Location", "https://spsprodcus1.vssps.example.com/_signin"),
            });
        }
        let known = |(name, _): &&(String, String)| name == "api-version" || name == "serviceConnectionId";
        let all_known = request.query.iter().filter(known).count() == request.query.len();
        if http::value(&request.query, "api-version") != Some("7.1") || !all_known {
            return Err(refused(400, "the query is not that of version 7.1"));
        }
        match http::value(&request.query, "serviceConnectionId") {
            Some(id) if !self.rules().service_connections.iter().any(|known| known == id) => {
                Err(refused(404, "there is no such service connection"))
            }
            _ => Ok(json!({ "oidcToken": self.token(AZURE_AUDIENCE) })),
        }
    }
}

fn refused(status: u16, why: &str) -> Response {
    Response::json(status, &json!({ "message": why }))
}
