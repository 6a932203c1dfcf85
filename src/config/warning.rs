//! Warnings about settings, which stop no run.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub about: About,
    pub what: String,
    /// What a person can do about it.
    pub advice: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The manager config cannot be read, and a run continues without it.
    UnreadableManager,
    /// The scope does not ask for a refresh token.
    Scope,
    Other,
}

impl Warning {
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about: About::Other, what: what.into(), advice: advice.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}
