//! What is wrong with a request to change or make the configuration, and what a person reads then.

use std::path::PathBuf;

use super::phrases::wrong;
use super::{Given, Said};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFault {
    /// `woci config` followed by a word that is none of its commands.
    UnknownWord {
        word: String,
        known: &'static str,
    },
    /// A verb without the words that it needs.
    WordsMissing {
        verb: &'static str,
        words: &'static str,
    },
    /// More words than the verb takes, the first one of them.
    WordTooMuch {
        verb: &'static str,
        words: &'static str,
    },
    UnknownKey {
        key: String,
        meant: Option<String>,
    },
    /// stdin was to hold the value of this key.
    NoValue {
        key: String,
        why: String,
    },
    /// The profile that is to be made is there already.
    SectionExists {
        profile: String,
        path: PathBuf,
    },
    /// Without a terminal, nobody answers. Each name as it is shown to a person.
    Unanswered {
        preset: &'static str,
        names: Vec<String>,
    },
    /// The terminal was closed before this was answered.
    TerminalClosed {
        question: String,
    },
}

impl ConfigFault {
    pub fn say_to(&self, given: &Given) -> Said {
        match self {
            Self::UnknownWord { word, known } => wrong(
                format!("cannot run `woci config {word}`"),
                format!("its commands are {known}"),
                "use one of them; `woci help config` explains them",
            ),
            Self::WordsMissing { verb, words } => wrong(
                format!("cannot run `woci {verb}`"),
                format!("it needs {words}"),
                format!("see `woci help {verb}` for its form"),
            ),
            Self::WordTooMuch { verb, words } => wrong(
                format!("cannot run `woci {verb}`"),
                format!("it takes {words} and nothing more"),
                "put a value that holds blanks between quotes",
            ),
            Self::UnknownKey { key, meant } => wrong(
                format!("cannot set {key}"),
                "woci_manager.ini has no such key",
                match meant {
                    Some(meant) => {
                        format!("use {meant} if you meant that; `woci help options` lists the keys")
                    }
                    None => "see `woci help options` for the keys".to_owned(),
                },
            ),
            Self::NoValue { key, why } => wrong(
                format!("cannot set {key}"),
                why,
                format!("give the value as one line on stdin, as in `woci config set {key} - <file`"),
            ),
            Self::SectionExists { profile, path } => wrong(
                format!("cannot set up the profile {profile}"),
                format!("{} has a section [{profile}]", path.display()),
                "name another profile with --profile, or replace the section with --force",
            ),
            Self::Unanswered { preset, names } => wrong(
                match preset {
                    &"" => "cannot set up a profile without a terminal".to_owned(),
                    preset => format!("cannot set up a profile for the preset {preset} without a terminal"),
                },
                format!("it needs {}", names.join(", ")),
                format!("give them as options, or run {} in a terminal", given.command("config init", None)),
            ),
            Self::TerminalClosed { question } => wrong(
                format!("cannot go on without an answer to `{question}`"),
                "the terminal gave none",
                "run woci again; nothing was written",
            ),
        }
    }

    #[cfg(test)]
    pub fn examples() -> Vec<Self> {
        let set = "config set";
        vec![
            Self::UnknownWord { word: "shwo".into(), known: "show, check, set and init" },
            Self::WordsMissing { verb: set, words: "KEY and VALUE" },
            Self::WordTooMuch { verb: set, words: "KEY and VALUE" },
            Self::UnknownKey { key: "tokn_url".into(), meant: Some("token_url".into()) },
            Self::UnknownKey { key: "password".into(), meant: None },
            Self::NoValue { key: "client_secret".into(), why: "stdin holds more than one line".into() },
            Self::SectionExists { profile: "prod".into(), path: "/home/ada/.oci/woci_manager.ini".into() },
            Self::Unanswered {
                preset: "okta",
                names: vec!["--issuer (issuer)".into(), "--auth-client-id (auth_client_id)".into()],
            },
            Self::Unanswered { preset: "", names: vec!["--preset".into()] },
            Self::TerminalClosed { question: "Region".into() },
        ]
    }
}
