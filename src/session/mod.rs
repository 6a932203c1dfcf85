//! Decides whether the stored session is used, renewed, or replaced by a sign-in. To be read from the top:
//! [`Engine::ensure`] (`ensure`) checks the stored session, renews it without a person (`renew`), or asks a
//! person to sign in (`ask`). A renewal and a sign-in both end in `establish`, which stores the new session.

mod ask;
mod discover;
mod ensure;
mod establish;
mod logout;
mod outlook;
mod preflight;
mod renew;
mod status;
mod stored;

use std::path::PathBuf;
use std::time::Duration;

use stored::Snapshot;

use crate::config::{NO_REGION, Origin, SecretSource, SessionFrom, Settings, is_region};
use crate::error::{Error, Result};
use crate::files::lock::Purpose;
use crate::host::{self, Host};
use crate::log;
use crate::oauth::http::Client;
use crate::oci::config_file::{ConfigFile, Section};
use crate::oci::{Identity, PrivateKey, Upst};
use crate::secret::Secret;
pub use logout::{LoggedOut, Revoked};
pub use status::{KeyState, State, Status};

pub use crate::store::record::Login;
use crate::store::{AtRest, Contents, Keyring, Passphrase, Record, SessionDir, refresh_token};
use crate::time::UnixTime;

/// A session that is good for at least [`USABLE_SECONDS`].
pub struct Session {
    pub upst: Upst,
    pub key: PrivateKey,
    pub key_file: PathBuf,
    pub token_file: PathBuf,
    /// The region that is configured for woci, otherwise that of the profile's section of the OCI config.
    pub region: Option<String>,
    pub named: Named,
    /// The token file is as the SDKs read it, with no white space around the token.
    token_is_bare: bool,
    pub source: Source,
    record: Record,
}

/// Whether the profile's section of the OCI config names the session, so that oci will use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Yes,
    NotYet,
    /// The file cannot be written.
    Impossible,
}

/// How the session came about in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Cached,
    Refreshed,
    Authenticated,
}

/// Which session the caller needs, and which person woci may turn to for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub freshness: Freshness,
    pub person: Person,
    /// If another process holds the session's lock, the run waits for it; otherwise it fails at once.
    pub waits_for_lock: bool,
    /// What the person named for Oracle's own sign-in.
    pub login: Login,
    /// An API key in the profile's section of the OCI config may be replaced: that was asked for by name.
    pub replaces_api_key: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A UPST that is valid for at least [`USABLE_SECONDS`]: the stored one, otherwise a new one.
    Valid,
    /// Another UPST than the one that was stored when the run began.
    Newer,
    /// The UPST of a person's sign-in in this run.
    SignedIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// woci may ask for a passphrase on the terminal, and open the browser.
    AtTerminal,
    /// woci may open the browser. The terminal belongs to another program.
    AtBrowser,
    /// woci may ask nobody: it is a daemon, or a thread beside a program that has the terminal.
    Nobody,
}

impl Want {
    pub const VALID: Self = Self::of(Freshness::Valid, Person::AtTerminal);
    pub const NEWER: Self = Self::of(Freshness::Newer, Person::AtTerminal);
    pub const SIGNED_IN: Self = Self::of(Freshness::SignedIn, Person::AtTerminal);
    pub const NEWER_WITHOUT_PERSON: Self = Self::of(Freshness::Newer, Person::Nobody);
    pub const NEWER_IF_UNLOCKED: Self = {
        let mut want = Self::NEWER_WITHOUT_PERSON;
        want.waits_for_lock = false;
        want
    };

    const fn of(freshness: Freshness, person: Person) -> Self {
        let login = Login { tenancy_name: None, identity_provider_name: None };
        Self { freshness, person, waits_for_lock: true, login, replaces_api_key: false }
    }
}

/// A UPST must be valid for at least this long, so that it has not expired when the service checks a
/// request that is signed now.
pub const USABLE_SECONDS: i64 = 60;

/// A read and a write: the limit is for a disk that hangs.
const MENDING: Purpose = Purpose { word: "write", limit: Duration::from_secs(60) };

/// What every step needs: the profile's settings, the session folder, and how the refresh token is kept and the HTTP
/// client, which a run makes once.
pub struct Engine<'a> {
    host: &'a Host,
    settings: &'a Settings,
    want: Want,
    dir: SessionDir,
    at_rest: AtRest<'a>,
    client: Client<'a>,
}

impl<'a> Engine<'a> {
    /// `passphrase` is a known one: a daemon gets it from the run that started it.
    pub fn new(host: &'a Host, settings: &'a Settings, want: Want, passphrase: Option<Secret>) -> Self {
        let may_prompt = want.person == Person::AtTerminal;
        Self {
            host,
            settings,
            want,
            dir: SessionDir { path: settings.session_folder.clone() },
            at_rest: AtRest {
                passphrase: Passphrase::new(&settings.passphrase, &host.env, passphrase, may_prompt),
                keyring: settings.keyring.as_ref().map(|source| Keyring::new(source, &host.env)),
            },
            client: Client::new(host),
        }
    }

    /// Returns a session that meets the [`Want`].
    ///
    /// # Errors
    /// The reason why there is none. The stored session stays as usable as it was.
    pub fn ensure(&mut self) -> Result<Session> {
        ensure::ensure(self).map_err(|e| self.name_secret(e))
    }

    /// The OCI region: the one configured for woci, otherwise that of the profile's section.
    pub fn region(&self) -> Result<Option<String>> {
        match &self.settings.region {
            Some(region) => Ok(Some(region.clone())),
            None => Ok(self.section(&self.oci_config()?)?.region),
        }
    }

    /// The profile's section. Its region is checked if it is the one that counts.
    fn section(&self, oci_config: &ConfigFile<'_>) -> Result<Section> {
        let Settings { profile, region, oci_config: path, .. } = self.settings;
        let section = oci_config.section(profile)?;
        match &section.region {
            Some(text) if region.is_none() && !is_region(text) => {
                let name = format!("the region of profile {profile} in {}", path.display());
                Err(Error::BadValue { name, why: NO_REGION.into() })
            }
            _ => Ok(section),
        }
    }

    /// Makes the profile work for whoever reads it without woci: its section of the OCI config names this
    /// session, and the token file is as the SDKs read it. Does nothing where both are so already.
    pub fn hand_out(&self, session: &mut Session) -> Result<()> {
        if !session.token_is_bare
            && let Err(e) = self.make_token_bare()
        {
            log::warning(format_args!("White space is left around the token in its file: {e}"));
        }
        if session.named == Named::NotYet {
            establish::name_in_oci_config(self, self.oci_config()?, session)?;
        }
        Ok(())
    }

    fn make_token_bare(&self) -> Result<()> {
        let locked = self.dir.lock(MENDING)?;
        match self.dir.token()? {
            (Some(upst), false) => locked.store_token(&upst),
            // Another process has stored a new token meanwhile, or has logged out.
            _ => {
                locked.leave_no_empty_folder();
                Ok(())
            }
        }
    }

    /// What is stored and what the next run does with it. Sends nothing, writes nothing and takes no lock.
    pub fn status(&self) -> Result<Status> {
        status::look(self)
    }

    /// Revokes the refresh token at the provider and removes the session. With `restores`, also brings back the API key
    /// that the session had replaced.
    ///
    /// # Errors
    /// The first thing that could not be removed; all that can be is.
    pub fn log_out(&mut self, restores: bool) -> (LoggedOut, Result<()>) {
        logout::log_out(self, restores)
    }

    /// The UPST in the folder, valid or not.
    pub fn stored_upst(&self) -> Result<Option<Upst>> {
        self.dir.upst()
    }

    /// Whether another process renews the session right now.
    pub fn is_renewed_elsewhere(&self) -> Result<bool> {
        self.dir.is_locked()
    }

    /// When whoever keeps the stored session fresh renews it, if nothing has failed; `None` if there is no token.
    pub fn renews_from(&self) -> Result<Option<UnixTime>> {
        let Some(upst) = self.stored_upst()? else { return Ok(None) };
        // If the rest of what is stored cannot be read, the renewal says so.
        let is_console = self.snapshot().is_ok_and(|stored| self.is_console(&stored.contents));
        Ok(Some(self.renews_from_of(&upst, is_console)))
    }

    /// The same for a session that was handed out.
    pub fn renews_session_from(&self, session: &Session) -> UnixTime {
        self.renews_from_of(&session.upst, self.is_console_session(&session.record, true))
    }

    fn renews_from_of(&self, upst: &Upst, is_console: bool) -> UnixTime {
        renew::due_from(upst, if is_console { None } else { Some(self.settings.refresh_safety_window) })
    }

    /// Why a stored session cannot be used now; `None` if it can.
    fn unusable(&self, contents: &Contents) -> Option<&'static str> {
        stored::unusable(contents, self.settings.origin().as_ref(), &self.expected(), host::now())
    }

    /// Whose session it has to be, as far as that is configured.
    fn expected(&self) -> Identity {
        let Settings { expect_user, expect_tenancy, .. } = self.settings;
        Identity { user: expect_user.clone(), tenancy: expect_tenancy.clone() }
    }

    /// Whether the stored session is a console session: woci made it so, or oci did and nothing configured says
    /// otherwise.
    fn is_console(&self, contents: &Contents) -> bool {
        self.is_console_session(&contents.record, contents.upst.is_some() && contents.key.is_some())
    }

    fn is_console_session(&self, record: &Record, is_there: bool) -> bool {
        match (self.settings.session_from, &record.origin) {
            (Some(SessionFrom::Provider | SessionFrom::Workload), _) => false,
            (_, Some(origin)) => matches!(origin, Origin::Console { .. }),
            (_, None) => is_there && !record.damaged && !self.dir.has_refresh_token(),
        }
    }

    /// Checks that later renewals need no person: the session needs no refresh token, or there is one and it can be
    /// decrypted. Returns the passphrase, `None` if none is needed.
    pub fn unlock(&mut self) -> Result<Option<Secret>> {
        let is_workload = self.settings.session_from == Some(SessionFrom::Workload);
        if is_workload || self.is_console(&self.snapshot()?.contents) {
            return Ok(None);
        }
        let path = self.dir.refresh_token_file();
        match refresh_token::open(&path, &mut self.at_rest)? {
            Some(_) => self.at_rest.passphrase.hand_on(&path),
            None => Err(Error::NoRefreshToken {
                place: self.at_rest.keyring.map_or(path.display().to_string(), |keyring| keyring.place()),
            }),
        }
    }

    /// Like [`Self::unlock`], for later renewals beside a program that has the terminal: asks a person what only a
    /// person can say then. Helper programs are not run before their value is needed.
    pub fn unlock_by_person(&mut self) -> Result<Option<Secret>> {
        let Settings { passphrase, keyring, .. } = self.settings;
        let is_by_program = matches!(passphrase.otherwise, Some(SecretSource::Command(_)));
        if keyring.is_some() || (is_by_program && !passphrase.prompt) {
            return Ok(None);
        }
        self.unlock()
    }

    /// If an endpoint does not accept the client's secret, the error names where that is from.
    fn name_secret(&self, e: Error) -> Error {
        let Error::Refused { what, status, error, .. } = &e else { return e };
        let is_of_client = *status == 401 || error.as_deref() == Some("invalid_client");
        match self.settings.secret_setting(what).filter(|_| is_of_client) {
            Some(setting) => Error::ClientRefused { refused: Box::new(e), setting },
            None => e,
        }
    }

    fn nobody_to_ask(&self, why: String) -> Error {
        Error::NobodyToAsk { profile: self.settings.profile.to_string(), why }
    }

    fn oci_config(&self) -> Result<ConfigFile<'a>> {
        ConfigFile::read(self.host, &self.settings.oci_config)
    }

    /// Whether the session may be named in the OCI config.
    fn check(&self, oci_config: &ConfigFile<'_>) -> Result<()> {
        oci_config.check(&self.settings.profile, self.want.replaces_api_key)
    }

    fn snapshot(&self) -> Result<Snapshot<'a>> {
        let oci_config = self.oci_config()?;
        let section = self.section(&oci_config)?;
        Ok(Snapshot { contents: self.dir.read(&section)?, section, oci_config })
    }
}
