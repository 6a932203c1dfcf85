//! Where a secret comes from, resolved when the secret is needed and not before: a run with a valid
//! session needs none of them.

use std::path::PathBuf;

use super::settings::Places;
use super::values::{SetBy, Values};
use super::warning::Warning;
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
pub struct SecretKeys {
    /// `None` for a passphrase, which stands in no file and no argument.
    pub(super) value: Option<&'static str>,
    pub(super) file: &'static str,
    pub(super) variable: &'static str,
    pub(super) command: &'static str,
}

impl SecretKeys {
    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.value.into_iter().chain([self.file, self.variable, self.command])
    }
}

pub const CLIENT_SECRET: SecretKeys = SecretKeys {
    value: Some("client_secret"),
    file: "client_secret_file",
    variable: "client_secret_env",
    command: "client_secret_command",
};
pub const AUTH_CLIENT_SECRET: SecretKeys = SecretKeys {
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

/// The variables that hold secrets of woci's: those that the configuration names, and the token with which the runner of
/// a CI job is asked for the job's identity. The browser, helper programs, kubectl and the daemon do not inherit them.
pub(super) fn variables(values: &Values<'_>) -> Result<Vec<String>> {
    let keys =
        [CLIENT_SECRET.variable, AUTH_CLIENT_SECRET.variable, PASSPHRASE.variable, "subject_token_env"];
    let mut all = Vec::new();
    for key in keys {
        all.extend(values.text(key)?);
    }
    if SubjectTokenSource::key(values)? == Some(SUBJECT_TOKEN_FROM) {
        all.extend(runner(values)?.map(|runner| runner.request_token_variable().to_owned()));
    }
    Ok(all)
}

/// The candidate from the most specific place: an option counts before the profile's section, and that before
/// `[COMMON]`.
///
/// # Errors
/// [`Error::TwoSources`] if there are two of the same place.
fn most_specific<T>(mut found: Vec<(SetBy, &'static str, T)>) -> Result<Option<T>> {
    let Some(first) = found.iter().map(|(set_by, ..)| *set_by).min() else { return Ok(None) };
    found.retain(|(set_by, ..)| *set_by == first);
    match found.as_slice() {
        [(_, one, _), (_, other, _), ..] => Err(Error::TwoSources { one, other, chosen_by: "" }),
        _ => Ok(found.pop().map(|(.., source)| source)),
    }
}

/// What the configuration says about helper programs and files.
pub(super) struct Sources<'a> {
    pub values: &'a Values<'a>,
    pub places: &'a Places<'a>,
    /// As [`variables`] returns them.
    pub hidden: &'a [String],
}

impl Sources<'_> {
    /// The source of a secret, from the most specific place that has one.
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
            let setting = keys.file;
            found.push((values.set_by_of(setting)?, setting, SecretSource::File { setting, path }));
        }
        if let Some(name) = values.text(keys.variable)? {
            let setting = keys.variable;
            found.push((values.set_by_of(setting)?, setting, SecretSource::Variable { setting, name }));
        }
        if let Some(command) = self.command(keys.command)? {
            found.push((values.set_by_of(keys.command)?, keys.command, SecretSource::Command(command)));
        }
        most_specific(found)
    }

    pub fn command(&self, setting: &'static str) -> Result<Option<Command>> {
        let Some(text) = self.values.text(setting)? else { return Ok(None) };
        let command = Command::new(setting, &text, self.places.home, self.hidden);
        command.map(Some).map_err(|why| Error::BadValue { name: setting.into(), why })
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

impl PassphraseSource {
    /// The most specific place that says that the refresh token is encrypted, and the key there.
    fn set_by(&self, values: &Values<'_>) -> Result<Option<(SetBy, &'static str)>> {
        let prompt = self.prompt.then_some("refresh_token_passphrase_prompt");
        let otherwise = self.otherwise.as_ref().and_then(SecretSource::setting);
        let mut found = Vec::new();
        for key in [prompt, otherwise].into_iter().flatten() {
            found.push((values.set_by_of(key)?, key));
        }
        Ok(found.into_iter().min_by_key(|(set_by, _)| *set_by))
    }
}

/// How often a renewal runs the programs of a keyring at most: a token moves from the file (put, get), is read (get) and
/// tried (get, put, get), and its successor is stored (put, get).
const KEYRING_RUNS: u32 = 8;

/// How many runs of helper programs one renewal waits for at most: those of a keyring, and each other once.
pub const MOST_PROGRAM_RUNS: u32 = KEYRING_RUNS + 4;

/// The same for one configuration. `once` are the secrets that a renewal may need.
pub(super) fn program_runs(
    once: &[&Option<SecretSource>],
    subject_token: Option<&SubjectTokenSource>,
    keyring: Option<&KeyringSource>,
) -> u32 {
    let secrets = once.iter().filter(|source| matches!(source, Some(SecretSource::Command(_))));
    let is_token_by_program = matches!(subject_token, Some(SubjectTokenSource::Command(_)));
    secrets.map(|_| 1).sum::<u32>() + u32::from(is_token_by_program) + keyring.map_or(0, |_| KEYRING_RUNS)
}

/// The programs that keep the refresh token, in place of a file.
#[derive(Clone)]
pub struct KeyringSource {
    pub get: Command,
    pub put: Command,
}

impl KeyringSource {
    /// A refresh token is either in a keyring or encrypted: what is set in the more specific place counts, and a
    /// passphrase that does not count is taken out of `passphrase`.
    ///
    /// # Errors
    /// [`Error::OptionNeedsOther`] if only one command is set; [`Error::BadValue`] if the two are set in different places,
    /// since they are for one keyring; [`Error::Conflict`] if the same place asks for a passphrase too.
    pub(super) fn of(sources: &Sources<'_>, passphrase: &mut PassphraseSource) -> Result<Option<Self>> {
        const KEYS: [&str; 2] = ["refresh_token_get_command", "refresh_token_put_command"];
        let values = sources.values;
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
        let [set_by, put_set_by] = [values.set_by_of(KEYS[0])?, values.set_by_of(KEYS[1])?];
        if set_by != put_set_by {
            let [one, other] = if set_by < put_set_by { KEYS } else { [KEYS[1], KEYS[0]] };
            let why = format!(
                "{} is used with it, and both have to be set in the same place",
                values.place_of(other)?
            );
            return Err(Error::BadValue { name: values.place_of(one)?, why });
        }
        match passphrase.set_by(values)? {
            Some((passphrase, one)) if passphrase == set_by => {
                Err(Error::Conflict { one: one.into(), other: KEYS[1].into() })
            }
            Some((passphrase, _)) if passphrase < set_by => Ok(None),
            Some(_) | None => {
                *passphrase = PassphraseSource { prompt: false, otherwise: None };
                Ok(Some(Self { get, put }))
            }
        }
    }
}

/// Where a workload's token comes from. Such a token is valid for minutes, so that it is had anew at each renewal.
#[derive(Clone, Debug)]
pub enum SubjectTokenSource {
    File(PathBuf),
    /// The name of the variable.
    Variable(String),
    Runner(Runner),
    /// A program that prints the token.
    Command(Command),
}

const SUBJECT_TOKEN_FILE: &str = "subject_token_file";
const SUBJECT_TOKEN_ENV: &str = "subject_token_env";
const SUBJECT_TOKEN_FROM: &str = "subject_token_from";
const SUBJECT_TOKEN_COMMAND: &str = "subject_token_command";

/// The service that a CI job asks for its token.
fn runner(values: &Values<'_>) -> Result<Option<Runner>> {
    let audience = values.text("subject_token_audience")?;
    let service_connection = values.text("subject_token_service_connection")?;
    let name = values.text(SUBJECT_TOKEN_FROM)?;
    Ok(name.map(|name| match name.eq_ignore_ascii_case("azure") {
        true => Runner::Azure { service_connection },
        false => Runner::GitHub { audience },
    }))
}

impl SubjectTokenSource {
    /// The key of the configured one, from the most specific place that has one.
    ///
    /// # Errors
    /// [`Error::TwoSources`] if that place has two.
    fn key(values: &Values<'_>) -> Result<Option<&'static str>> {
        let mut found = Vec::new();
        for key in [SUBJECT_TOKEN_FILE, SUBJECT_TOKEN_ENV, SUBJECT_TOKEN_FROM, SUBJECT_TOKEN_COMMAND] {
            if values.text(key)?.is_some() {
                found.push((values.set_by_of(key)?, key, key));
            }
        }
        most_specific(found)
    }

    /// The configured one.
    ///
    /// # Errors
    /// [`Error::TwoSources`] if the same place has two.
    pub(super) fn of(sources: &Sources<'_>) -> Result<Option<Self>> {
        let values = sources.values;
        let all = [
            (SUBJECT_TOKEN_FILE, values.path(SUBJECT_TOKEN_FILE)?.map(Self::File)),
            (SUBJECT_TOKEN_ENV, values.text(SUBJECT_TOKEN_ENV)?.map(Self::Variable)),
            (SUBJECT_TOKEN_FROM, runner(values)?.map(Self::Runner)),
            (SUBJECT_TOKEN_COMMAND, sources.command(SUBJECT_TOKEN_COMMAND)?.map(Self::Command)),
        ];
        let key = Self::key(values)?;
        Ok(all.into_iter().find(|(one, _)| Some(*one) == key).and_then(|(_, source)| source))
    }

    /// The token, without the white space around it.
    ///
    /// # Errors
    /// [`Error::SubjectToken`] if there is none, and those of asking a runner.
    pub fn read(&self, host: &Host, client: &Client<'_>) -> Result<Secret> {
        match self {
            Self::File(_) | Self::Variable(_) => self.trimmed(self.stored(host)?),
            Self::Runner(runner) => self.trimmed(Some(runner.token(client, &host.env)?)),
            Self::Command(command) => command.get_value(&host.env),
        }
    }

    /// The token where it is here already. Where it has to be asked for: `None`, if that can be done.
    ///
    /// # Errors
    /// As far as they can be seen without asking, those of [`Self::read`].
    pub fn look(&self, host: &Host) -> Result<Option<Secret>> {
        match self {
            Self::File(_) | Self::Variable(_) => self.trimmed(self.stored(host)?).map(Some),
            Self::Runner(runner) => runner.given(&host.env).map(|_| None),
            Self::Command(command) => command.check_program(&host.env).map(|()| None),
        }
    }

    /// What a file or a variable holds.
    fn stored(&self, host: &Host) -> Result<Option<Secret>> {
        Ok(match self {
            Self::File(path) => {
                files::read(path)?.and_then(|bytes| String::from_utf8(bytes).ok().map(Secret::new))
            }
            Self::Variable(name) => {
                let value = host.env.get(name).and_then(|value| value.to_str());
                value.map(|value| Secret::new(value.to_owned()))
            }
            Self::Runner(_) | Self::Command(_) => None,
        })
    }

    fn trimmed(&self, text: Option<Secret>) -> Result<Secret> {
        match text.as_ref().map(|text| text.expose().trim()) {
            Some(token) if !token.is_empty() => Ok(Secret::new(token.to_owned())),
            _ => Err(Error::SubjectToken { from: self.name(), why: "it holds no token".into() }),
        }
    }

    /// For messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => format!("the file {}", path.display()),
            Self::Variable(name) => format!("the variable {name}"),
            Self::Runner(runner) => runner.name().to_owned(),
            Self::Command(_) => "subject_token_command".to_owned(),
        }
    }
}

/// A warning about each secret that is given as an option, which all users of the machine can read.
pub(super) fn on_the_command_line(values: &Values<'_>) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    for SecretKeys { value, file, variable, command } in [AUTH_CLIENT_SECRET, CLIENT_SECRET] {
        let Some(key) = value else { continue };
        if values.set_by_of(key)? == SetBy::Flag {
            warnings.push(Warning::new(
                format!("{key} is given on the command line, where every user of the machine can read it"),
                format!("set {file}, {variable} or {command} instead"),
            ));
        }
    }
    Ok(warnings)
}
