//! placeholder
use super::passphrase::Passphrase;
use crate::error::*;
use crate::secret::Secret;
use std::path::Path;
pub fn open(p: &Path, _: &mut Passphrase<'_>) -> Result<Option<Secret>> {
    Ok(crate::files::read(p)?
        .map(|b| Secret::new(String::from_utf8_lossy(&b).trim_end().to_owned()))
        .filter(|s| !s.expose().is_empty()))
}
pub struct Successor(crate::files::Replacement);
pub fn prepare(p: &Path, _: &mut Passphrase<'_>) -> Result<Successor> {
    Ok(Successor(crate::files::Replacement::reserve(p, 4096)?))
}
impl Successor {
    pub fn store(self, t: &Secret) -> Result<()> {
        self.0.finish(t.expose().as_bytes())
    }
}
