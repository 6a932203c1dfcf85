//! What is set.

/// Where the passphrase of the refresh token comes from. Neither: the token is kept as plain text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PassphraseSource {
    pub prompt: bool,
    pub variable: Option<String>,
}
