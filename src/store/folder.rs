//! The session folder. Anybody reads it through [`SessionDir`]; only the holder of the profile's lock, a
//! [`Locked`], writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::record::Record;
use super::refresh_token;
use crate::error::{Error, Result};
use crate::files;
use crate::files::lock::{Lock, Purpose};
use crate::log;
use crate::oci::config_file::{Section, lies_in};
use crate::oci::{Identity, PrivateKey, Upst};

const LOCK: &str = "session.lock";
const DISCOVERY: &str = "discovery.json";
const RECORD: &str = "session.json";

/// The files of the daemon, which keeps them in the session's folder.
pub const DAEMON_LOCK: &str = "woci_refresh.lock";
pub const DAEMON_PID: &str = "woci_refresh.pid";
pub const DAEMON_LOG: &str = "woci_refresh.log";
/// Its lock and its time limit how many processes renew the session in the background.
pub const RENEWAL_LOCK: &str = "woci_renewal.lock";

/// The secrets of a session apart from its refresh token. Those of a session that oci has made are among them.
const SECRETS: [&str; 3] = [TOKEN, OWN_KEY, KEY_OF_OCI];
/// The other files of a session. The record goes last: it says where the rest is from.
const REST: [&str; 5] = ["oci_api_key_public.pem", DISCOVERY, DAEMON_PID, DAEMON_LOG, RECORD];
const LOCKS: [&str; 3] = [LOCK, DAEMON_LOCK, RENEWAL_LOCK];
const TOKEN: &str = "token";
const REFRESH_TOKEN: &str = "refresh_token";
const OWN_KEY: &str = "private_key.pem";
const KEY_OF_OCI: &str = "oci_api_key.pem";

/// In bytes. What is larger is neither a token, which is at most as large as the answer that it came in, nor a file
/// that woci wrote.
const LARGEST: usize = 1 << 20;

/// How often a folder that another process removes at the same moment is made again.
const MOST_ATTEMPTS: u32 = 100;

/// `~/.oci/sessions/<profile>/`, which may not exist yet.
pub struct SessionDir {
    pub path: PathBuf,
}

/// Whether a file of this name in a session folder holds a secret.
pub fn is_secret(name: &str) -> bool {
    name == REFRESH_TOKEN || SECRETS.contains(&name)
}

/// Whether a file of this name is written in place, and refused if it has a second name.
pub fn is_in_place(name: &str) -> bool {
    name == DAEMON_LOG || LOCKS.contains(&name)
}

/// Whether woci or oci keeps a file of this name in a session folder.
pub fn is_of_session(name: &str) -> bool {
    is_secret(name) || is_in_place(name) || REST.contains(&name) || name == "oci_api_key.pub"
}

/// What the folder holds, apart from the refresh token, which may need a passphrase.
pub struct Contents {
    /// None also where the file holds no UPST: the next renewal replaces the file.
    pub upst: Option<Upst>,
    /// Nothing stands around the token in its file. Some SDKs do not remove white space there.
    pub token_is_bare: bool,
    pub key: Option<PrivateKey>,
    /// The OCI config names a key in this folder that is encrypted, as `oci session authenticate --use-passphrase`
    /// makes it.
    pub key_is_encrypted: bool,
    /// Where the key is, or would be.
    pub key_file: PathBuf,
    pub record: Record,
}

/// The session's key, if there is one, and where it is or would be.
struct Key {
    file: PathBuf,
    key: Option<PrivateKey>,
    is_encrypted: bool,
}

impl Contents {
    /// Whose session it is: as the token says, else as `session.json` does.
    pub fn identity(&self) -> Identity {
        self.upst.as_ref().map(Upst::identity).unwrap_or_default().or(&self.record.identity)
    }
}

impl SessionDir {
    pub fn token_file(&self) -> PathBuf {
        self.path.join(TOKEN)
    }

    pub fn refresh_token_file(&self) -> PathBuf {
        self.path.join(REFRESH_TOKEN)
    }

    fn record_file(&self) -> PathBuf {
        self.path.join(RECORD)
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
        let Key { file: key_file, key, is_encrypted } = self.key(section)?;
        let record = self.record()?;
        let (upst, token_is_bare) = self.token()?;
        Ok(Contents { upst, token_is_bare, key, key_is_encrypted: is_encrypted, key_file, record })
    }

    pub fn record(&self) -> Result<Record> {
        let record = files::read_start(&self.record_file(), LARGEST)?;
        Ok(record.map_or_else(Record::default, |bytes| Record::parse(&bytes)))
    }

    /// The UPST in the folder, valid or not. Reads nothing else.
    pub fn upst(&self) -> Result<Option<Upst>> {
        Ok(self.token()?.0)
    }

    /// The UPST, and whether it is all that its file holds.
    pub fn token(&self) -> Result<(Option<Upst>, bool)> {
        let bytes = files::read_start(&self.token_file(), LARGEST)?.unwrap_or_default();
        let text = std::str::from_utf8(&bytes).ok().filter(|text| text.len() <= LARGEST);
        let upst = text.and_then(|text| Upst::parse(text).ok());
        let is_bare = upst.as_ref().is_some_and(|upst| upst.token().expose().len() == bytes.len());
        Ok((upst, is_bare))
    }

    /// The copy of the provider's document, if there is one.
    pub fn discovery(&self) -> Result<Option<Vec<u8>>> {
        files::read_start(&self.path.join(DISCOVERY), LARGEST)
    }

    /// Whether there is a refresh token, in any form.
    pub fn has_refresh_token(&self) -> bool {
        self.refresh_token_file().symlink_metadata().is_ok()
    }

    /// The key file that the OCI config names, if it lies in this folder and holds a key; otherwise
    /// `private_key.pem`, otherwise the key that `oci session authenticate` makes.
    fn key(&self, section: &Section) -> Result<Key> {
        let named = section.key_file.as_deref().filter(|path| lies_in(path, &self.path));
        let own = self.path.join(OWN_KEY);
        let mut is_encrypted = false;
        if let Some(path) = named
            && let Some(bytes) = files::read(path)?
        {
            if let Ok(key) = PrivateKey::parse(&bytes) {
                return Ok(Key { file: path.to_owned(), key: Some(key), is_encrypted });
            }
            is_encrypted = PrivateKey::is_encrypted(&bytes);
        }
        if let Some(bytes) = files::read(&own)? {
            let key = PrivateKey::parse(&bytes).map_err(|why| Error::Key { path: own.clone(), why })?;
            return Ok(Key { file: own, key: Some(key), is_encrypted });
        }
        let ocis = self.path.join(KEY_OF_OCI);
        match files::read(&ocis)?.and_then(|bytes| PrivateKey::parse(&bytes).ok()) {
            Some(key) => Ok(Key { file: ocis, key: Some(key), is_encrypted }),
            None => Ok(Key { file: own, key: None, is_encrypted }),
        }
    }

    /// Whether another process holds the profile's lock, to renew the session or to sign in.
    pub fn is_locked(&self) -> Result<bool> {
        files::is_locked(&self.lock_file())
    }

    /// Takes the profile's lock. Makes the folder first, if there is none.
    pub fn lock(&self, purpose: Purpose) -> Result<Locked> {
        self.take_lock(Duration::MAX, |path| Lock::acquire(path, purpose))
    }

    /// The same for a process that waits no longer than `most`, and not at all for a holder with the purpose `person`.
    pub fn lock_within(&self, purpose: Purpose, most: Duration, person: Purpose) -> Result<Locked> {
        self.take_lock(most, |path| Lock::acquire_within(path, purpose, most, Some(person)))
    }

    fn take_lock(&self, most: Duration, acquire: impl Fn(&Path) -> Result<Lock>) -> Result<Locked> {
        let mut made = Vec::new();
        for attempt in 1.. {
            let lock = files::make_folders(&self.path).and_then(|new| {
                made.extend(new.into_iter().filter(|folder| *folder != self.path));
                files::make_private(&self.path)?;
                acquire(&self.lock_file())?.with_folder(&self.path, most)
            });
            match lock {
                Ok(lock) if lock.is_at(&self.lock_file()) || attempt >= MOST_ATTEMPTS => {
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
    /// How the process failed that this one has waited for, if another try would fail in the same way.
    pub fn failure_elsewhere(&self) -> Option<Error> {
        self.lock.failure()
    }

    /// Tells the processes that wait for the lock that they would fail as this one has.
    pub fn fail(&mut self, code: u8, said: String, purpose: Purpose) {
        self.lock.fail(code, said, purpose);
    }

    /// Tells the processes that wait for the lock what its holder does now.
    pub fn state(&self, purpose: Purpose) {
        self.lock.state(purpose);
    }

    /// Whether nothing of a session is stored.
    pub fn is_empty(&self) -> bool {
        files::holds_only(&self.dir.path, &[LOCK, DISCOVERY])
    }

    /// Leaves no trace of a run that stored nothing. The lock is held until its file is gone, so that whoever waits for
    /// it sees that, and makes a folder anew.
    pub fn leave_no_empty_folder(self) {
        if self.is_empty()
            && files::remove(&self.dir.path.join(DISCOVERY)).is_ok()
            && files::remove(&self.dir.lock_file()).is_ok()
        {
            files::remove_empty(std::slice::from_ref(&self.dir.path));
            files::remove_empty(&self.made);
        }
    }

    /// Removes the secrets of the session apart from its refresh token. `key_file` is the key that the OCI config
    /// names, if it lies in this folder. `removed` gets the files that were there.
    ///
    /// # Errors
    /// The first file that could not be removed; the others are.
    pub fn remove_secrets(&self, key_file: Option<&Path>, removed: &mut Vec<PathBuf>) -> Result<()> {
        let named = key_file.filter(|path| lies_in(path, &self.dir.path)).map(Path::to_owned);
        let files = SECRETS.iter().map(|name| self.dir.path.join(name));
        remove_all(files.chain(named), removed)
    }

    /// The same for the files that are left then, and for what killed runs have left.
    pub fn remove_rest(&self, removed: &mut Vec<PathBuf>) -> Result<()> {
        self.remove_strays();
        remove_all(REST.iter().map(|name| self.dir.path.join(name)), removed)
    }

    /// Removes the folder with its locks, unless something is left in it or a daemon runs. As in
    /// [`Self::leave_no_empty_folder`], the lock is held until its file is gone.
    pub fn remove_folder(self) {
        let folder = &self.dir.path;
        let Some(locks) = files::only_locks(folder) else { return };
        if !files::is_locked(&folder.join(DAEMON_LOCK)).is_ok_and(|is_held| !is_held) {
            return;
        }
        let own = self.dir.lock_file();
        let others = locks.iter().filter(|lock| **lock != own);
        if others.chain([&own]).all(|lock| files::remove(lock).is_ok()) {
            files::remove_empty(std::slice::from_ref(folder));
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

    pub fn store_discovery(&self, copy: &str) -> Result<()> {
        files::replace(&self.dir.path.join(DISCOVERY), copy.as_bytes())
    }

    pub fn remove_token(&self) -> Result<()> {
        files::remove(&self.dir.token_file())
    }

    pub fn remove_refresh_token(&self) -> Result<()> {
        refresh_token::remove_files(&self.dir.refresh_token_file())
    }

    /// Removes the temporary files that killed runs left.
    pub fn remove_strays(&self) {
        files::remove_strays(&self.dir.path);
        refresh_token::remove_strays(&self.dir.refresh_token_file());
    }
}

/// Removes files, and says which were there. Goes on after a failure, and returns the first.
fn remove_all(files: impl Iterator<Item = PathBuf>, removed: &mut Vec<PathBuf>) -> Result<()> {
    let mut outcome = Ok(());
    for file in files {
        let is_there = file.symlink_metadata().is_ok();
        match files::remove(&file) {
            Ok(()) if is_there => removed.push(file),
            Ok(()) => {}
            Err(e) => outcome = outcome.and(Err(e)),
        }
    }
    outcome
}
