//! placeholder
pub struct Passphrase<'a>(&'a crate::config::PassphraseSource);
impl<'a> Passphrase<'a> {
    pub fn new(s: &'a crate::config::PassphraseSource, _h: &'a crate::host::Host) -> Self {
        Self(s)
    }
}
