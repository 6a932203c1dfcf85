//! Where a secret comes from, resolved when the secret is needed and not before: a run with a valid
//! session needs none of them.

use std::path::{Path, PathBuf};

use super::settings::Places;
use super::values::{SetBy, Values};
use crate::command::Command;
use crate::error::{Error, Result, SecretFault};
use crate::files::{self, exposed};
use crate::host::{Env, Host};
use crate::oauth::http::Client;
use crate::oauth::runner::Runner;
use crate::secret::{self, Secret};

#[derive(Clone)]
pub enum SecretSource {
    /// The secret itself, given as an option or in woci_manager.ini.
    Value(Secret),
    /// The environment variable that holds the secret. `setting` is the key that names the variable.
    Variable { setting: &'static str, name: String },
    /// A file that only its owner may read.
    File { setting: &'static str, path: PathBuf },
    /// A program that prints the secret.
    Command(Command),
}

/// The keys of one secret.
pub(super) struct SecretKeys {
    /// `None` for a passphrase, which stands in no file and no argument.
    pub value: Option<&'static str>,
    pub file: &'static str,
    pub variable: &'static str,
    pub command: &'static str,
}

pub(super) const CLIENT_SECRET: SecretKeys = SecretKeys {
    value: Some("client_secret"),
    file: "client_secret_file",
    variable: "client_secret_env",
    command: "client_secret_command",
};
pub(super) const AUTH_CLIENT_SECRET: SecretKeys = SecretKeys {
    value: Some("auth_client_secret"),
    file: "auth_client_secret_file",
    variable: "auth_client_secret_env",
    command: "auth_client_secret_command",
};
pub(super) const PASSPHRASE: SecretKeys = SecretKeys {
    value: None,
    file: "refresh_token_passphrase_file",
    variable: "refresh_token_passphrase_env",
    command: "refresh_token_passphrase_command",
};

/// The variables that hold secrets: no program that woci runs inherits them.
pub(super) fn variables(values: &Values<'_>) -> Result<Vec<String>> {
    let keys =
        [CLIENT_SECRET.variable, AUTH_CLIENT_SECRET.variable, PASSPHRASE.variable, "subject_token_env"];
    Ok(keys
        .map(|key| values.text(key))
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// What the configuration says about helper programs and files.
pub(super) struct Sources<'a> {
    pub values: &'a Values<'a>,
    pub places: &'a Places<'a>,
    /// As [`variables`] returns them.
    pub hidden: &'a [String],
}

impl Sources<'_> {
    /// The source of a secret. One that is given as an option counts before one in the profile's section, and that before
    /// one in `[COMMON]`.
    ///
    /// # Errors
    /// [`Error::TwoSources`] if two are set in the same place.
    pub fn of(&self, keys: &SecretKeys) -> Result<Option<SecretSource>> {
        let values = self.values;
        let mut found = Vec::new();
        if let Some(key) = keys.value
            && let Some(text) = values.text(key)?
        {
            found.push((values.set_by_of(key)?, key, SecretSource::Value(Secret::new(text))));
        }
        if let Some(path) = values.path(keys.file)? {
            let (setting, path) = (keys.file, self.absolute(&path)?);
            found.push((values.set_by_of(setting)?, setting, SecretSource::File { setting, path }));
        }
        if let Some(name) = values.text(keys.variable)? {
            let setting = keys.variable;
            found.push((values.set_by_of(setting)?, setting, SecretSource::Variable { setting, name }));
        }
        if let Some(command) = self.command(keys.command)? {
            found.push((values.set_by_of(keys.command)?, keys.command, SecretSource::Command(command)));
        }
        let Some(first) = found.iter().map(|(set_by, ..)| *set_by).min() else { return Ok(None) };
        found.retain(|(set_by, ..)| *set_by == first);
        match found.as_slice() {
            [(_, one, _), (_, other, _), ..] => Err(Error::TwoSources { one, other, chosen_by: "" }),
            _ => Ok(found.pop().map(|(.., source)| source)),
        }
    }

    pub fn command(&self, setting: &'static str) -> Result<Option<Command>> {
        let Some(text) = self.values.text(setting)? else { return Ok(None) };
        let command = Command::new(setting, &text, self.places.home, self.hidden);
        command.map(Some).map_err(|why| Error::BadValue { name: setting.into(), why })
    }

    fn absolute(&self, path: &str) -> Result<PathBuf> {
        self.places.host.absolute(Path::new(path))
    }
}

impl SecretSource {
    /// # Errors
    /// [`Error::Secret`] if there is no secret of one line of text.
    pub fn resolve(&self, env: &Env) -> Result<Secret> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::Variable { setting, name } => match env.get(name).and_then(|value| value.to_str()) {
                // A passphrase may have encrypted a token with its line end.
                Some(value) if *setting == "refresh_token_passphrase_env" => {
                    Ok(Secret::new(value.to_owned()))
                }
                // Kubernetes' secrets often end with one.
                Some(value) => Ok(Secret::new(value.trim_end_matches(['\r', '\n']).to_owned())),
                None => Err(Error::Secret(SecretFault::Variable { setting, variable: name.clone() })),
            },
            Self::File { setting, path } => {
                let error =
                    |why: String| Error::Secret(SecretFault::File { setting, path: path.clone(), why });
                if let Some(mode) = exposed::mode_if_readable(path) {
                    return Err(Error::Secret(SecretFault::OpenFile { setting, path: path.clone(), mode }));
                }
                let bytes = match files::read(path) {
                    Ok(bytes) => bytes.ok_or_else(|| error("there is no such file".into()))?,
                    Err(Error::File { why, .. }) => return Err(error(why)),
                    Err(e) => return Err(e),
                };
                let secret = secret::one_line(&bytes).map_err(|why| error(format!("it holds {why}")))?;
                secret.ok_or_else(|| error("it is empty".into()))
            }
            Self::Command(command) => command.get_value(env),
        }
    }

    /// The key that names the source; `None` if the secret itself is given.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Value(_) => None,
            Self::Variable { setting, .. } | Self::File { setting, .. } => Some(setting),
            Self::Command(command) => Some(command.setting),
        }
    }
}

/// Where the passphrase of the refresh token comes from.
pub struct PassphraseSource {
    /// A person is asked, if there is a terminal. This goes before the other source.
    pub prompt: bool,
    pub otherwise: Option<SecretSource>,
}

/// The programs that keep the refresh token, in place of a file.
#[derive(Clone)]
pub struct KeyringSource {
    pub get: Command,
    pub put: Command,
}

impl KeyringSource {
    /// # Errors
    /// [`Error::OptionNeedsOther`] if only one of both is set; [`Error::Conflict`] if the refresh token is to be encrypted
    /// too.
    pub(super) fn of(sources: &Sources<'_>, passphrase: &PassphraseSource) -> Result<Option<Self>> {
        const KEYS: [&str; 2] = ["refresh_token_get_command", "refresh_token_put_command"];
        let [get, put] = [sources.command(KEYS[0])?, sources.command(KEYS[1])?];
        let needs = |option: &str, other: &str| {
            Err(Error::OptionNeedsOther { option: option.into(), other: other.into() })
        };
        let (get, put) = match (get, put) {
            (None, None) => return Ok(None),
            (Some(_), None) => return needs(KEYS[0], KEYS[1]),
            (None, Some(_)) => return needs(KEYS[1], KEYS[0]),
            (Some(get), Some(put)) => (get, put),
        };
        let encrypted_by = match &passphrase.otherwise {
            _ if passphrase.prompt => Some("refresh_token_passphrase_prompt"),
            otherwise => otherwise.as_ref().and_then(SecretSource::setting),
        };
        match encrypted_by {
            Some(one) => Err(Error::Conflict { one: one.into(), other: KEYS[1].into() }),
            None => Ok(Some(Self { get, put })),
        }
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
    /// A program that prints the token.
    Command(Command),
}

impl SubjectTokenSource {
    /// The configured one.
    ///
    /// # Errors
    /// [`Error::TwoSources`] if there are two.
    pub(super) fn of(sources: &Sources<'_>) -> Result<Option<Self>> {
        let values = sources.values;
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
            ("subject_token_command", sources.command("subject_token_command")?.map(Self::Command)),
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
            Self::Command(command) => return command.get_value(&host.env),
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
            Self::Command(_) => "subject_token_command".to_owned(),
        }
    }
}

/// A warning about each secret that is given as an option, which all users of the machine can read.
pub(super) fn on_the_command_line(values: &Values<'_>) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for SecretKeys { value, file, variable, command } in [AUTH_CLIENT_SECRET, CLIENT_SECRET] {
        let Some(key) = value else { continue };
        if values.set_by_of(key)? == SetBy::Flag {
            warnings.push(format!(
                "{key} is given on the command line, where every user of the machine can read it: set {file}, {variable} \
                 or {command} instead"
            ));
        }
    }
    Ok(warnings)
}
