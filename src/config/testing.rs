//! What the unit tests of several files here share: homes with a manager config, and the samples.

use super::{Config, Settings};
use crate::error::Result;
use crate::host::Host;
use crate::oauth::discovery::{Document, Issuer};
use crate::options::Flags;
use crate::testing::{Home, fixture_path};

impl Home {
    /// A home with this `~/.oci/woci_manager.ini`.
    pub(super) fn with(manager: &str) -> Self {
        let home = Self::new();
        home.put(".oci/woci_manager.ini", manager);
        home
    }

    pub(super) fn settings(
        &self,
        flags: &[(&'static str, &str)],
        variables: &[(&str, &str)],
    ) -> Result<Settings> {
        let host = Host::of(self.root(), variables);
        let mut given = Flags::default();
        flags.iter().for_each(|(name, value)| given.set(name, (*value).to_owned()));
        Config::find(&host, &given)?.profile(&host, &given)
    }

    pub(super) fn profile(&self, variables: &[(&str, &str)]) -> Result<String> {
        self.settings(&[], variables).map(|settings| settings.profile.to_string())
    }
}

/// For settings that have every endpoint.
pub(super) fn no_document(issuer: &Issuer) -> Result<Document> {
    panic!("the document of {} was asked for", issuer.url)
}

/// The path of a sample manager config.
pub(super) fn sample(name: &str) -> String {
    fixture_path(&format!("manager/{name}.ini")).into_os_string().into_string().unwrap()
}
