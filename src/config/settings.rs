//! The settings of one profile, typed. A malformed value is refused when the settings are made, whether
//! or not it is needed; a value may be missing as long as nothing needs it (`needs`).

use std::path::{Path, PathBuf};

use super::profile::ProfileName;
use super::secret::{PassphraseSource, SecretSource};
use super::values::{SetBy, Values};
use crate::error::{Given, Result};
use crate::files::exposed;
use crate::log;
use crate::secret::Secret;

pub struct Settings {
    pub profile: ProfileName,
    /// Absolute.
    pub oci_config: PathBuf,
    /// True if the path comes from the manager config, which oci does not read: woci passes the path to oci.
    pub oci_config_from_manager: bool,
    home: PathBuf,
    /// `~/.oci/sessions/<profile>`, or the folder of this profile in `sessions_folder`.
    pub session_folder: PathBuf,
    /// The profiles of the manager config, where it has some and this is none of them.
    pub other_profiles: Option<Vec<String>>,
    /// The region that is configured for woci. If `None`, the OCI config may have one.
    pub region: Option<String>,
    pub redirect_port: u16,
    pub log_level: log::Level,
    pub auto_refresh: bool,
    /// In seconds.
    pub refresh_safety_window: u32,
    pub passphrase: PassphraseSource,
    pub sign_in: SignIn,
    /// For the commands that messages suggest.
    pub given: Given,
    /// About the configuration, for a run that renews or signs in.
    pub warnings: Vec<String>,
    pub(super) manager: ManagerState,
    pub(super) provider: ProviderValues,
    set_by: Vec<(&'static str, SetBy)>,
}

/// The keys of secrets in the manager config.
const SECRETS: [&str; 2] = ["client_secret", "auth_client_secret"];

/// The endpoints and clients of an OpenID provider and its exchange, each as configured, if at all.
pub(super) struct ProviderValues {
    pub authz_base_url: Option<String>,
    pub token_url: Option<String>,
    pub auth_client_id: Option<String>,
    pub auth_client_secret: Option<SecretSource>,
    pub scope: Option<String>,
    pub token_exchange_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<SecretSource>,
}

impl ProviderValues {
    /// The exchange is at the token endpoint unless another endpoint is configured.
    pub fn exchange_url(&self) -> Option<&String> {
        self.token_exchange_url.as_ref().or(self.token_url.as_ref())
    }
}

/// Whether a run may open a browser by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Auto,
    Never,
}

/// The endpoints and clients that a session is made with; a value that is not configured is `None`.
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
    /// There is none at any of these paths.
    None(Vec<PathBuf>),
    Read(PathBuf),
    Unreadable(PathBuf, String),
}

/// What was found for the settings: the home folder, that of the sessions, and both configs.
pub(super) struct Places<'a> {
    pub home: &'a Path,
    pub sessions: PathBuf,
    pub oci_config: PathBuf,
    pub oci_config_from_manager: bool,
    pub manager: ManagerState,
    pub other_profiles: Option<Vec<String>>,
}

impl Settings {
    /// Reads every key of the option table.
    pub(super) fn new(values: &Values<'_>, places: Places<'_>, mut warnings: Vec<String>) -> Result<Self> {
        let secret = |key| Ok(values.text(key)?.map(|text| SecretSource::Value(Secret::new(text))));
        let provider = ProviderValues {
            authz_base_url: values.text("authz_base_url")?,
            token_url: values.text("token_url")?,
            auth_client_id: values.text("auth_client_id")?,
            auth_client_secret: secret("auth_client_secret")?,
            scope: values.text("scope")?,
            token_exchange_url: values.text("token_exchange_url")?,
            client_id: values.text("client_id")?,
            client_secret: secret("client_secret")?,
        };
        if provider.scope.as_ref().is_some_and(|scope| scope.split(' ').all(|word| word != "offline_access"))
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
            home: places.home.to_owned(),
            session_folder: places.sessions.join(profile.as_str()),
            profile,
            oci_config: places.oci_config,
            oci_config_from_manager: places.oci_config_from_manager,
            other_profiles: places.other_profiles,
            region: values.text("region")?,
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
            given: values.given(),
            warnings,
            manager: places.manager,
            provider,
            set_by: values.set_by(),
        })
    }

    /// Warnings about files and folders that decide where tokens go, or hold secrets, and are open to other
    /// users. Looks at each of them: only for a run that renews or signs in.
    pub fn exposed(&self) -> Vec<String> {
        let sessions = self.session_folder.parent().unwrap_or(&self.session_folder);
        let mut paths = vec![self.oci_config.as_path(), sessions];
        let mut warnings = Vec::new();
        if let ManagerState::Read(manager) = &self.manager {
            paths.push(manager);
            let is_inside = |key| matches!(self.set_by(key), SetBy::Section | SetBy::Common);
            if SECRETS.into_iter().any(is_inside) && exposed::can_be_read(manager) {
                warnings.push(format!(
                    "{0} can be read by other users, and holds a client secret; run chmod go-rwx {0}",
                    manager.display()
                ));
            }
        }
        let changed = exposed::can_be_changed(&paths, &self.home).into_iter();
        warnings.extend(changed.map(|what| format!("{what}, who could then decide where tokens go")));
        warnings
    }

    /// What the session must have come from, as far as it is configured.
    pub fn origin(&self) -> Origin {
        let values = &self.provider;
        Origin {
            token_url: values.token_url.clone(),
            auth_client_id: values.auth_client_id.clone(),
            token_exchange_url: values.exchange_url().cloned(),
            client_id: values.client_id.clone(),
        }
    }

    /// Which profile and files were chosen, for a message.
    pub fn decided(&self) -> String {
        let manager = match &self.manager {
            ManagerState::None(_) => "none".to_owned(),
            ManagerState::Read(path) | ManagerState::Unreadable(path, _) => path.display().to_string(),
        };
        format!(
            "Profile {}, manager config {manager}, OCI config {}, session {}",
            self.profile,
            self.oci_config.display(),
            self.session_folder.display()
        )
    }

    /// The keys of the option table that were looked up for these settings.
    #[cfg(test)]
    pub fn read_keys(&self) -> impl Iterator<Item = &'static str> {
        self.set_by.iter().map(|(key, _)| *key)
    }

    /// Where the value of a key was set.
    pub fn set_by(&self, key: &str) -> SetBy {
        let read = self.set_by.iter().find(|(read, _)| *read == key);
        read.map_or(SetBy::Default, |(_, set_by)| *set_by)
    }
}
