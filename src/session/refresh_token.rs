//! The refresh token at rest: plain text, or an envelope under a passphrase.
//!
//! It is spent by the request that it is sent with, so its successor's place is made ready first:
//! what is left to do after the answer can hardly fail.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files::{self, Replacement};
use crate::host;
use crate::secret::Secret;
use crate::session::envelope::{DerivedKey, Envelope, Refusal};
use crate::session::legacy::Legacy;
use crate::session::passphrase::Passphrase;

/// An answer of 1 MiB is the most that woci takes, and base64 makes a third more of it.
const LARGEST: usize = 2 << 20;

/// A page of the disk, and more than an encrypted token of any provider known.
const ROOM: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Envelope,
    /// The older tool's envelope.
    Legacy,
}

pub struct Opened {
    pub token: Secret,
    pub form: Form,
}

/// The stored refresh token; `None` where there is none or the file is empty.
pub fn open(path: &Path, passphrase: &mut Passphrase<'_>) -> Result<Option<Opened>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let damaged = |why| Refusal::Damaged(why).of(path);
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    let (token, form) = if !is_encrypted(&bytes) {
        (Secret::new(text.to_owned()), Form::Plain)
    } else if let Some(legacy) = Legacy::parse(text) {
        let legacy = legacy.map_err(|e| e.of(path))?;
        (legacy.open(&passphrase.opening(path)?).map_err(|e| e.of(path))?, Form::Legacy)
    } else {
        let envelope = Envelope::parse(text).map_err(|e| e.of(path))?;
        (envelope.open(&passphrase.opening_key(path, &envelope)?).map_err(|e| e.of(path))?, Form::Envelope)
    };
    if token.expose().contains(char::is_control) {
        return Err(damaged("it holds control characters, which no token has"));
    }
    Ok(Some(Opened { token, form }))
}

/// Proves that the next refresh token can be stored, encrypted where a passphrase is asked for, and
/// does beforehand all that takes time: the question, the key, the room on disk.
pub fn prepare(path: &Path, passphrase: &mut Passphrase<'_>) -> Result<Successor> {
    let old = read(path)?;
    let old = old.as_deref().map_or(&[][..], Vec::as_slice);
    let sealing = if passphrase.is_asked_for() {
        Some((passphrase.sealing_key(path)?, host::random()?))
    } else if is_encrypted(old) {
        return Err(Error::NoPassphraseSource { path: path.to_owned() });
    } else {
        None
    };
    let place = Replacement::reserve(path, ROOM.max(2 * old.len()))?;
    Ok(Successor { place, sealing })
}

/// The place of the next refresh token. Dropped, it leaves the file as it was.
pub struct Successor {
    place: Replacement,
    sealing: Option<(DerivedKey, [u8; 12])>,
}

impl Successor {
    pub fn store(self, token: &Secret) -> Result<()> {
        match self.sealing {
            Some((key, nonce)) => self.place.finish(key.seal(nonce, token).as_bytes()),
            None => self.place.finish(token.expose().as_bytes()),
        }
    }
}

/// The file without the white space behind its content; `None` where nothing is left.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(bytes) = files::read(path)? else { return Ok(None) };
    let mut bytes = Zeroizing::new(bytes);
    let length = bytes.trim_ascii_end().len();
    bytes.truncate(length);
    if length > LARGEST {
        return Err(Refusal::Damaged("it is larger than any token").of(path));
    }
    Ok((length > 0).then_some(bytes))
}

/// A brace opens an envelope or what is left of one, also behind blanks and a byte order mark:
/// taken for a token, it would be sent to the provider, and its successor stored in the clear.
fn is_encrypted(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    bytes.trim_ascii_start().starts_with(b"{")
}
