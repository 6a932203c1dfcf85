//! The settings of one profile, typed; and what a refresh or sign-in needs of them, which may be
//! missing as long as neither is needed.

use std::path::{Path, PathBuf};

use super::profile::ProfileName;
use super::values::{Source, Values};
use crate::error::{Error, Result};
use crate::log;
use crate::oauth::{Domain, Provider};
use crate::options;
use crate::secret::Secret;

pub struct Settings {
    pub profile: ProfileName,
    /// By `--profile`: not by a variable, nor as the only choice.
    pub profile_by_flag: bool,
    /// Absolute.
    pub oci_config: PathBuf,
    /// Then oci has to be told.
    pub oci_config_from_manager: bool,
    /// `~/.oci/sessions/<profile>`.
    pub session_folder: PathBuf,
    /// As set for woci: the OCI config may have one where this is none.
    pub region: Option<Region>,
    pub redirect_port: u16,
    pub log_level: log::Level,
    pub auto_refresh: bool,
    /// In seconds.
    pub refresh_safety_window: u32,
    pub passphrase: PassphraseSource,
    pub sign_in: SignIn,
    /// About the configuration, for a run that refreshes or signs in.
    pub warnings: Vec<String>,
    manager: ManagerState,
    endpoints: Endpoints,
}

pub struct Region {
    pub name: String,
    pub source: Source,
}

/// Where the passphrase of the refresh token comes from; a prompt goes before the variable.
pub struct PassphraseSource {
    pub prompt: bool,
    pub variable: Option<String>,
}

/// Whether a run may open a browser by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Auto,
    Never,
}

/// What a refresh or sign-in uses: the endpoints, all there.
pub struct Renewal {
    pub provider: Provider,
    pub domain: Domain,
}

/// Where a session comes from; each as configured, if at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub token_url: Option<String>,
    pub auth_client_id: Option<String>,
    pub token_exchange_url: Option<String>,
    pub client_id: Option<String>,
}

/// What became of woci_manager.ini, for the messages about what it lacks.
#[derive(Clone)]
pub(super) enum ManagerState {
    None,
    Read(PathBuf),
    Unreadable(PathBuf, String),
}

struct Endpoints {
    authz_base_url: Option<String>,
    token_url: Option<String>,
    auth_client_id: Option<String>,
    auth_client_secret: Option<Secret>,
    scope: Option<String>,
    token_exchange_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
}

/// The paths that a profile's settings are put beside.
pub(super) struct Places<'a> {
    pub home: &'a Path,
    pub oci_config: PathBuf,
    pub oci_config_from_manager: bool,
    pub manager: ManagerState,
}

impl Settings {
    /// Asks for every key of the table, so that a malformed value is refused whether or not it is needed.
    pub(super) fn new(values: &Values<'_>, places: Places<'_>, mut warnings: Vec<String>) -> Result<Self> {
        let secret = |key| Ok(values.text(key)?.map(Secret::new));
        let endpoints = Endpoints {
            authz_base_url: values.text("authz_base_url")?,
            token_url: values.text("token_url")?,
            auth_client_id: values.text("auth_client_id")?,
            auth_client_secret: secret("auth_client_secret")?,
            scope: values.text("scope")?,
            token_exchange_url: values.text("token_exchange_url")?,
            client_id: values.text("client_id")?,
            client_secret: secret("client_secret")?,
        };
        if endpoints.scope.as_ref().is_some_and(|scope| scope.split(' ').all(|word| word != "offline_access"))
        {
            warnings.push(
                "the scope does not hold offline_access: most providers then give no refresh token, and every \
                 session needs a sign-in"
                    .to_owned(),
            );
        }
        let profile = values.profile.clone();
        let redirect_port = values.number("redirect_port")?;
        Ok(Self {
            session_folder: places.home.join(".oci/sessions").join(profile.as_str()),
            profile,
            profile_by_flag: values.flags.has("--profile"),
            oci_config: places.oci_config,
            oci_config_from_manager: places.oci_config_from_manager,
            region: values.get("region")?.map(|(name, source)| Region { name, source }),
            redirect_port: u16::try_from(redirect_port).expect("the row's limit is that of a port"),
            log_level: log::Level::parse(&values.or_default("log_level")?).expect("the row lists the levels"),
            auto_refresh: values.boolean("auto_refresh")?,
            refresh_safety_window: values.number("refresh_safety_window")?,
            passphrase: PassphraseSource {
                prompt: values.boolean("refresh_token_passphrase_prompt")?,
                variable: values.text("refresh_token_passphrase_env")?,
            },
            sign_in: match values.or_default("sign_in")?.eq_ignore_ascii_case("never") {
                true => SignIn::Never,
                false => SignIn::Auto,
            },
            warnings,
            manager: places.manager,
            endpoints,
        })
    }

    /// What a refresh or sign-in needs, or an error that names everything that is missing.
    pub fn renewal(&self) -> Result<Renewal> {
        let it = &self.endpoints;
        let (
            Some(authorization_url),
            Some(token_url),
            Some(auth_client_id),
            Some(client_id),
            Some(client_secret),
            Some(scope),
        ) = (
            it.authz_base_url.clone(),
            it.token_url.clone(),
            it.auth_client_id.clone(),
            it.client_id.clone(),
            it.client_secret.clone(),
            it.scope.clone(),
        )
        else {
            return Err(self.missing());
        };
        Ok(Renewal {
            domain: Domain {
                url: it.token_exchange_url.clone().unwrap_or_else(|| token_url.clone()),
                client_id,
                client_secret,
            },
            provider: Provider {
                authorization_url,
                token_url,
                client_id: auth_client_id,
                client_secret: it.auth_client_secret.clone(),
                scope,
            },
        })
    }

    fn missing(&self) -> Error {
        let it = &self.endpoints;
        let names: Vec<String> = [
            ("authz_base_url", it.authz_base_url.is_none()),
            ("token_url", it.token_url.is_none()),
            ("auth_client_id", it.auth_client_id.is_none()),
            ("client_id", it.client_id.is_none()),
            ("client_secret", it.client_secret.is_none()),
            ("scope", it.scope.is_none()),
        ]
        .into_iter()
        .filter(|(_, missing)| *missing)
        .filter_map(|(key, _)| Some(format!("{} ({key})", options::find_key(key)?.name)))
        .collect();
        let profile = self.profile.to_string();
        match &self.manager {
            ManagerState::None => Error::MissingOptions { names, profile, manager: None },
            ManagerState::Read(path) => Error::MissingOptions { names, profile, manager: Some(path.clone()) },
            ManagerState::Unreadable(path, why) => Error::ManagerConfig {
                path: path.clone(),
                why: format!("{why} (Missing required options: {})", names.join(", ")),
            },
        }
    }

    /// What the session must have come from, as far as it is configured.
    pub fn origin(&self) -> Origin {
        let it = &self.endpoints;
        Origin {
            token_url: it.token_url.clone(),
            auth_client_id: it.auth_client_id.clone(),
            token_exchange_url: it.token_exchange_url.clone().or_else(|| it.token_url.clone()),
            client_id: it.client_id.clone(),
        }
    }
}
