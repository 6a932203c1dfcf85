//! Questions to the person at the terminal. An answer is checked at once; a wrong one is told, and the question asked
//! again.

use crate::error::{ConfigFault, Error, Result};
use crate::printable;
use crate::secret::Secret;
use crate::sys::{Prompt, Question};

pub struct Questions(Question);

impl Questions {
    /// # Errors
    /// [`ConfigFault::TerminalClosed`] if there is no terminal.
    pub fn open() -> Result<Self> {
        Question::open().map(Self).map_err(|_| closed("the first question"))
    }

    /// Shows a text, with its line end.
    pub fn say(&mut self, text: &str) {
        // The answers matter; a terminal that shows nothing gives none either.
        let _ = self.0.say(&format!("{text}\n"));
    }

    /// The answer to a question, as `read` takes it. An empty one is the default.
    ///
    /// # Errors
    /// [`ConfigFault::TerminalClosed`] if the terminal was closed.
    pub fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        mut read: impl FnMut(&str) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let bracket = default.filter(|default| !default.is_empty());
        let bracket = bracket.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            let line = self.0.ask(&format!("{question}{bracket}: ")).ok().flatten();
            let line = line.ok_or_else(|| closed(question.trim()))?;
            let typed = String::from_utf8_lossy(&line);
            let answer = match (typed.trim(), default) {
                ("", Some(default)) => default,
                (typed, _) => typed,
            };
            let why = match answer {
                "" if default.is_none() => "an answer is needed".to_owned(),
                answer => match read(answer) {
                    Ok(taken) => return Ok(taken),
                    Err(why) => why,
                },
            };
            self.say(&format!("  That cannot be used: {}.", printable::text(&why)));
        }
    }

    /// A secret, which is not shown.
    pub fn secret(&mut self, question: &str) -> Result<Secret> {
        self.secret_or_none(question, false)?.ok_or_else(|| closed(question))
    }

    /// The same where an empty answer says that there is none.
    pub fn secret_or_none(&mut self, question: &str, may_be_none: bool) -> Result<Option<Secret>> {
        loop {
            let line = Prompt::open().and_then(|mut prompt| prompt.ask(&format!("{question} (not shown): ")));
            let line = line.map_err(|_| closed(question))?;
            let why = match std::str::from_utf8(&line).map(str::trim) {
                Ok("") if may_be_none => return Ok(None),
                Ok("") => "an answer is needed",
                Ok(text) if !text.contains(char::is_control) => {
                    return Ok(Some(Secret::new(text.to_owned())));
                }
                _ => "it is not one line of UTF-8 text",
            };
            self.say(&format!("  That cannot be used: {why}."));
        }
    }
}

fn closed(question: &str) -> Error {
    Error::Config(ConfigFault::TerminalClosed { question: question.to_owned() })
}
