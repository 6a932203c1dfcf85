//! Where a secret comes from, resolved when the secret is needed and not before: a run with a valid
//! session needs none of them.

use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::host::{Env, Host};
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

/// Where a workload's token comes from. Such a token is valid for minutes, so that it is read at each renewal.
#[derive(Clone, Debug)]
pub enum SubjectTokenSource {
    /// The path as it is configured.
    File(String),
    /// The name of the variable.
    Variable(String),
}

impl SubjectTokenSource {
    /// # Errors
    /// [`Error::SubjectToken`] if there is none.
    pub fn read(&self, host: &Host) -> Result<Secret> {
        let (name, text) = match self {
            Self::File(path) => {
                let path = host.absolute(Path::new(path))?;
                let bytes = files::read(&path)?.unwrap_or_default();
                (format!("the file {}", path.display()), String::from_utf8(bytes).ok())
            }
            Self::Variable(name) => {
                let value = host.env.get(name).and_then(|value| value.to_str()).map(str::to_owned);
                (format!("the variable {name}"), value)
            }
        };
        match text.as_deref().map(str::trim) {
            Some(token) if !token.is_empty() => Ok(Secret::new(token.to_owned())),
            _ => Err(Error::SubjectToken { why: format!("{name} holds no token") }),
        }
    }
}
