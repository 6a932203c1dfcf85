//! The loop that keeps a session fresh, for a thread beside a program and for the daemon. It goes by
//! the wall clock and reads all files again at every wake-up, since others refresh too.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::schedule::{self, Pace};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::host::{self, Host};
use crate::log;
use crate::options::Flags;
use crate::secret::Secret;
use crate::session::{Engine, Want};
use crate::time::UnixTime;

/// A suspended machine's waits do not go on while it sleeps, so that no wait is longer than this: half
/// of the minute within which the session is to be fresh again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Another process may take so long. Its end is looked for and not waited for, since a keeper that is
/// told to end is to do so at once.
const LONGEST_ELSEWHERE_SECONDS: i64 = 60;
const LOOK_ELSEWHERE_SECONDS: i64 = 1;

pub struct Keeper<'a> {
    host: &'a Host,
    flags: &'a Flags,
    /// As it was typed or set when the keeper was started.
    passphrase: Option<Secret>,
    pub report: Report,
    pace: Pace,
    /// Since when another process has been at it, each time it was due.
    elsewhere_since: Option<UnixTime>,
}

/// What a keeper knows, for the daemon to publish.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub next_refresh: Option<UnixTime>,
    pub last_refresh: Option<UnixTime>,
    pub last_error: Option<String>,
}

impl<'a> Keeper<'a> {
    pub fn new(host: &'a Host, flags: &'a Flags, passphrase: Option<Secret>) -> Self {
        Self {
            host,
            flags,
            passphrase,
            report: Report::default(),
            pace: Pace::default(),
            elsewhere_since: None,
        }
    }

    /// Goes on until a message on `stop`, or its end. `published` is called after every wake-up,
    /// and ends it by failing.
    ///
    /// # Errors
    /// [`Error::NobodyToAsk`] where only a person could go on.
    pub fn keep(
        &mut self,
        stop: &Receiver<()>,
        mut published: impl FnMut(&Report) -> Result<()>,
    ) -> Result<()> {
        loop {
            let next = self.wake_up()?;
            self.report.next_refresh = Some(next);
            published(&self.report)?;
            let seconds = u64::try_from(next.since(host::now())).unwrap_or(0);
            match stop.recv_timeout(LONGEST_WAIT.min(Duration::from_secs(seconds))) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Refreshes if it is time, and says when it is time next.
    fn wake_up(&mut self) -> Result<UnixTime> {
        let e = match self.refresh_if_due() {
            Ok(next) => return Ok(next),
            Err(e @ Error::NobodyToAsk { .. }) => return Err(e),
            Err(e) => e,
        };
        let now = host::now();
        // A file that cannot be read, say: it was told when it was time.
        if let Some(retry) = self.pace.retry(now) {
            return Ok(retry);
        }
        let [dice] = host::random()?;
        let next = self.pace.failed(now, dice);
        log::warning(format_args!("{e}; the next try is at {next}"));
        self.report.last_error = Some(e.to_string());
        Ok(next)
    }

    fn refresh_if_due(&mut self) -> Result<UnixTime> {
        let settings = Config::find(self.host, self.flags)?.profile(self.host, self.flags)?;
        let window = settings.refresh_safety_window;
        let mut engine =
            Engine::new(self.host, &settings, Want::NEWER_WITHOUT_PERSON, self.passphrase.clone());
        let due = |engine: &Engine<'_>| {
            let upst = engine.stored_upst()?;
            Ok(upst.map(|upst| schedule::due(upst.exp(), upst.iat(), window)))
        };
        let now = host::now();
        let next = self.pace.wait(due(&engine)?, now);
        if self.pace.is_well() {
            self.report.last_error = None;
        }
        if let Some(next) = next {
            self.elsewhere_since = None;
            return Ok(next);
        }
        let since = *self.elsewhere_since.get_or_insert(now);
        if now.since(since) < LONGEST_ELSEWHERE_SECONDS && engine.is_renewed_elsewhere()? {
            return Ok(now.plus(LOOK_ELSEWHERE_SECONDS));
        }
        self.elsewhere_since = None;
        self.pace.tries(now);
        engine.ensure()?;
        self.pace.succeeded();
        self.report.last_refresh = Some(host::now());
        self.report.last_error = None;
        Ok(self.pace.wait(due(&engine)?, now).unwrap_or(now))
    }
}
