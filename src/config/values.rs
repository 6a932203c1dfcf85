//! The text of each setting and where it came from: flag, variable, the profile's section of
//! woci_manager.ini, `[COMMON]`; then the default of its row in the table. What is there and
//! malformed is refused here. A message never shows a value, which may be a secret in a wrong place.

use std::path::PathBuf;

use super::manager::Sections;
use super::profile::{COMMON, ProfileName};
use crate::error::{Error, Result};
use crate::host::Env;
use crate::oauth::url;
use crate::options::Flags;
use crate::options::{self, Kind, Opt};

/// Where a value was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Flag,
    Variable,
    Manager,
}

pub struct Values<'a> {
    pub flags: &'a Flags,
    pub env: &'a Env,
    pub sections: &'a Sections,
    pub profile: &'a ProfileName,
    /// The file that `sections` are from.
    pub manager: Option<PathBuf>,
}

impl Values<'_> {
    /// The value that counts for a key of the table, checked by its row's kind.
    pub fn get(&self, key: &str) -> Result<Option<(String, Source)>> {
        self.of(row(key), key)
    }

    pub fn text(&self, key: &str) -> Result<Option<String>> {
        Ok(self.get(key)?.map(|(text, _)| text))
    }

    pub fn number(&self, key: &str) -> Result<u32> {
        let text = self.or_default(key)?;
        Ok(text.parse().expect("it was checked to be a number"))
    }

    pub fn boolean(&self, key: &str) -> Result<bool> {
        let text = self.or_default(key)?;
        Ok(boolean(&text).expect("it was checked to be a Boolean"))
    }

    pub fn or_default(&self, key: &str) -> Result<String> {
        let row = row(key);
        let default = row.default.expect("the row has a default");
        Ok(self.of(row, key)?.map_or_else(|| default.to_owned(), |(text, _)| text))
    }

    fn of(&self, row: &Opt, key: &str) -> Result<Option<(String, Source)>> {
        let Some((text, source)) = self.find(row, key)? else { return Ok(None) };
        let text = if key == "scope" { one_line(&text) } else { text };
        if text.is_empty() {
            return Ok(None);
        }
        match check(row.kind, &text) {
            Ok(()) => Ok(Some((text, source))),
            Err(why) => Err(Error::BadValue { name: self.place(row, key, source), why }),
        }
    }

    /// The text that counts, and its source.
    fn find(&self, row: &Opt, key: &str) -> Result<Option<(String, Source)>> {
        if let Some(given) = self.flags.get(row.name) {
            let given = if row.kind == Kind::Flag { "true" } else { given };
            return Ok(Some((given.to_owned(), Source::Flag)));
        }
        if let Some(value) = row.variable.and_then(|variable| self.env.get(variable)) {
            let Some(value) = value.to_str() else {
                let name = self.place(row, key, Source::Variable);
                return Err(Error::BadValue { name, why: "it is not UTF-8 text".to_owned() });
            };
            return Ok(Some((value.to_owned(), Source::Variable)));
        }
        Ok(self.sections.get(key).map(|value| (value.text.clone(), Source::Manager)))
    }

    /// What a person calls the place that a value was found in.
    fn place(&self, row: &Opt, key: &str, source: Source) -> String {
        match source {
            Source::Flag => row.name.to_owned(),
            Source::Variable => row.variable.unwrap_or_default().to_owned(),
            Source::Manager => {
                let is_common = self.sections.get(key).is_some_and(|value| value.is_common);
                let section = if is_common { COMMON } else { self.profile.as_str() };
                let file = self.manager.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
                format!("{key} in [{section}] of {file}")
            }
        }
    }
}

fn row(key: &str) -> &'static Opt {
    options::find_key(key).expect("the key is one of the table")
}

/// A scope may be continued on further lines; the request has single blanks between its words.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check(kind: Kind, text: &str) -> std::result::Result<(), String> {
    let good = match kind {
        Kind::Url => return url::check(text),
        Kind::Text | Kind::Secret | Kind::Path => !text.contains(char::is_control),
        Kind::Flag => boolean(text).is_some(),
        Kind::Number { least, most } => {
            text.bytes().all(|b| b.is_ascii_digit())
                && text.parse().is_ok_and(|n| (least..=most).contains(&n))
        }
        Kind::OneOf(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
    };
    if good {
        return Ok(());
    }
    Err(match kind {
        Kind::Number { least, most } => format!("it is not a whole number from {least} to {most}"),
        Kind::OneOf(words) => format!("it is none of {}", words.join(", ")),
        Kind::Flag => "it is none of true, false, yes, no, on, off, 1, 0".to_owned(),
        Kind::Url | Kind::Text | Kind::Secret | Kind::Path => {
            "it holds a line break or another control character".to_owned()
        }
    })
}

/// Python's `getboolean`.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
