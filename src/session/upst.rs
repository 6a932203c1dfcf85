//! placeholder
use super::key::PublicKey;
use crate::time::UnixTime;
pub struct Upst {
    token: String,
    exp: UnixTime,
    sub: Option<String>,
    tenant: Option<String>,
    n: Option<String>,
}
impl Upst {
    pub fn parse(t: &str) -> Result<Self, String> {
        let t = t.trim_end();
        let c = crate::jwt::claims(t).ok_or("no jwt")?;
        let jwk = c
            .get("jwk")
            .and_then(|v| v.as_str())
            .and_then(|s| serde_json::from_str::<serde_json::Value>(s).ok());
        Ok(Self {
            token: t.into(),
            exp: UnixTime(c.get("exp").and_then(|v| v.as_i64()).ok_or("no exp")?),
            sub: c.get("sub").and_then(|v| v.as_str()).map(str::to_owned),
            tenant: c.get("tenant").and_then(|v| v.as_str()).map(str::to_owned),
            n: jwk.and_then(|j| j["n"].as_str().map(str::to_owned)),
        })
    }
    pub fn token(&self) -> &str {
        &self.token
    }
    pub fn expiration(&self) -> UnixTime {
        self.exp
    }
    pub fn user(&self) -> Option<&str> {
        self.sub.as_deref()
    }
    pub fn tenancy(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
    pub fn is_valid_for(&self, now: UnixTime, s: i64) -> bool {
        self.exp.since(now) > s
    }
    pub fn is_bound_to(&self, k: &PublicKey) -> bool {
        use base64::Engine as _;
        self.n.as_ref().is_none_or(|n| *n == base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&k.n))
    }
}
