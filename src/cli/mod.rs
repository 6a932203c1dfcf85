//! What was asked: the command line, sorted into woci's options, its verb and oci's words.

use std::ffi::OsString;

pub mod help;
mod parse;

use crate::options::Flags;

pub use parse::parse;

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
