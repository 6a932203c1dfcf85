//! The refresh token at rest: plain text, or an envelope under a passphrase.
//!
//! It is spent by the request that it is sent with, so its successor's place is made ready first:
//! what is left to do after the answer can hardly fail.

use std::path::Path;

use zeroize::Zeroizing;

use super::envelope::{DerivedKey, Envelope, Refusal};
use super::legacy::Legacy;
use super::passphrase::Passphrase;
use super::record;
use crate::error::{Error, Result};
use crate::files::{self, Replacement};
use crate::host;
use crate::secret::Secret;

/// An answer of 1 MiB is the most that woci takes, and base64 makes a third more of it.
const LARGEST: usize = 2 << 20;

/// A page of the disk, and more than an encrypted token of any provider known.
const ROOM: usize = 4096;

/// The stored refresh token; `None` where there is none or the file is empty.
pub fn open(path: &Path, passphrase: &mut Passphrase<'_>) -> Result<Option<Secret>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let damaged = |why| Refusal::Damaged(why).of(path);
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    let token = if !is_encrypted(&bytes) {
        Secret::new(text.to_owned())
    } else if let Some(legacy) = Legacy::parse(text) {
        let legacy = legacy.map_err(|e| e.of(path))?;
        legacy.open(&passphrase.opening(path)?).map_err(|e| e.of(path))?
    } else {
        let envelope = Envelope::parse(text).map_err(|e| e.of(path))?;
        envelope.open(&passphrase.opening_key(path, &envelope)?).map_err(|e| e.of(path))?
    };
    if token.expose().contains(char::is_control) {
        return Err(damaged("it holds control characters, which no token has"));
    }
    Ok(Some(token))
}

/// The hash of the file as it lies there; that of nothing where there is none.
pub fn file_hash(path: &Path) -> Result<String> {
    Ok(record::hash(read(path)?.as_deref().map_or(&[][..], Vec::as_slice)))
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::config::PassphraseSource;
    use crate::host::Env;
    use crate::testing::{Home, vectors};

    fn file(home: &Home) -> PathBuf {
        home.path("refresh_token")
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn no_source() -> PassphraseSource {
        PassphraseSource { prompt: false, variable: None }
    }

    fn variable() -> PassphraseSource {
        PassphraseSource { prompt: false, variable: Some("P".into()) }
    }

    /// What `open` finds, in the words of the vectors.
    fn found(path: &Path, source: &PassphraseSource, passphrase: &str) -> String {
        let env = Env::of(&[("P", passphrase)]);
        match open(path, &mut Passphrase::new(source, &env, None, true)) {
            Ok(Some(opened)) => format!("token {}", opened.expose()),
            Ok(None) => "none".into(),
            Err(Error::WrongPassphrase { .. }) => "wrong passphrase".into(),
            Err(Error::RefreshTokenFile { .. }) => "damaged".into(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn vectors() {
        let home = Home::new();
        for vector in vectors::all("envelope") {
            home.put("refresh_token", &vector.bytes);
            let found = found(&file(&home), &variable(), &vector.passphrase);
            assert_eq!(found, vector.expect, "{}", vector.name);
            assert_eq!(fs::read(file(&home)).unwrap(), vector.bytes, "the file is untouched");
        }
    }

    #[test]
    fn the_schema_describes_what_opens() {
        let schema = serde_json::from_str(include_str!("../../schemas/refresh-token.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        // A schema cannot tell a passphrase, nor one spelling of the same values from another.
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
            let mut passphrase = Passphrase::new(&source, &env, None, true);
            prepare(&file(&home), &mut passphrase).unwrap().store(&secret(token)).unwrap();
            let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
            assert!(opened.expose() == token);
            assert_eq!(fs::metadata(file(&home)).unwrap().len(), ROOM as u64, "the room does not grow");
        }
        assert_eq!(home.names(""), ["refresh_token"]);
    }

    #[test]
    fn plain_text_met_with_a_passphrase_is_encrypted_and_stays_so() {
        let home = Home::new();
        let env = Env::of(&[("P", "a passphrase")]);
        home.put("refresh_token", "first\n");
        let source = variable();
        let mut passphrase = Passphrase::new(&source, &env, None, true);
        let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
        prepare(&file(&home), &mut passphrase).unwrap().store(&opened).unwrap();
        let first = fs::read_to_string(file(&home)).unwrap();
        assert!(first.starts_with(r#"{"version":1,"#) && !first.contains("first"));

        // The next run, and one that holds on to the key as a daemon does.
        for mut passphrase in [Passphrase::new(&source, &env, None, true), passphrase] {
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
    fn an_envelope_of_another_cost_or_kind_is_renewed() {
        let home = Home::new();
        for name in ["scrypt-lower-cost", "legacy-good"] {
            let vector = vectors::read("envelope", name);
            home.put("refresh_token", &vector.bytes);
            let env = Env::of(&[("P", &vector.passphrase)]);
            let source = variable();
            let mut passphrase = Passphrase::new(&source, &env, None, true);
            let opened = open(&file(&home), &mut passphrase).unwrap().unwrap();
            prepare(&file(&home), &mut passphrase).unwrap().store(&opened).unwrap();
            assert!(fs::read_to_string(file(&home)).unwrap().contains(r#""n":131072,"#), "{name}");
            assert_eq!(found(&file(&home), &variable(), &vector.passphrase), vector.expect);
        }
    }

    #[test]
    fn what_is_or_was_encrypted_is_never_replaced_by_plain_text() {
        let home = Home::new();
        let env = Env::of(&[]);
        for bytes in ["{\"version\":1}", "{", " {", "\u{feff}{"] {
            home.put("refresh_token", bytes);
            for source in [no_source(), variable()] {
                let refused =
                    prepare(&file(&home), &mut Passphrase::new(&source, &env, None, true)).err().unwrap();
                assert_eq!(refused.say().code, 2, "{bytes}: {refused}");
            }
            assert_eq!(fs::read(file(&home)).unwrap(), bytes.as_bytes());
        }
        assert_eq!(home.names(""), ["refresh_token"]);
    }

    #[test]
    fn a_successor_that_is_not_needed_leaves_nothing() {
        let home = Home::new();
        let (source, env) = (no_source(), Env::of(&[]));
        home.put("refresh_token", "kept");
        let successor = prepare(&file(&home), &mut Passphrase::new(&source, &env, None, true)).unwrap();
        assert_eq!(home.names("").len(), 2);
        drop(successor);
        assert_eq!(home.names(""), ["refresh_token"]);
        assert_eq!(fs::read_to_string(file(&home)).unwrap(), "kept");
    }

    #[test]
    fn a_huge_file_is_refused_before_it_is_parsed() {
        let home = Home::new();
        home.put("refresh_token", vec![b'{'; LARGEST + 1]);
        assert_eq!(found(&file(&home), &variable(), "p"), "damaged");
    }
}
