//! What was asked: the command line, sorted into woci's options, its verb and oci's words.

use std::ffi::OsString;

pub mod help;
pub mod options;
mod parse;

pub use parse::{DAEMON_PROCESS, parse};

/// A command line, understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    pub flags: Flags,
    pub verb: Verb,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verb {
    Help,
    Version,
    Credential,
    Env {
        shell: Shell,
        unset: bool,
    },
    SessionAuthenticate,
    SessionRefresh,
    KubeCredential {
        cluster_id: String,
    },
    Kubeconfig {
        cluster_id: String,
        user: Option<String>,
        write: bool,
    },
    /// Leave a process that keeps the session fresh, or be one.
    Daemon {
        session: DaemonSession,
        foreground: bool,
    },
    DaemonStatus,
    StopDaemon,
    /// What `--daemon` leaves behind; not for people.
    DaemonProcess,
    /// Run oci with these words. A bare one is none of woci's business: no profile, no session.
    Passthrough {
        words: Vec<OsString>,
        bare: bool,
    },
}

/// The session that a daemon begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonSession {
    Valid,
    Newer,
    SignedIn,
}

/// Whose syntax `env` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Sh,
    Fish,
    Pwsh,
}

/// The options that were given, each once, with their values as typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// The value given for the option of this name; an empty text for one that takes none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Sets an option, over the value it had.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value));
    }
}
