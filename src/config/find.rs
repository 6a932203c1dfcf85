//! Finds and reads the manager config, finds the OCI config, and chooses the profile.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::effective::Effective;
use super::manager::{Manager, Sections};
use super::profile::{COMMON, DEFAULT, ProfileName};
use super::settings::{ManagerState, Places, Settings};
use super::values::Values;
use super::warning::{About, Warning};
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
    pub fn doubts(&self, profile: &ProfileName) -> Vec<Warning> {
        self.sections_of(profile.as_str()).warnings
    }

    /// Whether the manager config has a section of this name.
    pub fn has_section(&self, name: &str) -> bool {
        self.section_names().iter().any(|section| section == name)
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
        let (mut names, common) = (self.section_names().to_vec(), self.sections_of(COMMON));
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
                let what = format!("cannot read the manager config {}: {why}", path.display());
                let warning = Warning::new(what, "woci continues without it");
                warnings.push(Warning { about: About::UnreadableManager, ..warning });
                ManagerState::Unreadable(path.clone(), why.clone())
            }
        };
        let sections = self.sections_of(profile.as_str());
        warnings.extend(sections.warnings.iter().cloned());
        let values = Values::new(flags, host, &sections, &profile, self.manager_path());
        let OciPlaces { oci_config, oci_config_from_manager, sessions } = self.oci_places(host, &values)?;
        let other_profiles = self.manager_if_read().and_then(|manager| profile.others_of(&manager.sections));
        let home = host.home()?;
        let places = Places { home, sessions, oci_config, oci_config_from_manager, manager, other_profiles };
        Settings::new(&values, places, warnings)
    }

    /// Where the session of a profile is or would be, also if another of its settings is malformed.
    pub fn session_folder(&self, profile: &ProfileName, host: &Host, flags: &Flags) -> Result<PathBuf> {
        Ok(self.oci_places_of(profile, host, flags)?.sessions.join(profile.as_str()))
    }

    /// Where the OCI config of a profile is or would be, also if another of its settings is malformed.
    pub fn oci_config(&self, profile: &ProfileName, host: &Host, flags: &Flags) -> Result<PathBuf> {
        Ok(self.oci_places_of(profile, host, flags)?.oci_config)
    }

    fn oci_places_of(&self, profile: &ProfileName, host: &Host, flags: &Flags) -> Result<OciPlaces> {
        let sections = self.sections_of(profile.as_str());
        self.oci_places(host, &Values::new(flags, host, &sections, profile, self.manager_path()))
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
        self.manager_if_read().map(|manager| manager.path.clone())
    }

    /// The manager config, if it was read.
    fn manager_if_read(&self) -> Option<&Manager> {
        match &self.manager {
            ManagerFile::Read(manager) => Some(manager),
            ManagerFile::Absent(_) | ManagerFile::Unreadable { .. } => None,
        }
    }

    /// The names of the sections of the manager config.
    fn section_names(&self) -> &[String] {
        self.manager_if_read().map_or(&[], |manager| &manager.sections)
    }

    /// The values of a section of the manager config and of `[COMMON]`.
    fn sections_of(&self, name: &str) -> Sections {
        self.manager_if_read().map_or_else(Sections::default, |manager| manager.sections_of(name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::no_document;
    use crate::host::Env;
    use crate::testing::Home;

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
            assert!(settings.warnings[0].what.contains(line), "{:?}", settings.warnings);
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
}
