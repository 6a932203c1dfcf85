//! Messages to the person, on stderr: `YYYY-MM-DDTHH:MM:SSZ LEVEL message`, one line each.
//!
//! WARNING: a person should act. INFO: once per slow step. DEBUG: decisions. Never a token,
//! secret, passphrase, code or verifier, nor oci's arguments, which may hold passwords.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::host;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    /// As spelled after `--log-level`, in any case.
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

/// A line as it is, for what a person has to act on in any case (the authorization URL).
pub fn line(text: fmt::Arguments<'_>) {
    // In one write, since many woci may share a stderr. A closed one is no reason to fail: what counts
    // is on stdout and in the exit code.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn write(level: Level, message: fmt::Arguments<'_>) {
    if level as u8 >= LOWEST.load(Ordering::Relaxed) {
        let message = message.to_string().replace(char::is_control, " ");
        line(format_args!("{} {} {message}", host::now(), level.name()));
    }
}
