//! What each way to a session requires, and the error that names every value that is missing.

use super::secret::SubjectTokenSource;
use super::settings::{ManagerState, SessionFrom, Settings};
use super::values::SetBy;
use crate::error::{Error, Found, Result};
use crate::host::Env;
use crate::oauth::{Domain, Provider};
use crate::options;

/// What a renewal or a sign-in needs, by what the session comes from.
pub enum Needs {
    Provider(ProviderNeeds),
    Workload(WorkloadNeeds),
    Console(ConsoleNeeds),
}

/// A session made at an OpenID provider: the refresh token grant or a sign-in there, then the exchange
/// at the identity domain.
pub struct ProviderNeeds {
    pub provider: Provider,
    pub domain: Domain,
}

/// A token that this machine already has, exchanged at the identity domain.
pub struct WorkloadNeeds {
    pub subject_token: SubjectTokenSource,
    pub domain: Domain,
}

/// A person's sign-in at Oracle's own page, and its renewals.
pub struct ConsoleNeeds {
    pub region: String,
}

/// The required values of each way, by their keys.
const PROVIDER: [&str; 6] =
    ["authz_base_url", "token_url", "auth_client_id", "client_id", "client_secret", "scope"];
const WORKLOAD: [&str; 4] = ["subject_token_file", "token_exchange_url", "client_id", "client_secret"];

impl Settings {
    /// What a renewal or sign-in needs, its secrets resolved. `region` is the one that is configured for woci or for
    /// oci. `is_console` says that a console session is stored or was asked for; it counts where nothing else says
    /// what the session comes from.
    ///
    /// # Errors
    /// [`Error::MissingOptions`] names everything that is missing.
    pub fn needs(&self, env: &Env, region: Option<&str>, is_console: bool) -> Result<Needs> {
        match self.session_from {
            Some(SessionFrom::Provider) => self.provider_needs(env).map(Needs::Provider),
            Some(SessionFrom::Workload) => self.workload_needs(env).map(Needs::Workload),
            Some(SessionFrom::Console) => self.console_needs(region).map(Needs::Console),
            // The manager config may say more.
            None if is_console && !matches!(self.manager, ManagerState::Unreadable(..)) => {
                self.console_needs(region).map(Needs::Console)
            }
            None => Err(self.missing(&PROVIDER.map(|key| (key, self.is_set(key))))),
        }
    }

    pub(super) fn provider_needs(&self, env: &Env) -> Result<ProviderNeeds> {
        let values = &self.provider;
        let (
            Some(authorization_url),
            Some(token_url),
            Some(auth_client_id),
            Some(client_id),
            Some(client_secret),
            Some(scope),
            Some(exchange_url),
        ) = (
            &values.authz_base_url,
            &values.token_url,
            &values.auth_client_id,
            &values.client_id,
            &values.client_secret,
            &values.scope,
            values.exchange_url(),
        )
        else {
            return Err(self.missing(&PROVIDER.map(|key| (key, self.is_set(key)))));
        };
        let auth_client_secret = values.auth_client_secret.as_ref();
        Ok(ProviderNeeds {
            domain: Domain {
                url: exchange_url.clone(),
                is_by_default: values.token_exchange_url.is_none(),
                client_id: client_id.clone(),
                client_secret: client_secret.resolve(env)?,
            },
            provider: Provider {
                authorization_url: authorization_url.clone(),
                token_url: token_url.clone(),
                client_id: auth_client_id.clone(),
                client_secret: auth_client_secret.map(|secret| secret.resolve(env)).transpose()?,
                scope: scope.clone(),
                device_url: values.device_url.clone(),
                device_form: values.device_form,
            },
        })
    }

    fn workload_needs(&self, env: &Env) -> Result<WorkloadNeeds> {
        let values = &self.provider;
        let (Some(subject_token), Some(exchange_url), Some(client_id), Some(client_secret)) =
            (&self.subject_token, &values.token_exchange_url, &values.client_id, &values.client_secret)
        else {
            let is_set = |key| match key {
                "subject_token_file" => self.subject_token.is_some(),
                _ => self.is_set(key),
            };
            return Err(self.missing(&WORKLOAD.map(|key| (key, is_set(key)))));
        };
        Ok(WorkloadNeeds {
            subject_token: subject_token.clone(),
            domain: Domain {
                url: exchange_url.clone(),
                is_by_default: false,
                client_id: client_id.clone(),
                client_secret: client_secret.resolve(env)?,
            },
        })
    }

    /// # Errors
    /// [`Error::MissingOptions`] without a region.
    pub fn console_needs(&self, region: Option<&str>) -> Result<ConsoleNeeds> {
        match region {
            Some(region) => Ok(ConsoleNeeds { region: region.to_owned() }),
            None => Err(self.missing(&[("region", false)])),
        }
    }

    fn is_set(&self, key: &str) -> bool {
        self.set_by(key) != SetBy::Default
    }

    /// `required` are keys, each with whether it is set.
    fn missing(&self, required: &[(&str, bool)]) -> Error {
        let absent = required.iter().filter(|(_, is_set)| !is_set);
        let name =
            |(key, _): &(&str, bool)| options::find_key(key).map(|row| format!("{} ({key})", row.name));
        let names: Vec<String> = absent.filter_map(name).collect();
        // Oracle's own sign-in needs a region alone.
        let console = matches!(self.session_from, None | Some(SessionFrom::Console));
        let profile = self.profile.to_string();
        match &self.manager {
            ManagerState::None(places) => {
                let manager = Found::NowhereOf(places.clone());
                Error::MissingOptions { names, profile, console, manager }
            }
            ManagerState::Read(path) => {
                let manager = Found::At(path.clone());
                Error::MissingOptions { names, profile, console, manager }
            }
            ManagerState::Unreadable(path, why) => Error::ManagerConfig {
                path: path.clone(),
                why: format!("{why} (Missing required options: {})", names.join(", ")),
            },
        }
    }
}
