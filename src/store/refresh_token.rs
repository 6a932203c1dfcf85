//! The refresh token on disk: plain text, or an envelope encrypted under a passphrase.
//!
//! A request with the refresh token spends it, and its response holds the next one. The file for the
//! next one is therefore prepared before the request, so that little can fail after the response. Where it
//! fails all the same, the token stays beside the file, and the next run takes it up.
//!
//! A keyring takes the place of the file. The programs that give it the token are tried before the request.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::envelope::{DerivedKey, Envelope, Refusal};
use super::keyring::{AtRest, Keyring};
use super::legacy::Legacy;
use super::passphrase::Passphrase;
use super::record;
use crate::error::{Error, Result};
use crate::files::{self, Replacement};
use crate::host;
use crate::log;
use crate::secret::Secret;

/// In bytes. A token is at most as large as a token response, 1 MiB, and base64 adds a third.
const LARGEST: usize = 2 << 20;

/// The least disk space to reserve for the next token, in bytes: one block of the file system, and more
/// than the encrypted token of any known provider.
const ROOM: usize = 4096;

const NOT_TEXT: &str = "it is not text";
const CONTROL: &str = "it holds control characters, which a token cannot have";

/// The stored refresh token, decrypted. `None` if there is none, or an empty file.
pub fn open(path: &Path, at_rest: &mut AtRest<'_>) -> Result<Option<Secret>> {
    let AtRest { passphrase, keyring } = at_rest;
    if let Some(keyring) = keyring {
        // What stands in the file is newer: it was written before the keyring was configured.
        let token = plain(path)?;
        return token.map_or_else(|| keyring.get(), |token| Ok(Some(token)));
    }
    loop {
        match open_once(path, passphrase) {
            Err(Error::WrongPassphrase { .. }) if passphrase.may_try_again() => {}
            Err(Error::WrongPassphrase { path, .. }) => {
                return Err(Error::WrongPassphrase { path, setting: passphrase.setting() });
            }
            opened => return opened,
        }
    }
}

fn open_once(path: &Path, passphrase: &mut Passphrase<'_>) -> Result<Option<Secret>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let damaged = |why| Refusal::Damaged(why).in_file(path);
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(NOT_TEXT))?;
    let token = if !is_encrypted(&bytes) {
        Secret::new(text.to_owned())
    } else if let Some(legacy) = Legacy::parse(text) {
        let legacy = legacy.map_err(|e| e.in_file(path))?;
        legacy.open(&passphrase.for_decryption(path)?).map_err(|e| e.in_file(path))?
    } else {
        let envelope = Envelope::parse(text).map_err(|e| e.in_file(path))?;
        envelope.open(&passphrase.decryption_key(path, &envelope)?).map_err(|e| e.in_file(path))?
    };
    if token.expose().contains(char::is_control) {
        return Err(damaged(CONTROL));
    }
    Ok(Some(token))
}

/// The token of a file beside a keyring.
///
/// # Errors
/// [`Error::RefreshTokenFile`] if it is encrypted: beside a keyring there is no passphrase.
fn plain(path: &Path) -> Result<Option<Secret>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    if is_encrypted(&bytes) {
        let why = "it is encrypted, and beside refresh_token_put_command there is no passphrase";
        return Err(Refusal::Damaged(why).in_file(path));
    }
    token_text(path, &bytes).map(|text| Some(Secret::new(text.to_owned())))
}

/// The text of a token that is not encrypted.
fn token_text<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b str> {
    let damaged = |why| Refusal::Damaged(why).in_file(path);
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(NOT_TEXT))?;
    match text.contains(char::is_control) {
        true => Err(damaged(CONTROL)),
        false => Ok(text),
    }
}

/// Takes up the token of a run that could store it only beside the file, or was killed before the rename. The
/// caller has to hold the profile's lock.
///
/// # Errors
/// [`Error::File`] if such a token cannot be put in its place: the one in the file is spent.
pub fn take_up(path: &Path, at_rest: &AtRest<'_>) -> Result<()> {
    if let Some(keyring) = &at_rest.keyring {
        return move_into(keyring, path);
    }
    for next in files::next_of(path) {
        let bytes = read(&next)?;
        let is_whole = bytes.as_deref().is_some_and(|bytes| is_whole(bytes));
        if is_whole && !is_older(&next, path) {
            files::take_next(&next, path)?;
            log::debug(format_args!("Took up the refresh token of a run that could not store it"));
        } else {
            files::remove(&next)?;
        }
    }
    Ok(())
}

/// How the refresh token is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Nowhere,
    /// With the hash by which a record names it.
    Plain(String),
    Encrypted,
    /// Encrypted in the envelope of the older tool.
    OfOlderTool,
    /// Why the file is neither a token nor an envelope.
    Damaged(Box<Error>),
    /// By the programs of the configuration, in a keyring. Whether there is one, only they know.
    ByCommand,
}

impl Kept {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Nowhere => "none",
            Self::Plain(_) => "plain",
            Self::Encrypted | Self::OfOlderTool => "encrypted",
            Self::Damaged(_) => "damaged",
            Self::ByCommand => "command",
        }
    }

    /// Whether it is the token with this hash, which the provider has refused. One that cannot be seen is taken for it:
    /// a token that is stored later removes the hash from the record.
    pub fn is_refused(&self, refused: Option<&str>) -> bool {
        match self {
            Self::Plain(hash) => refused == Some(hash),
            Self::Encrypted | Self::OfOlderTool | Self::ByCommand => refused.is_some(),
            Self::Nowhere | Self::Damaged(_) => false,
        }
    }
}

/// How the refresh token is kept. Nothing is decrypted and no program is run.
pub fn kept(path: &Path, at_rest: &AtRest<'_>) -> Result<Kept> {
    match at_rest.keyring {
        Some(_) => Ok(Kept::ByCommand),
        None => in_folder(path),
    }
}

/// The same without regard to a keyring: what the file holds, or one beside it that the next run takes up.
pub fn in_folder(path: &Path) -> Result<Kept> {
    let kept = match newest(path) {
        Ok(None) => return Ok(Kept::Nowhere),
        Ok(Some((file, bytes))) => form(&file, &bytes),
        Err(e) => Err(e),
    };
    match kept {
        Err(e @ (Error::RefreshTokenFile { .. } | Error::RefreshTokenNewer { .. })) => {
            Ok(Kept::Damaged(Box::new(e)))
        }
        kept => kept,
    }
}

fn form(path: &Path, bytes: &[u8]) -> Result<Kept> {
    if !is_encrypted(bytes) {
        return token_text(path, bytes).map(|text| Kept::Plain(record::hash(text)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Damaged(NOT_TEXT).in_file(path))?;
    match Legacy::parse(text) {
        Some(legacy) => legacy.map(|_| Kept::OfOlderTool).map_err(|e| e.in_file(path)),
        None => Envelope::parse(text).map(|_| Kept::Encrypted).map_err(|e| e.in_file(path)),
    }
}

/// The newest of the file and those beside it, with its content. A damaged file counts too; one beside it only if it
/// was completed.
fn newest(path: &Path) -> Result<Option<(PathBuf, Zeroizing<Vec<u8>>)>> {
    for file in files::next_of(path).into_iter().rev() {
        if let Some(bytes) = read(&file)?
            && is_whole(&bytes)
            && !is_older(&file, path)
        {
            return Ok(Some((file, bytes)));
        }
    }
    Ok(read(path)?.map(|bytes| (path.to_owned(), bytes)))
}

/// Moves the newest token of the file and those beside it into a keyring. The files go once the keyring has given the
/// token back.
fn move_into(keyring: &Keyring<'_>, path: &Path) -> Result<()> {
    let newest = newest(path)?.map(|(file, _)| file);
    if let Some(newest) = &newest
        && let Some(token) = plain(newest)?
    {
        keyring.put(&token)?;
        log::debug(format_args!("Moved the refresh token to where {} keeps it", keyring.setting()));
    }
    let mut files = files::next_of(path);
    files.push(path.to_owned());
    // The newest goes last: an older one must not take its place if this run is killed.
    files.iter().filter(|file| Some(*file) != newest.as_ref()).try_for_each(|file| files::remove(file))?;
    newest.map_or(Ok(()), |file| files::remove(&file))
}

/// Removes the files beside the refresh token that are older than it. The caller has to hold the profile's lock.
pub fn remove_strays(path: &Path) {
    for next in files::next_of(path).iter().filter(|next| is_older(next, path)) {
        let _ = files::remove(next);
    }
}

/// Whether the stored file was written since: it then holds the token of a later sign-in.
fn is_older(next: &Path, path: &Path) -> bool {
    files::modified(next) < files::modified(path)
}

/// Whether the writing of a token was completed, as far as can be seen.
fn is_whole(bytes: &[u8]) -> bool {
    !is_encrypted(bytes) || std::str::from_utf8(bytes).is_ok_and(|text| Envelope::parse(text).is_ok())
}

/// Removes the refresh token, wherever it is kept.
pub fn remove(path: &Path, at_rest: &AtRest<'_>) -> Result<()> {
    if let Some(keyring) = &at_rest.keyring {
        keyring.clear()?;
    }
    remove_files(path)
}

/// Removes the stored refresh token, and any beside it.
pub fn remove_files(path: &Path) -> Result<()> {
    files::next_of(path).iter().try_for_each(|next| files::remove(next))?;
    files::remove(path)
}

/// The hash of the stored file, without decrypting it. A missing file has the hash of an empty one.
pub fn file_hash(path: &Path) -> Result<String> {
    Ok(record::hash(read(path)?.as_deref().map_or(&[][..], Vec::as_slice)))
}

/// Prepares the file for the next refresh token: asks for the passphrase and derives the key if encryption
/// is configured, reserves the disk space, and tries the replacement with the old content. If this succeeds,
/// the next token can be stored. The caller has to hold the profile's lock.
///
/// # Errors
/// [`Error::File`] if the file cannot be replaced: it is mounted by itself, or immutable.
///
/// [`Error::NoPassphraseSource`] if the stored token is encrypted and encryption is not configured: an
/// encrypted token is never replaced by plain text.
///
/// [`Error::Secret`] if a keyring is configured and cannot be used.
pub fn prepare<'a>(path: &Path, at_rest: &mut AtRest<'a>) -> Result<Successor<'a>> {
    let AtRest { passphrase, keyring } = at_rest;
    if let Some(keyring) = *keyring {
        match move_into(&keyring, path) {
            // The file is encrypted or damaged. Only a sign-in gets here with it, and its token takes the place of it.
            Err(Error::RefreshTokenFile { .. }) => {}
            moved => moved?,
        }
        let size = keyring.prove()?;
        let file = Replacement::reserve(path, ROOM.max(2 * size))?;
        return Ok(Successor { path: path.to_owned(), file, place: Place::Keyring(keyring) });
    }
    let stored = files::read_start(path, LARGEST + ROOM)?.map(Zeroizing::new);
    let old = stored.as_deref().map_or(&[][..], |bytes| bytes.trim_ascii_end());
    let mut is_in_form = !old.is_empty() && !is_encrypted(old);
    let encryption = if passphrase.is_configured() {
        let key = passphrase.encryption_key(path)?;
        let envelope = std::str::from_utf8(old).ok().and_then(|text| Envelope::parse(text).ok());
        is_in_form = key.is_current() && envelope.is_some_and(|envelope| envelope.is_for(&key));
        Some((key, host::random()?))
    } else if is_encrypted(old) {
        return Err(Error::NoPassphraseSource { path: path.to_owned() });
    } else {
        None
    };
    let file = Replacement::reserve(path, ROOM.max(2 * old.len()))?;
    if let Some(stored) = &stored {
        files::replace(path, stored)?;
    }
    Ok(Successor { path: path.to_owned(), file, place: Place::File { encryption, is_in_form } })
}

/// The prepared file of the next refresh token. If it is dropped, the stored file is unchanged.
pub struct Successor<'a> {
    path: PathBuf,
    file: Replacement,
    place: Place<'a>,
}

enum Place<'a> {
    /// The key and the nonce, if the token is to be encrypted.
    /// `is_in_form`: the stored file has the form in which the next token would be stored.
    File { encryption: Option<(DerivedKey, [u8; 12])>, is_in_form: bool },
    /// The prepared file is for a token that the keyring does not take.
    Keyring(Keyring<'a>),
}

impl Successor<'_> {
    /// The provider has issued no other token than the one that is stored. Stores it again only where the stored file
    /// has another form than is configured now.
    pub fn keep(self, token: &Secret) -> Result<()> {
        match self.place {
            Place::File { is_in_form: true, .. } => Ok(()),
            Place::File { .. } | Place::Keyring(_) => self.store(token),
        }
    }

    /// Encrypts the token if configured, and replaces the stored one.
    ///
    /// # Errors
    /// [`Error::RefreshTokenLost`] if no place takes it.
    pub fn store(self, token: &Secret) -> Result<()> {
        let path = self.path;
        let encryption = match self.place {
            Place::File { encryption, .. } => encryption,
            Place::Keyring(keyring) => return store_in(&keyring, &path, self.file, token),
        };
        let kept = match encryption {
            Some((key, nonce)) => self.file.finish_or_keep(key.seal(nonce, token).as_bytes()),
            None => self.file.finish_or_keep(token.expose().as_bytes()),
        };
        let kept = kept.map_err(|e| lost(&path, e))?;
        if let Some((beside, why)) = kept {
            log::warning(format_args!(
                "cannot replace {}: {why}; the new refresh token is kept as {}, and the next run that can puts it \
                 in its place",
                path.display(),
                beside.display()
            ));
        }
        Ok(())
    }
}

/// A token that no place takes is gone: the answer that held it has spent the stored one.
fn lost(path: &Path, e: Error) -> Error {
    match e {
        Error::File { why, .. } => Error::RefreshTokenLost { path: path.to_owned(), why },
        other => other,
    }
}

/// Gives the token to a keyring. A keyring that does not take it costs nobody the token: it stays beside the file.
fn store_in(keyring: &Keyring<'_>, path: &Path, file: Replacement, token: &Secret) -> Result<()> {
    let Err(e) = keyring.put(token) else {
        drop(file);
        return remove_files(path);
    };
    let beside = file.keep(token.expose().as_bytes()).map_err(|e| lost(path, e))?;
    log::warning(format_args!(
        "{e}; the new refresh token is kept as {}, and the next renewal gives it to {}",
        beside.display(),
        keyring.setting()
    ));
    Ok(())
}

/// The file's content without trailing white space. `None` if there is no file or nothing in it.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(bytes) = files::read_start(path, LARGEST + ROOM)? else { return Ok(None) };
    let mut bytes = Zeroizing::new(bytes);
    let length = bytes.trim_ascii_end().len();
    bytes.truncate(length);
    if length > LARGEST {
        return Err(Refusal::Damaged("it is larger than any token").in_file(path));
    }
    Ok((length > 0).then_some(bytes))
}

/// Whether the content is an envelope or a damaged one: it begins with `{`, perhaps after white space or a
/// byte order mark. If it were taken for a plain token, it would be sent to the provider, and the next
/// token would be stored unencrypted.
fn is_encrypted(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    bytes.trim_ascii_start().starts_with(b"{")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{PassphraseSource, SecretSource};
    use crate::host::Env;
    use crate::testing::{Home, vectors};

    fn file(home: &Home) -> PathBuf {
        home.path("refresh_token")
    }

    fn in_file<'a>(
        source: &'a PassphraseSource,
        env: &'a Env,
        known: Option<Secret>,
        may_prompt: bool,
    ) -> AtRest<'a> {
        AtRest { passphrase: Passphrase::new(source, env, known, may_prompt), keyring: None }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn no_source() -> PassphraseSource {
        PassphraseSource { prompt: false, otherwise: None }
    }

    fn variable() -> PassphraseSource {
        PassphraseSource {
            prompt: false,
            otherwise: Some(SecretSource::Variable {
                setting: "refresh_token_passphrase_env",
                name: "P".into(),
            }),
        }
    }

    /// The result of `open`, in the words that the vectors use.
    fn found(path: &Path, source: &PassphraseSource, passphrase: &str) -> String {
        let env = Env::of(&[("P", passphrase)]);
        match open(path, &mut in_file(source, &env, None, true)) {
            Ok(Some(opened)) => format!("token {}", opened.expose()),
            Ok(None) => "none".into(),
            Err(Error::WrongPassphrase { .. }) => "wrong passphrase".into(),
            Err(Error::RefreshTokenFile { .. }) => "damaged".into(),
            Err(Error::RefreshTokenNewer { .. }) => "newer".into(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn every_vector_opens_or_fails_as_expected() {
        let home = Home::new();
        for vector in vectors::all("envelope") {
            home.put("refresh_token", &vector.bytes);
            let found = found(&file(&home), &variable(), &vector.passphrase);
            assert_eq!(found, vector.expect, "{}", vector.name);
            assert_eq!(fs::read(file(&home)).unwrap(), vector.bytes, "the file is untouched");
        }
    }

    #[test]
    fn the_schema_accepts_the_envelopes_that_open() {
        let schema = serde_json::from_str(include_str!("../../schemas/refresh-token.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        // A schema cannot check a passphrase, or distinguish spellings of the same values.
        let beyond_it = [
            "altered",
            "wrong",
            "duplicate",
            "reordered",
            "blanks",
            "escape",
            "number-float",
            "number-exponent",
            "not-text",
            "control",
            "leading-blank",
        ];
        for vector in vectors::all("envelope") {
            let Ok(json @ serde_json::Value::Object(_)) = serde_json::from_slice(&vector.bytes) else {
                continue;
            };
            let opens = vector.expect.starts_with("token ");
            let valid = schema.is_valid(&json);
            let excused = beyond_it.iter().any(|part| vector.name.contains(part));
            assert!(valid == opens || (valid && excused), "{}: valid {valid}", vector.name);
        }
    }

    #[test]
    fn a_plain_token_is_replaced_by_a_plain_one() {
        let home = Home::new();
        let env = Env::of(&[]);
        let source = no_source();
        for token in ["first", "second", "third"] {
            let mut passphrase = in_file(&source, &env, None, true);
            prepare(&file(&home), &mut passphrase).unwrap().store(&secret(token)).unwrap();
            let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
            assert!(opened.expose() == token);
            assert_eq!(fs::metadata(file(&home)).unwrap().len(), ROOM as u64, "the room does not grow");
        }
        assert_eq!(home.names(""), ["refresh_token"]);
    }

    #[test]
    fn a_plain_token_is_encrypted_once_a_passphrase_is_configured() {
        let home = Home::new();
        let env = Env::of(&[("P", "a passphrase")]);
        home.put("refresh_token", "first\n");
        let source = variable();
        let mut passphrase = in_file(&source, &env, None, true);
        let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
        prepare(&file(&home), &mut passphrase).unwrap().store(&opened).unwrap();
        let first = fs::read_to_string(file(&home)).unwrap();
        assert!(first.starts_with(r#"{"version":1,"#) && !first.contains("first"));

        // The next run, which derives the key again, and a daemon, which keeps it.
        for mut passphrase in [in_file(&source, &env, None, true), passphrase] {
            let before = fs::read_to_string(file(&home)).unwrap();
            let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
            assert!(opened.expose() == "first");
            prepare(&file(&home), &mut passphrase).unwrap().store(&opened).unwrap();
            let after = fs::read_to_string(file(&home)).unwrap();
            let salt = |text: &str| text.split(r#""nonce""#).next().unwrap().to_owned();
            assert_eq!(salt(&before), salt(&after), "the key is used again");
            assert_ne!(before, after, "under a new nonce");
        }

        assert!(found(&file(&home), &no_source(), "").contains("no passphrase source is set"));
        assert_eq!(found(&file(&home), &variable(), "another"), "wrong passphrase");
        assert!(found(&file(&home), &variable(), "").contains("unset, empty"));
    }

    #[test]
    fn an_envelope_of_another_cost_or_format_is_replaced_by_a_current_one() {
        let home = Home::new();
        for name in ["scrypt-lower-cost", "legacy-good"] {
            let vector = vectors::read("envelope", name);
            home.put("refresh_token", &vector.bytes);
            let env = Env::of(&[("P", &vector.passphrase)]);
            let source = variable();
            let mut passphrase = in_file(&source, &env, None, true);
            let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
            prepare(&file(&home), &mut passphrase).unwrap().store(&opened).unwrap();
            assert!(fs::read_to_string(file(&home)).unwrap().contains(r#""n":131072,"#), "{name}");
            assert_eq!(found(&file(&home), &variable(), &vector.passphrase), vector.expect);
        }
    }

    #[test]
    fn an_encrypted_or_damaged_token_is_never_replaced_by_plain_text() {
        let home = Home::new();
        let env = Env::of(&[]);
        for bytes in ["{\"version\":1}", "{", " {", "\u{feff}{"] {
            home.put("refresh_token", bytes);
            for source in [no_source(), variable()] {
                let refused = prepare(&file(&home), &mut in_file(&source, &env, None, true)).err().unwrap();
                assert_eq!(refused.say().code, 2, "{bytes}: {refused}");
            }
            assert_eq!(fs::read(file(&home)).unwrap(), bytes.as_bytes());
        }
        assert_eq!(home.names(""), ["refresh_token"]);
    }

    #[test]
    fn an_unused_successor_leaves_no_file() {
        let home = Home::new();
        let (source, env) = (no_source(), Env::of(&[]));
        home.put("refresh_token", "kept");
        let successor = prepare(&file(&home), &mut in_file(&source, &env, None, true)).unwrap();
        assert_eq!(home.names("").len(), 2);
        drop(successor);
        assert_eq!(home.names(""), ["refresh_token"]);
        assert_eq!(fs::read_to_string(file(&home)).unwrap(), "kept");
    }

    #[test]
    fn what_a_run_left_beside_the_file_is_taken_up_if_it_is_the_newer_one() {
        let home = Home::new();
        let (source, env) = (no_source(), Env::of(&[]));
        let at_rest = in_file(&source, &env, None, true);
        let put_beside =
            |name: &str, bytes: &str| home.put(&format!(".refresh_token.{name}.woci-next"), bytes);
        let aged = |path: &Path, seconds| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        };
        let stored = home.put("refresh_token", "spent");
        aged(&stored, 100);
        aged(&put_beside("a", "also spent"), 200);
        aged(&put_beside("b", "live\n  \n"), 300);
        aged(&put_beside("c", "  \n"), 400);
        aged(&put_beside("d", "{\"version\":1,"), 500);
        take_up(&file(&home), &at_rest).unwrap();
        assert_eq!(found(&file(&home), &source, ""), "token live");
        assert_eq!(home.names(""), ["refresh_token"]);

        // The older tool, or a sign-in, has written the file since.
        aged(&put_beside("e", "spent"), 100);
        remove_strays(&file(&home));
        assert_eq!(home.names(""), ["refresh_token"]);
        aged(&put_beside("e", "spent"), 100);
        take_up(&file(&home), &at_rest).unwrap();
        assert_eq!(found(&file(&home), &source, ""), "token live");

        fs::remove_file(&stored).unwrap();
        put_beside("f", "live");
        take_up(&file(&home), &at_rest).unwrap();
        assert_eq!(found(&file(&home), &source, ""), "token live");
        put_beside("g", "another person's");
        remove(&file(&home), &at_rest).unwrap();
        assert_eq!(home.names(""), [""; 0]);
    }

    #[test]
    fn a_huge_file_is_refused_before_it_is_parsed() {
        let home = Home::new();
        home.put("refresh_token", vec![b'{'; LARGEST + 1]);
        assert_eq!(found(&file(&home), &variable(), "p"), "damaged");
    }
}
