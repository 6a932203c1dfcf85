//! A text that must never be shown: no `Debug`, no `Display`, wiped from memory when dropped.

use zeroize::Zeroizing;

/// A token, client secret, passphrase, code or verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place where it leaves: a request, a file or stdout.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
