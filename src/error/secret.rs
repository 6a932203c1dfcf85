//! Sources of secrets that give none: what a person reads then.

use std::path::PathBuf;

use super::Said;
use super::phrases::quoted;
use super::phrases::{failed, wrong};

/// `setting` is the key that names the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFault {
    /// A helper program.
    Command {
        setting: &'static str,
        program: String,
        why: String,
    },
    Variable {
        setting: &'static str,
        variable: String,
    },
    File {
        setting: &'static str,
        path: PathBuf,
        why: String,
    },
    /// Others can read the file.
    OpenFile {
        setting: &'static str,
        path: PathBuf,
        mode: u32,
    },
}

impl SecretFault {
    pub fn say(&self) -> Said {
        match self {
            Self::Command { setting, program, why } => failed(
                format!("cannot use {program}, which {setting} runs"),
                why,
                format!("try the command in a shell and correct {setting}, then run woci again"),
            ),
            Self::Variable { setting, variable } => wrong(
                format!("cannot use {setting}"),
                format!("the variable {variable} is unset, empty or not UTF-8 text"),
                format!("set {variable}, or correct {setting}"),
            ),
            Self::File { setting, path, why } => wrong(
                format!("cannot use {}, which {setting} names", path.display()),
                why,
                format!("put the secret into that file, on one line, or correct {setting}"),
            ),
            Self::OpenFile { setting, path, mode } => wrong(
                format!("cannot use {}, which {setting} names", path.display()),
                format!("other users can read it (mode {mode:04o})"),
                format!("run `chmod go-rwx {}`", quoted(&path.display().to_string())),
            ),
        }
    }

    #[cfg(test)]
    pub fn examples() -> Vec<Self> {
        let path = || PathBuf::from("/home/ada/.oci/client-secret");
        vec![
            Self::Command {
                setting: "client_secret_command",
                program: "op".into(),
                why: "it failed with exit status 1".into(),
            },
            Self::Variable { setting: "refresh_token_passphrase_env", variable: "WOCI_PASSPHRASE".into() },
            Self::File { setting: "client_secret_file", path: path(), why: "it is empty".into() },
            Self::OpenFile { setting: "client_secret_file", path: path(), mode: 0o644 },
        ]
    }
}
