//! Finds the `oci` program on PATH, or any other, and runs it: in place of woci (exec), so that signals, terminal and
//! exit status are its own, or as a child process.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Env};
use crate::sys::{self, SupervisedChild as Child};

/// Set for oci: the `oci` programs that woci has run on the way to this process, separated as in PATH.
const RAN: &str = "WOCI_OCI_PATHS";

/// The first executable `oci` on PATH. Skips woci itself, which may be installed under that name, and an `oci` that
/// has run this woci, as a script does that consists of `woci "$@"`.
///
/// # Errors
/// [`Error::OciMissing`]; [`Error::OciRunsWoci`] if only such a script was found; [`Error::OciNotExecutable`] if
/// only files that are not executable were found.
pub fn find_oci(env: &Env) -> Result<PathBuf> {
    let ran: Vec<PathBuf> = env.get(RAN).map(|ran| std::env::split_paths(ran).collect()).unwrap_or_default();
    let (mut found, mut runs_woci) = (None, None);
    for candidate in command::on_path(env, "oci") {
        let Ok(about) = fs::metadata(&candidate) else { continue };
        if about.is_dir() || is_this_program(&about) {
            continue;
        }
        if ran.contains(&candidate) {
            runs_woci.get_or_insert(candidate);
            continue;
        }
        if about.permissions().mode() & 0o111 != 0 {
            return Ok(candidate);
        }
        found.get_or_insert(candidate);
    }
    if let Some(path) = runs_woci {
        return Err(Error::OciRunsWoci { path });
    }
    Err(match found {
        Some(path) => Error::OciNotExecutable { path, why: "it is not marked as executable".into() },
        None => Error::OciMissing,
    })
}

/// The program that a person names, found as a shell finds it: a name with a slash is a path; any other is looked for
/// on PATH, where an empty entry is the working folder.
///
/// # Errors
/// [`Error::ProgramMissing`]; [`Error::ProgramNotExecutable`] if there are only files that are not programs.
fn find(env: &Env, name: &OsStr) -> Result<PathBuf> {
    let is_path = name.as_bytes().contains(&b'/');
    let folders = env.get("PATH").unwrap_or(OsStr::new(command::DEFAULT_PATH));
    let on_path = std::env::split_paths(folders).map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new(".").join(name),
        false => folder.join(name),
    });
    let candidates = if is_path { vec![PathBuf::from(name)] } else { on_path.collect() };
    let mut found = None;
    for path in candidates.into_iter().filter(|_| !name.is_empty()) {
        let why = match fs::metadata(&path) {
            Ok(about) if about.is_dir() && is_path => "it is a folder".to_owned(),
            Ok(about) if about.is_dir() => continue,
            Ok(about) if about.permissions().mode() & 0o111 != 0 => return Ok(path),
            Ok(_) => "it is not marked as executable".to_owned(),
            Err(e) if is_path && e.kind() == ErrorKind::PermissionDenied => files::io_reason(&e),
            Err(_) => continue,
        };
        found.get_or_insert(Error::ProgramNotExecutable { path, why });
    }
    Err(found.unwrap_or_else(|| Error::ProgramMissing { name: name.to_string_lossy().into_owned() }))
}

fn is_this_program(about: &fs::Metadata) -> bool {
    let this = host::this_program().ok().and_then(|path| fs::metadata(path).ok());
    this.is_some_and(|this| (this.dev(), this.ino()) == (about.dev(), about.ino()))
}

/// A program to run, with its arguments and environment.
pub struct Program {
    path: PathBuf,
    is_oci: bool,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl Program {
    /// Any program, by its name or path.
    ///
    /// # Errors
    /// [`Error::ProgramMissing`] and [`Error::ProgramNotExecutable`].
    pub fn named(name: &OsStr, env: &Env) -> Result<Self> {
        let path = find(env, name)?;
        let env = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { path, is_oci: false, args: vec![name.to_owned()], env })
    }

    /// oci, which [`find_oci`] found.
    pub fn oci(path: PathBuf, env: &Env) -> Self {
        let mut ran = env.get(RAN).map(OsStr::to_owned).unwrap_or_default();
        if !ran.is_empty() {
            ran.push(":");
        }
        ran.push(&path);
        let others = env.iter().filter(|(name, _)| *name != RAN);
        let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let env = others.chain([(RAN.into(), ran)]).collect();
        Self { args: vec!["oci".into()], is_oci: true, path, env }
    }

    pub fn args(&mut self, args: impl IntoIterator<Item = OsString>) {
        self.args.extend(args);
    }

    /// Removes variables from the program's environment.
    pub fn remove_variables(&mut self, variables: &[&str]) {
        self.env.retain(|(name, _)| variables.iter().all(|variable| name != variable));
    }

    /// Sets variables in the program's environment.
    pub fn set_variables(&mut self, variables: impl IntoIterator<Item = (&'static str, OsString)>) {
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
        let (path, why) = (self.path.clone(), files::io_reason(e));
        match (self.is_oci, e.kind()) {
            (true, ErrorKind::ArgumentListTooLong) => Error::OciArguments { path, why },
            (true, _) => Error::OciNotExecutable { path, why },
            (false, _) => Error::ProgramNotExecutable { path, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    fn install(home: &Home, folder: &str) -> PathBuf {
        home.make_folder(folder);
        let path = home.put(&format!("{folder}/oci"), "");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn an_oci_that_has_run_this_woci_is_skipped() {
        let home = Home::new();
        let (one, two) = (install(&home, "one"), install(&home, "two"));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let path = format!("{}:{}", text(one.parent().unwrap()), text(two.parent().unwrap()));
        let mut ran = String::new();
        for expected in [Ok(one.clone()), Ok(two), Err(Error::OciRunsWoci { path: one })] {
            let env = Env::of(&[("PATH", &path), (RAN, &ran)]);
            let found = find_oci(&env);
            assert_eq!(found, expected);
            let Ok(found) = found else { return };
            let program = Program::oci(found, &env);
            let values: Vec<_> = program.env.iter().filter(|(name, _)| name == RAN).collect();
            assert_eq!(values.len(), 1);
            ran = values[0].1.to_str().unwrap().to_owned();
        }
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let home = Home::new();
        let oci = install(&home, "bin");
        home.make_folder("empty/oci");
        home.make_folder("plain");
        home.put("plain/oci", "");
        fs::set_permissions(home.path("plain/oci"), fs::Permissions::from_mode(0o644)).unwrap();
        let folder = |name: &str| home.path(name).to_str().unwrap().to_owned();
        let found = |path: &str, name: &str| find(&Env::of(&[("PATH", path)]), OsStr::new(name));
        let missing = |name: &str| Err(Error::ProgramMissing { name: name.into() });
        let useless = |path: PathBuf, why: &str| Err(Error::ProgramNotExecutable { path, why: why.into() });

        let path = format!("/none:{}:{}:{}", folder("empty"), folder("plain"), folder("bin"));
        assert_eq!(found(&path, "oci"), Ok(oci.clone()));
        assert_eq!(found(&folder("empty"), "oci"), missing("oci"));
        let plain = home.path("plain/oci");
        assert_eq!(found(&folder("plain"), "oci"), useless(plain.clone(), "it is not marked as executable"));
        assert_eq!(found("/none", oci.to_str().unwrap()), Ok(oci));
        assert_eq!(found("/none", plain.to_str().unwrap()), useless(plain, "it is not marked as executable"));
        assert_eq!(found("/bin", &folder("bin")), useless(home.path("bin"), "it is a folder"));
        for name in ["", "none", "./none", "bin/none/none"] {
            assert_eq!(found("/bin", name), missing(name));
        }
        assert_eq!(find(&Env::of(&[]), OsStr::new("sh")).unwrap().file_name(), Some(OsStr::new("sh")));
        // The working folder of the tests has no program.
        assert_eq!(
            found("::.:src", "lib.rs"),
            useless("src/lib.rs".into(), "it is not marked as executable")
        );
        assert_eq!(found("", "Cargo.toml"), missing("Cargo.toml"));
        assert_eq!(
            found(":/none", "Cargo.toml"),
            useless("./Cargo.toml".into(), "it is not marked as executable")
        );
    }

    #[test]
    fn only_absolute_entries_of_path_count() {
        // Relative paths to a program that is there, from the folder in which the tests run.
        let home = Home::new();
        let oci = install(&home, "bin");
        let up = "../".repeat(std::env::current_dir().unwrap().components().count());
        let folder = format!("{up}{}", oci.parent().unwrap().to_str().unwrap());
        assert!(Path::new(&folder).join("oci").exists());
        assert_eq!(find_oci(&Env::of(&[("PATH", &format!(":.:{folder}"))])), Err(Error::OciMissing));
    }
}
