//! The `oci` program: found on PATH, and run in woci's place, so that signals, terminal and exit status
//! are its own, or as a child.

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

/// Where a shell looks when PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The first `oci` on PATH that can be run and is not woci itself under that name.
pub fn find_oci(env: &Env) -> Result<PathBuf> {
    let path = env.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut found = None;
    // An empty entry of PATH is the working folder.
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

/// A program to run, with the arguments and environment that it gets.
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

    pub fn without(&mut self, variables: &[&str]) {
        self.env.retain(|(name, _)| variables.iter().all(|variable| name != variable));
    }

    /// Replaces this process by the program; comes back only where that cannot be done.
    pub fn exec(&self) -> Result<Infallible> {
        let e = sys::exec(&self.path, &self.args, &self.env);
        Err(self.not_executable(&e))
    }

    /// Starts the program as a child, with signals as they came to woci.
    pub fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.path);
        command.arg0(&self.args[0]).args(&self.args[1..]).env_clear().envs(self.env.iter().cloned());
        sys::spawn(&mut command).map_err(|e| self.not_executable(&e))
    }

    pub fn not_executable(&self, e: &std::io::Error) -> Error {
        Error::OciNotExecutable { path: self.path.clone(), why: files::io_reason(e) }
    }
}
