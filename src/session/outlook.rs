//! What can be told of the next renewal without a request, a passphrase, a lock or a helper program.

use super::Engine;
use super::renew::{self, console, subject_token};
use crate::config::SessionFrom;
use crate::error::{Error, Result};
use crate::oci::config_file::Section;
use crate::store::refresh_token::{self, Form};
use crate::store::{Contents, Record};
use crate::time::UnixTime;

/// Schemes and hosts of Oracle's services for a console session.
pub struct ConsoleUrls {
    pub sign_in: String,
    pub auth_service: String,
}

impl Engine<'_> {
    /// Why only a person can renew the stored session; `None` if nothing speaks against a renewal without one.
    pub fn why_person(&self, contents: &Contents, now: UnixTime) -> Result<Option<String>> {
        if self.settings.session_from == Some(SessionFrom::Workload) {
            return Ok(None);
        }
        let record = &contents.record;
        if let Some(why) = record
            .provider_change(self.settings.origin().as_ref())
            .or_else(|| renew::is_of_another(self, contents))
        {
            return Ok(Some(why));
        }
        if self.is_of_console(contents) {
            let Contents { upst, key, record, .. } = contents;
            return Ok(console::cannot_be_renewed(upst.as_ref(), key.as_ref(), record, now));
        }
        if self.at_rest.keyring.is_some() {
            return Ok(None);
        }
        Ok(match refresh_token::form(&self.dir.refresh_token_file())? {
            None => Some("there is no refresh token".into()),
            Some(form) => {
                is_refused(record, &form).then(|| "the provider has refused the refresh token".into())
            }
        })
    }

    /// Whether the stored session is a console session, or one would be made.
    pub fn is_of_console(&self, contents: &Contents) -> bool {
        self.is_console(contents) || self.settings.session_from == Some(SessionFrom::Console)
    }

    /// Checks the token that a workload's session would be made of now, or what is needed to ask for it. Sends nothing
    /// and runs no program.
    ///
    /// # Errors
    /// What a renewal would fail with.
    pub fn check_workload_token(&self, now: UnixTime) -> Result<()> {
        let Some((source, audience)) = self.settings.subject_token() else { return Ok(()) };
        let Some(token) = source.look(self.host)? else { return Ok(()) };
        match subject_token::flaw(&token, audience, now) {
            Some(why) => Err(Error::SubjectToken { from: source.name(), why }),
            None => Ok(()),
        }
    }

    /// Where a console session is made and renewed.
    pub fn console_urls(&self, contents: &Contents, section: &Section) -> Result<ConsoleUrls> {
        let region = section.region.as_deref().or(self.settings.region.as_deref());
        let services = console::services(self, contents.record.origin.as_ref(), region)?;
        Ok(ConsoleUrls { sign_in: services.console_url, auth_service: services.auth_service_url })
    }
}

/// Whether the provider has refused this refresh token. That of an encrypted one is not known.
fn is_refused(record: &Record, form: &Form) -> bool {
    match form {
        Form::Plain { hash } => record.refused.as_ref() == Some(hash),
        Form::Encrypted | Form::OfOlderTool => false,
    }
}
