//! Finds the `oci` program on PATH and runs it: in place of woci (exec), so that signals, terminal and
//! exit status are its own, or as a child process.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::files;
use crate::host::Env;
use crate::sys::{self, Beside as Child};

/// Searched if PATH is not set, as shells do.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The first executable `oci` on PATH. Skips woci itself, which may be installed under that name.
///
/// # Errors
/// [`Error::OciMissing`], or [`Error::OciNotExecutable`] if only files that are not executable were found.
pub fn find_oci(env: &Env) -> Result<PathBuf> {
    let path = env.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut found = None;
    // An empty entry of PATH is the current directory.
    for candidate in std::env::split_paths(path).map(|folder| Path::new(".").join(folder).join("oci")) {
        let Ok(about) = fs::metadata(&candidate) else { continue };
        if about.is_dir() || is_this_program(&about) {
            continue;
        }
        if about.permissions().mode() & 0o111 != 0 {
            return Ok(candidate);
        }
        found.get_or_insert(candidate);
    }
    Err(match found {
        Some(path) => Error::OciNotExecutable { path, why: "it is not marked as executable".into() },
        None => Error::OciMissing,
    })
}

fn is_this_program(about: &fs::Metadata) -> bool {
    let this = std::env::current_exe().and_then(fs::metadata);
    this.is_ok_and(|this| (this.dev(), this.ino()) == (about.dev(), about.ino()))
}

/// A program to run, with its arguments and environment.
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl Program {
    pub fn new(path: PathBuf, env: &Env) -> Self {
        let env = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { args: vec!["oci".into()], path, env }
    }

    pub fn args(&mut self, args: impl IntoIterator<Item = OsString>) {
        self.args.extend(args);
    }

    /// Removes variables from the program's environment.
    pub fn remove_variables(&mut self, variables: &[&str]) {
        self.env.retain(|(name, _)| variables.iter().all(|variable| name != variable));
    }

    /// Sets variables in the program's environment.
    pub fn set_variables(&mut self, variables: Vec<(&'static str, OsString)>) {
        for (name, value) in variables {
            self.remove_variables(&[name]);
            self.env.push((name.into(), value));
        }
    }

    /// Replaces this process with the program (execve). Returns only if that fails.
    pub fn exec(&self) -> Result<Infallible> {
        let e = sys::exec(&self.path, &self.args, &self.env);
        Err(self.not_executable(&e))
    }

    /// Starts the program as a child process, with the signal dispositions that woci was started with.
    pub fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.path);
        command.arg0(&self.args[0]).args(&self.args[1..]).env_clear().envs(self.env.iter().cloned());
        sys::spawn(&mut command).map_err(|e| self.not_executable(&e))
    }

    /// The error for a failed start of the program.
    pub fn not_executable(&self, e: &std::io::Error) -> Error {
        Error::OciNotExecutable { path: self.path.clone(), why: files::io_reason(e) }
    }
}
