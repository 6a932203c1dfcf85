//! The settings of one profile, typed. A malformed value is refused when the settings are made, whether
//! or not it is needed; a value may be missing as long as nothing needs it (`needs`).

use std::path::{Path, PathBuf};

use super::profile::ProfileName;
use super::secret::{self, KeyringSource, PassphraseSource, SecretSource, Sources, SubjectTokenSource};
use super::values::{SetBy, Values, parameters};
use super::warning::{About, Warning};
use crate::error::{Error, Given, Result, quoted};
use crate::files::exposed;
use crate::log;
use crate::oauth::DeviceForm;
use crate::oauth::discovery::Issuer;
use crate::options;

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
    pub(super) other_profiles: Option<Vec<String>>,
    /// The region that is configured for woci. If `None`, the OCI config may have one.
    pub region: Option<String>,
    pub redirect: Redirect,
    pub log_level: log::Level,
    pub auto_refresh: bool,
    /// In seconds.
    pub refresh_safety_window: u32,
    pub passphrase: PassphraseSource,
    /// The programs that keep the refresh token, in place of a file.
    pub keyring: Option<KeyringSource>,
    /// The variables that hold secrets of woci's. The browser, helper programs, kubectl and the daemon do not inherit
    /// them. oci does, apart from the passphrase's: a person who sets a variable may mean oci too.
    pub secret_variables: Vec<String>,
    /// The variable that holds the passphrase. No program at all inherits it.
    pub passphrase_variable: Option<String>,
    /// How many runs of helper programs one renewal waits for at most.
    pub program_runs: u32,
    pub sign_in: SignIn,
    pub sign_in_with: SignInWith,
    /// The OCID of the user whose session it has to be.
    pub expect_user: Option<String>,
    /// The OCID of the tenancy that the session has to be of.
    pub expect_tenancy: Option<String>,
    /// For the commands that messages suggest.
    pub given: Given,
    /// About the configuration, for a run that renews or signs in.
    pub warnings: Vec<Warning>,
    /// `None` if nothing says so: then it is a console session, made only if a person asks for it.
    pub session_from: Option<SessionFrom>,
    pub console: ConsoleValues,
    pub(super) manager: ManagerState,
    pub(super) provider: ProviderValues,
    pub(super) workload: WorkloadValues,
    set_by: Vec<(&'static str, SetBy)>,
}

/// The keys of secrets in the manager config.
const SECRETS: [&str; 2] = ["client_secret", "auth_client_secret"];

/// The endpoints and clients of an OpenID provider and its exchange, each as configured, if at all.
pub(super) struct ProviderValues {
    pub issuer: Option<Issuer>,
    pub authz_base_url: Option<String>,
    pub token_url: Option<String>,
    pub auth_client_id: Option<String>,
    pub auth_client_secret: Option<SecretSource>,
    pub scope: Option<String>,
    /// What is added to the authorization URL.
    pub authz_params: Vec<(String, String)>,
    pub token_exchange_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<SecretSource>,
    pub device_url: Option<String>,
    pub device_form: DeviceForm,
    pub revocation_url: Option<String>,
}

/// What a workload's session is made from, as far as it is configured.
pub(super) struct WorkloadValues {
    pub subject_token: Option<SubjectTokenSource>,
    /// The audience that the token must name.
    pub audience: Option<String>,
    pub requested: RequestedToken,
}

/// What a workload's token is exchanged for.
pub(super) enum RequestedToken {
    /// The session token of a user.
    Upst,
    /// That of a resource.
    Rpst { res_type: Option<String>, rpst_exp: Option<String> },
}

impl RequestedToken {
    fn of(values: &Values<'_>) -> Result<Self> {
        let (res_type, rpst_exp) = (values.text("res_type")?, values.text("rpst_exp")?);
        Ok(match values.or_default("requested_token")?.eq_ignore_ascii_case("rpst") {
            true => Self::Rpst { res_type, rpst_exp },
            false => Self::Upst,
        })
    }

    /// One text, by which a change is noticed.
    fn origin(&self) -> Option<String> {
        Some(match self {
            Self::Upst => "upst".to_owned(),
            Self::Rpst { res_type, .. } => format!("rpst of {}", res_type.as_ref()?),
        })
    }
}

impl ProviderValues {
    /// The exchange is at the token endpoint unless another endpoint is configured.
    pub fn exchange_url(&self) -> Option<&String> {
        self.token_exchange_url.as_ref().or(self.token_url.as_ref())
    }
}

/// The redirect URI, as it is registered at the provider.
pub struct Redirect {
    /// Tried in this order; 0 alone stands for any free one.
    pub ports: Vec<u16>,
    /// The host is `localhost`, otherwise it is 127.0.0.1.
    pub is_localhost: bool,
    pub path: String,
}

/// Whether a run may open a browser by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Auto,
    Never,
}

/// How a person is reached for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInWith {
    /// The best of the others, judged by what is here.
    Auto,
    Browser,
    /// The person opens the URL anywhere and pastes the answer.
    Paste,
    /// The person types a code on a page of the provider's.
    Device,
}

impl SignInWith {
    /// A word of the option's row, in any case.
    fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "browser" => Self::Browser,
            "paste" => Self::Paste,
            "device" => Self::Device,
            _ => Self::Auto,
        }
    }
}

/// What a session is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionFrom {
    /// A person signs in at an OpenID provider; the access token is exchanged.
    Provider,
    /// A token that this machine already has is exchanged.
    Workload,
    /// A person signs in at Oracle's own page.
    Console,
}

impl SessionFrom {
    const ALL: [Self; 3] = [Self::Provider, Self::Workload, Self::Console];

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|from| from.word() == word)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Workload => "workload",
            Self::Console => "console",
        }
    }
}

/// Scheme and host of Oracle's services for a console session, where they are not those of the region.
pub struct ConsoleValues {
    pub url: Option<String>,
    pub auth_service_url: Option<String>,
}

/// The endpoints and clients that a session is made with; a value that is not configured is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Provider {
        issuer: Option<String>,
        token_url: Option<String>,
        auth_client_id: Option<String>,
        token_exchange_url: Option<String>,
        client_id: Option<String>,
    },
    Workload {
        token_exchange_url: Option<String>,
        client_id: Option<String>,
        /// `upst`, or `rpst of` a type of resource.
        requested_token: Option<String>,
    },
    Console {
        console_url: Option<String>,
        auth_service_url: Option<String>,
    },
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
    pub(super) fn new(values: &Values<'_>, places: Places<'_>, mut warnings: Vec<Warning>) -> Result<Self> {
        let secret_variables = secret::variables(values)?;
        let sources = Sources { values, places: &places, hidden: &secret_variables };
        warnings.extend(secret::on_the_command_line(values)?);
        let (issuer, issuer_expected) = (values.text("issuer")?, values.text("issuer_expected")?);
        if issuer.is_none() && issuer_expected.is_some() {
            let what = "issuer_expected has no effect without issuer";
            warnings.push(Warning::new(what, "set issuer, or remove issuer_expected"));
        }
        let provider = ProviderValues {
            issuer: issuer.map(|url| Issuer { url, expected: issuer_expected }),
            authz_base_url: values.text("authz_base_url")?,
            token_url: values.text("token_url")?,
            auth_client_id: values.text("auth_client_id")?,
            auth_client_secret: sources.of(&secret::AUTH_CLIENT_SECRET)?,
            scope: values.text("scope")?,
            authz_params: authz_params(values)?,
            token_exchange_url: values.text("token_exchange_url")?,
            client_id: values.text("client_id")?,
            client_secret: sources.of(&secret::CLIENT_SECRET)?,
            device_url: values.text("device_url")?,
            revocation_url: values.text("revocation_url")?,
            device_form: match values.or_default("device_form")?.eq_ignore_ascii_case("oracle") {
                true => DeviceForm::Oracle,
                false => DeviceForm::Standard,
            },
        };
        // Paths are added to them.
        let base = |key| Ok(values.text(key)?.map(|url| url.trim_end_matches('/').to_owned()));
        let console =
            ConsoleValues { url: base("console_url")?, auth_service_url: base("auth_service_url")? };
        let mut passphrase = PassphraseSource {
            prompt: values.boolean("refresh_token_passphrase_prompt")?,
            otherwise: sources.of(&secret::PASSPHRASE)?,
        };
        let keyring = KeyringSource::of(&sources, &mut passphrase)?;
        let session_from = session_from(
            values,
            &[
                ("issuer", provider.issuer.is_some()),
                ("authz_base_url", provider.authz_base_url.is_some()),
                ("token_url", provider.token_url.is_some()),
                ("auth_client_id", provider.auth_client_id.is_some()),
            ],
            &workload_keys(values)?,
            &console,
        )?;
        let subject_token = SubjectTokenSource::of(&sources)?;
        let program_runs = secret::program_runs(
            &[&provider.client_secret, &provider.auth_client_secret, &passphrase.otherwise],
            subject_token.as_ref(),
            keyring.as_ref(),
        );
        let workload = WorkloadValues {
            subject_token,
            audience: values.text("subject_token_audience")?,
            requested: RequestedToken::of(values)?,
        };
        warnings.extend(unused(values, session_from)?);
        if provider.scope.as_ref().is_some_and(|scope| scope.split(' ').all(|word| word != "offline_access"))
        {
            let what = "the scope does not hold offline_access: most providers then give no refresh token, and every \
                        session needs a sign-in";
            let warning = Warning::new(what, "add offline_access to scope");
            warnings.push(Warning { about: About::Scope, ..warning });
        }
        let profile = values.profile.clone();
        Ok(Self {
            home: places.home.to_owned(),
            session_folder: places.sessions.join(profile.as_str()),
            profile,
            oci_config: places.oci_config,
            oci_config_from_manager: places.oci_config_from_manager,
            other_profiles: places.other_profiles,
            region: values.text("region")?,
            redirect: Redirect {
                ports: values.ports("redirect_port")?,
                is_localhost: values.or_default("redirect_host")?.eq_ignore_ascii_case("localhost"),
                path: values.or_default("redirect_path")?,
            },
            log_level: log::Level::parse(&values.or_default("log_level")?).expect("the row lists the levels"),
            auto_refresh: values.boolean("auto_refresh")?,
            refresh_safety_window: values.number("refresh_safety_window")?,
            passphrase,
            keyring,
            secret_variables,
            passphrase_variable: values.text(secret::PASSPHRASE.variable)?,
            program_runs,
            sign_in: match values.or_default("sign_in")?.eq_ignore_ascii_case("never") {
                true => SignIn::Never,
                false => SignIn::Auto,
            },
            sign_in_with: SignInWith::parse(&values.or_default("sign_in_with")?),
            expect_user: values.text("expect_user")?,
            expect_tenancy: values.text("expect_tenancy")?,
            given: values.given(),
            warnings,
            session_from,
            console,
            manager: places.manager,
            provider,
            workload,
            set_by: values.set_by(),
        })
    }

    /// The warnings about values, without the one that the manager config cannot be read.
    pub fn doubts(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| warning.about != About::UnreadableManager)
    }

    /// Warnings about files and folders that decide where tokens go, or hold secrets, and are open to other
    /// users. Looks at each of them: only for a run that renews or signs in.
    pub fn exposed(&self) -> Vec<Warning> {
        let sessions = self.session_folder.parent().unwrap_or(&self.session_folder);
        // Whoever planted a refresh token knows whose session woci would then use.
        let refresh_token = self.session_folder.join("refresh_token");
        let mut paths = vec![self.oci_config.as_path(), sessions, &refresh_token];
        let mut warnings = Vec::new();
        if let ManagerState::Read(manager) = &self.manager {
            paths.push(manager);
            let is_inside = |key| matches!(self.set_by(key), SetBy::Section | SetBy::Common);
            if SECRETS.into_iter().any(is_inside) && exposed::can_be_read(manager) {
                let path = manager.display().to_string();
                let what = format!("{path} can be read by other users, and holds a client secret");
                warnings.push(Warning::new(what, format!("run `chmod go-rwx {}`", quoted(&path))));
            }
        }
        let open = exposed::can_be_changed(&paths, &self.home).into_iter();
        warnings.extend(open.map(|open| Warning::new(open.to_string(), open.advice())));
        warnings
    }

    /// What the session must have come from, as far as it is configured. `None` if nothing is: then any stored
    /// session is good.
    pub fn origin(&self) -> Option<Origin> {
        let values = &self.provider;
        let token_exchange_url = values.exchange_url().cloned();
        let client_id = values.client_id.clone();
        Some(match self.session_from? {
            SessionFrom::Provider => Origin::Provider {
                issuer: values.issuer.as_ref().map(|issuer| issuer.url.clone()),
                token_url: values.token_url.clone(),
                auth_client_id: values.auth_client_id.clone(),
                token_exchange_url,
                client_id,
            },
            SessionFrom::Workload => {
                let requested_token = self.workload.requested.origin();
                Origin::Workload { token_exchange_url, client_id, requested_token }
            }
            SessionFrom::Console => Origin::Console {
                console_url: self.console.url.clone(),
                auth_service_url: self.console.auth_service_url.clone(),
            },
        })
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

/// The keys that a workload's session has of its own, each with whether it is set.
fn workload_keys(values: &Values<'_>) -> Result<Vec<(&'static str, bool)>> {
    let keys =
        options::OPTIONS.iter().filter_map(|row| row.key).filter(|key| key.starts_with("subject_token_"));
    keys.map(|key| Ok((key, values.text(key)?.is_some()))).collect()
}

/// Warnings about settings of a workload's session that have no effect.
fn unused(values: &Values<'_>, session_from: Option<SessionFrom>) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    let is_workload = session_from == Some(SessionFrom::Workload);
    let is_rpst = values.or_default("requested_token")?.eq_ignore_ascii_case("rpst");
    let is_azure = values.text("subject_token_from")?.is_some_and(|from| from.eq_ignore_ascii_case("azure"));
    for (key, has_effect, needs) in [
        ("requested_token", is_workload, "a workload's session (a subject_token_ key)"),
        ("res_type", is_workload && is_rpst, "requested_token = rpst in a workload's session"),
        ("rpst_exp", is_workload && is_rpst, "requested_token = rpst in a workload's session"),
        ("subject_token_service_connection", is_azure, "subject_token_from = azure"),
    ] {
        if !has_effect && values.text(key)?.is_some() {
            let what = format!("{key} has no effect: it needs {needs}");
            warnings.push(Warning::new(what, format!("set that, or remove {key}")));
        }
    }
    Ok(warnings)
}

/// The parameters that are added to the authorization URL.
fn authz_params(values: &Values<'_>) -> Result<Vec<(String, String)>> {
    const HINT: &str = "login_hint";
    let text = values.text("authz_params")?;
    let mut pairs = text.map_or(Vec::new(), |text| parameters(&text).expect("its row's kind was checked"));
    if let Some(hint) = values.text(HINT)? {
        if pairs.iter().any(|(name, _)| name == HINT) {
            let why = "authz_params has a login_hint too".into();
            return Err(Error::BadValue { name: HINT.into(), why });
        }
        pairs.push((HINT.to_owned(), hint));
    }
    Ok(pairs)
}

/// What the session is made from: as `session_from` says, else as the settings do that only one kind has. Each pair is
/// a key and whether it is set.
fn session_from(
    values: &Values<'_>,
    provider: &[(&'static str, bool)],
    workload: &[(&'static str, bool)],
    console: &ConsoleValues,
) -> Result<Option<SessionFrom>> {
    if let Some(word) = values.text("session_from")? {
        return Ok(Some(SessionFrom::parse(&word.to_ascii_lowercase()).expect("the row lists them")));
    }
    let first = |keys: &[(&'static str, bool)]| keys.iter().find(|(_, is_set)| *is_set).map(|(key, _)| *key);
    match (first(provider), first(workload)) {
        (Some(one), Some(other)) => Err(Error::TwoSources { one, other, chosen_by: "session_from" }),
        (Some(_), None) => Ok(Some(SessionFrom::Provider)),
        (None, Some(_)) => Ok(Some(SessionFrom::Workload)),
        (None, None) if console.url.is_some() || console.auth_service_url.is_some() => {
            Ok(Some(SessionFrom::Console))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SessionFrom;
    use crate::config::testing::{no_document, sample};
    use crate::error::Error;
    use crate::files;
    use crate::host::Env;
    use crate::testing::Home;

    #[test]
    fn the_option_has_a_word_for_each_source_of_sessions() {
        assert_eq!(SessionFrom::ALL.map(SessionFrom::word), options::SESSION_FROM);
        for from in SessionFrom::ALL {
            assert_eq!(SessionFrom::parse(from.word()), Some(from));
        }
    }

    const SAMPLES: [&str; 4] = ["oci-identity-domain", "okta", "entra", "keycloak"];

    /// As it is, a sample needs neither a choice of profile nor a passphrase.
    #[test]
    fn every_sample_config_has_one_profile_and_starts_as_it_is() {
        for name in SAMPLES {
            let home = Home::new();
            let settings = home.settings(&[("--manager-config", &*sample(name))], &[]);
            let settings = settings.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(settings.profile.as_str(), "prod", "{name}");
            assert_eq!(settings.warnings, [], "{name}");
            let renewal =
                settings.provider_needs(&Env::of(&[]), no_document).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(renewal.provider.scope.contains("offline_access"), "{name}");
            assert!(settings.region.is_some(), "{name}");
            assert!(!settings.passphrase.prompt && settings.passphrase.otherwise.is_none(), "{name}");
        }
    }

    /// A line of a sample that begins with `#` and no blank is one to try.
    #[test]
    fn what_a_sample_config_has_in_comments_is_right_too() {
        for name in SAMPLES {
            let text = String::from_utf8(files::read(Path::new(&sample(name))).unwrap().unwrap()).unwrap();
            let uncommented =
                |line: &str| match line.strip_prefix('#').filter(|line| !line.starts_with([' ', '#'])) {
                    Some(line) => format!("{line}\n"),
                    None => format!("{line}\n"),
                };
            let all: String = text.lines().map(uncommented).collect();
            assert_ne!(all.trim(), text.trim(), "{name}");
            let home = Home::with(&all);
            let profiles = if all.contains("[staging]") { &["prod", "staging"][..] } else { &["prod"] };
            for profile in profiles {
                let settings = home.settings(&[("--profile", profile)], &[]);
                let settings = settings.unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(settings.warnings, [], "{name}");
                settings.provider_needs(&Env::of(&[]), no_document).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(settings.passphrase.prompt || *profile == "staging", "{name}");
            }
        }
    }

    #[test]
    fn what_a_session_is_made_from_is_read_off_the_settings() {
        let from = |lines: &str| {
            let home = Home::with(&format!("[prod]\nscope = openid\n{lines}"));
            home.settings(&[], &[]).map(|settings| settings.session_from)
        };
        for (lines, expected) in [
            ("client_id = c\nclient_secret = s\n", None),
            ("token_url = https://idp.example.com/token\n", Some(SessionFrom::Provider)),
            ("auth_client_id = a\n", Some(SessionFrom::Provider)),
            ("issuer = https://idp.example.com\n", Some(SessionFrom::Provider)),
            ("subject_token_file = /t\n", Some(SessionFrom::Workload)),
            ("subject_token_env = T\n", Some(SessionFrom::Workload)),
            ("subject_token_from = GitHub\n", Some(SessionFrom::Workload)),
            ("subject_token_audience = oci\n", Some(SessionFrom::Workload)),
            ("subject_token_service_connection = i\n", Some(SessionFrom::Workload)),
            ("requested_token = rpst\nres_type = r\n", None),
            ("console_url = https://login.example.com\n", Some(SessionFrom::Console)),
            ("session_from = Console\nauth_client_id = a\n", Some(SessionFrom::Console)),
            (
                "session_from = workload\nauth_client_id = a\nsubject_token_env = T\n",
                Some(SessionFrom::Workload),
            ),
        ] {
            assert_eq!(from(lines), Ok(expected), "{lines}");
        }
        for (lines, one, other) in [
            ("auth_client_id = a\nsubject_token_env = T\n", "auth_client_id", "subject_token_env"),
            ("issuer = https://a.example\nsubject_token_env = T\n", "issuer", "subject_token_env"),
            ("subject_token_file = /t\nsubject_token_env = T\n", "subject_token_file", "subject_token_env"),
            (
                "subject_token_from = azure\nsubject_token_env = T\n",
                "subject_token_env",
                "subject_token_from",
            ),
            (
                "session_from = workload\nsubject_token_from = azure\nsubject_token_file = T\n",
                "subject_token_file",
                "subject_token_from",
            ),
            (
                "token_url = https://a.example/\nsubject_token_audience = a\n",
                "token_url",
                "subject_token_audience",
            ),
        ] {
            let e = from(lines).err();
            assert!(
                matches!(e, Some(Error::TwoSources { one: o, other: p, .. }) if (o, p) == (one, other)),
                "{lines}: {e:?}"
            );
        }
    }

    #[test]
    fn a_workloads_setting_without_effect_is_a_warning() {
        let warnings = |lines: &str| {
            let home = Home::with(&format!("[prod]\n{lines}"));
            let warnings = home.settings(&[], &[]).unwrap().warnings;
            warnings.into_iter().map(|warning| warning.what).collect::<Vec<_>>().join("; ")
        };
        let rpst = "requested_token = rpst\nres_type = r\nrpst_exp = 60\n";
        for lines in [&*format!("subject_token_env = T\n{rpst}"), "subject_token_from = azure\n"] {
            assert_eq!(warnings(lines), "", "{lines}");
        }
        for (lines, keys) in [
            (&*format!("session_from = provider\n{rpst}"), &["requested_token", "res_type", "rpst_exp"][..]),
            ("subject_token_env = T\nres_type = r\n", &["res_type"]),
            ("subject_token_from = github\nsubject_token_service_connection = i\n", &["service_connection"]),
        ] {
            let all = warnings(lines);
            assert_eq!(all.matches("has no effect").count(), keys.len(), "{all}");
            assert!(keys.iter().all(|key| all.contains(key)), "{all}");
        }
    }
}
