//! Messages to the person, on stderr: `YYYY-MM-DDTHH:MM:SSZ LEVEL message`, one line each. On a terminal, one of
//! level INFO is the plain message.
//!
//! WARNING: a person should act. INFO: once per slow step. DEBUG: decisions. No message holds a token,
//! secret, passphrase, code or verifier, or oci's arguments, which may hold passwords.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::host;
use crate::printable;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    /// The level named by the value of `--log-level`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// Messages below this level are not written.
static LOWEST: AtomicU8 = AtomicU8::new(Level::Info as u8);

pub fn set_level(level: Level) {
    LOWEST.store(level as u8, Ordering::Relaxed);
}

pub fn debug(message: fmt::Arguments<'_>) {
    write(Level::Debug, message);
}

pub fn info(message: fmt::Arguments<'_>) {
    write(Level::Info, message);
}

pub fn warning(message: fmt::Arguments<'_>) {
    write(Level::Warning, message);
}

/// Writes a line without time and level, at any log level: the person has to act on it (for example the
/// authorization URL).
pub fn line(text: fmt::Arguments<'_>) {
    // One write for each line, since several processes may share a stderr. A failed write is ignored:
    // the result is on stdout and in the exit code.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn write(level: Level, message: fmt::Arguments<'_>) {
    if level as u8 >= LOWEST.load(Ordering::Relaxed) {
        let message = printable::text(&message.to_string());
        // A person at a terminal reads a sentence; a file or the journal needs the time.
        if level == Level::Info && std::io::stderr().is_terminal() {
            line(format_args!("{message}"));
        } else {
            line(format_args!("{} {} {message}", host::now(), level.name()));
        }
    }
}
