//! The person during a sign-in: a browser of this machine is opened, or the person opens the URL elsewhere and pastes
//! on the terminal what the browser shows in the end.

use zeroize::Zeroizing;

use super::by_hand::{self, ByHand, Line, Typed};
use super::opener::{self, Attempts};
use crate::error::{Error, Result};
use crate::host::Env;
use crate::log;
use crate::sys::Paste;

/// By which means the person can be reached.
pub struct Reach {
    /// A browser of this machine is tried. Otherwise the person opens the URL by hand.
    pub opens_browser: bool,
    /// The variable that holds the passphrase, which no browser inherits.
    pub secret_variables: Vec<String>,
    /// If no browser opens, keep waiting: a person sees the URL and may open it by hand.
    pub wait_without_browser: bool,
    /// A person is at the terminal, and may paste there.
    pub reads_terminal: bool,
}

pub struct Person<'a> {
    env: &'a Env,
    reach: &'a Reach,
    by_hand: ByHand<'a>,
    browser: Option<Attempts>,
    paste: Option<Paste>,
    typed: Typed,
    is_instructed: bool,
}

/// What was pasted.
pub struct Pasted {
    pub line: Line,
    /// It had other lines after this one.
    pub has_more: bool,
}

impl Pasted {
    /// The pasted line.
    ///
    /// # Errors
    /// Why it is not used: `it …`.
    pub fn text(&self) -> std::result::Result<&Zeroizing<String>, &'static str> {
        match &self.line {
            Line::TooLong => Err("it is longer than any address of this sign-in"),
            Line::Text(text) => Ok(text),
        }
    }
}

impl<'a> Person<'a> {
    /// Shows the person the URL, and opens it if a browser is to be tried.
    pub fn send_to(url: &str, env: &'a Env, reach: &'a Reach, by_hand: ByHand<'a>) -> Self {
        log::line(format_args!("Auth URL: {url}"));
        let browser = reach.opens_browser.then(|| opener::open(env, url, &reach.secret_variables));
        Self { env, reach, by_hand, browser, paste: None, typed: Typed::nothing(), is_instructed: false }
    }

    /// Tries the next browser where one has failed. Says what to do by hand where none opens, and where the person is
    /// at another machine, so that a browser of this one may be of no use.
    pub fn follow_browser(&mut self) -> Result<()> {
        let has_failed = self.browser.as_mut().is_some_and(Attempts::has_failed);
        if has_failed && !self.reach.wait_without_browser {
            return Err(Error::NoBrowser);
        }
        if has_failed {
            let do_what = if self.reach.reads_terminal { "" } else { "; open the URL above yourself" };
            log::warning(format_args!("No browser could be opened{do_what}"));
        }
        let is_by_hand = has_failed || self.browser.is_none() || self.env.get("SSH_CONNECTION").is_some();
        if self.reach.reads_terminal && is_by_hand && !self.is_instructed {
            self.is_instructed = true;
            // Before the person is told to paste there: opening the terminal discards what was typed.
            self.open_terminal();
            log::line(format_args!("{}", self.by_hand.instructions(self.env)));
        }
        Ok(())
    }

    fn open_terminal(&mut self) {
        self.paste = match self.browser.as_mut().is_some_and(Attempts::uses_terminal) {
            true => None,
            false => self.paste.take().or_else(|| Paste::open().ok()),
        };
    }

    /// A whole line that was pasted on the terminal. Until the person is told to paste, the terminal is left alone.
    pub fn pasted(&mut self) -> Option<Pasted> {
        if !self.is_instructed {
            return None;
        }
        self.open_terminal();
        let paste = self.paste.as_mut()?;
        let line = self.typed.take(&paste.read())?;
        let rest = paste.discard_rest();
        Some(Pasted { line, has_more: self.typed.has_more || !by_hand::is_blank(&rest) })
    }
}

impl Drop for Person<'_> {
    fn drop(&mut self) {
        // The rest of an address must not become a command of the shell.
        if let Some(paste) = self.paste.as_mut().filter(|_| self.typed.has_begun) {
            paste.discard_rest();
        }
    }
}

/// Tells the person why a paste does not end the sign-in.
pub fn refuse_paste(why: &str) {
    log::warning(format_args!(
        "Cannot use what was pasted: {why}; open the newest Auth URL, sign in, and paste the whole address of the last page"
    ));
}
