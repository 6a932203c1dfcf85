//! What can be told of the next renewal without a request, a passphrase, a lock or a helper program.

use super::renew::{self, console, subject_token};
use super::{Engine, Session};
use crate::config::{SecretSource, SessionFrom};
use crate::error::{Error, Result};
use crate::host;
use crate::oci::config_file::Section;
use crate::store::refresh_token::{self, Kept};
use crate::store::{Contents, Record};
use crate::time::UnixTime;

/// Schemes and hosts of Oracle's services for a console session.
pub struct ConsoleUrls {
    pub sign_in: String,
    pub auth_service: String,
}

/// Why a renewal needs a person, and what that person does about it.
pub struct Obstacle {
    pub why: String,
    /// The words of the command of woci that the person should run.
    pub next: Option<&'static str>,
    /// It should be dealt with although the session is still usable.
    pub is_fault: bool,
}

impl Obstacle {
    fn new(why: impl Into<String>, next: &'static str) -> Self {
        Self { why: why.into(), next: Some(next), is_fault: false }
    }

    pub fn nothing_configured() -> Self {
        Self::new("nothing is configured", SIGN_IN)
    }

    pub fn fault(why: impl Into<String>, next: &'static str) -> Self {
        Self { is_fault: true, ..Self::new(why, next) }
    }
}

pub const SIGN_IN: &str = "session authenticate";
pub const SIGN_IN_SOMEWHERE: &str = "session authenticate --region REGION";
const WITH_PASSPHRASE: &str = "session refresh --refresh-token-passphrase-prompt";
const REFRESH: &str = "session refresh";
pub const CHECK: &str = "config check";

impl Engine<'_> {
    /// Why only a person can renew the stored session; `None` if nothing speaks against a renewal without one. What the
    /// settings lack and what the OCI config refuses is not looked at.
    pub fn why_person(&self, contents: &Contents, now: UnixTime) -> Result<Option<Obstacle>> {
        if self.settings.session_from == Some(SessionFrom::Workload) {
            return Ok(None);
        }
        let Contents { upst, key, record, .. } = contents;
        let change = record.provider_change(self.settings.origin().as_ref());
        if let Some(why) = change.or_else(|| renew::is_of_another(self, contents)) {
            return Ok(Some(Obstacle::fault(why, SIGN_IN)));
        }
        if self.is_of_console(contents) {
            let why = console::cannot_be_renewed(upst.as_ref(), key.as_ref(), record, now);
            // If it is still usable, Oracle has refused to renew it.
            return Ok(why.map(|why| Obstacle { why, next: Some(SIGN_IN), is_fault: upst.is_some() }));
        }
        match self.settings.session_from {
            Some(_) => self.refresh_token_obstacle(record),
            None => Ok(Some(Obstacle::nothing_configured())),
        }
    }

    /// Whether a renewal of this session, which was handed out, can be expected to succeed without a person. Reads the
    /// refresh token's file, if the session has one.
    pub fn can_be_renewed(&self, session: &Session) -> Result<bool> {
        let Session { upst, key, record, .. } = session;
        if self.is_console_session(record, true) {
            return Ok(console::can_be_renewed(upst, key, record, host::now()));
        }
        match self.settings.session_from {
            Some(SessionFrom::Workload) => Ok(true),
            Some(SessionFrom::Provider) => Ok(self.refresh_token_obstacle(record)?.is_none()),
            Some(SessionFrom::Console) | None => Ok(false),
        }
    }

    /// Why the refresh token brings no new one without a person. What only a passphrase or a keyring's program shows is
    /// not looked at.
    fn refresh_token_obstacle(&self, record: &Record) -> Result<Option<Obstacle>> {
        let kept = refresh_token::kept(&self.dir.refresh_token_file(), &self.at_rest)?;
        if kept.is_refused(record.refused.as_deref()) {
            return Ok(Some(Obstacle::fault("the provider has refused the refresh token", SIGN_IN)));
        }
        let passphrase = &self.settings.passphrase;
        Ok(match (&kept, &passphrase.otherwise) {
            (Kept::Nowhere, _) => Some(Obstacle::new("there is no refresh token", SIGN_IN)),
            (Kept::Damaged(_), _) => {
                Some(Obstacle::fault("the file of the refresh token is damaged", SIGN_IN))
            }
            (Kept::ByCommand, _) => record.origin.is_none().then(|| {
                let why =
                    "the refresh token in the keyring is of an unknown provider: there is no session.json";
                Obstacle::new(why, SIGN_IN)
            }),
            (Kept::Plain(_), None) => passphrase.prompt.then(|| {
                Obstacle::new("the refresh token is to be encrypted: a passphrase is asked for", REFRESH)
            }),
            (Kept::Encrypted | Kept::OfOlderTool, None) if passphrase.prompt => {
                Some(Obstacle::new("the refresh token is encrypted: its passphrase is asked for", REFRESH))
            }
            (Kept::Encrypted | Kept::OfOlderTool, None) => Some(Obstacle::fault(
                "the refresh token is encrypted, and no passphrase source is set",
                WITH_PASSPHRASE,
            )),
            (
                Kept::Plain(_) | Kept::Encrypted | Kept::OfOlderTool,
                Some(SecretSource::Variable { name, .. }),
            ) if self.host.env.get(name).is_none() => {
                let is = if matches!(kept, Kept::Plain(_)) { "to be encrypted" } else { "encrypted" };
                let why = format!("the refresh token is {is}, and the variable {name} is not set here");
                Some(Obstacle::new(why, WITH_PASSPHRASE))
            }
            (Kept::Plain(_) | Kept::Encrypted | Kept::OfOlderTool, Some(_)) => None,
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
