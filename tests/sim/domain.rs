//! An OCI identity domain's token exchange: RFC 8693 with Oracle's own `requested_token_type`, `subject_token_type`
//! and `public_key`. It trusts the simulated provider and the simulated CI runner.

use super::endpoint::{self, Refused, basic, token_request};
use super::http::{self, Pairs, Request, Response};
use super::jwt::{self, Key};
use super::provider::Provider;
use super::runner::{AZURE_AUDIENCE, Runner};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};

pub const USER: &str = "ocid1.user.oc1..aaaaaaaasimulateduser";
pub const TENANCY: &str = "ocid1.tenancy.oc1..aaaaaaaasimulatedtenancy";

/// The settings of the domain, which a test may change.
pub struct Rules {
    pub client_id: String,
    pub client_secret: String,
    /// Seconds. The UPST never outlives the subject token.
    pub upst_lifetime: i64,
    pub upst: Upst,
    /// The audiences that a subject token may name.
    pub audiences: Vec<String>,
    /// The type of the resource that a workload may be (RPST).
    pub res_type: String,
}

/// The answer to a valid request.
pub enum Upst {
    Good,
    /// Its `exp` is an hour ago, as if one clock were wrong.
    Expired,
    WithoutExp,
    /// No `jwk` claim, which names the key that the token is bound to.
    WithoutJwk,
    /// Bound to another key than the one that was sent.
    OtherKey,
    /// Neither `sub` nor `tenant`.
    Nameless,
    /// Of this user and this tenancy.
    Of(&'static str, &'static str),
    /// This text instead of a token.
    Text(String),
    /// This JSON document instead of `{"token": …}`.
    Document(Value),
}

pub struct Domain {
    provider: Arc<Provider>,
    runner: Arc<Runner>,
    key: Key,
    rules: Mutex<Rules>,
    issued: Mutex<Vec<String>>,
}

impl Domain {
    pub fn new(provider: Arc<Provider>, runner: Arc<Runner>) -> Domain {
        let rules = Rules {
            client_id: "oci-token-exchange".into(),
            client_secret: "S3cr3t-canary-exchange-7:%2F=".into(),
            upst_lifetime: 3600,
            upst: Upst::Good,
            audiences: vec!["oci".into(), AZURE_AUDIENCE.into()],
            res_type: "githubactions".into(),
        };
        Domain {
            provider,
            runner,
            key: Key::from_pem(jwt::DOMAIN_PEM),
            rules: Mutex::new(rules),
            issued: Mutex::default(),
        }
    }

    pub fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no thread panics with the rules")
    }

    /// Every UPST that was issued, in order.
    pub fn issued(&self) -> Vec<String> {
        self.issued.lock().expect("no thread panics with the list").clone()
    }

    pub fn exchange(&self, request: &Request) -> Response {
        endpoint::answer(self.grant(request))
    }

    fn grant(&self, request: &Request) -> Result<Value, Refused> {
        let form = token_request(request)?;
        let rules = self.rules();
        if basic(request) != Some((rules.client_id.clone(), rules.client_secret.clone())) {
            return Err(Refused::client());
        }
        let (requested, subject_token) = fields(&form, &rules.res_type)?;
        let subject = self.provider.verify(subject_token).or_else(|_| self.runner.verify(subject_token));
        let subject =
            subject.map_err(|why| Refused::new("invalid_request", format!("subject_token: {why}")))?;
        let left = subject["exp"].as_f64().unwrap_or_default().ceil() as i64 - jwt::now();
        if left <= 0 {
            return Err(Refused::new("invalid_request", "subject_token has expired"));
        }
        let audience = match &subject["aud"] {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        if !audience.iter().any(|one| rules.audiences.iter().any(|known| one == known)) {
            return Err(Refused::new("invalid_request", "subject_token: wrong audience"));
        }
        let bound_to = public_key(http::value(&form, "public_key").unwrap_or_default())?;
        let claims = match requested {
            Requested::Upst => claims(&bound_to, rules.upst_lifetime.min(left)),
            Requested::Rpst { lifetime } => resource(&bound_to, lifetime, &rules.res_type, &subject["sub"]),
        };
        let upst = self.upst(&rules.upst, claims);
        Ok(match &rules.upst {
            Upst::Document(document) => document.clone(),
            _ => json!({"token": upst}),
        })
    }

    fn upst(&self, kind: &Upst, claims: Value) -> String {
        let token = kind.token(&self.key, claims);
        self.issued.lock().expect("no thread panics with the list").push(token.clone());
        token
    }

    /// A UPST with these claims, for example for a test to write into a session folder.
    pub fn issue(&self, claims: Value) -> String {
        sign(&self.key, claims)
    }
}

impl Upst {
    /// A token of this kind, made of the claims of a good one.
    pub fn token(&self, key: &Key, mut claims: Value) -> String {
        match self {
            Upst::Expired => {
                claims["iat"] = (jwt::now() - 7200).into();
                claims["exp"] = (jwt::now() - 3600).into();
            }
            Upst::WithoutExp => remove(&mut claims, "exp"),
            Upst::WithoutJwk => remove(&mut claims, "jwk"),
            Upst::OtherKey => {
                let stranger = Key::from_pem(jwt::OTHER_PEM).public();
                claims["jwk"] = jwt::jwk(&stranger).to_string().into();
            }
            Upst::Nameless => {
                remove(&mut claims, "sub");
                remove(&mut claims, "tenant");
            }
            Upst::Of(user, tenancy) => {
                claims["sub"] = (*user).into();
                claims["tenant"] = (*tenancy).into();
            }
            Upst::Text(text) => return text.clone(),
            Upst::Good | Upst::Document(_) => {}
        }
        sign(key, claims)
    }
}

/// A token with a serial number: no two are equal.
fn sign(key: &Key, mut claims: Value) -> String {
    let mut serial = [0; 8];
    getrandom::fill(&mut serial).expect("the system has randomness");
    claims["jti"] = format!("{:016x}", u64::from_be_bytes(serial)).into();
    key.sign("JWT", &claims)
}

/// The claims of a UPST that ends in this many seconds; if negative, it ended that long ago.
pub fn claims(bound_to: &PublicKey, lifetime: i64) -> Value {
    let now = jwt::now();
    json!({
        "sub": USER,
        "iss": "authService.oracle.com",
        "ptype": "user",
        "tenant": TENANCY,
        "sess_exp": jwt::http_date(now + 8 * 3600),
        "iat": now.min(now + lifetime - 3600).max(now - 7200),
        "exp": now + lifetime,
        "jwk": jwt::jwk(bound_to).to_string(),
    })
}

/// The claims of an RPST: no user, and the tenancy under a name of its own.
fn resource(bound_to: &PublicKey, lifetime: i64, res_type: &str, subject: &Value) -> Value {
    let now = jwt::now();
    json!({
        "sub": subject,
        "iss": "authService.oracle.com",
        "ptype": "resource",
        "res_type": res_type,
        "res_tenant": TENANCY,
        "iat": now,
        "exp": now + lifetime,
        "jwk": jwt::jwk(bound_to).to_string(),
    })
}

fn remove(claims: &mut Value, name: &str) {
    claims.as_object_mut().expect("claims are an object").remove(name);
}

/// What a form asks for.
enum Requested {
    Upst,
    /// Valid for these seconds, however long the subject token is.
    Rpst {
        lifetime: i64,
    },
}

/// Checks that the form has the fields of what it asks for and no others. Returns that and the subject token.
fn fields<'f>(form: &'f Pairs, res_type: &str) -> Result<(Requested, &'f str), Refused> {
    let refused = |why: String| Refused::new("invalid_request", why);
    let fixed =
        [("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token_type", "jwt")];
    for (name, expected) in fixed {
        if http::value(form, name) != Some(expected) {
            return Err(refused(format!("{name} must be {expected}")));
        }
    }
    let mut known =
        vec!["grant_type", "subject_token_type", "requested_token_type", "subject_token", "public_key"];
    let requested = match http::value(form, "requested_token_type") {
        Some("urn:oci:token-type:oci-upst") => Requested::Upst,
        Some("urn:oci:token-type:oci-rpst") => {
            known.extend(["res_type", "rpst_exp"]);
            if http::value(form, "res_type") != Some(res_type) {
                return Err(refused("res_type is not that of the trust".into()));
            }
            // Minutes, as in Oracle's SDKs.
            let minutes = http::value(form, "rpst_exp").unwrap_or("20").parse::<i64>();
            match minutes.ok().filter(|minutes| (1..=720).contains(minutes)) {
                Some(minutes) => Requested::Rpst { lifetime: 60 * minutes },
                None => return Err(refused("rpst_exp must be from 1 to 720".into())),
            }
        }
        _ => {
            return Err(refused("requested_token_type is neither that of a UPST nor that of an RPST".into()));
        }
    };
    if let Some((name, _)) = form.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(refused(format!("unknown field {name}")));
    }
    let subject_token =
        http::value(form, "subject_token").ok_or_else(|| refused("no subject_token".into()))?;
    Ok((requested, subject_token))
}

/// Reads the key from one line of base64 that holds a DER SubjectPublicKeyInfo of an RSA-2048 key.
fn public_key(text: &str) -> Result<PublicKey, Refused> {
    let refused = |why: &str| Refused::new("invalid_request", format!("public_key: {why}"));
    let der = STANDARD.decode(text).map_err(|_| refused("not one line of base64"))?;
    let key = PublicKey::from_public_key_der(&der).map_err(|_| refused("not a DER SubjectPublicKeyInfo"))?;
    if key.size() != 256 {
        return Err(refused("not RSA-2048"));
    }
    Ok(key)
}
