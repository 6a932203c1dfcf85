//! Oracle's login service, which needs no registration: the person signs in, and the browser brings the UPST to
//! localhost in the fragment of a URL. Its requests and answers are those of `oci session authenticate` (oci-cli 3.95,
//! cli_setup_bootstrap.py). `auth_service` keeps the sessions that begin here.

use super::domain::{self, Upst};
use super::http::{self, Pairs, Request, Response, repeated};
use super::jwt::{self, Key};
use super::provider::Person;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use rsa::PublicKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard};

/// The settings of the two services, which a test may change.
pub struct Rules {
    /// The port of `redirect_uri`; `None`: any. Oracle has registered 8181 alone.
    pub redirect_port: Option<u16>,
    /// Seconds by which the clock of the services is ahead.
    pub clock_off: i64,
    pub person: Person,
    /// Seconds. No UPST outlives its session.
    pub upst_lifetime: i64,
    /// Seconds.
    pub session_lifetime: i64,
    /// How far the date of a signature may be from the services' clock, in seconds.
    pub clock_skew: i64,
    pub fragment: Fragment,
    /// The token of a sign-in. `Upst::Document` is for refreshes only.
    pub upst: Upst,
    /// The token, or the answer, of a refresh.
    pub refreshed: Upst,
}

/// The answer to a sign-in that the person approved.
pub enum Fragment {
    Good,
    /// The nonce of another request in the `id_token`.
    WrongNonce,
    WithoutIdToken,
    WithoutSecurityToken,
    /// This text instead, after the `#`.
    Text(String),
}

pub struct Console {
    pub key: Key,
    rules: Mutex<Rules>,
    ledger: Mutex<Ledger>,
}

/// What the two services have issued and refused.
#[derive(Default)]
pub struct Ledger {
    /// Every UPST, in order.
    pub issued: Vec<String>,
    pub sessions: Vec<Session>,
    /// The reason of each refusal, in order. The answers do not say all of them, as Oracle's do not.
    pub refusals: Vec<String>,
    secrets: Vec<String>,
}

/// One sign-in and the tokens issued for it.
pub struct Session {
    /// Seconds since 1970. A test ends a session by a time in the past.
    pub ends: i64,
    pub tokens: Vec<String>,
}

impl Default for Console {
    fn default() -> Console {
        let rules = Rules {
            redirect_port: None,
            clock_off: 0,
            person: Person::Approves,
            upst_lifetime: 3600,
            session_lifetime: 24 * 3600,
            clock_skew: 300,
            fragment: Fragment::Good,
            upst: Upst::Good,
            refreshed: Upst::Good,
        };
        Console { key: Key::from_pem(jwt::DOMAIN_PEM), rules: Mutex::new(rules), ledger: Mutex::default() }
    }
}

impl Console {
    pub fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no thread panics with the rules")
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no thread panics with the ledger")
    }

    /// Every UPST that was issued, in order.
    pub fn issued(&self) -> Vec<String> {
        self.ledger().issued.clone()
    }

    /// The reason of each refusal, in order.
    pub fn refusals(&self) -> Vec<String> {
        self.ledger().refusals.clone()
    }

    /// Ends all sessions now, as a person does who signs out everywhere.
    pub fn end_all(&self) {
        self.ledger().sessions.iter_mut().for_each(|session| session.ends = 0);
    }

    /// The id_tokens and nonces. No output of woci may contain them, but for the nonce in `Auth URL:`.
    pub fn secrets(&self) -> Vec<String> {
        self.ledger().secrets.clone()
    }

    /// Adds the `Date` header, which every answer has.
    pub fn dated(&self, answer: Response) -> Response {
        answer.header("Date", &jwt::http_date(self.rules().now()).replace("UTC", "GMT"))
    }

    /// A UPST of a new session, as an hour's token that has these seconds left.
    pub fn issue(&self, bound_to: &PublicKey, seconds_left: i64) -> String {
        let rules = self.rules();
        let mut ledger = self.ledger();
        let session = ledger.begin_session(&rules);
        let mut claims = domain::claims(bound_to, seconds_left);
        claims["sess_exp"] = jwt::http_date(ledger.sessions[session].ends).into();
        ledger.issue(session, Upst::Good.token(&self.key, claims))
    }

    /// There are no cookies, so each request is a new sign-in. The person answers at once, or never.
    pub fn sign_in(&self, request: &Request) -> Response {
        let asked = match self.asked(&request.query) {
            Ok(asked) => asked,
            Err(why) => {
                let answer = page(400, &format!("This sign-in was refused: {why}"));
                self.ledger().refusals.push(why);
                return answer;
            }
        };
        self.ledger().secrets.push(asked.nonce.to_owned());
        // Without a change of the rules, a person can refuse (see `person::Habit::Denies`).
        let person = match request.header("x-person") {
            Some("denies") => Person::denies(),
            _ => self.rules().person.clone(),
        };
        let fragment = match person {
            Person::Silent => return page(200, "Please sign in"),
            Person::Denies { error, description } => {
                fragment(&[("error", &error), ("error_description", &description)])
            }
            Person::Approves => self.approved(&asked),
        };
        page(302, "Signed in").header("Location", &format!("{}/#{fragment}", asked.redirect_uri))
    }

    /// Checks each parameter.
    fn asked<'a>(&self, query: &'a Pairs) -> Result<Asked<'a>, String> {
        const FIXED: [(&str, &str); 4] = [
            ("action", "login"),
            ("client_id", "iaas_console"),
            ("response_type", "token id_token"),
            ("scope", "openid"),
        ];
        const FREE: [&str; 3] = ["nonce", "public_key", "redirect_uri"];
        const OPTIONAL: [&str; 2] = ["tenant", "provider"];
        if let Some(name) = repeated(query) {
            return Err(format!("{name} is given twice"));
        }
        for (name, value) in query {
            let fixed = FIXED.iter().find(|(fixed, _)| fixed == name);
            match fixed {
                Some((_, expected)) if value == expected => {}
                Some((_, expected)) => return Err(format!("{name} is not {expected:?}")),
                None if !FREE.contains(&&**name) && !OPTIONAL.contains(&&**name) => {
                    return Err(format!("unknown parameter {name}"));
                }
                None if value.is_empty() => return Err(format!("{name} is empty")),
                None => {}
            }
        }
        let get = |name| http::value(query, name).ok_or(format!("no {name}"));
        for (name, _) in FIXED {
            get(name)?;
        }
        let key = asked_key(get("public_key")?).map_err(|why| format!("public_key: {why}"))?;
        let redirect_uri = get("redirect_uri")?;
        // No leading zero or sign, which u16 would accept.
        let port = redirect_uri.strip_prefix("http://localhost:").and_then(|text| {
            let port = text.parse::<u16>().ok()?;
            (port.to_string() == text).then_some(port)
        });
        let port = port.ok_or("redirect_uri is not http://localhost:<port>")?;
        match self.rules().redirect_port {
            Some(registered) if registered != port => {
                Err(format!("redirect_uri is not http://localhost:{registered}"))
            }
            _ => Ok(Asked { nonce: get("nonce")?, redirect_uri, key }),
        }
    }

    fn approved(&self, asked: &Asked) -> String {
        let rules = self.rules();
        let wrong_nonce = matches!(rules.fragment, Fragment::WrongNonce);
        let nonce = if wrong_nonce { "0b5f1a6c-nonce-of-another-request" } else { asked.nonce };
        let id_token = self.id_token(nonce, rules.now());
        let mut ledger = self.ledger();
        ledger.secrets.push(id_token.clone());
        let session = ledger.begin_session(&rules);
        let claims = ledger.claims(session, &asked.key, &rules);
        let upst = ledger.issue(session, rules.upst.token(&self.key, claims));
        match &rules.fragment {
            Fragment::Good | Fragment::WrongNonce => {
                fragment(&[("security_token", &upst), ("id_token", &id_token)])
            }
            Fragment::WithoutIdToken => fragment(&[("security_token", &upst)]),
            Fragment::WithoutSecurityToken => fragment(&[("id_token", &id_token)]),
            Fragment::Text(text) => text.clone(),
        }
    }

    fn id_token(&self, nonce: &str, now: i64) -> String {
        let claims = json!({
            "iss": "https://identity.oraclecloud.com/",
            "aud": "iaas_console",
            "sub": domain::USER,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
        });
        self.key.sign("JWT", &claims)
    }
}

impl Rules {
    /// The time by the clock of the services.
    pub fn now(&self) -> i64 {
        jwt::now() + self.clock_off
    }
}

impl Ledger {
    /// Returns the new session's place in the list.
    fn begin_session(&mut self, rules: &Rules) -> usize {
        self.sessions.push(Session { ends: rules.now() + rules.session_lifetime, tokens: Vec::new() });
        self.sessions.len() - 1
    }

    /// The claims of a new token of this session.
    pub fn claims(&self, session: usize, bound_to: &PublicKey, rules: &Rules) -> Value {
        let (now, ends) = (rules.now(), self.sessions[session].ends);
        let mut claims = domain::claims(bound_to, rules.upst_lifetime);
        claims["sess_exp"] = jwt::http_date(ends).into();
        claims["iat"] = now.into();
        claims["exp"] = ends.min(now + rules.upst_lifetime).into();
        claims
    }

    pub fn issue(&mut self, session: usize, token: String) -> String {
        self.sessions[session].tokens.push(token.clone());
        self.issued.push(token.clone());
        token
    }
}

/// A valid request.
struct Asked<'a> {
    nonce: &'a str,
    redirect_uri: &'a str,
    key: PublicKey,
}

/// Reads the key from padded base64url that holds a JWK with exactly the four members that oci-cli writes.
fn asked_key(text: &str) -> Result<PublicKey, &'static str> {
    let bytes = URL_SAFE.decode(text).map_err(|_| "not base64url with padding")?;
    let jwk: Value = serde_json::from_slice(&bytes).map_err(|_| "not JSON")?;
    let members = jwk.as_object().ok_or("not a JSON object")?;
    if members.len() != 4 || jwk["kid"] != "Ignored" {
        return Err("its members are not kty, n, e and the kid \"Ignored\"");
    }
    let key = jwt::public_key(&jwk)?;
    if key.n().bit_width() != 2048 {
        return Err("not RSA with 2048 bits");
    }
    Ok(key)
}

fn fragment(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", http::encode(value))).collect();
    pairs.join("&")
}

fn page(status: u16, text: &str) -> Response {
    let body = format!("<!doctype html><title>{text}</title><p>{text}</p>");
    Response::new(status, "text/html; charset=utf-8", body)
}
