//! What the process gets from outside: environment, home folder, clock and random bytes. Only this file reads
//! them; pure code is given their values.
#![expect(clippy::disallowed_methods, reason = "the home of the environment and the clock")]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::time::UnixTime;

/// The environment, the home folder and the working folder as they were when the process started.
#[derive(Clone)]
pub struct Host {
    pub env: Env,
    home: Option<PathBuf>,
    /// The working folder, to which relative paths belong; a daemon leaves it. None if it was removed.
    folder: Option<PathBuf>,
}

impl Host {
    pub fn of_this_process() -> Self {
        Self {
            env: Env(std::env::vars_os().collect()),
            home: home::home_dir().filter(|home| home.is_absolute()),
            folder: std::env::current_dir().ok(),
        }
    }

    /// The same with variables that no other process sees.
    pub fn with_variables(&self, variables: Vec<(String, String)>) -> Self {
        let all = self.env.0.iter().filter(|(name, _)| variables.iter().all(|(other, _)| *name != **other));
        let mut all: Vec<_> = all.cloned().collect();
        all.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        Self { env: Env(all), ..self.clone() }
    }

    #[cfg(test)]
    pub fn of(home: &Path, variables: &[(&str, &str)]) -> Self {
        Self { env: Env::of(variables), home: Some(home.to_owned()), folder: std::env::current_dir().ok() }
    }

    pub fn home(&self) -> Result<&Path> {
        let home = self.home.as_deref().ok_or(Error::NoHome)?;
        if home.to_str().is_none_or(|home| home.contains(char::is_control)) {
            return Err(Error::BadValue {
                name: "the variable HOME".into(),
                why: "it is not UTF-8 text or holds a control character, so that no config could name a file there"
                    .into(),
            });
        }
        Ok(home)
    }

    /// Replaces a leading `~` with the home folder and makes a relative path absolute by the working folder.
    pub fn absolute(&self, path: &Path) -> Result<PathBuf> {
        let path = match path.strip_prefix("~") {
            Ok(rest) => self.home()?.join(rest),
            Err(_) => self.folder.as_ref().map_or(path.to_owned(), |folder| folder.join(path)),
        };
        std::path::absolute(&path).map_err(|e| Error::RelativePath { path, why: e.to_string() })
    }
}

/// The environment as a value.
#[derive(Clone)]
pub struct Env(Vec<(OsString, OsString)>);

impl Env {
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A variable's value; an empty variable counts as unset.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_os_str())
    }

    /// Whether a variable is set to nothing.
    pub fn is_empty(&self, name: &str) -> bool {
        self.0.iter().any(|(n, value)| n == name && value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

/// The version of this woci, and the commit that it was built from. `make` sets that; a crate that was built without it
/// has none. Two builds between two releases have the same version.
pub fn version() -> String {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    commit().map_or_else(|| VERSION.to_owned(), |commit| format!("{VERSION} ({commit})"))
}

pub fn commit() -> Option<&'static str> {
    option_env!("WOCI_COMMIT").filter(|commit| !commit.is_empty())
}

/// The path of the running woci. After an upgrade, the program at this path is a newer one.
///
/// # Errors
/// [`Error::OwnProgram`] if woci was removed while it runs.
pub fn this_program() -> Result<PathBuf> {
    let path = std::env::current_exe().map_err(|e| Error::OwnProgram { why: e.to_string() })?;
    installed(path)
        .ok_or_else(|| Error::OwnProgram { why: "the file was removed after woci was started".into() })
}

/// The path at which a program is installed. Linux adds ` (deleted)` to the path of a running program whose file was
/// replaced or removed.
fn installed(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    let before = path.as_os_str().as_bytes().strip_suffix(b" (deleted)")?;
    Some(PathBuf::from(OsStr::from_bytes(before))).filter(|path| path.is_file())
}

/// The wall clock, where seconds are not enough.
pub fn clock() -> SystemTime {
    SystemTime::now()
}

/// The time by the wall clock; negative before 1970.
pub fn now() -> UnixTime {
    unix_time(clock())
}

pub fn unix_time(time: SystemTime) -> UnixTime {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    };
    UnixTime(seconds)
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Random { why: e.to_string() })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    #[test]
    fn the_path_of_a_replaced_program_is_that_of_its_successor() {
        let home = Home::new();
        home.put("woci", "");
        let path = |name: &str| home.path(name);
        assert_eq!(installed(path("woci")), Some(path("woci")));
        assert_eq!(installed(path("woci (deleted)")), Some(path("woci")));
        assert_eq!(installed(path("other (deleted)")), None);
        home.put("odd (deleted)", "");
        assert_eq!(installed(path("odd (deleted)")), Some(path("odd (deleted)")));
    }
}
