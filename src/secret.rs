//! Secret text: without `Debug` and `Display`, so that it cannot be printed by accident, and wiped from
//! memory when dropped.

use zeroize::Zeroizing;

/// A token, client secret, passphrase, code or verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the places where it leaves the program: a request, a file or stdout.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
