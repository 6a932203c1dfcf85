//! What each way to a session requires, and the error that names every value that is missing.

use super::settings::{ManagerState, ProviderValues, Settings};
use crate::error::{Error, Result};
use crate::host::Env;
use crate::oauth::{Domain, Provider};
use crate::options;

/// A session made at an OpenID provider: the refresh token grant or a sign-in there, then the exchange
/// at the identity domain.
pub struct ProviderNeeds {
    pub provider: Provider,
    pub domain: Domain,
}

impl Settings {
    /// What a renewal or sign-in needs, its secrets resolved.
    ///
    /// # Errors
    /// [`Error::MissingOptions`] names everything that is missing.
    pub fn provider_needs(&self, env: &Env) -> Result<ProviderNeeds> {
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
            return Err(self.missing(&missing(values)));
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
            },
        })
    }

    fn missing(&self, keys: &[&str]) -> Error {
        let name = |key: &&str| options::find_key(key).map(|row| format!("{} ({key})", row.name));
        let names: Vec<String> = keys.iter().filter_map(name).collect();
        let profile = self.profile.to_string();
        match &self.manager {
            ManagerState::None(looked_for) => {
                Error::MissingOptions { names, profile, manager: None, looked_for: looked_for.clone() }
            }
            ManagerState::Read(path) => {
                Error::MissingOptions { names, profile, manager: Some(path.clone()), looked_for: Vec::new() }
            }
            ManagerState::Unreadable(path, why) => Error::ManagerConfig {
                path: path.clone(),
                why: format!("{why} (Missing required options: {})", names.join(", ")),
            },
        }
    }
}

/// The keys of the required values that are absent.
fn missing(values: &ProviderValues) -> Vec<&'static str> {
    let required = [
        ("authz_base_url", values.authz_base_url.is_some()),
        ("token_url", values.token_url.is_some()),
        ("auth_client_id", values.auth_client_id.is_some()),
        ("client_id", values.client_id.is_some()),
        ("client_secret", values.client_secret.is_some()),
        ("scope", values.scope.is_some()),
    ];
    required.into_iter().filter(|(_, is_set)| !is_set).map(|(key, _)| key).collect()
}
