//! The refresh token in a keyring: two programs of the configuration print and take it, in place of the file.

use super::passphrase::Passphrase;
use crate::config::KeyringSource;
use crate::error::Result;
use crate::host::{self, Env};
use crate::secret::Secret;

/// How the refresh token is kept: in a file, encrypted if there is a passphrase, or in a keyring.
pub struct AtRest<'a> {
    pub passphrase: Passphrase<'a>,
    pub keyring: Option<Keyring<'a>>,
}

#[derive(Clone, Copy)]
pub struct Keyring<'a> {
    source: &'a KeyringSource,
    env: &'a Env,
}

/// How a text begins that is put where there is no refresh token: by a person who sets the keyring up, to try the
/// programs, and to take the place of a token that must go.
pub const NO_TOKEN: &str = "woci-no-refresh-token";

impl<'a> Keyring<'a> {
    pub fn new(source: &'a KeyringSource, env: &'a Env) -> Self {
        Self { source, env }
    }

    /// The refresh token; `None` if the keyring holds none.
    ///
    /// # Errors
    /// A program that fails never means that there is no token.
    pub fn get(&self) -> Result<Option<Secret>> {
        let kept = self.source.get.get(self.env)?;
        Ok(kept.filter(|text| !text.expose().starts_with(NO_TOKEN)))
    }

    /// Puts the token, and proves that it can be had again.
    pub fn put(&self, token: &Secret) -> Result<()> {
        self.source.put.put(self.env, token)?;
        match self.source.get.get(self.env)? {
            Some(back) if back == *token => Ok(()),
            _ => Err(self
                .source
                .get
                .error(format!("it does not print what {} has just been given", self.source.put.setting))),
        }
    }

    /// Proves that a token can be put, by what the keyring holds or by a text that is none. Returns the size of the
    /// token in bytes.
    pub fn prove(&self) -> Result<usize> {
        match self.get()? {
            Some(token) => self.put(&token).map(|()| token.expose().len()),
            None => self.clear().map(|()| 0),
        }
    }

    /// Takes the token out of the keyring.
    pub fn clear(&self) -> Result<()> {
        let number = u64::from_ne_bytes(host::random()?);
        self.put(&Secret::new(format!("{NO_TOKEN}-{number:016x}")))
    }

    /// Where the token is, for messages.
    pub fn place(&self) -> String {
        format!("what {} prints", self.source.get.setting)
    }

    /// The key of the program that takes the token.
    pub fn setting(&self) -> &'static str {
        self.source.put.setting
    }
}
