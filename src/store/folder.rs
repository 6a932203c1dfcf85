//! The session folder. Anybody reads it through [`SessionDir`]; only the holder of the profile's lock, a
//! [`Locked`], writes.

use std::path::{Path, PathBuf};

use super::record::Record;
use super::refresh_token;
use crate::error::{Error, Result};
use crate::files;
use crate::files::lock::{Lock, Purpose};
use crate::log;
use crate::oci::config_file::{Section, lies_in};
use crate::oci::{Identity, PrivateKey, Upst};

const LOCK: &str = "session.lock";

/// How often a folder that another process removes at the same moment is made again.
const MOST_ATTEMPTS: u32 = 100;

/// `~/.oci/sessions/<profile>/`, which may not exist yet.
pub struct SessionDir {
    pub path: PathBuf,
}

/// What the folder holds, apart from the refresh token, which may need a passphrase.
pub struct Contents {
    /// None also where the file holds no UPST: the next renewal replaces the file.
    pub upst: Option<Upst>,
    /// Nothing stands around the token in its file. Some SDKs do not remove white space there.
    pub token_is_bare: bool,
    pub key: Option<PrivateKey>,
    /// Where the key is, or would be.
    pub key_file: PathBuf,
    pub record: Record,
}

impl Contents {
    /// Whose session it is: as the token says, else as `session.json` does.
    pub fn identity(&self) -> Identity {
        self.upst.as_ref().map(Upst::identity).unwrap_or_default().or(&self.record.identity)
    }
}

impl SessionDir {
    pub fn token_file(&self) -> PathBuf {
        self.path.join("token")
    }

    pub fn refresh_token_file(&self) -> PathBuf {
        self.path.join("refresh_token")
    }

    fn record_file(&self) -> PathBuf {
        self.path.join("session.json")
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// Reads the folder. `section` is the profile's section of the OCI config, which may name the key.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be read. [`Error::Key`] if the key file holds no key: woci does not
    /// replace such a file, since somebody may want to restore its key.
    pub fn read(&self, section: &Section) -> Result<Contents> {
        let (key_file, key) = self.key(section)?;
        let record = files::read(&self.record_file())?;
        let record = record.map_or_else(Record::default, |bytes| Record::parse(&bytes));
        let (upst, token_is_bare) = self.token()?;
        Ok(Contents { upst, token_is_bare, key, key_file, record })
    }

    /// The UPST in the folder, valid or not. Reads nothing else.
    pub fn upst(&self) -> Result<Option<Upst>> {
        Ok(self.token()?.0)
    }

    /// The UPST, and whether it is all that its file holds.
    pub fn token(&self) -> Result<(Option<Upst>, bool)> {
        let bytes = files::read(&self.token_file())?.unwrap_or_default();
        let upst = std::str::from_utf8(&bytes).ok().and_then(|text| Upst::parse(text).ok());
        let is_bare = upst.as_ref().is_some_and(|upst| upst.token().expose().len() == bytes.len());
        Ok((upst, is_bare))
    }

    /// The key file that the OCI config names, if it lies in this folder and holds a key; otherwise
    /// `private_key.pem`.
    fn key(&self, section: &Section) -> Result<(PathBuf, Option<PrivateKey>)> {
        let named = section.key_file.as_deref().filter(|path| lies_in(path, &self.path));
        if let Some(path) = named
            && let Some(bytes) = files::read(path)?
            && let Ok(key) = PrivateKey::parse(&bytes)
        {
            return Ok((path.to_owned(), Some(key)));
        }
        let own = self.path.join("private_key.pem");
        let key = match files::read(&own)? {
            None => None,
            Some(bytes) => {
                Some(PrivateKey::parse(&bytes).map_err(|why| Error::Key { path: own.clone(), why })?)
            }
        };
        Ok((own, key))
    }

    /// Whether another process holds the profile's lock, to renew the session or to sign in.
    pub fn is_locked(&self) -> Result<bool> {
        files::is_locked(&self.lock_file())
    }

    /// Takes the profile's lock. Makes the folder first, if there is none.
    pub fn lock(&self, purpose: Purpose) -> Result<Locked> {
        let mut made = Vec::new();
        for attempt in 1.. {
            let lock = files::make_folders(&self.path).and_then(|new| {
                made.extend(new.into_iter().filter(|folder| *folder != self.path));
                files::make_private(&self.path)?;
                Lock::acquire(&self.lock_file(), purpose)
            });
            match lock {
                Ok(lock) if lock.is_at(&self.lock_file()) => {
                    return Ok(Locked { lock, dir: Self { path: self.path.clone() }, made });
                }
                // The process that made the folder has stored nothing in it and removed it again.
                Ok(_) => {}
                Err(Error::File { .. }) if attempt < MOST_ATTEMPTS => {}
                Err(e) => return Err(e),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// The lock file of a callback port. The profiles that sign in on that port share it.
    pub fn port_lock_file(&self, port: u16) -> PathBuf {
        let sessions = self.path.parent().unwrap_or(Path::new("/"));
        sessions.join(format!("callback-{port}.lock"))
    }
}

/// The profile's lock, and with it the right to change the folder.
pub struct Locked {
    lock: Lock,
    dir: SessionDir,
    /// The folders that were made for it, the innermost first.
    made: Vec<PathBuf>,
}

impl Locked {
    /// Tells the processes that wait for the lock what its holder does now.
    pub fn state(&self, purpose: Purpose) {
        self.lock.state(purpose);
    }

    /// Whether nothing but the lock is stored.
    pub fn is_empty(&self) -> bool {
        files::holds_only(&self.dir.path, LOCK)
    }

    /// Leaves no trace of a run that stored nothing. The lock is held until its file is gone, so that whoever waits for
    /// it sees that, and makes a folder anew.
    pub fn leave_no_empty_folder(self) {
        if self.is_empty() && files::remove(&self.dir.lock_file()).is_ok() {
            files::remove_empty(std::slice::from_ref(&self.dir.path));
            files::remove_empty(&self.made);
        }
    }

    pub fn store_key(&self, key_file: &Path, key: &PrivateKey) -> Result<()> {
        files::replace(key_file, key.to_pem().as_bytes())
    }

    /// The older tool left keys that others can read, and oci warns about such a key at every call.
    pub fn make_key_private(&self, key_file: &Path) {
        if let Err(e) = files::make_private_file(key_file) {
            log::warning(format_args!("{e}"));
        }
    }

    pub fn store_token(&self, upst: &Upst) -> Result<()> {
        files::replace(&self.dir.token_file(), upst.token().expose().as_bytes())
    }

    pub fn store_record(&self, record: &Record) -> Result<()> {
        files::replace(&self.dir.record_file(), record.to_json().as_bytes())
    }

    pub fn remove_token(&self) -> Result<()> {
        files::remove(&self.dir.token_file())
    }

    pub fn remove_refresh_token(&self) -> Result<()> {
        refresh_token::remove(&self.dir.refresh_token_file())
    }

    /// Removes the temporary files that killed runs left.
    pub fn remove_strays(&self) {
        files::remove_strays(&self.dir.path);
        refresh_token::remove_strays(&self.dir.refresh_token_file());
    }
}
