//! The copies of the OCI config that were kept when a session took the place of an API key, and the way back: the
//! profile's section as it was, in the file as it is now. Only the search for a copy reads files.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::files;
use crate::ini::{self, Change, Fault, LineKind, edit};

/// What the name of each copy has after that of the OCI config.
pub const SUFFIX: &str = ".woci-backup";

/// The copies of an OCI config, the newest first.
pub fn copies(path: &Path) -> Vec<PathBuf> {
    let start = format!("{}{SUFFIX}", path.file_name().unwrap_or_default().to_string_lossy());
    let entries = fs::read_dir(path.parent().unwrap_or(Path::new("/"))).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    let mut copies: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    copies.sort_by_key(|copy| std::cmp::Reverse((files::modified(copy), copy.clone())));
    copies
}

/// The text `now` with a profile's section as it is in `then`. `keys` are the keys of a session and of an API key. If
/// another key of the section has changed since, the section stays and only these keys are brought back.
pub fn restored(now: &str, then: &str, profile: &str, keys: &[&str]) -> Result<String, Fault> {
    let (here, there) = (parts(now, profile)?, parts(then, profile)?);
    let (kept_now, _) = pairs(now, &here, keys)?;
    let (kept_then, of_key) = pairs(then, &there, keys)?;
    if !here.is_empty() && kept_now != kept_then {
        let changes: Vec<_> = of_key.iter().map(|(key, value)| (&**key, Change::Set(value))).collect();
        return edit(now, profile, &changes);
    }
    let whole: String = there.iter().map(|part| &then[part.clone()]).collect();
    let mut text = String::new();
    let mut at = 0;
    for (nth, part) in here.iter().enumerate() {
        text.push_str(&now[at..part.start]);
        match (here.len() == there.len(), nth) {
            (true, _) => text.push_str(&then[there[nth].clone()]),
            (false, 0) => text.push_str(&whole),
            (false, _) => {}
        }
        at = part.end;
        if at < now.len() {
            end_line(&mut text);
        }
    }
    text.push_str(&now[at..]);
    if here.is_empty() {
        end_line(&mut text);
        text.push_str(&whole);
    }
    Ok(text)
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with(['\n', '\r']) {
        text.push('\n');
    }
}

/// Where the parts of a section are, each with its header and the lines up to the next one. Only `[DEFAULT]` may have
/// several.
fn parts(text: &str, section: &str) -> Result<Vec<Range<usize>>, Fault> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let (mut at, mut inside) = (0, false);
    for line in ini::lines(text) {
        let line = line?;
        if let LineKind::Section(name) = line.kind {
            inside = name == section;
            if inside {
                parts.push(at..at);
            }
        }
        at += line.whole.len();
        if let Some(part) = parts.last_mut().filter(|_| inside) {
            part.end = at;
        }
    }
    Ok(parts)
}

type Pairs = Vec<(String, String)>;

/// The keys of these parts with their values: those that are none of `keys`, sorted, and those that are.
fn pairs(text: &str, parts: &[Range<usize>], keys: &[&str]) -> Result<(Pairs, Pairs), Fault> {
    let mut pairs: Pairs = Vec::new();
    for part in parts {
        for line in ini::lines(&text[part.clone()]) {
            match line?.kind {
                LineKind::Key { name, value, .. } => {
                    pairs.push((ini::lower(name).into_owned(), value.to_owned()));
                }
                LineKind::Continuation(more) => {
                    if let Some((_, value)) = pairs.last_mut() {
                        *value = format!("{value}\n{more}");
                    }
                }
                LineKind::Section(_) | LineKind::Blank | LineKind::Comment => {}
            }
        }
    }
    let (mut of_keys, mut others): (Pairs, Pairs) =
        pairs.into_iter().partition(|(key, _)| keys.contains(&&**key));
    others.sort();
    // A value of several lines is none that oci writes.
    of_keys.retain(|(_, value)| !value.is_empty() && !value.contains('\n'));
    Ok((others, of_keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["user", "key_file", "fingerprint", "security_token_file"];

    fn of(now: &str, then: &str) -> String {
        restored(now, then, "prod", &KEYS).unwrap()
    }

    #[test]
    fn the_section_becomes_what_it_was_and_the_rest_stays() {
        let then =
            "# mine\n[a]\nx = 1\n\n[prod]\n# the key\nuser=u\nKEY_FILE: ~/k.pem\nregion = r\n\n[b]\ny=2";
        for now in [
            then.replace("user=u\nKEY_FILE: ~/k.pem\n", "key_file = /s/k\nsecurity_token_file = /s/t\n"),
            then.replace("user=u\nKEY_FILE: ~/k.pem\n", ""),
        ] {
            assert_eq!(of(&now, then), then);
            let changed = now.replace("x = 1", "x = 2");
            assert_eq!(of(&changed, then), then.replace("x = 1", "x = 2"));
        }
    }

    #[test]
    fn a_section_that_ends_the_file_keeps_or_gets_its_line_end() {
        assert_eq!(of("[prod]\nregion = r", "[prod]\nuser = u\nregion = r"), "[prod]\nuser = u\nregion = r");
        assert_eq!(of("[prod]\n[b]\n", "[prod]\nuser = u"), "[prod]\nuser = u\n[b]\n");
        assert_eq!(of("[a]\nx = 1", "[prod]\nuser = u\n"), "[a]\nx = 1\n[prod]\nuser = u\n");
        assert_eq!(of("", "[prod]\nuser = u\n"), "[prod]\nuser = u\n");
    }

    #[test]
    fn what_was_added_to_the_section_since_stays() {
        let now = "[prod]\nregion = new\n# a note\n";
        let then = "[prod]\nuser = u\nkey_file = k\nregion = old\npass_phrase = of\n lines\n";
        let text = of(now, then);
        assert_eq!(text, "[prod]\nregion = new\nuser = u\nkey_file = k\n# a note\n");
    }

    #[test]
    fn default_may_have_several_parts() {
        let restored = |now, then| restored(now, then, "DEFAULT", &KEYS).unwrap();
        let then = "[DEFAULT]\nuser = u\n[a]\n[DEFAULT]\nkey_file = k\n";
        assert_eq!(restored("[DEFAULT]\n[a]\n[DEFAULT]\n", then), then);
        assert_eq!(restored("[DEFAULT]\n[a]\n", then), "[DEFAULT]\nuser = u\n[DEFAULT]\nkey_file = k\n[a]\n");
    }
}
