//! The session folder. Anybody reads it through [`SessionDir`]; only the holder of its lock, a
//! [`Locked`], writes.

use std::path::{Path, PathBuf};

use super::record::Record;
use crate::error::{Error, Result};
use crate::files;
use crate::files::lock::{Doing, Lock};
use crate::log;
use crate::oci::config_file::{Section, lies_in};
use crate::oci::{PrivateKey, Upst};

/// `~/.oci/sessions/<profile>/`, which may not exist yet.
pub struct SessionDir {
    pub path: PathBuf,
}

/// What the folder holds now.
pub struct Found {
    /// None also where the file holds no UPST: it is made anew, and nothing is lost.
    pub upst: Option<Upst>,
    pub key: Option<PrivateKey>,
    /// Where the key is, or would be.
    pub key_file: PathBuf,
    pub record: Record,
    /// The profile's section of the OCI config, which may name the key.
    pub section: Section,
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

    /// Reads it all but the refresh token, which may need a passphrase.
    ///
    /// # Errors
    /// A file that cannot be read, and a key that is none: without it a UPST is of no use, and a new
    /// key in its place would lose what somebody may want to restore.
    pub fn look(&self, section: Section) -> Result<Found> {
        let (key_file, key) = self.key(&section)?;
        let token = files::read(&self.token_file())?;
        let upst = token.and_then(|bytes| Upst::parse(std::str::from_utf8(&bytes).ok()?).ok());
        let record = files::read(&self.record_file())?;
        let record = record.map_or_else(Record::default, |bytes| Record::parse(&bytes));
        Ok(Found { upst, key, key_file, record, section })
    }

    /// The key that the OCI config names, where it is one of this folder, else `private_key.pem`.
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

    /// Whether somebody renews the session right now.
    pub fn is_locked(&self) -> Result<bool> {
        files::is_locked(&self.lock_file())
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("session.lock")
    }

    /// Takes the profile's lock, making the folder first.
    pub fn lock(&self) -> Result<Locked> {
        files::make_folder(&self.path)?;
        files::make_private(&self.path)?;
        let lock = Lock::acquire(&self.lock_file(), Doing::Refresh)?;
        Ok(Locked { lock, dir: Self { path: self.path.clone() } })
    }

    /// The lock of a callback port, shared by the profiles that sign in on it.
    pub fn lock_port(&self, port: u16) -> Result<Lock> {
        let sessions = self.path.parent().unwrap_or(Path::new("/"));
        Lock::acquire(&sessions.join(format!("callback-{port}.lock")), Doing::SignIn)
    }
}

/// The right to change the folder.
pub struct Locked {
    pub lock: Lock,
    dir: SessionDir,
}

impl Locked {
    pub fn store_key(&self, key_file: &Path, key: &PrivateKey) -> Result<()> {
        files::replace(key_file, key.to_pem().as_bytes())
    }

    /// A key of the older tool may be readable by others, which oci complains of at every call.
    pub fn close_key(&self, key_file: &Path) {
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
        files::remove(&self.dir.refresh_token_file())
    }

    pub fn remove_strays(&self) {
        files::remove_strays(&self.dir.path);
    }
}
