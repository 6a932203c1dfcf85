//! woci_manager.ini: its sections, and the values of one profile together with those of `[COMMON]`.
//!
//! The configparser crate parses the values and holds them by section and key. It does not follow
//! Python's rules, by which the older tool reads the file: duplicates pass and the last one wins, keys
//! before the first section or without `=` pass, and `[x]` on a continuation line opens a section. So
//! woci first checks the whole text with `ini`, which refuses what Python refuses, and then gives
//! configparser a plain text of the two sections: only known keys, one line for each value.

use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};

use super::profile::COMMON;
use super::warning::Warning;
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
    pub warnings: Vec<Warning>,
}

/// Where a known key stands.
struct At<'a> {
    section: &'a str,
    key: String,
    line: usize,
}

/// A value, with the section that it is from.
pub struct Value {
    key: String,
    pub text: String,
    pub is_common: bool,
    /// From 1.
    pub line: usize,
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
        let mut plain = String::new();
        let mut warnings = Vec::new();
        let mut lines: Vec<At<'_>> = Vec::new();
        let mut section = None;
        let mut is_known = false;
        let mut blanks = 0;
        for line in ini::lines(&self.text).map_while(Result::ok) {
            match line.kind {
                LineKind::Section(name) => {
                    section = [COMMON, profile].into_iter().find(|looked_for| *looked_for == name);
                    is_known = false;
                    if section.is_some() {
                        plain.extend(["\n[", name, "]"]);
                    }
                }
                LineKind::Key { name, value, .. } => {
                    is_known = false;
                    blanks = 0;
                    let Some(section) = section else { continue };
                    let key = ini::lower(name);
                    if options::find_key(&key).is_some() {
                        is_known = true;
                        plain.extend(["\n", &key, "=", value]);
                    } else if key != IGNORED {
                        warnings.push(self.unknown(&key, section, line.number));
                    }
                    if is_known && let Some(odd) = looks_odd(value) {
                        let what = format!("{key} in {}, {odd}", self.place(section, line.number));
                        warnings
                            .push(Warning::new(what, "remove that part if it does not belong to the value"));
                    }
                    if is_known && value.contains("%%") {
                        let place = self.place(section, line.number);
                        let what = format!(
                            "{key} in {place}, contains %%, which the older tool reads as %, and woci as %%"
                        );
                        warnings.push(Warning::new(what, "if one % is meant, write one"));
                    }
                    if is_known {
                        lines.push(At { section, key: key.into_owned(), line: line.number });
                    }
                }
                LineKind::Blank => blanks += 1,
                LineKind::Comment => {}
                LineKind::Continuation(more) if is_known => {
                    // A carriage return stands for a line end within a value. No line holds one, since it
                    // ends a line itself.
                    plain.extend(std::iter::repeat_n(LINE_END_IN_VALUE, blanks + 1));
                    plain.push_str(more);
                    blanks = 0;
                }
                LineKind::Continuation(_) => {}
            }
        }

        let mut rules = IniDefault::default();
        (rules.case_sensitive, rules.enable_inline_comments) = (true, false);
        let mut ini = Ini::new_from_defaults(rules);
        ini.read(plain).expect("the lines are sections and `key=value` only");
        let mut values: Vec<Value> = Vec::new();
        for (section, is_common) in [(profile, false), (COMMON, true)] {
            for (key, text) in ini.get_map_ref().get(section).into_iter().flatten() {
                if values.iter().all(|value| value.key != *key) {
                    let text = text.as_deref().unwrap_or_default().replace(LINE_END_IN_VALUE, "\n");
                    let at = lines.iter().find(|at| at.section == section && at.key == *key);
                    let line = at.map_or(0, |at| at.line);
                    values.push(Value { key: key.clone(), text, is_common, line });
                }
            }
        }
        Sections { values, warnings }
    }

    fn unknown(&self, key: &str, section: &str, line: usize) -> Warning {
        let advice = match options::nearest(key, options::OPTIONS.iter().filter_map(|opt| opt.key)) {
            Some(known) => format!("write {known} if that is meant"),
            None => "remove the line, or see `woci help options` for the keys".to_owned(),
        };
        Warning::new(format!("woci does not know the key {key} in {}", self.place(section, line)), advice)
    }

    fn place(&self, section: &str, line: usize) -> String {
        format!("[{section}] of {}, line {line}", self.path.display())
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
const LINE_END_IN_VALUE: char = '\r';

impl Sections {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|value| value.key == key)
    }
}

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    use std::path::Path;

    use super::{Manager, options};
    use crate::config::DEFAULT;
    use crate::ini::{self, Change};

    /// The scan loses no line. After an edit Python still accepts the text, and the same edit changes
    /// nothing more.
    pub fn ini(bytes: &[u8]) {
        let Ok(text) = ini::text(bytes) else { return };
        let Ok(sections) = ini::check(text, Some(DEFAULT), |_, _| false) else { return };
        let lines: String = ini::lines(text).map(|line| line.expect("it was checked").whole).collect();
        assert_eq!(lines, text);
        let section = sections.first().copied().unwrap_or(DEFAULT);
        let changes = [
            ("key_file", Change::Set("/a b")),
            ("region", Change::RemoveDuplicates),
            ("user", Change::Remove),
        ];
        let edited = ini::edit(text, section, &changes).expect("it was checked");
        let after = ini::check(&edited, Some(DEFAULT), |_, _| false).expect("an edit breaks nothing");
        assert!(after.len() >= sections.len() && after[..sections.len()] == sections);
        assert_eq!(ini::edit(&edited, section, &changes).expect("it was checked"), edited);
    }

    /// The sections of a text as woci reads it, for a comparison with Python's configparser; null if it is refused.
    pub fn ini_reading(text: &str) -> serde_json::Value {
        ini::sections(text, Some(DEFAULT))
            .map_or(serde_json::Value::Null, |sections| serde_json::json!(sections))
    }

    pub fn manager(bytes: &[u8]) {
        let Ok(manager) = Manager::read(Path::new("/m"), bytes) else { return };
        let profile = manager.sections.first().cloned().unwrap_or_default();
        let sections = manager.sections_of(&profile);
        for key in options::OPTIONS.iter().filter_map(|row| row.key) {
            let _ = sections.get(key);
        }
    }
}
