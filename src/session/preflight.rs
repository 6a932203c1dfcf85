//! What a renewal or a sign-in would refuse before its first request, found without lock, request or program. To be
//! kept in step with `ensure`.

use super::Engine;
use crate::error::Error;

impl Engine<'_> {
    /// Everything that stands in the way of a renewal or sign-in, as far as files and settings show it.
    pub fn obstacles(&self) -> Vec<Error> {
        let stored = match self.snapshot() {
            Ok(stored) => stored,
            Err(e) => return vec![e],
        };
        let settings = self.settings;
        let is_somewhere = || stored.section.exists || settings.session_folder.is_dir();
        if let Some(e) = settings.unknown_profile(is_somewhere) {
            return vec![e];
        }
        let region = settings.region.as_deref().or(stored.section.region.as_deref());
        let lacking = settings.lack(region, self.is_console(&stored.contents));
        let secrets = settings.secrets_without_value(&self.host.env);
        lacking.into_iter().chain(secrets).chain(self.check(&stored.oci_config).err()).collect()
    }
}
