//! What was asked: the command line, sorted into woci's options, its verb and oci's words.

use std::ffi::OsString;

pub mod options;

/// The options that were given, each once, values as typed (UTF-8).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags(pub Vec<(&'static str, String)>);

impl Flags {
    /// The value given for the option of this name; an empty text for one of `Kind::Flag`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    pub flags: Flags,
    pub words: Vec<OsString>,
}
