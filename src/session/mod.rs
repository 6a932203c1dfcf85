//! One profile's session: its RSA key, its UPST and its refresh token. [`Engine::ensure`] hands out a
//! usable one, made with as little as will do: a read, a refresh, or a person.

use std::path::PathBuf;

use crate::config::Settings;
use crate::error::{Error, Result};
use crate::host::{self, Host};
use crate::log;
use crate::oci::config_file::{self, Section};
use crate::oci::{PrivateKey, Upst};
use crate::secret::Secret;
use crate::store::{Found, Passphrase, SessionDir, refresh_token};

mod ask;
mod ensure;
mod establish;
mod renew;

/// A session that is good for at least [`USABLE_SECONDS`].
pub struct Session {
    pub upst: Upst,
    pub key: PrivateKey,
    pub key_file: PathBuf,
    pub token_file: PathBuf,
    /// As [`Engine::region`] has it.
    pub region: Option<String>,
    /// The profile's section of the OCI config names this session, so that oci will use it.
    pub is_named: bool,
    pub source: Source,
}

/// How the session came about in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Cached,
    Refreshed,
    Authenticated,
}

/// What the caller cannot do without, and whom woci may turn to for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub upst: Wanted,
    pub person: Person,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A UPST of [`USABLE_SECONDS`], by whatever way is least.
    Valid,
    /// Another one than there is at the start.
    Newer,
    /// One of a person's sign-in, now.
    SignedIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// May be asked for a passphrase, and sent to the browser.
    Present,
    /// May be sent to the browser; the terminal is another program's.
    AtBrowser,
    /// Nobody is there to ask: a daemon, or a thread beside a program that has the terminal.
    Absent,
}

impl Want {
    pub const VALID: Self = Self { upst: Wanted::Valid, person: Person::Present };
    pub const NEWER: Self = Self { upst: Wanted::Newer, person: Person::Present };
    pub const SIGNED_IN: Self = Self { upst: Wanted::SignedIn, person: Person::Present };
    pub const NEWER_ALONE: Self = Self { upst: Wanted::Newer, person: Person::Absent };
}

/// Enough for a request that is signed now to be looked at in time.
pub const USABLE_SECONDS: i64 = 60;

/// All that a session is made with and from.
pub struct Engine<'a> {
    host: &'a Host,
    settings: &'a Settings,
    want: Want,
    dir: SessionDir,
    passphrase: Passphrase<'a>,
}

impl<'a> Engine<'a> {
    /// `passphrase` is one that is known already: a daemon is given it by the run that started it.
    pub fn new(host: &'a Host, settings: &'a Settings, want: Want, passphrase: Option<Secret>) -> Self {
        let may_prompt = want.person == Person::Present;
        Self {
            host,
            settings,
            want,
            dir: SessionDir { path: settings.session_folder.clone() },
            passphrase: Passphrase::new(&settings.passphrase, &host.env, passphrase, may_prompt),
        }
    }

    /// The OCI region: as set for woci, else as the profile's section has it.
    pub fn region(&self) -> Result<Option<String>> {
        match &self.settings.region {
            Some(region) => Ok(Some(region.name.clone())),
            None => Ok(self.section()?.region),
        }
    }

    /// Makes the profile's section name this session where it names another or none.
    pub fn name_in_oci_config(&self, session: &Session) -> Result<()> {
        if session.is_named {
            return Ok(());
        }
        self.check_oci_config()?;
        self.write_oci_config(session)
    }

    /// Whether the session may be named there.
    fn check_oci_config(&self) -> Result<()> {
        let Self { host, settings, dir, .. } = self;
        config_file::check_default_api_key(
            host,
            &settings.oci_config,
            &settings.profile,
            &dir.path,
            settings.profile_by_flag,
        )
    }

    /// The profile's section of the OCI config as it is now.
    fn section(&self) -> Result<Section> {
        config_file::read(self.host, &self.settings.oci_config, &self.settings.profile)
    }

    /// The UPST in the folder, whatever it is worth.
    pub fn stored_upst(&self) -> Result<Option<Upst>> {
        Ok(self.look()?.upst)
    }

    /// Whether another process renews the session right now.
    pub fn is_renewed_elsewhere(&self) -> Result<bool> {
        self.dir.is_locked()
    }

    /// Makes sure that later refreshes need nobody: there is a refresh token, and the passphrase that
    /// it takes, if any, is returned.
    pub fn unlock(&mut self) -> Result<Option<Secret>> {
        let path = self.dir.refresh_token_file();
        match refresh_token::open(&path, &mut self.passphrase)? {
            Some(_) => self.passphrase.hand_on(&path),
            None => Err(Error::NoRefreshToken { path }),
        }
    }

    fn look(&self) -> Result<Found> {
        self.dir.look(self.section()?)
    }

    /// The session in the folder, if it is usable and of the origin that is configured.
    fn usable(&self, found: Found) -> Option<Session> {
        let Found { upst, key, key_file, record, section } = found;
        let (upst, key) = (upst?, key?);
        let why_not = if !upst.is_valid_for(host::now(), USABLE_SECONDS) {
            "the session token has ended or is about to"
        } else if !upst.is_bound_to(key.public()) {
            "the session token is bound to another key"
        } else if record.differs_from(&self.settings.origin()).is_some() {
            "the session came from elsewhere"
        } else {
            let token_file = self.dir.token_file();
            let set = self.settings.region.as_ref().map(|region| region.name.clone());
            let is_named = section.key_file.as_ref() == Some(&key_file)
                && section.security_token_file.as_ref() == Some(&token_file)
                && (section.region.is_some() || set.is_none());
            let region = set.or(section.region);
            let source = Source::Cached;
            return Some(Session { upst, key, key_file, token_file, region, is_named, source });
        };
        log::debug(format_args!("Cannot use the stored session: {why_not}"));
        None
    }
}
