//! A strict OpenID provider: authorization code with PKCE (RFC 6749, 7636), access tokens as JWTs (RFC 9068), and
//! refresh tokens that are valid once and whose reuse revokes the family (RFC 9700 4.14.2). It refuses what many
//! providers accept.

use super::device;
use super::endpoint::{self, Refused, basic, token_request};
use super::http::{self, Pairs, Request, Response};
use super::jwt::{self, Key};
use super::ledger::{Ledger, RefreshToken, Standing};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::{Mutex, MutexGuard};

pub const SUBJECT: &str = "ada@example.com";

/// The settings of the provider, which a test may change.
pub struct Rules {
    pub client_id: String,
    /// `None`: a public client.
    pub client_secret: Option<String>,
    /// Host and path of the registered redirect URI. Its port may be any (RFC 8252 7.3).
    pub redirect: (&'static str, &'static str),
    pub person: Person,
    pub access_token: AccessToken,
    /// Seconds.
    /// Of an authorization code, in seconds.
    pub code_lifetime: i64,
    pub access_token_lifetime: i64,
    pub rotation: Rotation,
    /// Issues a refresh token only if the request has `prompt=consent` (OpenID Connect Core 11).
    pub offline_needs_consent: bool,
    /// The `iss` parameter of the authorization response (RFC 9207).
    pub iss: Option<String>,
    pub discovery: Discovery,
    pub device: device::Rules,
}

/// The document in which the provider publishes its endpoints.
pub struct Discovery {
    pub at: DiscoveryAt,
    /// The path of the issuer's URL.
    pub path: String,
    /// Members that the document has besides its own or in their place; null takes one away.
    pub members: Vec<(&'static str, Value)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DiscoveryAt {
    /// OpenID Connect Discovery 1.0 section 4.
    OpenId,
    /// RFC 8414 section 3.1.
    OAuth,
    Nowhere,
}

#[derive(Clone)]
pub enum Person {
    Approves,
    Denies {
        error: String,
        description: String,
    },
    /// Opens the sign-in page and never answers.
    Silent,
}

impl Person {
    pub fn denies() -> Person {
        Person::Denies {
            error: "access_denied".into(),
            description: "The person said no <b>&amp;</b>".into(),
        }
    }
}

pub enum AccessToken {
    Jwt,
    /// Not a JWT, like the access tokens of Okta's own server.
    Opaque,
    /// This text instead of a token.
    Text(String),
}

/// The `refresh_token` in the answer to a refresh.
pub enum Rotation {
    /// A new token; the old one is spent.
    Rotate,
    /// This JSON value (`None`: no such member); the old token stays valid.
    Keep(Option<Value>),
}

pub struct Provider {
    pub origin: String,
    key: Key,
    rules: Mutex<Rules>,
    ledger: Mutex<Ledger>,
}

impl Provider {
    pub fn new(origin: String) -> Provider {
        let rules = Rules {
            client_id: "woci-desktop".into(),
            client_secret: Some("S3cr3t-canary-auth #1; 100%&+=£€".into()),
            redirect: ("127.0.0.1", "/callback"),
            person: Person::Approves,
            access_token: AccessToken::Jwt,
            code_lifetime: 180,
            access_token_lifetime: 3600,
            rotation: Rotation::Rotate,
            offline_needs_consent: false,
            iss: None,
            discovery: Discovery { at: DiscoveryAt::OpenId, path: String::new(), members: Vec::new() },
            device: device::Rules::default(),
        };
        let key = Key::from_pem(jwt::PROVIDER_PEM);
        Provider { origin, key, rules: Mutex::new(rules), ledger: Mutex::default() }
    }

    pub fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no thread panics with the rules")
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no thread panics with the ledger")
    }

    /// Verifies an access token, as an identity domain does that trusts this provider.
    pub fn verify(&self, access_token: &str) -> Result<Value, &'static str> {
        self.key.verify(access_token)
    }

    /// The refresh tokens that the provider would accept, in any order.
    pub fn live_refresh_tokens(&self) -> Vec<String> {
        let ledger = self.ledger();
        let tokens = ledger.refresh_tokens.keys();
        tokens.filter(|text| ledger.standing(text) == Standing::Live).cloned().collect()
    }

    /// The last sign-in's live refresh token.
    pub fn live_refresh_token(&self) -> Option<String> {
        let ledger = self.ledger();
        let last = ledger.families.len().checked_sub(1)?;
        let mut tokens = ledger.refresh_tokens.iter().filter(|(_, token)| token.family == last);
        tokens.find(|(text, _)| ledger.standing(text) == Standing::Live).map(|(text, _)| text.clone())
    }

    pub fn standing(&self, refresh_token: &str) -> Standing {
        self.ledger().standing(refresh_token)
    }

    /// Whether a code or a refresh token was used twice.
    pub fn saw_reuse(&self) -> bool {
        self.ledger().reuses > 0
    }

    /// A new refresh token in a family of its own, as after a sign-in.
    pub fn issue_refresh_token(&self) -> String {
        let mut ledger = self.ledger();
        let family = ledger.new_family("openid offline_access");
        ledger.new_refresh_token(family)
    }

    /// Revokes all refresh tokens, as an administrator can.
    pub fn revoke_all(&self) {
        self.ledger().families.iter_mut().for_each(|family| family.revoked = true);
    }

    /// The codes, tokens and client secrets that no output of woci may contain.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.ledger().secrets.clone();
        secrets.extend(self.rules().client_secret.clone());
        secrets
    }

    /// The URL that a client has configured as the provider's.
    pub fn issuer(&self) -> String {
        format!("{}{}", self.origin, self.rules().discovery.path)
    }

    /// Whether a path is one where a document may be.
    pub fn is_discovery(path: &str) -> bool {
        path.contains("/.well-known/")
    }

    pub fn discovery(&self, request: &Request) -> Response {
        let issuer = self.issuer();
        let rules = self.rules();
        let Discovery { at, path, members } = &rules.discovery;
        let place = match at {
            DiscoveryAt::OpenId => Some(format!("{path}/.well-known/openid-configuration")),
            DiscoveryAt::OAuth => Some(format!("/.well-known/oauth-authorization-server{path}")),
            DiscoveryAt::Nowhere => None,
        };
        if place.as_ref() != Some(&request.path) {
            return Response::new(404, "text/html", "<title>Not here</title>");
        }
        // The document is public: a request for it holds nothing.
        let is_plain = request.method == "GET" && request.query.is_empty() && request.body.is_empty();
        if !is_plain || request.header("authorization").is_some() || request.header("cookie").is_some() {
            return Response::new(400, "text/plain", "a plain GET is due");
        }
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{}/authorize", self.origin),
            "token_endpoint": format!("{}/token", self.origin),
            "revocation_endpoint": format!("{}/revoke", self.origin),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": rules.iss.is_some(),
        });
        for (name, value) in members {
            document[*name] = value.clone();
        }
        document.as_object_mut().expect("it is an object").retain(|_, value| !value.is_null());
        Response::json(200, &document)
    }

    pub fn token(&self, request: &Request) -> Response {
        endpoint::answer(self.grant(request))
    }

    fn grant(&self, request: &Request) -> Result<Value, Refused> {
        let form = token_request(request)?;
        self.authenticate(request, &form)?;
        match http::value(&form, "grant_type") {
            Some("authorization_code") => self.redeem_code(&form),
            Some("refresh_token") => self.refresh(&form),
            Some(device::GRANT) => self.poll_device(&form),
            _ => Err(Refused::new("unsupported_grant_type", "none of the provider's")),
        }
    }

    pub fn authenticate(&self, request: &Request, form: &Pairs) -> Result<(), Refused> {
        let rules = self.rules();
        let in_body = http::value(form, "client_id");
        let right = match (&rules.client_secret, basic(request)) {
            (Some(secret), Some((id, given))) => {
                id == rules.client_id && given == *secret && in_body.is_none_or(|id| id == rules.client_id)
            }
            (None, None) => in_body == Some(&rules.client_id),
            _ => false,
        };
        if !right || http::value(form, "client_secret").is_some() {
            return Err(Refused::client());
        }
        Ok(())
    }

    /// RFC 7009: the client that the token was issued to takes it back, and all that came of the same sign-in goes with
    /// it. A token that is unknown, or that is invalid already, is no error (section 2.2).
    pub fn revoke(&self, request: &Request) -> Response {
        match self.revoked(request) {
            Ok(()) => Response::new(200, "text/plain", ""),
            Err(refused) => endpoint::answer(Err(refused)),
        }
    }

    fn revoked(&self, request: &Request) -> Result<(), Refused> {
        let form = token_request(request)?;
        self.authenticate(request, &form)?;
        let allowed = ["token", "token_type_hint", "client_id"];
        if let Some((name, _)) = form.iter().find(|(name, _)| !allowed.contains(&&**name)) {
            return Err(Refused::new("invalid_request", format!("{name} is no parameter of a revocation")));
        }
        let token = http::value(&form, "token").filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Refused::new("invalid_request", "there is no token"))?;
        if http::value(&form, "token_type_hint").is_some_and(|hint| hint != "refresh_token") {
            return Err(Refused::new("unsupported_token_type", "only refresh tokens can be revoked"));
        }
        let mut ledger = self.ledger();
        if let Some(&RefreshToken { family, .. }) = ledger.refresh_tokens.get(token) {
            ledger.families[family].revoked = true;
        }
        Ok(())
    }

    fn redeem_code(&self, form: &Pairs) -> Result<Value, Refused> {
        let get = |name| http::value(form, name).unwrap_or_default();
        let mut ledger = self.ledger();
        let verifier = get("code_verifier");
        // woci made this secret, but its output may not contain it either.
        ledger.secrets.push(verifier.into());
        let code = ledger.codes.get_mut(get("code")).ok_or(Refused::new("invalid_grant", "unknown code"))?;
        let family = code.family;
        if std::mem::replace(&mut code.used, true) {
            ledger.revoke_reused(family);
            return Err(Refused::new("invalid_grant", "the code was used before"));
        }
        if code.expires <= jwt::now() {
            return Err(Refused::new("invalid_grant", "the code has expired"));
        }
        if code.redirect_uri != get("redirect_uri") {
            return Err(Refused::new("invalid_grant", "redirect_uri differs from the authorization request"));
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if !(43..=128).contains(&verifier.len()) || challenge != code.challenge {
            return Err(Refused::new("invalid_grant", "code_verifier does not match"));
        }
        let (scope, with_refresh_token) = (code.scope.clone(), code.with_refresh_token);
        let refresh_token = with_refresh_token.then(|| ledger.new_refresh_token(family).into());
        Ok(self.tokens(&mut ledger, &scope, refresh_token))
    }

    fn refresh(&self, form: &Pairs) -> Result<Value, Refused> {
        let text = http::value(form, "refresh_token").unwrap_or_default();
        let dead = |why| Err(Refused::new("invalid_grant", format!("the refresh token {why}")));
        let mut ledger = self.ledger();
        let Some(&RefreshToken { family, used }) = ledger.refresh_tokens.get(text) else {
            return dead("is unknown");
        };
        if used {
            ledger.revoke_reused(family);
            return dead("was used before; its family is revoked");
        }
        if ledger.families[family].revoked {
            return dead("was revoked");
        }
        let successor = match &self.rules().rotation {
            Rotation::Keep(value) => value.clone(),
            Rotation::Rotate => {
                ledger.refresh_tokens.insert(text.into(), RefreshToken { family, used: true });
                Some(ledger.new_refresh_token(family).into())
            }
        };
        let scope = ledger.families[family].scope.clone();
        Ok(self.tokens(&mut ledger, &scope, successor))
    }

    /// A JWT as a workload of this provider has it, valid for these seconds.
    pub fn workload_token(&self, lifetime: i64) -> String {
        let now = jwt::now();
        let claims =
            json!({"iss": self.origin, "sub": SUBJECT, "aud": "oci", "iat": now, "exp": now + lifetime});
        let token = self.key.sign("JWT", &claims);
        self.ledger().secrets.push(token.clone());
        token
    }

    pub fn tokens(&self, ledger: &mut Ledger, scope: &str, refresh_token: Option<Value>) -> Value {
        let rules = self.rules();
        let (now, serial) = (jwt::now(), ledger.serial());
        let claims = json!({
            "iss": self.origin,
            "sub": SUBJECT,
            "aud": "oci",
            "client_id": rules.client_id,
            "scope": scope,
            "iat": now,
            "exp": now + rules.access_token_lifetime,
            "jti": format!("canary-access-{serial}"),
        });
        let access_token = match &rules.access_token {
            AccessToken::Jwt => self.key.sign("at+jwt", &claims),
            AccessToken::Opaque => ledger.new_secret("access-opaque"),
            AccessToken::Text(text) => text.clone(),
        };
        if !access_token.is_empty() {
            ledger.secrets.push(access_token.clone());
        }
        let mut answer = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": rules.access_token_lifetime,
            "scope": scope,
        });
        if let Some(refresh_token) = refresh_token {
            answer["refresh_token"] = refresh_token;
        }
        answer
    }
}
