//! Finds and reads the manager config, finds the OCI config, and chooses the profile.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::effective::Effective;
use super::manager::{Manager, Sections};
use super::profile::{COMMON, DEFAULT, ProfileName};
use super::settings::{ManagerState, Places, Settings};
use super::values::Values;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::ini::{self, LineKind};
use crate::options::{self, Flags};

/// The manager config, if there is one, and the OCI config that was named.
pub struct Config {
    /// The path given by flag or variable, made absolute.
    named_oci_config: Option<PathBuf>,
    manager: ManagerFile,
}

/// What was found where the manager config is looked for.
pub enum ManagerFile {
    /// There is none at any of these paths.
    Absent(Vec<PathBuf>),
    Read(Manager),
    /// No flag or variable named the file, so a valid session serves without it.
    Unreadable {
        path: PathBuf,
        why: String,
    },
}

/// Where the OCI config and the sessions of a profile are.
struct OciPlaces {
    oci_config: PathBuf,
    oci_config_from_manager: bool,
    sessions: PathBuf,
}

const FILE_NAME: &str = "woci_manager.ini";

impl Config {
    /// Finds the manager config and reads it. A file that a flag or variable names must be readable.
    pub fn find(host: &Host, flags: &Flags) -> Result<Self> {
        let config = Self::find_or_new(host, flags)?;
        match (named(host, flags, "--manager-config")?, &config.manager) {
            (Some(path), ManagerFile::Absent(_)) => {
                Err(Error::ManagerConfig { path, why: "there is no such file".to_owned() })
            }
            _ => Ok(config),
        }
    }

    /// The same for a run that writes the file: a named one need not exist yet.
    pub fn find_or_new(host: &Host, flags: &Flags) -> Result<Self> {
        let named_oci_config = named(host, flags, "--config-file")?;
        let manager = match named(host, flags, "--manager-config")? {
            Some(path) => match read(&path) {
                ManagerFile::Unreadable { path, why } => return Err(Error::ManagerConfig { path, why }),
                found @ (ManagerFile::Read(_) | ManagerFile::Absent(_)) => found,
            },
            None => {
                let in_home = host.home()?.join(".oci").join(FILE_NAME);
                let beside = named_oci_config.as_ref().map(|path| path.with_file_name(FILE_NAME));
                match beside.map(|path| read(&path)) {
                    Some(ManagerFile::Absent(mut looked_for)) => match read(&in_home) {
                        ManagerFile::Absent(in_home) => {
                            looked_for.extend(in_home);
                            looked_for.dedup();
                            ManagerFile::Absent(looked_for)
                        }
                        found => found,
                    },
                    Some(found) => found,
                    None => read(&in_home),
                }
            }
        };
        if let ManagerFile::Read(_) = manager {
            // The configparser crate keeps the values in hash maps. std draws their seeds, and panics if it cannot.
            let [_] = host::random()?;
        }
        Ok(Self { named_oci_config, manager })
    }

    /// The settings of the profile that was named, or that is the only choice.
    pub fn profile(&self, host: &Host, flags: &Flags) -> Result<Settings> {
        self.settings_of(self.chosen(host, flags)?, host, flags)
    }

    /// The profile that was named, or that is the only choice.
    pub fn chosen(&self, host: &Host, flags: &Flags) -> Result<ProfileName> {
        let named_sessions = named(host, flags, "--sessions-folder")?;
        let sessions = named_sessions.map_or_else(|| default_sessions(host), Ok)?;
        self.choose(host, flags, &sessions)
    }

    pub fn manager(&self) -> &ManagerFile {
        &self.manager
    }

    /// The keys of the option table in its order, each with what is in effect for a profile; without one, with what is
    /// in effect for every profile that does not set it.
    pub fn effective(
        &self,
        profile: Option<&ProfileName>,
        host: &Host,
        flags: &Flags,
    ) -> Result<Vec<Effective>> {
        // No section has an empty name.
        let sections = self.sections_of(profile.map_or("", ProfileName::as_str));
        let nobody = ProfileName::new(DEFAULT)?;
        let values = Values::new(flags, host, &sections, profile.unwrap_or(&nobody), self.manager_path());
        let rows = options::OPTIONS.iter().filter_map(|row| Some((row, row.key?)));
        rows.map(|(row, key)| Effective::of(row, key, &values)).collect()
    }

    /// What is odd in the manager config for a profile, whether or not its values can be used.
    pub fn doubts(&self, profile: &ProfileName) -> Vec<String> {
        self.sections_of(profile.as_str()).warnings
    }

    /// Whether the manager config has a section of this name.
    pub fn has_section(&self, name: &str) -> bool {
        self.names().iter().any(|section| section == name)
    }

    /// Where the manager config is, or is made.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn place_to_write(&self) -> Result<PathBuf> {
        match &self.manager {
            ManagerFile::Read(manager) => Ok(manager.path.clone()),
            ManagerFile::Absent(places) => Ok(places.last().expect("it was looked for somewhere").clone()),
            ManagerFile::Unreadable { path, why } => {
                Err(Error::ManagerConfig { path: path.clone(), why: why.clone() })
            }
        }
    }

    /// The names of all profiles: those that `~/.oci/config` or woci_manager.ini has a section of, in their order, then
    /// those that have a session alone. A name that is no valid one is no profile.
    pub fn profiles(&self, host: &Host, flags: &Flags) -> Result<Vec<ProfileName>> {
        let (mut names, common) = (self.names().to_vec(), self.sections_of(COMMON));
        let nobody = ProfileName::new(DEFAULT)?;
        let values = Values::new(flags, host, &common, &nobody, self.manager_path());
        let OciPlaces { oci_config, sessions, .. } = self.oci_places(host, &values)?;
        let oci = files::read(&oci_config)?.unwrap_or_default();
        for line in ini::text(&oci).map(ini::lines).into_iter().flatten().map_while(std::result::Result::ok) {
            if let LineKind::Section(name) = line.kind {
                names.push(name.to_owned());
            }
        }
        let mut folders = folders_in(&sessions);
        folders.sort_unstable();
        names.extend(folders.into_iter().filter_map(|name| name.into_string().ok()));
        let mut profiles: Vec<ProfileName> = Vec::new();
        for profile in names.iter().filter_map(|name| ProfileName::new(name).ok()) {
            if !profiles.contains(&profile) {
                profiles.push(profile);
            }
        }
        Ok(profiles)
    }

    /// The settings of one profile.
    pub fn settings_of(&self, profile: ProfileName, host: &Host, flags: &Flags) -> Result<Settings> {
        let mut warnings = Vec::new();
        let manager = match &self.manager {
            ManagerFile::Absent(looked_for) => ManagerState::None(looked_for.clone()),
            ManagerFile::Read(manager) => ManagerState::Read(manager.path.clone()),
            ManagerFile::Unreadable { path, why } => {
                warnings.push(format!(
                    "cannot read the manager config {}: {why}; woci continues without it",
                    path.display()
                ));
                ManagerState::Unreadable(path.clone(), why.clone())
            }
        };
        let sections = self.sections_of(profile.as_str());
        warnings.extend(sections.warnings.iter().cloned());
        let values = Values::new(flags, host, &sections, &profile, self.manager_path());
        let OciPlaces { oci_config, oci_config_from_manager, sessions } = self.oci_places(host, &values)?;
        let other_profiles = self.as_read().and_then(|manager| profile.others_of(&manager.sections));
        let home = host.home()?;
        let places = Places { home, sessions, oci_config, oci_config_from_manager, manager, other_profiles };
        Settings::new(&values, places, warnings)
    }

    /// Where the session of a profile is or would be, also if another of its settings is malformed.
    pub fn session_folder(&self, profile: &ProfileName, host: &Host, flags: &Flags) -> Result<PathBuf> {
        let sections = self.sections_of(profile.as_str());
        let values = Values::new(flags, host, &sections, profile, self.manager_path());
        Ok(self.oci_places(host, &values)?.sessions.join(profile.as_str()))
    }

    /// Where the OCI config and the sessions are.
    fn oci_places(&self, host: &Host, values: &Values<'_>) -> Result<OciPlaces> {
        let (oci_config, oci_config_from_manager) =
            match (&self.named_oci_config, values.path("config_file")?) {
                (Some(named), _) => (named.clone(), false),
                (None, Some(set)) => (set, true),
                (None, None) => (host.home()?.join(".oci/config"), false),
            };
        let sessions = values.path("sessions_folder")?.map_or_else(|| default_sessions(host), Ok)?;
        Ok(OciPlaces { oci_config, oci_config_from_manager, sessions })
    }

    fn choose(&self, host: &Host, flags: &Flags, sessions: &Path) -> Result<ProfileName> {
        if let Some(name) = flag_or_variable(host, flags, "--profile") {
            return ProfileName::new(&name.to_string_lossy());
        }
        if let Some(name) = default_of_oci(host, flags)? {
            return ProfileName::new(&name);
        }
        match &self.manager {
            ManagerFile::Absent(_) => ProfileName::new(DEFAULT),
            ManagerFile::Read(manager) => ProfileName::only_of(&manager.sections),
            ManagerFile::Unreadable { path, why } => match folders_in(sessions).as_slice() {
                [only] if only == DEFAULT => ProfileName::new(DEFAULT),
                _ => Err(Error::ManagerConfig { path: path.clone(), why: why.clone() }),
            },
        }
    }

    pub fn manager_path(&self) -> Option<PathBuf> {
        self.as_read().map(|manager| manager.path.clone())
    }

    /// The manager config, if it was read.
    fn as_read(&self) -> Option<&Manager> {
        match &self.manager {
            ManagerFile::Read(manager) => Some(manager),
            ManagerFile::Absent(_) | ManagerFile::Unreadable { .. } => None,
        }
    }

    /// The names of the sections of the manager config.
    fn names(&self) -> &[String] {
        self.as_read().map_or(&[], |manager| &manager.sections)
    }

    /// The values of a section of the manager config and of `[COMMON]`.
    fn sections_of(&self, name: &str) -> Sections {
        self.as_read().map_or_else(Sections::default, |manager| manager.sections_of(name))
    }
}

/// What names a value for this run: the option, else its variable that is set.
pub fn named_by(host: &Host, flags: &Flags, option: &'static str) -> Option<&'static str> {
    let variable = options::find(option).and_then(|row| row.variable);
    let is_set = |variable: &&str| host.env.get(variable).is_some();
    flags.has(option).then_some(option).or(variable.filter(is_set))
}

/// The value of a flag, else of its variable.
fn flag_or_variable<'a>(host: &'a Host, flags: &'a Flags, option: &str) -> Option<&'a OsStr> {
    let variable = options::find(option).and_then(|row| row.variable);
    flags.get(option).map(OsStr::new).or_else(|| host.env.get(variable?))
}

fn default_sessions(host: &Host) -> Result<PathBuf> {
    Ok(host.home()?.join(".oci/sessions"))
}

fn named(host: &Host, flags: &Flags, option: &str) -> Result<Option<PathBuf>> {
    flag_or_variable(host, flags, option).map(|path| host.absolute(Path::new(path))).transpose()
}

/// The profile that oci takes if none is named: `default_profile` of its own settings file. woci reads nothing else
/// there; a file that cannot be read is left to oci to report. A named file that does not exist does not count, in oci
/// either.
fn default_of_oci(host: &Host, flags: &Flags) -> Result<Option<String>> {
    let named = [flags.get("--cli-rc-file").map(OsStr::new), host.env.get("OCI_CLI_RC_FILE")];
    let places = named.into_iter().flatten().chain([OsStr::new("~/.oci/oci_cli_rc")]);
    let paths = places.map(|path| host.absolute(Path::new(path))).collect::<Result<Vec<_>>>()?;
    let found = paths.iter().map(|path| files::read(path)).find(|read| !matches!(read, Ok(None)));
    let Some(Ok(Some(bytes))) = found else { return Ok(None) };
    let Ok(text) = ini::text(&bytes) else { return Ok(None) };
    let mut is_settings = false;
    for line in ini::lines(text).map_while(std::result::Result::ok) {
        match line.kind {
            LineKind::Section(name) => is_settings = name == "OCI_CLI_SETTINGS",
            LineKind::Key { name, value, .. } if is_settings && ini::lower(name) == "default_profile" => {
                return Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn read(path: &Path) -> ManagerFile {
    let bytes = match files::read(path) {
        Ok(None) => return ManagerFile::Absent(vec![path.to_owned()]),
        Ok(Some(bytes)) => bytes,
        Err(Error::File { why, .. }) => return ManagerFile::Unreadable { path: path.to_owned(), why },
        Err(e) => return ManagerFile::Unreadable { path: path.to_owned(), why: e.to_string() },
    };
    match Manager::read(path, &bytes) {
        Ok(manager) => ManagerFile::Read(manager),
        Err(fault) => ManagerFile::Unreadable {
            path: path.to_owned(),
            why: format!("line {}: {}", fault.line, fault.why),
        },
    }
}

/// The names of the folders in a folder; none where the folder cannot be read.
fn folders_in(folder: &Path) -> Vec<OsString> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect()
}

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    use std::path::Path;

    use super::{DEFAULT, Manager, options};
    use crate::ini::{self, Change};

    /// The scan loses no line. After an edit Python still accepts the text, and the same edit changes
    /// nothing more.
    pub fn ini(bytes: &[u8]) {
        let Ok(text) = ini::text(bytes) else { return };
        let Ok(sections) = ini::check(text, Some(DEFAULT), |_, _| false) else { return };
        let lines: String = ini::lines(text).map(|line| line.expect("it was checked").whole).collect();
        assert_eq!(lines, text);
        let section = sections.first().copied().unwrap_or(DEFAULT);
        let changes = [
            ("key_file", Change::Set("/a b")),
            ("region", Change::RemoveDuplicates),
            ("user", Change::Remove),
        ];
        let edited = ini::edit(text, section, &changes).expect("it was checked");
        let after = ini::check(&edited, Some(DEFAULT), |_, _| false).expect("an edit breaks nothing");
        assert!(after.len() >= sections.len() && after[..sections.len()] == sections);
        assert_eq!(ini::edit(&edited, section, &changes).expect("it was checked"), edited);
    }

    /// The sections of a text as woci reads it, for a comparison with Python's configparser; null if it is refused.
    pub fn ini_reading(text: &str) -> serde_json::Value {
        ini::sections(text, Some(DEFAULT))
            .map_or(serde_json::Value::Null, |sections| serde_json::json!(sections))
    }

    pub fn manager(bytes: &[u8]) {
        let Ok(manager) = Manager::read(Path::new("/m"), bytes) else { return };
        let profile = manager.sections.first().cloned().unwrap_or_default();
        let sections = manager.sections_of(&profile);
        for key in options::OPTIONS.iter().filter_map(|row| row.key) {
            let _ = sections.get(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::{SecretSource, SubjectTokenSource};
    use crate::config::{Origin, ProviderNeeds, SessionFrom, SetBy, SignIn};
    use crate::error::Found;
    use crate::host::Env;
    use crate::log::Level;
    use crate::oauth::discovery::{Document, Issuer};
    use crate::options::Kind;
    use crate::testing::{Home, fixture_path};

    impl Home {
        /// A home with this `~/.oci/woci_manager.ini`.
        fn with(manager: &str) -> Self {
            let home = Self::new();
            home.put(".oci/woci_manager.ini", manager);
            home
        }

        fn settings(&self, flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Settings> {
            let host = Host::of(self.root(), variables);
            let mut given = Flags::default();
            flags.iter().for_each(|(name, value)| given.set(name, (*value).to_owned()));
            Config::find(&host, &given)?.profile(&host, &given)
        }

        fn profile(&self, variables: &[(&str, &str)]) -> Result<String> {
            self.settings(&[], variables).map(|settings| settings.profile.to_string())
        }
    }

    /// For settings that have every endpoint.
    fn no_document(issuer: &Issuer) -> Result<Document> {
        panic!("the document of {} was asked for", issuer.url)
    }

    /// The path of a sample manager config.
    fn sample(name: &str) -> String {
        fixture_path(&format!("manager/{name}.ini")).into_os_string().into_string().unwrap()
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
            assert_eq!(settings.warnings, Vec::<String>::new(), "{name}");
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
                assert_eq!(settings.warnings, Vec::<String>::new(), "{name}");
                settings.provider_needs(&Env::of(&[]), no_document).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(settings.passphrase.prompt || *profile == "staging", "{name}");
            }
        }
    }

    #[test]
    fn a_value_keeps_every_character_of_its_line() {
        let home = Home::new();
        let named = [("--manager-config", &*sample("odd-secrets")), ("--profile", "prod")];
        let settings = home.settings(&named, &[]).unwrap();
        let missing = settings.provider_needs(&Env::of(&[]), no_document).err().unwrap();
        let Error::MissingOptions { names, profile, manager, .. } = missing else { panic!("{missing}") };
        assert_eq!(names, ["--client-id (client_id)"], "an empty value hides that of COMMON");
        assert_eq!((profile.as_str(), manager), ("prod", Found::At(sample("odd-secrets").into())));

        let renewal = home
            .settings(&[&named[..], &[("--client-id", "c")]].concat(), &[])
            .unwrap()
            .provider_needs(&Env::of(&[]), no_document)
            .unwrap();
        let (provider, domain) = (renewal.provider, renewal.domain);
        assert_eq!(domain.client_secret.expose(), r#"a;b #c 100% = "x" : y\n"#);
        assert_eq!(provider.client_secret.unwrap().expose(), "%%double");
        assert_eq!(provider.client_id, "id=with:both");
        assert_eq!(provider.scope, "openid offline_access email");
        assert_eq!(
            provider.authorization_url,
            "https://idp.example.com/authorize?prompt=consent&audience=api://oci"
        );
        assert_eq!(domain.url, provider.token_url, "the exchange is at the token endpoint by default");
        assert_eq!((&*settings.redirect.ports, settings.log_level), (&[8181][..], Level::Debug));
        assert_eq!((settings.sign_in, settings.auto_refresh), (SignIn::Never, true));
        assert_eq!(settings.oci_config, fixture_path("manager/team/oci.config"));
        assert!(settings.oci_config_from_manager);

        let [unknown, comment, percent, near] = &settings.warnings[..] else {
            panic!("{:?}", settings.warnings)
        };
        assert!(
            unknown.contains("unknown_to_woci in [COMMON]") && !unknown.contains("did you mean"),
            "{unknown}"
        );
        assert!(comment.contains("client_secret in [prod]") && comment.contains("' #'"), "{comment}");
        assert!(percent.contains("auth_client_secret in [prod]") && !percent.contains("double"), "{percent}");
        assert!(near.contains("tokn_url in [prod]") && near.ends_with("did you mean token_url?"), "{near}");
    }

    #[test]
    fn a_flag_overrides_a_variable_then_the_section_then_common() {
        let home = Home::with(
            "[COMMON]\nregion = common\nscope = offline_access\n[a]\nregion = section\n[b]\n[c]\nregion=\n",
        );
        let region = |flags: &[(&'static str, &str)], variables: &[(&str, &str)]| {
            let settings = home.settings(flags, variables).unwrap();
            settings.region.clone().map(|region| (region, settings.set_by("region")))
        };
        let is = |name: &str, source| Some((name.to_owned(), source));
        let variable = [("OCI_CLI_REGION", "variable")];
        assert_eq!(region(&[("--profile", "a"), ("--region", "flag")], &variable), is("flag", SetBy::Flag));
        assert_eq!(region(&[("--profile", "a")], &variable), is("variable", SetBy::Variable));
        assert_eq!(region(&[("--profile", "a")], &[("OCI_CLI_REGION", "")]), is("section", SetBy::Section));
        assert_eq!(region(&[("--profile", "b")], &[]), is("common", SetBy::Common));
        assert_eq!(region(&[("--profile", "no-section")], &[]), is("common", SetBy::Common));
        assert_eq!(region(&[("--profile", "c")], &[]), None);
    }

    /// A row that nobody reads would be an option that does nothing.
    #[test]
    fn every_key_of_the_option_table_is_read() {
        let home = Home::with("[prod]\n");
        let settings = home.settings(&[], &[]).unwrap();
        let mut read: Vec<&str> = settings.read_keys().collect();
        let mut table: Vec<&str> = options::OPTIONS.iter().filter_map(|row| row.key).collect();
        read.sort_unstable();
        table.sort_unstable();
        assert_eq!(read, table);
    }

    #[test]
    fn a_malformed_value_is_refused_and_only_its_place_is_shown() {
        for (key, value) in [
            ("redirect_port", "8181,0"),
            ("redirect_port", "8181,8181"),
            ("redirect_port", "8181,"),
            ("redirect_host", "hunter2"),
            ("redirect_path", "hunter2"),
            ("redirect_path", "/hunter2?x"),
            ("redirect_path", "/hunter 2"),
            ("redirect_port", "65536"),
            ("redirect_port", "+80"),
            ("redirect_port", "hunter2"),
            ("refresh_safety_window", "-1"),
            ("auto_refresh", "hunter2"),
            ("refresh_token_passphrase_prompt", "y"),
            ("sign_in", "hunter2"),
            ("log_level", "hunter2"),
            ("token_url", "http://idp.example.com/hunter2"),
            ("token_url", "https://ada:hunter2@idp.example.com/"),
            ("authz_base_url", "https://idp.example.com/#hunter2"),
            ("token_exchange_url", "https:///hunter2"),
            ("client_secret", "hunter2\n  more"),
            ("auth_client_id", "hunter2\x07"),
            ("subject_token_from", "hunter2"),
            ("subject_token_audience", "hunter2\x07"),
            ("requested_token", "hunter2"),
            ("rpst_exp", "0"),
            ("rpst_exp", "hunter2"),
            ("res_type", "hunter2\x07"),
        ] {
            let home = Home::with(&format!("[prod]\n{key} = {value}\n"));
            let e = home.settings(&[], &[]).err().unwrap_or_else(|| panic!("{key} = {value} was taken"));
            let Error::BadValue { name, .. } = &e else { panic!("{e}") };
            assert!(name.starts_with(&format!("{key} in [prod] of /")), "{name}");
            assert!(!e.to_string().contains("hunter2"), "{e}");
        }
        let home = Home::with("[prod]\nredirect_port = x\n[COMMON]\nlog_level = x\n");
        let flags = [("--redirect-port", "1"), ("--log-level", "error"), ("--auto-refresh", "")];
        assert!(home.settings(&flags, &[]).unwrap().auto_refresh, "what a flag overrides is not looked at");
        assert_eq!(
            home.settings(&[("--redirect-port", "70000")], &[]).err().map(|e| e.to_string()).unwrap(),
            "cannot use --redirect-port: it is neither a list of different ports from 1 to 65535 with commas between them, nor 0; correct it, then run woci again"
        );
    }

    #[test]
    fn the_profile_is_the_one_named_or_the_only_choice() {
        assert_eq!(Home::new().profile(&[]).as_deref(), Ok("DEFAULT"));
        assert_eq!(Home::with("[COMMON]\n[prod]\n").profile(&[]).as_deref(), Ok("prod"));
        let home = Home::with("[prod]\n[dev]\n");
        assert!(matches!(home.profile(&[]), Err(Error::NoProfile { .. })));
        assert_eq!(home.profile(&[("OCI_CLI_PROFILE", "dev")]).as_deref(), Ok("dev"));
        let settings = home.settings(&[("--profile", "x@y")], &[("OCI_CLI_PROFILE", "dev")]).unwrap();
        assert_eq!(settings.session_folder, home.path(".oci/sessions/x@y"));
        for bad in ["COMMON", "..", "a/b"] {
            assert!(matches!(
                home.settings(&[("--profile", bad)], &[]).err(),
                Some(Error::BadProfileName { .. })
            ));
        }
    }

    #[test]
    fn the_manager_config_is_looked_for_in_order() {
        let home = Home::with("[in-home]\n");
        let beside = home.put("team/woci_manager.ini", "[beside]\nconfig_file = ~/other/config\n");
        let named = home.put("named.ini", "[named]\n");
        home.put("other/woci_manager.ini", "[moved]\n");
        let (oci_config, empty) = (home.path("team/config"), home.path("empty/config"));
        let [oci_config, empty, named] = [&oci_config, &empty, &named].map(|path| path.to_str().unwrap());
        let profile = |flags: &[(&'static str, &str)], variables: &[(&str, &str)]| {
            home.settings(flags, variables).map(|settings| settings.profile.to_string()).unwrap()
        };
        assert_eq!(profile(&[], &[]), "in-home");
        assert_eq!(profile(&[("--config-file", "~/team/config")], &[]), "beside");
        assert_eq!(profile(&[], &[("OCI_CLI_CONFIG_FILE", oci_config)]), "beside");
        assert_eq!(profile(&[], &[("OCI_CLI_CONFIG_FILE", empty)]), "in-home");
        let variable = [("OCI_CLI_CONFIG_FILE", oci_config), ("WOCI_MANAGER_CONFIG", named)];
        assert_eq!(profile(&[], &variable), "named");
        assert_eq!(profile(&[("--manager-config", beside.to_str().unwrap())], &variable), "beside");

        let of = |settings: Settings| (settings.oci_config, settings.oci_config_from_manager);
        let beside = [("--manager-config", beside.to_str().unwrap())];
        assert_eq!(of(home.settings(&beside, &[]).unwrap()), (home.path("other/config"), true));
        assert_eq!(of(home.settings(&beside, &variable).unwrap()), (home.path("team/config"), false));
        assert_eq!(of(home.settings(&[], &[]).unwrap()), (home.path(".oci/config"), false));
    }

    #[test]
    fn an_unreadable_manager_config_is_fatal_only_where_it_was_named_or_is_needed() {
        for (bad, line) in [
            ("[a]\n[a]\n", "line 2"),
            ("[a]\nx=1\nX=2\n", "line 3"),
            ("[a\n", "line 1"),
            ("\u{feff}[a]\n", "line 1"),
        ] {
            let home = Home::with(bad);
            let named = home.put("named.ini", bad);
            let named = [("--manager-config", named.to_str().unwrap()), ("--profile", "a")];
            let e = home.settings(&named, &[]).err().unwrap();
            assert!(matches!(&e, Error::ManagerConfig { why, .. } if why.starts_with(line)), "{e}");

            assert!(matches!(home.profile(&[]), Err(Error::ManagerConfig { .. })), "no profile");
            let settings = home.settings(&[("--profile", "a")], &[]).unwrap();
            assert!(settings.warnings[0].contains(line), "{:?}", settings.warnings);
            let needed = settings.provider_needs(&Env::of(&[]), no_document).err().unwrap().to_string();
            assert!(
                needed.contains(line) && needed.contains("Missing required options: --authz-base-url"),
                "{needed}"
            );

            home.make_folder(".oci/sessions/DEFAULT");
            assert_eq!(home.profile(&[]).as_deref(), Ok("DEFAULT"));
            home.make_folder(".oci/sessions/prod");
            assert!(matches!(home.profile(&[]), Err(Error::ManagerConfig { .. })), "a choice");
        }
        let home = Home::new();
        home.make_folder(".oci");
        for (missing, why) in [("nowhere.ini", "there is no such file"), (".oci", "it is a folder")] {
            let named = [("--manager-config", home.path(missing).to_str().unwrap().to_owned())];
            let named = named.each_ref().map(|(name, path)| (*name, path.as_str()));
            assert!(
                matches!(home.settings(&named, &[]).err(), Some(Error::ManagerConfig { why: w, .. }) if w == why)
            );
        }
        let binary = home.put("binary.ini", b"[a]\nb = c\n\xff\n");
        let binary = [("--manager-config", binary.to_str().unwrap())];
        let e = home.settings(&binary, &[]).err().unwrap();
        assert!(
            matches!(&e, Error::ManagerConfig { why, .. } if why == "line 3: it is not UTF-8 text"),
            "{e}"
        );
    }

    #[test]
    fn everything_missing_is_named_at_once_and_only_when_needed() {
        let settings = Home::with("[prod]\ntoken_url = https://idp.example.com/token\nscope = openid\n")
            .settings(&[], &[])
            .unwrap();
        assert!(settings.warnings[0].contains("offline_access"));
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
        assert_eq!(warnings, ["issuer_expected has no effect without issuer"]);
    }

    #[test]
    fn a_workloads_setting_without_effect_is_a_warning() {
        let warnings = |lines: &str| {
            let home = Home::with(&format!("[prod]\n{lines}"));
            home.settings(&[], &[]).unwrap().warnings.join("; ")
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

    #[test]
    fn each_path_in_the_manager_config_starts_at_its_folder_unless_it_is_absolute_or_in_the_home() {
        fn place(settings: &Settings, key: &str) -> String {
            let of_secret = |source: &Option<SecretSource>| match source {
                Some(SecretSource::File { path, .. }) => path.display().to_string(),
                _ => panic!("{key} names no file"),
            };
            let sessions = settings.session_folder.parent().unwrap();
            match key {
                "config_file" => settings.oci_config.display().to_string(),
                "sessions_folder" => sessions.display().to_string(),
                "client_secret_file" => of_secret(&settings.provider.client_secret),
                "auth_client_secret_file" => of_secret(&settings.provider.auth_client_secret),
                "refresh_token_passphrase_file" => of_secret(&settings.passphrase.otherwise),
                "subject_token_file" => {
                    let source = settings.workload.subject_token.as_ref().map(SubjectTokenSource::name);
                    source.unwrap_or_default().replace("the file ", "")
                }
                other => panic!("{other} is a path, and this test does not know it"),
            }
        }
        let keys = options::OPTIONS.iter().filter(|row| row.kind == Kind::Path);
        for (row, key) in keys.filter_map(|row| Some((row, row.key?))) {
            for section in ["prod", "COMMON"] {
                for (path, expected) in [
                    ("a/b", ".oci/a/b"),
                    ("~/b", "b"),
                    ("/a/b", "/a/b"),
                    // The name of a file.
                    ("~b/c", ".oci/~b/c"),
                ] {
                    let home = Home::with(&format!("[{section}]\n{key} = {path}\n"));
                    let settings = home.settings(&[("--profile", "prod")], &[]).unwrap();
                    assert_eq!(Path::new(&place(&settings, key)), home.path(expected), "{key} = {path}");
                }
            }
            let home = Home::with("[prod]\n");
            for (path, expected) in [("a/b", None), ("~/b", Some("b")), ("/a/b", Some("/a/b"))] {
                let settings = home.settings(&[(row.name, path)], &[]).unwrap();
                let expected = expected.map_or(std::path::absolute(path).unwrap(), |path| home.path(path));
                assert_eq!(Path::new(&place(&settings, key)), expected, "{} {path}", row.name);
            }
        }
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
}
