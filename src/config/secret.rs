//! Where a secret comes from, resolved when the secret is needed and not before: a run with a valid
//! session needs none of them.

use crate::error::{Error, Result};
use crate::host::Env;
use crate::secret::Secret;

#[derive(Clone)]
pub enum SecretSource {
    /// The secret itself, given as an option or in woci_manager.ini.
    Value(Secret),
    /// The environment variable that holds the secret.
    Variable(String),
}

impl SecretSource {
    /// # Errors
    /// The variable is unset, empty or not UTF-8.
    pub fn resolve(&self, env: &Env) -> Result<Secret> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::Variable(variable) => match env.get(variable).and_then(|value| value.to_str()) {
                Some(value) => Ok(Secret::new(value.to_owned())),
                None => Err(Error::PassphraseVariable { variable: variable.clone() }),
            },
        }
    }
}

/// Where the passphrase of the refresh token comes from. The prompt goes before the variable.
pub struct PassphraseSource {
    pub prompt: bool,
    /// The name of the variable.
    pub variable: Option<String>,
}

impl PassphraseSource {
    /// The source to use where nobody can be asked.
    pub fn without_prompt(&self) -> Option<SecretSource> {
        self.variable.clone().map(SecretSource::Variable)
    }
}
