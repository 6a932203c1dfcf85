//! woci_manager.ini: its sections, and the values of one profile together with those of `[COMMON]`.
//!
//! The whole text is read with `ini`, by Python's rules, as the older tool reads it. No crate does that; and one that
//! holds the values in a hash map needs random bytes, which a warm run does without.

use std::path::{Path, PathBuf};

use super::profile::COMMON;
use crate::ini::{self, Fault, LineKind};
use crate::options;

/// A woci_manager.ini that has been read and checked.
pub struct Manager {
    pub path: PathBuf,
    /// The names of all sections in their order, including `COMMON`.
    pub sections: Vec<String>,
    text: String,
}

/// The values of a profile's section and of `[COMMON]`.
#[derive(Default)]
pub struct Sections {
    /// Each key once. A value of the profile's own section, even an empty one, overrides that of
    /// `[COMMON]`.
    values: Vec<Value>,
    /// Unknown keys, and values that the older tool reads differently.
    pub warnings: Vec<String>,
}

/// A value, with the section that it is from.
pub struct Value {
    key: String,
    pub text: String,
    pub is_common: bool,
}

impl Manager {
    /// Checks a text by Python's rules. `[DEFAULT]` is an ordinary section: its values do not apply to
    /// others.
    ///
    /// # Errors
    /// The first line that Python refuses.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, Fault> {
        let text = ini::text(bytes)?;
        let sections = ini::check(text, None, |_, _| false)?;
        let sections = sections.into_iter().map(str::to_owned).collect();
        Ok(Self { path: path.to_owned(), sections, text: text.to_owned() })
    }

    /// The values of this profile's section and of `[COMMON]`.
    pub fn sections_of(&self, profile: &str) -> Sections {
        let (mut own, mut common): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        let mut warnings = Vec::new();
        let mut section = None;
        let mut is_known = false;
        let mut blanks = 0;
        for line in ini::lines(&self.text).map_while(Result::ok) {
            match line.kind {
                LineKind::Section(name) => {
                    section = [COMMON, profile].into_iter().find(|looked_for| *looked_for == name);
                    is_known = false;
                }
                LineKind::Key { name, value, .. } => {
                    is_known = false;
                    blanks = 0;
                    let Some(section) = section else { continue };
                    let key = ini::lower(name);
                    if options::find_key(&key).is_some() {
                        is_known = true;
                        let is_common = section == COMMON;
                        let values = if is_common { &mut common } else { &mut own };
                        values.push(Value { key: key.to_string(), text: value.to_owned(), is_common });
                    } else if key != IGNORED {
                        warnings.push(self.unknown(&key, section));
                    }
                    if is_known && let Some(odd) = looks_odd(value) {
                        warnings.push(format!(
                            "{key} in [{section}] of {} {odd}; if that is not meant, remove it",
                            self.path.display()
                        ));
                    }
                    if is_known && value.contains("%%") {
                        warnings.push(format!(
                            "{key} in [{section}] of {} contains %%, which the older tool reads as %; woci reads it as %%",
                            self.path.display()
                        ));
                    }
                }
                LineKind::Blank => blanks += 1,
                LineKind::Comment => {}
                LineKind::Continuation(more) if is_known => {
                    let values = if section == Some(COMMON) { &mut common } else { &mut own };
                    if let Some(value) = values.last_mut() {
                        value.text.extend(std::iter::repeat_n('\n', blanks + 1));
                        value.text.push_str(more);
                    }
                    blanks = 0;
                }
                LineKind::Continuation(_) => {}
            }
        }

        // A value of the profile's own section comes first.
        let mut values: Vec<Value> = Vec::new();
        for value in own.into_iter().chain(common) {
            if values.iter().all(|other| other.key != value.key) {
                values.push(Value { text: value.text.trim().to_owned(), ..value });
            }
        }
        Sections { values, warnings }
    }

    fn unknown(&self, key: &str, section: &str) -> String {
        let hint = match options::nearest(key, options::OPTIONS.iter().filter_map(|opt| opt.key)) {
            Some(known) => format!("; did you mean {known}?"),
            None => String::new(),
        };
        format!("woci does not know the key {key} in [{section}] of {}{hint}", self.path.display())
    }
}

/// What is part of a value, and would not be in other formats. The value itself is not shown, since it may be a secret.
fn looks_odd(value: &str) -> Option<&'static str> {
    let is_quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') {
        return Some("begins and ends with quotes, which are part of the value");
    }
    [
        (" #", "holds ' #', which begins no comment: the rest of the line is part of the value"),
        (" ;", "holds ' ;', which begins no comment: the rest of the line is part of the value"),
    ]
    .into_iter()
    .find_map(|(mark, odd)| value.contains(mark).then_some(odd))
}

/// A key of the older tool, which repeats the section's name. woci ignores it without a warning.
const IGNORED: &str = "profile_name";

impl Sections {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|value| value.key == key)
    }
}
