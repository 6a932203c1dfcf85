//! What each way to a session requires, and the error that names every value that is missing.

use super::secret::{SecretSource, SubjectTokenSource};
use super::settings::{ManagerState, Origin, RequestedToken, SessionFrom, Settings};
use super::values::SetBy;
use crate::error::{DEVICE, EXCHANGE, EXCHANGE_BY_DEFAULT, Error, Found, REVOCATION, Result, TOKEN_ENDPOINT};
use crate::host::Env;
use crate::oauth::discovery::{Document, Issuer};
use crate::oauth::{DeviceForm, Domain, Iss, Provider, Requested, url};
use crate::options;

/// What a renewal or a sign-in needs, by what the session comes from.
pub enum Needs {
    Provider(Box<ProviderNeeds>),
    Workload(WorkloadNeeds),
    Console(ConsoleNeeds),
}

/// The key of the passphrase of the stored refresh token, as [`Settings::secret_sources`] calls it.
pub const PASSPHRASE_KEY: &str = "refresh_token_passphrase";

/// A session made at an OpenID provider: the refresh token grant or a sign-in there, then the exchange
/// at the identity domain.
pub struct ProviderNeeds {
    pub provider: Provider,
    pub domain: Domain,
    /// The endpoints that are used, the discovered ones among them.
    pub origin: Origin,
    /// The issuer whose document was not read, since a renewal has no use for it: it may name a device endpoint.
    pub unread: Option<Issuer>,
}

/// A token that this machine already has, exchanged at the identity domain.
pub struct WorkloadNeeds {
    pub subject_token: SubjectTokenSource,
    /// The audience that the token must name; `None` for any.
    pub audience: Option<String>,
    pub domain: Domain,
    pub requested: Requested,
}

/// What a revocation of the refresh token needs, its secret not resolved.
pub struct RevocationNeeds<'a> {
    /// The endpoint, if it is configured.
    pub url: Option<&'a str>,
    /// Whose document names the endpoint otherwise.
    pub issuer: Option<&'a Issuer>,
    pub client_id: &'a str,
    pub client_secret: Option<&'a SecretSource>,
}

/// A person's sign-in at Oracle's own page, and its renewals.
pub struct ConsoleNeeds {
    pub region: String,
}

/// The required values of each way, by their keys.
const PROVIDER: [&str; 6] =
    ["authz_base_url", "token_url", "auth_client_id", "client_id", "client_secret", "scope"];
const WORKLOAD: [&str; 5] =
    ["subject_token_file", "token_exchange_url", "client_id", "client_secret", "res_type"];

impl Settings {
    /// What a renewal or sign-in needs, its secrets resolved. `region` is the one that is configured for woci or for
    /// oci. `is_console` says that a console session is stored or was asked for; it counts where nothing else says
    /// what the session comes from. `discover` gets the provider's document. It is called last, and only if an endpoint
    /// is not configured.
    ///
    /// # Errors
    /// [`Error::MissingOptions`] names everything that is missing.
    pub fn needs(
        &self,
        env: &Env,
        region: Option<&str>,
        is_console: bool,
        discover: impl FnOnce(&Issuer) -> Result<Document>,
    ) -> Result<Needs> {
        match self.session_from {
            Some(SessionFrom::Provider) => {
                self.provider_needs(env, discover).map(Box::new).map(Needs::Provider)
            }
            Some(SessionFrom::Workload) => self.workload_needs(env).map(Needs::Workload),
            Some(SessionFrom::Console) => self.console_needs(region).map(Needs::Console),
            // The manager config may say more.
            None if is_console && !matches!(self.manager, ManagerState::Unreadable(..)) => {
                self.console_needs(region).map(Needs::Console)
            }
            None => Err(self.missing(&PROVIDER.map(|key| (key, self.is_set(key))))),
        }
    }

    /// The sources of the secrets that a renewal or sign-in uses, each with the key of the secret.
    pub fn secret_sources(&self) -> impl Iterator<Item = (&'static str, &SecretSource)> {
        let is_provider = self.session_from == Some(SessionFrom::Provider);
        let is_exchanged = is_provider || self.session_from == Some(SessionFrom::Workload);
        let sources = [
            (is_exchanged, "client_secret", &self.provider.client_secret),
            (is_provider, "auth_client_secret", &self.provider.auth_client_secret),
            (is_provider, PASSPHRASE_KEY, &self.passphrase.otherwise),
        ];
        let used = sources.into_iter().filter(|(is_used, ..)| *is_used);
        used.filter_map(|(_, key, source)| Some((key, source.as_ref()?)))
    }

    /// Where a workload's token comes from, and the audience that it must name.
    pub fn subject_token(&self) -> Option<(&SubjectTokenSource, Option<&str>)> {
        Some((self.workload.subject_token.as_ref()?, self.workload.audience.as_deref()))
    }

    pub(super) fn provider_needs(
        &self,
        env: &Env,
        discover: impl FnOnce(&Issuer) -> Result<Document>,
    ) -> Result<ProviderNeeds> {
        let values = &self.provider;
        let issuer = values.issuer.as_ref();
        let has_endpoints = values.authz_base_url.is_some() && values.token_url.is_some();
        let (Some(auth_client_id), Some(client_id), Some(client_secret), Some(scope), true) = (
            &values.auth_client_id,
            &values.client_id,
            &values.client_secret,
            &values.scope,
            has_endpoints || issuer.is_some(),
        ) else {
            return Err(self.missing(&self.required_of_provider()));
        };
        let auth_client_secret = values.auth_client_secret.as_ref();
        let (client_secret, auth_client_secret) =
            (client_secret.resolve(env)?, auth_client_secret.map(|secret| secret.resolve(env)).transpose()?);
        let document = match issuer {
            Some(issuer) if !has_endpoints => discover(issuer)?,
            _ => Document::default(),
        };
        let of_document = |endpoint: Option<String>, name: &str| {
            let why = format!("it has no {name}");
            let url = issuer.map(Issuer::document_url).unwrap_or_default();
            endpoint.ok_or(Error::Discovery { url, why })
        };
        let authorization_url = match &values.authz_base_url {
            Some(url) => url.clone(),
            None => of_document(document.authorization_endpoint, "authorization_endpoint")?,
        };
        let token_url = match &values.token_url {
            Some(url) => url.clone(),
            None => of_document(document.token_endpoint, "token_endpoint")?,
        };
        let exchange_url = values.token_exchange_url.as_ref().unwrap_or(&token_url);
        let added: Vec<(&str, &str)> = values.authz_params.iter().map(|(k, v)| (&**k, &**v)).collect();
        Ok(ProviderNeeds {
            unread: issuer.filter(|_| has_endpoints).cloned(),
            origin: Origin::Provider {
                issuer: issuer.map(|issuer| issuer.url.clone()),
                token_url: Some(token_url.clone()),
                auth_client_id: Some(auth_client_id.clone()),
                token_exchange_url: Some(exchange_url.clone()),
                client_id: Some(client_id.clone()),
            },
            domain: Domain {
                url: exchange_url.clone(),
                is_by_default: values.token_exchange_url.is_none(),
                client_id: client_id.clone(),
                client_secret,
            },
            provider: Provider {
                authorization_url: match added.as_slice() {
                    [] => authorization_url,
                    added => url::with_query(&authorization_url, added),
                },
                token_url,
                client_id: auth_client_id.clone(),
                client_secret: auth_client_secret,
                scope: scope.clone(),
                iss: issuer
                    .map(|issuer| Iss { name: issuer.name().to_owned(), is_always_sent: document.sends_iss }),
                device_url: values.device_url.clone().or(document.device_authorization_endpoint),
                device_form: values.device_form,
            },
        })
    }

    /// What the settings lack for a renewal or a sign-in, if they lack anything. No secret is resolved and no document
    /// is read. The arguments are those of [`Settings::needs`].
    pub fn lack(&self, region: Option<&str>, is_console: bool) -> Option<Error> {
        let is_console = is_console && !matches!(self.manager, ManagerState::Unreadable(..));
        let required = match self.session_from {
            None if !is_console => PROVIDER.map(|key| (key, self.is_set(key))).into(),
            _ => self.required(region.is_some()),
        };
        required.iter().any(|(_, is_set)| !is_set).then(|| self.missing(&required))
    }

    /// The error that no such profile exists, if the manager config has others. `is_somewhere` says that the OCI config or
    /// a session folder knows it.
    pub fn unknown_profile(&self, is_somewhere: impl FnOnce() -> bool) -> Option<Error> {
        let known = self.other_profiles.as_ref().filter(|_| !is_somewhere())?;
        Some(Error::UnknownProfile { profile: self.profile.to_string(), known: known.clone() })
    }

    /// `None` if the session is not that of a provider's client.
    pub fn revocation(&self) -> Option<RevocationNeeds<'_>> {
        let values = &self.provider;
        match self.session_from {
            Some(SessionFrom::Provider) => Some(RevocationNeeds {
                url: values.revocation_url.as_deref(),
                issuer: values.issuer.as_ref(),
                client_id: values.auth_client_id.as_deref()?,
                client_secret: values.auth_client_secret.as_ref(),
            }),
            Some(SessionFrom::Workload | SessionFrom::Console) | None => None,
        }
    }

    fn workload_needs(&self, env: &Env) -> Result<WorkloadNeeds> {
        let (values, workload) = (&self.provider, &self.workload);
        let requested = match &workload.requested {
            RequestedToken::Upst => Some(Requested::Upst),
            RequestedToken::Rpst { res_type, rpst_exp } => {
                res_type.clone().map(|res_type| Requested::Rpst { res_type, rpst_exp: rpst_exp.clone() })
            }
        };
        let (Some(subject_token), Some(requested), Some(exchange_url), Some(client_id), Some(client_secret)) = (
            &workload.subject_token,
            &requested,
            &values.token_exchange_url,
            &values.client_id,
            &values.client_secret,
        ) else {
            return Err(self.missing(&self.required_of_workload()));
        };
        Ok(WorkloadNeeds {
            subject_token: subject_token.clone(),
            audience: workload.audience.clone(),
            requested: requested.clone(),
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

    /// The keys that a renewal or sign-in needs, each with whether it is set. A key stands for all that may take its
    /// place. `has_region` says that a region is configured for woci or for oci.
    pub fn required(&self, has_region: bool) -> Vec<(&'static str, bool)> {
        match self.session_from {
            Some(SessionFrom::Provider) => self.required_of_provider().into(),
            Some(SessionFrom::Workload) => self.required_of_workload().into(),
            Some(SessionFrom::Console) | None => vec![("region", has_region)],
        }
    }

    /// The sources of this session's secrets that give none now. Runs no program.
    pub fn secrets_without_value(&self, env: &Env) -> Vec<Error> {
        // A person is asked for the passphrase otherwise.
        let needed =
            self.secret_sources().filter(|(key, _)| *key != PASSPHRASE_KEY || !self.passphrase.prompt);
        needed
            .filter_map(|(_, source)| match source {
                SecretSource::Value(_) | SecretSource::Command(_) => None,
                SecretSource::Variable { .. } | SecretSource::File { .. } => source.resolve(env).err(),
            })
            .collect()
    }

    fn required_of_provider(&self) -> [(&'static str, bool); 6] {
        let has_issuer = self.provider.issuer.is_some();
        PROVIDER.map(|key| match key {
            "authz_base_url" | "token_url" => (key, self.is_set(key) || has_issuer),
            _ => (key, self.is_set(key)),
        })
    }

    fn required_of_workload(&self) -> [(&'static str, bool); 5] {
        let lacks_type = matches!(self.workload.requested, RequestedToken::Rpst { res_type: None, .. });
        WORKLOAD.map(|key| match key {
            "subject_token_file" => (key, self.workload.subject_token.is_some()),
            "res_type" => (key, !lacks_type),
            _ => (key, self.is_set(key)),
        })
    }

    fn is_set(&self, key: &str) -> bool {
        match key {
            "client_secret" => self.provider.client_secret.is_some(),
            _ => self.set_by(key) != SetBy::Default,
        }
    }

    /// Where the client secret of an endpoint comes from, if not from the configuration itself. `what` is the
    /// endpoint's name in an error.
    pub fn secret_setting(&self, what: &str) -> Option<&'static str> {
        let values = &self.provider;
        let source = match what {
            EXCHANGE | EXCHANGE_BY_DEFAULT => &values.client_secret,
            TOKEN_ENDPOINT | REVOCATION => &values.auth_client_secret,
            // Oracle's form has no client authentication.
            DEVICE if values.device_form == DeviceForm::Standard => &values.auth_client_secret,
            _ => return None,
        };
        source.as_ref()?.setting()
    }

    /// `required` are keys, each with whether it is set.
    fn missing(&self, required: &[(&str, bool)]) -> Error {
        let absent = required.iter().filter(|(_, is_set)| !is_set);
        let names: Vec<String> = absent.filter_map(|(key, _)| options::option_and_key(key)).collect();
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

#[cfg(test)]
mod tests {
    use crate::config::testing::no_document;
    use crate::config::{Origin, ProviderNeeds};
    use crate::error::Error;
    use crate::host::Env;
    use crate::oauth::discovery::{Document, Issuer};
    use crate::testing::Home;

    #[test]
    fn everything_missing_is_named_at_once_and_only_when_needed() {
        let settings = Home::with("[prod]\ntoken_url = https://idp.example.com/token\nscope = openid\n")
            .settings(&[], &[])
            .unwrap();
        assert!(settings.warnings[0].what.contains("offline_access"));
        let Error::MissingOptions { names, .. } =
            settings.provider_needs(&Env::of(&[]), no_document).err().unwrap()
        else {
            panic!()
        };
        let all = [
            "--authz-base-url (authz_base_url)",
            "--auth-client-id (auth_client_id)",
            "--client-id (client_id)",
            "--client-secret (client_secret)",
        ];
        assert_eq!(names, all);
        let Some(Origin::Provider { token_url, token_exchange_url, auth_client_id, client_id, .. }) =
            settings.origin()
        else {
            panic!()
        };
        assert_eq!(token_url, token_exchange_url);
        assert_eq!((auth_client_id, client_id), (None, None));
    }

    const CLIENTS: &str =
        "[prod]\nauth_client_id = a\nclient_id = c\nclient_secret = s\nscope = openid offline_access\n";

    #[test]
    fn the_document_of_the_issuer_gives_what_is_not_configured() {
        let document = |issuer: &Issuer| {
            assert_eq!(issuer.name(), "https://idp.example.com/t");
            Ok(Document {
                authorization_endpoint: Some("https://idp.example.com/auth".into()),
                token_endpoint: Some("https://idp.example.com/token".into()),
                sends_iss: true,
                ..Document::default()
            })
        };
        let needs = |lines: &str| {
            let home = Home::with(&format!("{CLIENTS}issuer = https://idp.example.com/t\n{lines}"));
            home.settings(&[], &[]).unwrap().provider_needs(&Env::of(&[]), document).unwrap()
        };
        let ProviderNeeds { provider, domain, origin, .. } = needs("");
        assert_eq!(provider.authorization_url, "https://idp.example.com/auth");
        assert_eq!(
            (&*provider.token_url, &*domain.url),
            ("https://idp.example.com/token", &*provider.token_url)
        );
        assert!(
            provider.iss.is_some_and(|iss| iss.is_always_sent && iss.name == "https://idp.example.com/t")
        );
        let Origin::Provider { issuer, token_url, .. } = origin else { panic!("{origin:?}") };
        assert_eq!(issuer.as_deref(), Some("https://idp.example.com/t"));
        assert_eq!(token_url, Some(provider.token_url));

        let ProviderNeeds { provider, .. } = needs("token_url = https://mine.example.com/token\n");
        assert_eq!(provider.token_url, "https://mine.example.com/token");
        assert_eq!(provider.authorization_url, "https://idp.example.com/auth");

        let both = "issuer = https://a.example.com\nissuer_expected = b\nauthz_base_url = https://a.example.com/a\n\
                    token_url = https://a.example.com/t\n";
        let settings = Home::with(&format!("{CLIENTS}{both}")).settings(&[], &[]).unwrap();
        let ProviderNeeds { provider, .. } = settings.provider_needs(&Env::of(&[]), no_document).unwrap();
        assert!(provider.iss.is_some_and(|iss| !iss.is_always_sent && iss.name == "b"));

        let settings =
            Home::with(&format!("{CLIENTS}issuer = https://a.example.com\n")).settings(&[], &[]).unwrap();
        let e = settings.provider_needs(&Env::of(&[]), |_| Ok(Document::default())).err();
        let url = "https://a.example.com/.well-known/openid-configuration".to_owned();
        assert_eq!(e, Some(Error::Discovery { url, why: "it has no authorization_endpoint".into() }));
    }

    #[test]
    fn each_way_says_what_it_lacks() {
        let lacks = |lines: &str, region: Option<&str>, is_console: bool| {
            let settings = Home::with(&format!("[prod]\n{lines}")).settings(&[], &[]).unwrap();
            match settings.needs(&Env::of(&[]), region, is_console, no_document).err() {
                Some(Error::MissingOptions { names, console, .. }) => (names.join(" "), console),
                other => panic!("{lines}: {other:?}"),
            }
        };
        let names = |keys: &[&str]| {
            let name = |key: &&str| format!("--{} ({key})", key.replace('_', "-"));
            keys.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        let of_provider = ["token_url", "auth_client_id", "client_id", "client_secret", "scope"];
        assert_eq!(
            lacks("authz_base_url = https://a.example.com\n", None, false),
            (names(&of_provider), false)
        );
        let with_issuer = ["auth_client_id", "client_id", "client_secret", "scope"];
        assert_eq!(lacks("issuer = https://a.example.com\n", None, false), (names(&with_issuer), false));
        let of_workload = ["token_exchange_url", "client_id", "client_secret"];
        assert_eq!(lacks("subject_token_env = T\n", None, false), (names(&of_workload), false));
        let of_resource = [&of_workload[..], &["res_type"]].concat();
        let rpst = "subject_token_from = azure\nrequested_token = RPST\n";
        assert_eq!(lacks(rpst, None, false), (names(&of_resource), false));
        let no_source = [&["subject_token_file"], &of_workload[..]].concat();
        assert_eq!(lacks("subject_token_audience = a\n", None, false), (names(&no_source), false));
        assert_eq!(lacks("session_from = console\n", None, false), (names(&["region"]), true));
        assert_eq!(lacks("", None, true), (names(&["region"]), true));
        let nothing = lacks("", Some("eu-frankfurt-1"), false);
        assert_eq!(nothing, (names(&[&["authz_base_url"], &of_provider[..]].concat()), true));
        let settings = Home::with("[prod]\n").settings(&[], &[]).unwrap();
        assert!(settings.needs(&Env::of(&[]), Some("eu-frankfurt-1"), true, no_document).is_ok());
    }

    #[test]
    fn parameters_are_added_to_the_authorization_url_and_none_of_woci_s_own() {
        let urls = "authz_base_url = https://a.example.com/a?prompt=login&x=y\ntoken_url = https://a.example.com/t\n";
        let settings = |lines: &str| Home::with(&format!("{CLIENTS}{urls}{lines}")).settings(&[], &[]);
        let url = |lines: &str| {
            let needs = settings(lines).unwrap().provider_needs(&Env::of(&[]), no_document).unwrap();
            needs.provider.authorization_url
        };
        assert_eq!(url(""), "https://a.example.com/a?prompt=login&x=y");
        assert_eq!(
            url(
                "authz_params = prompt=consent&audience=https://oci/&nonce=1\nlogin_hint = ada+x@example.com\n"
            ),
            "https://a.example.com/a?x=y&prompt=consent&audience=https%3A%2F%2Foci%2F&nonce=1\
             &login_hint=ada%2Bx%40example.com"
        );
        assert!(
            url("authz_params = resource=a&resource=b\n")
                .ends_with("?prompt=login&x=y&resource=a&resource=b")
        );
        for (lines, why) in [
            ("authz_params = prompt=consent&state=x\n", "woci sets state itself"),
            ("authz_params = %73tate=x\n", "woci sets state itself"),
            ("authz_params = code_challenge_method=plain\n", "woci sets code_challenge_method itself"),
            ("authz_params = prompt=a&prompt=b\n", "prompt is there twice"),
            ("authz_params = ?prompt=a\n", "it is not a list of parameters"),
            ("authz_params = a=%zz\n", "it is not a list of parameters"),
            ("authz_params = a=%0d%0ab\n", "it is not a list of parameters"),
            ("authz_params = =b\n", "it is not a list of parameters"),
            ("authz_params = login_hint=a\nlogin_hint = b\n", "authz_params has a login_hint too"),
            ("issuer = https://a.example.com/?x=y\n", "it has a query, and an issuer has none"),
            (
                "issuer = http://a.example.com\n",
                "it is http, which is allowed for this machine only; use https",
            ),
            ("issuer = https://a.example/.well-known/openid-configuration\n", "it names the document"),
            ("expect_user = ada@example.com\n", "it is not an OCID"),
            ("expect_tenancy = ocid1.tenancy oc1\n", "it is not an OCID"),
        ] {
            let e = settings(lines).err();
            assert!(
                matches!(&e, Some(Error::BadValue { why: w, .. }) if w.starts_with(why)),
                "{lines}: {e:?}"
            );
        }
        let warnings = settings("issuer_expected = https://a.example.com\n").unwrap().warnings;
        let what: Vec<_> = warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(what, ["issuer_expected has no effect without issuer"]);
    }
}
