//! Where a secret comes from, resolved when the secret is needed and not before: a run with a valid
//! session needs none of them.

use std::path::Path;

use super::values::Values;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{Env, Host};
use crate::oauth::http::Client;
use crate::oauth::runner::Runner;
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

/// Where a workload's token comes from. Such a token is valid for minutes, so that it is had anew at each renewal.
#[derive(Clone, Debug)]
pub enum SubjectTokenSource {
    /// The path as it is configured.
    File(String),
    /// The name of the variable.
    Variable(String),
    Runner(Runner),
}

impl SubjectTokenSource {
    /// The configured one.
    ///
    /// # Errors
    /// [`Error::TwoSources`] if there are two.
    pub fn of(values: &Values<'_>) -> Result<Option<Self>> {
        let audience = values.text("subject_token_audience")?;
        let service_connection = values.text("subject_token_service_connection")?;
        let runner =
            values.text("subject_token_from")?.map(|name| match name.eq_ignore_ascii_case("azure") {
                true => Runner::Azure { service_connection },
                false => Runner::GitHub { audience },
            });
        let sources = [
            ("subject_token_file", values.path("subject_token_file")?.map(Self::File)),
            ("subject_token_env", values.text("subject_token_env")?.map(Self::Variable)),
            ("subject_token_from", runner.map(Self::Runner)),
        ];
        let mut set = sources.into_iter().filter_map(|(key, source)| Some((key, source?)));
        match (set.next(), set.next()) {
            (Some((one, _)), Some((other, _))) => Err(Error::TwoSources { one, other, chosen_by: "" }),
            (first, _) => Ok(first.map(|(_, source)| source)),
        }
    }

    /// The token, without the white space around it.
    ///
    /// # Errors
    /// [`Error::SubjectToken`] if there is none, and those of asking a runner.
    pub fn read(&self, host: &Host, client: &Client<'_>) -> Result<Secret> {
        let text = match self {
            Self::File(path) => files::read(&host.absolute(Path::new(path))?)?
                .and_then(|bytes| String::from_utf8(bytes).ok().map(Secret::new)),
            Self::Variable(name) => {
                let value = host.env.get(name).and_then(|value| value.to_str());
                value.map(|value| Secret::new(value.to_owned()))
            }
            Self::Runner(runner) => Some(runner.token(client, &host.env)?),
        };
        match text.as_ref().map(|text| text.expose().trim()) {
            Some(token) if !token.is_empty() => Ok(Secret::new(token.to_owned())),
            _ => Err(Error::SubjectToken { from: self.name(), why: "it holds no token".into() }),
        }
    }

    /// For messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => format!("the file {path}"),
            Self::Variable(name) => format!("the variable {name}"),
            Self::Runner(runner) => runner.name().to_owned(),
        }
    }
}
