//! Everything that the provider has issued, and its state: codes, refresh tokens, sign-ins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Ledger {
    pub codes: HashMap<String, Code>,
    pub refresh_tokens: HashMap<String, RefreshToken>,
    pub devices: HashMap<String, Device>,
    /// Polls that came before the interval was over.
    pub early_polls: u32,
    pub families: Vec<Family>,
    pub secrets: Vec<String>,
    /// How often a code or a refresh token was presented a second time.
    pub reuses: u32,
    serial: u32,
}

pub struct Code {
    pub family: usize,
    pub redirect_uri: String,
    pub challenge: String,
    pub scope: String,
    pub with_refresh_token: bool,
    pub expires: i64,
    pub used: bool,
}

/// A sign-in by a code that the person types, by its `device_code`.
pub struct Device {
    pub family: usize,
    pub user_code: String,
    pub interval: Duration,
    /// So many polls are answered with `slow_down`.
    pub slow_downs: u32,
    pub polled: Instant,
    pub expires: Instant,
    /// What the person has decided; an error is the reason of a denial.
    pub decided: Option<Result<(), String>>,
    pub used: bool,
}

pub struct RefreshToken {
    pub family: usize,
    pub used: bool,
}

/// One sign-in, and the tokens issued for it.
pub struct Family {
    pub scope: String,
    pub revoked: bool,
}

/// The state of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Live,
    /// Its successor was issued.
    Spent,
    Revoked,
    Unknown,
}

impl Ledger {
    pub fn standing(&self, token: &str) -> Standing {
        match self.refresh_tokens.get(token) {
            None => Standing::Unknown,
            Some(token) if self.families[token.family].revoked => Standing::Revoked,
            Some(token) if token.used => Standing::Spent,
            Some(_) => Standing::Live,
        }
    }

    /// A token was used a second time, by its owner or by a thief: the whole family is revoked (RFC 9700 4.14.2).
    pub fn revoke_reused(&mut self, family: usize) {
        self.families[family].revoked = true;
        self.reuses += 1;
    }

    pub fn new_family(&mut self, scope: &str) -> usize {
        self.families.push(Family { scope: scope.into(), revoked: false });
        self.families.len() - 1
    }

    pub fn new_refresh_token(&mut self, family: usize) -> String {
        let text = self.new_secret("refresh");
        self.refresh_tokens.insert(text.clone(), RefreshToken { family, used: false });
        text
    }

    pub fn new_secret(&mut self, kind: &str) -> String {
        let text = format!("canary-{kind}-{}-{}", self.serial(), random());
        self.secrets.push(text.clone());
        text
    }

    pub fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }
}

fn random() -> String {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
