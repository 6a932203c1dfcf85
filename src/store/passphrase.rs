//! The passphrase of the refresh token: asked for only when it is needed, once, and the key that is
//! derived from it.

use std::path::Path;

use super::envelope::{DerivedKey, Envelope};
use crate::config::PassphraseSource;
use crate::error::{Error, Result};
use crate::host::{self, Env};
use crate::secret::Secret;
use crate::sys::Prompt;

pub struct Passphrase<'a> {
    source: &'a PassphraseSource,
    env: &'a Env,
    may_prompt: bool,
    known: Option<Secret>,
    key: Option<DerivedKey>,
}

impl<'a> Passphrase<'a> {
    /// `known` is one that was asked for already, and is not asked for again.
    pub fn new(source: &'a PassphraseSource, env: &'a Env, known: Option<Secret>, may_prompt: bool) -> Self {
        Self { source, env, may_prompt, known, key: None }
    }

    /// True where the refresh token is to be encrypted.
    pub fn is_asked_for(&self) -> bool {
        self.source.prompt || self.source.variable.is_some()
    }

    /// The passphrase that `path` was encrypted under.
    pub fn opening(&mut self, path: &Path) -> Result<Secret> {
        if !self.is_asked_for() {
            return Err(Error::NoPassphraseSource { path: path.to_owned() });
        }
        self.known_or(|prompt| typed(prompt, &format!("Passphrase of {}: ", path.display())))
    }

    /// The key of an envelope read from `path`.
    pub fn opening_key(&mut self, path: &Path, envelope: &Envelope) -> Result<DerivedKey> {
        if let Some(key) = self.key.as_ref().filter(|key| envelope.is_for(key)) {
            return Ok(key.clone());
        }
        let key = envelope.key(&self.opening(path)?).map_err(|e| e.of(path))?;
        Ok(self.key.insert(key).clone())
    }

    /// The key for the envelope that is going to be written to `path`.
    ///
    /// It is the one that opened the old envelope, so that a refresh derives once and a daemon once
    /// in its life. The salt stays with it, which costs nothing: it has to differ between
    /// passphrases, not between tokens under one. The nonce is new each time and random: after a
    /// refresh every half hour for ten years, two of them agree with a chance of 1 in 2^62.
    pub fn sealing_key(&mut self, path: &Path) -> Result<DerivedKey> {
        if let Some(key) = self.key.as_ref().filter(|key| key.is_current()) {
            return Ok(key.clone());
        }
        let passphrase = self.known_or(|prompt| {
            let first = typed(prompt, &format!("New passphrase for {}: ", path.display()))?;
            let second = typed(prompt, "The same again: ")?;
            if first == second { Ok(first) } else { Err(Error::PassphraseMismatch) }
        })?;
        let key = DerivedKey::new(&passphrase, host::random()?).map_err(|e| e.of(path))?;
        Ok(self.key.insert(key).clone())
    }

    /// The passphrase itself, for whoever goes on without this process; None where none is used.
    pub fn hand_on(&mut self, path: &Path) -> Result<Option<Secret>> {
        if self.is_asked_for() {
            self.sealing_key(path)?;
        }
        Ok(self.known.clone())
    }

    fn known_or(&mut self, ask: impl FnOnce(&mut Prompt) -> Result<Secret>) -> Result<Secret> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let terminal = if self.source.prompt && self.may_prompt { Prompt::open().ok() } else { None };
        let passphrase = match (terminal, self.source.without_prompt()) {
            (Some(mut terminal), _) => ask(&mut terminal)?,
            (None, Some(source)) => source.resolve(self.env)?,
            (None, None) => return Err(Error::NoTerminal),
        };
        Ok(self.known.insert(passphrase).clone())
    }
}

fn typed(prompt: &mut Prompt, words: &str) -> Result<Secret> {
    // A terminal that is gone in the middle.
    let line = prompt.ask(words).map_err(|_| Error::NoTerminal)?;
    match std::str::from_utf8(&line) {
        Ok("") => Err(Error::PassphraseEmpty),
        Ok(line) => Ok(Secret::new(line.to_owned())),
        Err(_) => Err(Error::PassphraseNotText),
    }
}
