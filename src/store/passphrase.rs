//! The passphrase of the refresh token, and the key derived from it. Both are obtained when they are first
//! needed, and at most once in a run.

use std::path::Path;

use super::envelope::{DerivedKey, Envelope};
use crate::config::{PassphraseSource, SecretSource};
use crate::error::{Error, Result};
use crate::host::{self, Env};
use crate::log;
use crate::secret::Secret;
use crate::sys::Prompt;

/// Obtains the passphrase from its source: the terminal, else a variable, a file or a program.
pub struct Passphrase<'a> {
    source: &'a PassphraseSource,
    env: &'a Env,
    may_prompt: bool,
    known: Option<Secret>,
    key: Option<DerivedKey>,
    /// How often a passphrase was typed for a stored token.
    typed: u32,
}

/// A person may mistype a passphrase, and each try costs the derivation of a key.
const TRIES: u32 = 3;

impl<'a> Passphrase<'a> {
    /// If `known` is given, it is used and nobody is asked. A prompt on the terminal is shown only if
    /// `may_prompt` is true.
    pub fn new(source: &'a PassphraseSource, env: &'a Env, known: Option<Secret>, may_prompt: bool) -> Self {
        Self { source, env, may_prompt, known, key: None, typed: 0 }
    }

    /// True if encryption is configured: the passphrase has a source.
    pub fn is_configured(&self) -> bool {
        self.source.prompt || self.source.otherwise.is_some()
    }

    /// Whether only a person can say the passphrase, or is to be asked first.
    pub fn needs_person(&self) -> bool {
        self.known.is_none() && (self.source.prompt || self.source.otherwise.is_none())
    }

    /// The passphrase to decrypt the file `path`.
    pub fn for_decryption(&mut self, path: &Path) -> Result<Secret> {
        if !self.is_configured() {
            return Err(Error::NoPassphraseSource { path: path.to_owned() });
        }
        let mut asked = false;
        let passphrase = self.known_or(|prompt| {
            asked = true;
            typed(prompt, &format!("Passphrase for {}: ", path.display()))
        })?;
        self.typed += u32::from(asked);
        Ok(passphrase)
    }

    /// After a wrong passphrase: forgets it if a person typed it and may try again.
    pub fn may_try_again(&mut self) -> bool {
        let may = (1..TRIES).contains(&self.typed);
        if may {
            (self.known, self.key) = (None, None);
            log::line(format_args!("That passphrase is wrong or the file was altered; try again."));
        }
        may
    }

    /// The key that names the passphrase's source, unless a person may have typed the passphrase.
    pub fn setting(&self) -> Option<&'static str> {
        let source = self.source.otherwise.as_ref().filter(|_| !self.source.prompt);
        source.and_then(SecretSource::setting)
    }

    /// The key to decrypt an envelope that was read from `path`.
    pub fn decryption_key(&mut self, path: &Path, envelope: &Envelope) -> Result<DerivedKey> {
        if let Some(key) = self.key.as_ref().filter(|key| envelope.is_for(key)) {
            return Ok(key.clone());
        }
        let key = envelope.derive_key(&self.for_decryption(path)?).map_err(|e| e.in_file(path))?;
        Ok(self.key.insert(key).clone())
    }

    /// The key for the envelope that is to be written to `path`.
    ///
    /// The key that decrypted the old envelope is used again, so that a refresh derives one key, and a
    /// daemon one in its life. The salt stays the same with it, which is safe: salts have to differ
    /// between passphrases, not between tokens under one passphrase. The nonce is random and new for each
    /// envelope: with a refresh every half hour for ten years, the probability that two nonces are equal
    /// is 1 in 2^62.
    pub fn encryption_key(&mut self, path: &Path) -> Result<DerivedKey> {
        if let Some(key) = self.key.as_ref().filter(|key| key.is_current()) {
            return Ok(key.clone());
        }
        let passphrase = self.known_or(|prompt| {
            let first = typed(prompt, &format!("New passphrase for {}: ", path.display()))?;
            let second = typed(prompt, "Repeat the passphrase: ")?;
            if first == second { Ok(first) } else { Err(Error::PassphraseMismatch) }
        })?;
        let key = DerivedKey::new(&passphrase, host::random()?).map_err(|e| e.in_file(path))?;
        Ok(self.key.insert(key).clone())
    }

    /// The passphrase itself, to be handed to another process. `None` if encryption is not configured.
    pub fn hand_on(&mut self, path: &Path) -> Result<Option<Secret>> {
        if self.is_configured() {
            self.encryption_key(path)?;
        }
        Ok(self.known.clone())
    }

    fn known_or(&mut self, ask: impl FnOnce(&mut Prompt) -> Result<Secret>) -> Result<Secret> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let terminal = if self.source.prompt && self.may_prompt { Prompt::open().ok() } else { None };
        let passphrase = match (terminal, &self.source.otherwise) {
            (Some(mut terminal), _) => ask(&mut terminal)?,
            (None, Some(source)) => source.resolve(self.env)?,
            (None, None) => return Err(Error::NoTerminal),
        };
        Ok(self.known.insert(passphrase).clone())
    }
}

fn typed(prompt: &mut Prompt, words: &str) -> Result<Secret> {
    // A failed read means that the terminal was closed.
    let line = prompt.ask(words).map_err(|_| Error::NoTerminal)?;
    match std::str::from_utf8(&line) {
        Ok("") => Err(Error::PassphraseEmpty),
        Ok(line) => Ok(Secret::new(line.to_owned())),
        Err(_) => Err(Error::PassphraseNotText),
    }
}
