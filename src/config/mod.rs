//! What is set: both configuration files found and read, and the settings of one profile made of
//! them, the flags and the environment (contract section 3).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub mod ini;
pub mod ini_edit;
#[cfg(test)]
mod ini_oracle;
mod manager;
mod profile;
mod settings;
mod values;

pub use profile::{DEFAULT, ProfileName};
pub use settings::{Origin, PassphraseSource, Renewal, Settings, SignIn};
pub use values::Source;

use crate::cli::Flags;
use crate::cli::options;
use crate::error::{Error, Result};
use crate::files;
use crate::host::Host;
use manager::{Manager, Sections};
use settings::{ManagerState, Places};
use values::Values;

/// The manager config, if there is one, and which OCI config was named.
pub struct Config {
    /// By flag or variable, absolute.
    named_oci_config: Option<PathBuf>,
    manager: Found,
}

enum Found {
    Nothing,
    Read(Manager),
    /// Not named by anybody, so that a valid session serves without it.
    Unreadable {
        path: PathBuf,
        why: String,
    },
}

const FILE_NAME: &str = "woci_manager.ini";

impl Config {
    /// Finds the manager config and reads it. One that was named must be good.
    pub fn find(host: &Host, flags: &Flags) -> Result<Self> {
        let named_oci_config = named(host, flags, "--config-file")?;
        let manager = match named(host, flags, "--manager-config")? {
            Some(path) => match read(&path) {
                Found::Nothing => {
                    return Err(Error::ManagerConfig { path, why: "there is no such file".to_owned() });
                }
                Found::Unreadable { path, why } => return Err(Error::ManagerConfig { path, why }),
                found @ Found::Read(_) => found,
            },
            None => {
                let in_home = host.home()?.join(".oci").join(FILE_NAME);
                let beside = named_oci_config.as_ref().map(|path| path.with_file_name(FILE_NAME));
                match beside.map(|path| read(&path)) {
                    None | Some(Found::Nothing) => read(&in_home),
                    Some(found) => found,
                }
            }
        };
        Ok(Self { named_oci_config, manager })
    }

    /// The settings of the profile that is asked for or that is the only choice.
    pub fn profile(&self, host: &Host, flags: &Flags) -> Result<Settings> {
        let home = host.home()?;
        let profile = self.choose(host, flags, &home.join(".oci/sessions"))?;
        let mut warnings = Vec::new();
        let (sections, manager) = match &self.manager {
            Found::Nothing => (Sections::none(), ManagerState::None),
            Found::Read(manager) => {
                (manager.sections_of(profile.as_str()), ManagerState::Read(manager.path.clone()))
            }
            Found::Unreadable { path, why } => {
                warnings.push(format!(
                    "cannot read the manager config {}: {why}; woci goes on without it",
                    path.display()
                ));
                (Sections::none(), ManagerState::Unreadable(path.clone(), why.clone()))
            }
        };
        warnings.extend(sections.warnings.iter().cloned());
        let values = Values {
            flags,
            env: &host.env,
            sections: &sections,
            profile: &profile,
            manager: self.manager_path(),
        };
        let (oci_config, oci_config_from_manager) =
            match (&self.named_oci_config, values.text("config_file")?) {
                (Some(named), _) => (named.clone(), false),
                (None, Some(set)) => (self.beside_manager(host, &set)?, true),
                (None, None) => (home.join(".oci/config"), false),
            };
        let places = Places { home, oci_config, oci_config_from_manager, manager };
        Settings::new(&values, places, warnings)
    }

    fn choose(&self, host: &Host, flags: &Flags, sessions: &Path) -> Result<ProfileName> {
        if let Some(name) = asked(host, flags, "--profile") {
            return ProfileName::new(&name.to_string_lossy());
        }
        match &self.manager {
            Found::Nothing => ProfileName::new(DEFAULT),
            Found::Read(manager) => ProfileName::only_of(&manager.sections),
            Found::Unreadable { path, why } => match folders_in(sessions).as_slice() {
                [only] if only == DEFAULT => ProfileName::new(DEFAULT),
                _ => Err(Error::ManagerConfig { path: path.clone(), why: why.clone() }),
            },
        }
    }

    fn manager_path(&self) -> Option<PathBuf> {
        match &self.manager {
            Found::Read(manager) => Some(manager.path.clone()),
            Found::Nothing | Found::Unreadable { .. } => None,
        }
    }

    /// A path that the manager config gives is relative to its folder, wherever woci is run.
    fn beside_manager(&self, host: &Host, path: &str) -> Result<PathBuf> {
        let path = Path::new(path);
        match self.manager_path() {
            Some(manager) if !path.starts_with("~") => Ok(manager.with_file_name(path)),
            _ => host.absolute(path),
        }
    }
}

/// What a flag or, after it, its variable says.
fn asked<'a>(host: &'a Host, flags: &'a Flags, option: &str) -> Option<&'a OsStr> {
    let variable = options::find(option).and_then(|row| row.variable);
    flags.get(option).map(OsStr::new).or_else(|| host.env.get(variable?))
}

fn named(host: &Host, flags: &Flags, option: &str) -> Result<Option<PathBuf>> {
    asked(host, flags, option).map(|path| host.absolute(Path::new(path))).transpose()
}

fn read(path: &Path) -> Found {
    let bytes = match files::read(path) {
        Ok(None) => return Found::Nothing,
        Ok(Some(bytes)) => bytes,
        Err(Error::File { why, .. }) => return Found::Unreadable { path: path.to_owned(), why },
        Err(e) => return Found::Unreadable { path: path.to_owned(), why: e.to_string() },
    };
    match Manager::read(path, &bytes) {
        Ok(manager) => Found::Read(manager),
        Err(fault) => {
            Found::Unreadable { path: path.to_owned(), why: format!("line {}: {}", fault.line, fault.why) }
        }
    }
}

/// The names of the folders in a folder, as far as it can be read.
fn folders_in(folder: &Path) -> Vec<OsString> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect()
}
